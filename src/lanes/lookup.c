#include "lanes/lookup.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/broken.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "cache/cache_metrics.h"
#include "lanes/lanes.h"

enum { BATCH_ARENA_BYTES_MAX = 64 << 20, SHARED_STORE_MS = 20 };

struct lookup_lane {
	struct queue queue;
	struct store_session *session;
	struct lookup_options options;
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

/* ---- Redis: what another instance has read ---- */

static bool may_ask_redis(const struct lookup_lane *lane, const struct batch *batch)
{
	return lane->options.redis != NULL && !batch->from_primary && freshness_held(lane->options.freshness) &&
	       atomic_load(&lane->options.freshness->history) != 0;
}

/* What Redis has is good if every change since is known here, and none is of that event. */
static void look_in_redis(struct lookup_lane *lane, const struct batch *batch, struct local_entry **entries)
{
	struct shared_event found[LOOKUP_BATCH_MAX];
	uint64_t generation = local_generation(lane->options.cache); /* before the history is asked for */
	struct shared shared = {lane->options.redis, atomic_load(&lane->options.freshness->history)};
	uint64_t known_since = atomic_load(&lane->options.freshness->known_since);
	struct arena arena;

	if (!may_ask_redis(lane, batch))
		return;
	for (size_t i = 0; i < batch->id_count; i++)
		found[i] = (struct shared_event){.id = batch->ids[i], .min_as_of = broken("as_of_ignored") ? 0 : known_since};
	arena_init(&arena, BATCH_ARENA_BYTES_MAX);
	enum redis_result result = shared_get_events(&shared, found, batch->id_count, batch->deadline_ns, &arena);
	for (size_t i = 0; result == REDIS_DONE && i < batch->id_count; i++) {
		/* What another instance read ahead of us would be shown ahead of our lists: the database is asked then. */
		bool hit = found[i].state == SHARED_HIT && found[i].as_of <= freshness_applied(lane->options.freshness);
		if (broken("as_of_ignored"))
			found[i].as_of = freshness_applied(lane->options.freshness);
		metrics_count(METRIC_CACHE, hit ? CACHE_SHARED_HIT : CACHE_SHARED_MISS, 1);
		if (hit)
			entries[i] = local_fill_current(lane->options.cache, &found[i].event, found[i].as_of, generation,
			                                clock_monotonic_ns(), clock_wall_us());
	}
	arena_finish(&arena);
}

/* ---- the database ---- */

/* What a read of the database has given, until the jobs are answered. */
struct reading {
	int64_t ids[LOOKUP_BATCH_MAX];
	unsigned at[LOOKUP_BATCH_MAX]; /* index into the batch's ids */
	size_t count;
	struct event *events;
	uint64_t as_of;
	struct arena arena;
};

/* From a replica, or when that one is ahead of what may be shown, from the primary. */
static enum store_result read_shown(struct lookup_lane *lane, const struct batch *batch, struct reading *reading)
{
	bool from_primary = batch->from_primary;

	store_session_deadline(lane->session, batch->deadline_ns);
	store_session_min_as_of(lane->session, newest_needed(batch));
	for (;;) {
		enum store_result result = store_get_many(lane->session, reading->ids, reading->count, from_primary,
		                                          &reading->arena, reading->events, &reading->as_of);
		if (result != STORE_OK || freshness_may_show(lane->options.freshness, reading->as_of,
		                                             store_session_by_replica(lane->session), batch->deadline_ns))
			return result;
		from_primary = true;
	}
}

static enum store_result read_rest(struct lookup_lane *lane, const struct batch *batch, struct local_entry **entries,
                                   struct reading *reading)
{
	uint64_t generation = local_generation(lane->options.cache);

	for (unsigned i = 0; i < batch->id_count; i++) {
		if (entries[i] == NULL) {
			reading->at[reading->count] = i;
			reading->ids[reading->count++] = batch->ids[i];
		}
	}
	if (reading->count == 0)
		return STORE_OK;
	reading->events = arena_array(&reading->arena, struct event, reading->count);
	if (reading->events == NULL)
		return STORE_OUT_OF_MEMORY;
	enum store_result result = read_shown(lane, batch, reading);
	for (size_t i = 0; result == STORE_OK && i < reading->count; i++) {
		const struct event *event = &reading->events[i];
		entries[reading->at[i]] = local_fill(lane->options.cache, reading->ids[i], event->id != 0 ? event : NULL,
		                                     reading->as_of, generation, clock_monotonic_ns(), clock_wall_us());
	}
	return result;
}

/* After the jobs are answered: leaves what was read for the other instances. */
static void leave_in_redis(struct lookup_lane *lane, const struct batch *batch, struct reading *reading)
{
	struct shared_event events[LOOKUP_BATCH_MAX];
	struct shared shared = {lane->options.redis, atomic_load(&lane->options.freshness->history)};
	size_t count = 0;

	if (!may_ask_redis(lane, batch))
		return;
	for (size_t i = 0; i < reading->count; i++) {
		if (reading->events[i].id != 0)
			events[count++] = (struct shared_event){.id = reading->ids[i], .as_of = reading->as_of, .event = reading->events[i]};
	}
	if (count > 0)
		(void)shared_set_events(&shared, events, count, lane->options.shared_ttl_ms,
		                        clock_monotonic_ns() + SHARED_STORE_MS * CLOCK_MS, &reading->arena);
}

/* ---- a batch ---- */

static void complete_batch(struct batch *batch, enum store_result result, struct local_entry **entries)
{
	for (size_t i = 0; i < batch->job_count; i++) {
		struct local_entry *entry = entries[batch->id_of[i]];
		if (entry != NULL)
			table_ref(&entry->table);
		complete(batch->jobs[i], entry != NULL ? STORE_OK : result == STORE_OK ? STORE_OUT_OF_MEMORY : result, entry);
	}
	for (size_t i = 0; i < batch->id_count; i++)
		local_unref(entries[i]);
}

static void run_batch(struct lookup_lane *lane, struct lookup_job **jobs, size_t count)
{
	struct batch batch;
	struct local_entry *entries[LOOKUP_BATCH_MAX] = {NULL};
	struct reading reading = {.count = 0};

	collect(&batch, jobs, count);
	if (batch.job_count == 0)
		return;
	arena_init(&reading.arena, BATCH_ARENA_BYTES_MAX);
	look_in_redis(lane, &batch, entries);
	enum store_result result = read_rest(lane, &batch, entries, &reading);
	if (result == STORE_DEADLINE) {
		/* The one with the least time is over; the others may have more. */
		for (size_t i = 0; i < batch.id_count; i++)
			local_unref(entries[i]);
		run_batch(lane, batch.jobs, batch.job_count);
	} else {
		complete_batch(&batch, result, entries);
		if (result == STORE_OK)
			leave_in_redis(lane, &batch, &reading);
	}
	arena_finish(&reading.arena);
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

struct lookup_lane *lookup_start(const struct lookup_options *options)
{
	struct lookup_lane *lane = calloc(1, sizeof *lane);

	if (lane == NULL) {
		redis_destroy(options->redis);
		return NULL;
	}
	lane->options = *options;
	lane->session = store_session_open(options->store);
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
	redis_destroy(options->redis);
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
}

void lookup_destroy(struct lookup_lane *lane)
{
	if (lane == NULL)
		return;
	queue_finish(&lane->queue);
	store_session_close(lane->session);
	redis_destroy(lane->options.redis);
	free(lane);
}
