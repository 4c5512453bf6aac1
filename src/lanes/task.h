/* A task lane: a few threads, each with its own store session, that run one task after another.
 *
 * Lists, changes, history and users run on one (short reads), imports and exports on another (long work). */
#ifndef EVENTLY_LANES_TASK_H
#define EVENTLY_LANES_TASK_H

#include "base/queue.h"
#include "lanes/lanes.h"
#include "store/store.h"

struct task_lane;

/* Embedded in what it works on. `run` is called once, on a lane's thread, with the session's deadline set; it reports to
 * whoever waits by itself. */
struct task {
	struct queue_job link;
	uint64_t deadline_ns; /* monotonic */
	void (*run)(struct task *task, struct store_session *session);
};

MUST_CHECK struct task_lane *task_lane_start(struct store *store, enum lane name, unsigned threads, size_t queue_max);
/* False: full or closed; `run` is then never called. */
MUST_CHECK bool task_submit(struct task_lane *lane, struct task *task);
/* Finishes what waits, ends the threads; what comes later is refused. */
void task_lane_stop(struct task_lane *lane);
void task_lane_destroy(struct task_lane *lane); /* stopped before, and nobody submits any more */

#endif
