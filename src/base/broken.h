/* Switches that break the protocol on purpose, for tests that must find the fault (tests/fault/test_checker.py).
 *
 * They exist only in tests/fault/evently-broken, which is built with EVENTLY_BREAKABLE and never installed; everywhere else
 * broken() is the constant false. The switch is the environment variable EVENTLY_BREAK. */
#ifndef EVENTLY_BASE_BROKEN_H
#define EVENTLY_BASE_BROKEN_H

#include <stdbool.h>
#include <stddef.h>

#ifdef EVENTLY_BREAKABLE
#include <stdlib.h>
#include <string.h>

static inline bool broken(const char *what)
{
	const char *value = getenv("EVENTLY_BREAK");
	return value != NULL && strcmp(value, what) == 0;
}
#else
static inline bool broken(const char *what)
{
	(void)what;
	return false;
}
#endif

#endif
