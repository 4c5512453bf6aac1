/* How fresh this instance is: what it has applied, and until when it may answer from its cache.
 *
 * Written by the follower alone, read by every HTTP thread for every request (two atomic loads and a clock).
 * Without leases (embedded store: one process) it always holds. See design: promise P1. */
#ifndef EVENTLY_CACHE_FRESHNESS_H
#define EVENTLY_CACHE_FRESHNESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

struct freshness {
	bool leased;                    /* leases are needed: several instances share the database */
	_Atomic uint64_t applied_seq;   /* every change up to it is in the cache */
	_Atomic uint64_t lease_until_ns; /* boot time; 0 before the first */
	_Atomic uint64_t known_since;   /* every change behind it is known here: what is as old may be judged, older not */
	_Atomic uint64_t history;       /* of the catalogue: tells it from another, and from itself after a fork; 0: not known */
};

static inline uint64_t freshness_applied(struct freshness *freshness)
{
	return atomic_load_explicit(&freshness->applied_seq, memory_order_acquire);
}

/* Asked anew for every request, after the cache entry was taken: a process that slept in between must find out. */
static inline bool freshness_held(struct freshness *freshness)
{
	return !freshness->leased ||
	       clock_boottime_ns() < atomic_load_explicit(&freshness->lease_until_ns, memory_order_acquire);
}

#endif
