/* What every unit test includes: cmocka with the headers that it wants before it, and waiting for a condition. */
#ifndef EVENTLY_TESTS_UNIT_TEST_H
#define EVENTLY_TESTS_UNIT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/str.h"

#define assert_str(text, expected)                                                                     \
	do {                                                                                           \
		struct str text_ = (text), expected_ = str_from(expected);                             \
		assert_int_equal(text_.len, expected_.len);                                            \
		assert_memory_equal(text_.ptr != NULL ? text_.ptr : "", expected_.ptr, expected_.len); \
	} while (0)

static inline void test_pause_ms(unsigned pause_ms)
{
	struct timespec pause = {pause_ms / 1000, (long)(pause_ms % 1000) * 1000000};
	nanosleep(&pause, NULL);
}

/* Fails the test when the condition has not come true within the bound. */
#define wait_until(condition, bound_ms)                                                        \
	do {                                                                                   \
		uint64_t until_ns_ = clock_monotonic_ns() + (uint64_t)(bound_ms)*CLOCK_MS;     \
		while (!(condition)) {                                                         \
			if (clock_monotonic_ns() > until_ns_)                                  \
				fail_msg("not within %d ms: %s", (int)(bound_ms), #condition); \
			test_pause_ms(1);                                                      \
		}                                                                              \
	} while (0)

#endif
