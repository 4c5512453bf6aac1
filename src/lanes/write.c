#include "lanes/write.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "lanes/lanes.h"

enum { BATCH_ARENA_BYTES_MAX = 256 << 20 };

#define PATIENCE_MAX_NS (4 * CLOCK_MS)
enum { PART_LEAST = 2, PART_MOST = 32 };

/* What the last batch says of the next one. Who writes one thing after another is back soon after an answer: without a little
 * patience a batch would be the first of them to be back, and all others would wait for its commit. */
struct rhythm {
	size_t writers;       /* in the last batch, or waiting at its end */
	uint64_t patience_ns; /* a part of what the last batch took: more would cost more than it saves */
	unsigned part;        /* a half; less when most of them did not come: then they do not write one after another */
};

struct write_lane {
	struct queue queue;
	struct store_session *session;
	struct follower *follower;
	pthread_t thread;
	pthread_mutex_t lock;        /* of in_flight */
	struct write_job *in_flight; /* those with an Idempotency-Key, from submit to done */
};

/* ---- Idempotency-Keys in flight ---- */

static bool enter_flight(struct write_lane *lane, struct write_job *job)
{
	pthread_mutex_lock(&lane->lock);
	struct write_job *other = lane->in_flight;
	while (other != NULL && !(other->write.actor_id == job->write.actor_id &&
	                          str_equal(other->write.idempotency_key, job->write.idempotency_key)))
		other = other->next_in_flight;
	if (other == NULL) {
		job->next_in_flight = lane->in_flight;
		lane->in_flight = job;
	}
	pthread_mutex_unlock(&lane->lock);
	return other == NULL;
}

static void leave_flight(struct write_lane *lane, struct write_job *job)
{
	if (job->write.idempotency_key.ptr == NULL)
		return;
	pthread_mutex_lock(&lane->lock);
	struct write_job **link = &lane->in_flight;
	while (*link != job)
		link = &(*link)->next_in_flight;
	*link = job->next_in_flight;
	pthread_mutex_unlock(&lane->lock);
}

/* ---- the batch ---- */

/* `outcome` is NULL when nothing was tried. The job leaves first: while it is in flight, others compare its key. */
static void complete(struct write_lane *lane, struct write_job *job, enum store_result result,
                     const struct store_write *outcome)
{
	leave_flight(lane, job);
	job->result = result;
	if (outcome != NULL)
		job->write = *outcome;
	job->done(job);
}

static void run_batch(struct write_lane *lane, struct write_job **jobs, size_t count)
{
	struct arena arena;
	uint64_t deadline_ns = 0;

	arena_init(&arena, BATCH_ARENA_BYTES_MAX);
	struct store_write *writes = arena_array(&arena, struct store_write, count);
	for (size_t i = 0; writes != NULL && i < count; i++) {
		writes[i] = jobs[i]->write;
		if (jobs[i]->deadline_ns > deadline_ns)
			deadline_ns = jobs[i]->deadline_ns;
	}
	store_session_deadline(lane->session, deadline_ns);
	enum store_result result = writes == NULL ? STORE_OUT_OF_MEMORY
	                                          : store_apply(lane->session, writes, count, false, clock_wall_us(), &arena);
	/* A write that is durable is answered as such, even when another instance could not be waited for in time:
	 * its lease is over by then (the wait is bounded by the lease, the lease by less than a request's time). */
	if (result == STORE_OK)
		follower_committed(lane->follower, lane->session, writes, count);
	for (size_t i = 0; i < count; i++)
		complete(lane, jobs[i], result, writes != NULL ? &writes[i] : NULL);
	arena_finish(&arena);
}

static void follow_rhythm(struct rhythm *rhythm, struct write_lane *lane, size_t count, uint64_t begun_ns)
{
	if (count * 4 >= rhythm->writers * 3)
		rhythm->part = PART_LEAST;
	else if (rhythm->part < PART_MOST)
		rhythm->part *= 2;
	uint64_t patience_ns = (clock_monotonic_ns() - begun_ns) / rhythm->part;
	size_t writers = count + queue_length(&lane->queue);
	rhythm->writers = writers < WRITE_BATCH_MAX ? writers : WRITE_BATCH_MAX;
	rhythm->patience_ns = patience_ns < PATIENCE_MAX_NS ? patience_ns : PATIENCE_MAX_NS;
}

static void *run(void *argument)
{
	struct write_lane *lane = argument;
	struct queue_job *job;
	struct rhythm rhythm = {.writers = 1, .part = PART_LEAST};
	size_t count;

	while (queue_gather(&lane->queue, rhythm.writers, rhythm.patience_ns),
	       (count = queue_take(&lane->queue, WRITE_BATCH_MAX, -1, &job)) > 0) {
		struct write_job *jobs[WRITE_BATCH_MAX];
		size_t live = 0;
		uint64_t now_ns = clock_monotonic_ns();
		for (struct queue_job *next; job != NULL; job = next) {
			struct write_job *each = CONTAINER_OF(job, struct write_job, link);
			next = job->next;
			if (each->deadline_ns > now_ns)
				jobs[live++] = each;
			else
				complete(lane, each, STORE_DEADLINE, NULL);
		}
		metrics_count(METRIC_LANE_BATCH, LANE_WRITE, 1);
		metrics_count(METRIC_LANE_JOBS, LANE_WRITE, count);
		metrics_gauge(METRIC_LANE_DEPTH, LANE_WRITE, (int64_t)queue_length(&lane->queue));
		if (live > 0)
			run_batch(lane, jobs, live);
		follow_rhythm(&rhythm, lane, count, now_ns);
	}
	return NULL;
}

struct write_lane *write_lane_start(struct store *store, struct follower *follower)
{
	struct write_lane *lane = calloc(1, sizeof *lane);

	if (lane == NULL)
		return NULL;
	lane->follower = follower;
	pthread_mutex_init(&lane->lock, NULL);
	lane->session = store_session_open(store);
	if (lane->session == NULL)
		goto fail;
	if (!queue_init(&lane->queue, WRITE_QUEUE_MAX))
		goto fail_session;
	if (pthread_create(&lane->thread, NULL, run, lane) == 0)
		return lane;
	queue_finish(&lane->queue);
fail_session:
	store_session_close(lane->session);
fail:
	pthread_mutex_destroy(&lane->lock);
	free(lane);
	return NULL;
}

enum write_submitted write_submit(struct write_lane *lane, struct write_job *job)
{
	bool keyed = job->write.idempotency_key.ptr != NULL;

	if (keyed && !enter_flight(lane, job))
		return WRITE_KEY_IN_FLIGHT;
	if (queue_push(&lane->queue, &job->link))
		return WRITE_SUBMITTED;
	leave_flight(lane, job);
	metrics_count(METRIC_LANE_REFUSED, LANE_WRITE, 1);
	return WRITE_REFUSED;
}

void write_lane_stop(struct write_lane *lane)
{
	if (lane == NULL)
		return;
	queue_close(&lane->queue);
	pthread_join(lane->thread, NULL);
}

void write_lane_destroy(struct write_lane *lane)
{
	if (lane == NULL)
		return;
	queue_finish(&lane->queue);
	store_session_close(lane->session);
	pthread_mutex_destroy(&lane->lock);
	free(lane);
}
