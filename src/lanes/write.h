/* The write lane: one thread that commits whatever writes wait in one transaction (group commit).
 *
 * store_apply → the follower applies the changes here → every other instance has seen them or its lease is over → the
 * jobs are done: from then on every read on every instance shows the write (promise P1). */
#ifndef EVENTLY_LANES_WRITE_H
#define EVENTLY_LANES_WRITE_H

#include "base/queue.h"
#include "feed/follower.h"
#include "store/store.h"

enum { WRITE_BATCH_MAX = 64, WRITE_QUEUE_MAX = 4096 };

struct write_lane;

/* Owned by who submits it, untouched by it until `done`. `done` runs on the lane's thread and must copy what it needs of
 * `write`'s results: their texts are gone when it returns. */
struct write_job {
	struct queue_job link;
	struct write_job *next_in_flight; /* with an Idempotency-Key */
	struct store_write write;
	uint64_t deadline_ns;
	void (*done)(struct write_job *job);
	void *context;
	enum store_result result;
};

enum write_submitted { WRITE_SUBMITTED, WRITE_REFUSED /* full or closed: 503 */, WRITE_KEY_IN_FLIGHT /* 409 */ };

MUST_CHECK struct write_lane *write_lane_start(struct store *store, struct follower *follower);
MUST_CHECK enum write_submitted write_submit(struct write_lane *lane, struct write_job *job);
/* Finishes what waits, ends the thread; what comes later is refused. */
void write_lane_stop(struct write_lane *lane);
void write_lane_destroy(struct write_lane *lane); /* stopped before, and nobody submits any more */

#endif
