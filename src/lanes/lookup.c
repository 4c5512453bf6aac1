#include "lanes/lookup.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "lanes/lanes.h"

enum { BATCH_ARENA_BYTES_MAX = 64 << 20 };

struct lookup_lane {
	struct queue queue;
	struct store_session *session;
	struct local_cache *cache;
	pthread_t thread;
};

/* The jobs of one batch, and the ids they ask for, each once. */
struct batch {
	struct lookup_job *jobs[LOOKUP_BATCH_MAX];
	size_t job_count;
	int64_t ids[LOOKUP_BATCH_MAX];
	unsigned id_of[LOOKUP_BATCH_MAX]; /* index into ids, of each job */
	size_t id_count;
	bool from_primary;
	uint64_t deadline_ns; /* the earliest */
};

static void complete(struct lookup_job *job, enum store_result result, struct local_entry *entry)
{
	job->result = result;
	job->entry = entry;
	job->done(job);
}

/* Takes the jobs that still have time; the others are told so. */
static void collect(struct batch *batch, struct lookup_job **jobs, size_t count)
{
	uint64_t now_ns = clock_monotonic_ns();

	batch->job_count = batch->id_count = 0;
	batch->from_primary = false;
	batch->deadline_ns = UINT64_MAX;
	for (size_t i = 0; i < count; i++) {
		struct lookup_job *job = jobs[i];
		if (job->deadline_ns <= now_ns) {
			complete(job, STORE_DEADLINE, NULL);
			continue;
		}
		unsigned at = 0;
		while (at < batch->id_count && batch->ids[at] != job->event_id)
			at++;
		if (at == batch->id_count)
			batch->ids[batch->id_count++] = job->event_id;
		batch->id_of[batch->job_count] = at;
		batch->jobs[batch->job_count++] = job;
		batch->from_primary |= job->from_primary;
		if (job->deadline_ns < batch->deadline_ns)
			batch->deadline_ns = job->deadline_ns;
	}
}

static uint64_t newest_needed(const struct batch *batch)
{
	uint64_t needed = 0;

	for (size_t i = 0; i < batch->job_count; i++) {
		if (batch->jobs[i]->min_as_of > needed)
			needed = batch->jobs[i]->min_as_of;
	}
	return needed;
}

static enum store_result read_batch(struct lookup_lane *lane, struct batch *batch, struct local_entry **entries)
{
	struct arena arena;
	uint64_t as_of = 0;

	arena_init(&arena, BATCH_ARENA_BYTES_MAX);
	struct event *events = arena_array(&arena, struct event, LOOKUP_BATCH_MAX);
	enum store_result result = STORE_OUT_OF_MEMORY;
	if (events != NULL) {
		store_session_deadline(lane->session, batch->deadline_ns);
		store_session_min_as_of(lane->session, newest_needed(batch));
		result = store_get_many(lane->session, batch->ids, batch->id_count, batch->from_primary, &arena, events, &as_of);
	}
	for (size_t i = 0; result == STORE_OK && i < batch->id_count; i++)
		entries[i] = local_fill(lane->cache, batch->ids[i], events[i].id != 0 ? &events[i] : NULL, as_of,
		                        clock_monotonic_ns(), clock_wall_us());
	arena_finish(&arena);
	return result;
}

static void run_batch(struct lookup_lane *lane, struct lookup_job **jobs, size_t count)
{
	struct batch batch;
	struct local_entry *entries[LOOKUP_BATCH_MAX] = {NULL};

	collect(&batch, jobs, count);
	if (batch.job_count == 0)
		return;
	enum store_result result = read_batch(lane, &batch, entries);
	if (result == STORE_DEADLINE) {
		/* The one with the least time is over; the others may have more. */
		run_batch(lane, batch.jobs, batch.job_count);
		return;
	}
	for (size_t i = 0; i < batch.job_count; i++) {
		struct local_entry *entry = entries[batch.id_of[i]];
		if (entry != NULL)
			table_ref(&entry->table);
		complete(batch.jobs[i], result == STORE_OK && entry == NULL ? STORE_OUT_OF_MEMORY : result, entry);
	}
	for (size_t i = 0; i < batch.id_count; i++)
		local_unref(entries[i]);
}

static void *run(void *argument)
{
	struct lookup_lane *lane = argument;
	struct queue_job *job;
	size_t count;

	while ((count = queue_take(&lane->queue, LOOKUP_BATCH_MAX, -1, &job)) > 0) {
		struct lookup_job *jobs[LOOKUP_BATCH_MAX];
		for (size_t i = 0; i < count; i++, job = job->next)
			jobs[i] = CONTAINER_OF(job, struct lookup_job, link);
		metrics_count(METRIC_LANE_BATCH, LANE_LOOKUP, 1);
		metrics_count(METRIC_LANE_JOBS, LANE_LOOKUP, count);
		metrics_gauge(METRIC_LANE_DEPTH, LANE_LOOKUP, (int64_t)queue_length(&lane->queue));
		run_batch(lane, jobs, count);
	}
	return NULL;
}

struct lookup_lane *lookup_start(struct store *store, struct local_cache *cache)
{
	struct lookup_lane *lane = calloc(1, sizeof *lane);

	if (lane == NULL)
		return NULL;
	lane->cache = cache;
	lane->session = store_session_open(store);
	if (lane->session == NULL)
		goto fail;
	if (!queue_init(&lane->queue, LOOKUP_QUEUE_MAX))
		goto fail_session;
	if (pthread_create(&lane->thread, NULL, run, lane) == 0)
		return lane;
	queue_finish(&lane->queue);
fail_session:
	store_session_close(lane->session);
fail:
	free(lane);
	return NULL;
}

bool lookup_submit(struct lookup_lane *lane, struct lookup_job *job)
{
	bool accepted = queue_push(&lane->queue, &job->link);

	if (!accepted)
		metrics_count(METRIC_LANE_REFUSED, LANE_LOOKUP, 1);
	return accepted;
}

void lookup_stop(struct lookup_lane *lane)
{
	if (lane == NULL)
		return;
	queue_close(&lane->queue);
	pthread_join(lane->thread, NULL);
	queue_finish(&lane->queue);
	store_session_close(lane->session);
	free(lane);
}
