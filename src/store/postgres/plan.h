/* What a batch of writes will do, computed in memory between the two round trips of store_apply: no I/O here.
 *
 * apply.c fills in what the database holds (events, keys, fresh ids), plan_decide settles every write in order, so that
 * later writes see earlier ones, and plan.c's arrays carry the result to a constant number of statements. */
#ifndef EVENTLY_STORE_POSTGRES_PLAN_H
#define EVENTLY_STORE_POSTGRES_PLAN_H

#include "store/backend.h"
#include "store/postgres/params.h"

/* One event of the batch: as it was, and as the writes so far have left it. */
struct plan_event {
	int64_t id;
	bool existed, exists, touched, reworded;
	struct event was, is;
};

/* One Idempotency-Key of the batch. */
struct plan_key {
	int64_t user_id;
	struct str key;
	bool known, fresh;    /* recorded already; made by this batch */
	uint64_t body_hash;
	struct str answer;
};

struct plan {
	struct store_write *writes;
	size_t count;
	int64_t now_us;
	bool all_or_nothing;
	struct arena *arena;      /* the caller's: what outlives the call */
	uint64_t seq;             /* the last seq so far */
	struct plan_event *events; /* sorted by id */
	size_t event_count;
	struct plan_key *keys;    /* sorted by user and key */
	size_t key_count;
	int64_t *new_ids;         /* for the creations, in order */
	size_t creations, creations_done;
	size_t applied;           /* writes that made a change */
	bool refused;             /* all_or_nothing, and a write does not apply */
};

/* Sorts out which events and keys the batch is about. False without memory. */
MUST_CHECK bool plan_init(struct plan *plan, struct store_write *writes, size_t count, bool all_or_nothing,
                          int64_t now_us, struct arena *arena);
/* After the new ids are known. */
MUST_CHECK bool plan_add_creations(struct plan *plan);
struct plan_event *plan_event(struct plan *plan, int64_t id);
struct plan_key *plan_key(struct plan *plan, int64_t user_id, struct str key);
/* Settles every write. False without memory. */
MUST_CHECK bool plan_decide(struct plan *plan);

#endif
