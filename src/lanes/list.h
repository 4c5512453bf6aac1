/* Lists that the cache did not have: one query for each distinct list, however many wait for it (single flight).
 *
 * A job that finds its list being read joins the one that reads it. What was read may be older than what the joiner has
 * to be shown (a change was applied in between): then the joiner's list is read again. Runs on a task lane. */
#ifndef EVENTLY_LANES_LIST_H
#define EVENTLY_LANES_LIST_H

#include "cache/freshness.h"
#include "cache/lists.h"
#include "cache/shared.h"
#include "events/query.h"
#include "lanes/task.h"

struct list_lane;

/* Owned by who submits it, untouched by it until `done`. */
struct list_job {
	struct task task;
	struct list_job *next_waiting; /* of the same list */
	struct list_lane *lane;
	/* in */
	const struct query *query;
	struct str key;         /* query_canonical's text */
	bool from_primary;      /* reads alone and from the primary */
	uint64_t min_as_of;
	uint64_t deadline_ns;
	void (*done)(struct list_job *job); /* once, on a lane's thread */
	void *context;
	/* out */
	enum store_result result;
	struct list_entry *entry; /* with a reference, when STORE_OK */
};

struct list_lane_options {
	struct task_lane *tasks;
	struct list_cache *cache;
	struct freshness *freshness;
	struct redis *redis;    /* the lane's own from now on; NULL without Redis */
	uint64_t shared_ttl_ms;
};

/* NULL without memory (redis is then destroyed too). */
MUST_CHECK struct list_lane *list_lane_start(const struct list_lane_options *options);
MUST_CHECK bool list_submit(struct list_lane *lane, struct list_job *job);
/* When nobody submits any more, and the task lane was stopped. */
void list_lane_destroy(struct list_lane *lane);

#endif
