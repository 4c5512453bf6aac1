/* How fresh this instance is: what it has applied, and until when it may answer from its cache.
 *
 * Written by the follower, read by every HTTP thread for every request (three atomic loads and a clock). Without leases
 * (embedded store: one process) only `shown_seq` counts. See design: promises P1 and P4.
 *
 * P4, an instance never goes back: whatever is answered was shown by the primary before, since what is applied here was
 * read there. A lane may read a snapshot that is ahead of what is applied. It lets the follower catch up before it answers;
 * when that takes too long it answers from the primary only: shown_seq says how far ahead that was, and the caches, which
 * are behind it, are not asked until they have come as far. A replica's snapshot is never shown ahead: a synchronous one
 * has a commit before the primary shows it, and when the primary hangs then, it may be long before it does. */
#ifndef EVENTLY_CACHE_FRESHNESS_H
#define EVENTLY_CACHE_FRESHNESS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/check.h"
#include "base/clock.h"

struct freshness {
	bool leased;                    /* leases are needed: several instances share the database */
	_Atomic uint64_t applied_seq;   /* every change up to it is in the cache */
	_Atomic uint64_t begun_seq;     /* the last change whose application has begun: parts of it may show */
	_Atomic uint64_t shown_seq;     /* answered ahead of applied_seq at some time, as the primary showed it */
	_Atomic uint64_t lease_until_ns; /* boot time; 0 before the first */
	_Atomic uint64_t known_since;   /* every change behind it is known here: what is as old may be judged, older not */
	_Atomic uint64_t history;       /* of the catalogue: tells it from another, and from itself after a fork; 0: not known */
	pthread_mutex_t lock;           /* of those that wait in freshness_may_show */
	pthread_cond_t advanced;
	_Atomic unsigned waiting;
};

void freshness_init(struct freshness *freshness);
void freshness_finish(struct freshness *freshness);
/* The follower, before and after it puts the change seq into the caches. */
void freshness_begin(struct freshness *freshness, uint64_t seq);
void freshness_advance(struct freshness *freshness, uint64_t seq);
/* Before what was read from a snapshot is answered or kept: waits until as_of is applied here, as long as the lease holds, a
 * little while at most. False, with a replica's snapshot only: it is still ahead, and the primary is to be asked instead. */
MUST_CHECK bool freshness_may_show(struct freshness *freshness, uint64_t as_of, bool by_replica, uint64_t deadline_ns);
/* The primary's as_of is shown, or soon will be, though it may not be applied here yet. */
void freshness_shown(struct freshness *freshness, uint64_t as_of);

static inline uint64_t freshness_applied(struct freshness *freshness)
{
	return atomic_load_explicit(&freshness->applied_seq, memory_order_acquire);
}

/* A snapshot that a lane reads for a request must be as new: anything up to here may have been shown. */
static inline uint64_t freshness_needed(struct freshness *freshness)
{
	return atomic_load_explicit(&freshness->begun_seq, memory_order_acquire);
}

/* Asked anew for every request, BEFORE the cache entry is taken: what is there then has every change that a writer was
 * answered for. (Asked after, the lease might be a new one, under which the entry was exchanged meanwhile.) A process that
 * sleeps between asking and answering does no harm: what is written meanwhile overlaps the request. */
static inline bool freshness_held(struct freshness *freshness)
{
	return freshness_applied(freshness) >= atomic_load_explicit(&freshness->shown_seq, memory_order_acquire) &&
	       (!freshness->leased ||
	        clock_boottime_ns() < atomic_load_explicit(&freshness->lease_until_ns, memory_order_acquire));
}

#endif
