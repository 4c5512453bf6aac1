/* The lookup lane: reads of single events that the cache did not have, answered in batches.
 *
 * One thread with one store session takes whatever waits (at most LOOKUP_BATCH_MAX), asks for each id once, fills the
 * caches and completes the jobs. With Redis, ids are looked for there first, in one MGET. Nothing is delayed to make a batch: it is what waited while the lane was busy. */
#ifndef EVENTLY_LANES_LOOKUP_H
#define EVENTLY_LANES_LOOKUP_H

#include "base/queue.h"
#include "cache/freshness.h"
#include "cache/local.h"
#include "cache/shared.h"
#include "store/store.h"

enum { LOOKUP_BATCH_MAX = 64, LOOKUP_QUEUE_MAX = 8192 };

struct lookup_lane;

/* Owned by who submits it (a request's arena), untouched by it until `done`. */
struct lookup_job {
	struct queue_job link;
	/* in */
	int64_t event_id;
	bool from_primary;     /* no replica, no shared cache */
	uint64_t min_as_of;    /* what the instance had applied when the request came */
	uint64_t deadline_ns;  /* monotonic */
	void (*done)(struct lookup_job *job); /* once, on the lane's thread */
	void *context;
	/* out */
	enum store_result result;
	struct local_entry *entry; /* with a reference, when STORE_OK; body_len 0: there is no such event */
};

struct lookup_options {
	struct store *store;
	struct local_cache *cache;
	struct freshness *freshness;
	struct redis *redis;    /* the lane's own from now on, destroyed by it; NULL without Redis */
	uint64_t shared_ttl_ms; /* of what the lane leaves there */
};

/* NULL: no memory or thread (redis is then destroyed too). */
MUST_CHECK struct lookup_lane *lookup_start(const struct lookup_options *options);
/* False: the lane is full or closed, answer 503; `done` is then never called. */
MUST_CHECK bool lookup_submit(struct lookup_lane *lane, struct lookup_job *job);
/* Finishes what waits, ends the thread; what comes later is refused. */
void lookup_stop(struct lookup_lane *lane);
void lookup_destroy(struct lookup_lane *lane); /* stopped before, and nobody submits any more */

#endif
