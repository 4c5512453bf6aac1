#include "lanes/list.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "cache/cache_metrics.h"

enum { PAGE_ARENA_BYTES_MAX = 32 << 20, BODY_BYTES_MAX = 16 << 20, FLIGHTS_MAX = 1024, SHARED_STORE_MS = 20 };

struct list_lane {
	struct list_lane_options options;
	atomic_flag redis_busy; /* one thread at a time uses the connection; another goes to the database right away */
	pthread_mutex_t lock;
	struct list_job *leaders[FLIGHTS_MAX]; /* the jobs that are read; those that joined hang on next_waiting */
	size_t leader_count;
};

/* ---- reading ---- */

/* When the list stops being true though nothing was written: the start of its first event to come. The list of upcoming
 * events loses its first then, wherever this page lies. */
static enum store_result valid_until(const struct query *query, const struct query_page *page, int64_t now_us,
                                     struct store_session *session, bool from_primary, struct arena *arena,
                                     uint64_t as_of, int64_t *until_us)
{
	*until_us = INT64_MAX;
	for (size_t i = 0; i < page->count; i++) {
		const struct event *event = &page->events[i];
		if (event_is_upcoming(event, now_us) && event->event_date_us < *until_us)
			*until_us = event->event_date_us;
	}
	if (!query->upcoming || (query->page == 1 && !query->has_cursor))
		return STORE_OK;
	struct query first = *query;
	struct query_page soonest;
	uint64_t first_as_of;
	first.page = 1;
	first.size = 1;
	first.has_cursor = false;
	enum store_result result = store_list(session, &first, now_us, from_primary, arena, &soonest, &first_as_of);
	if (result == STORE_OK && first_as_of != as_of)
		*until_us = now_us; /* another snapshot: this list is answered, not kept */
	else if (result == STORE_OK && soonest.count > 0)
		*until_us = soonest.events[0].event_date_us;
	return result;
}

/* ---- Redis ---- */

/* True: the caller alone may use the connection, until redis_leave. */
static bool redis_enter(struct list_job *job, struct shared *shared)
{
	struct list_lane *lane = job->lane;

	shared->redis = lane->options.redis;
	shared->history = atomic_load(&lane->options.freshness->history);
	return lane->options.redis != NULL && !job->from_primary && shared->history != 0 &&
	       freshness_held(lane->options.freshness) && !atomic_flag_test_and_set_explicit(&lane->redis_busy, memory_order_acquire);
}

static void redis_leave(struct list_lane *lane)
{
	atomic_flag_clear_explicit(&lane->redis_busy, memory_order_release);
}

/* Another instance's list is good if every change since is known here and none has touched what it could show. */
static bool look_in_redis(struct list_job *job, struct arena *arena)
{
	struct list_lane_options *options = &job->lane->options;
	uint64_t generation = lists_generation(options->cache); /* before the history is asked for */
	struct shared_list list = {.query = job->key, .min_as_of = atomic_load(&options->freshness->known_since)};
	struct shared shared;

	if (!redis_enter(job, &shared))
		return false;
	enum redis_result result = shared_get_lists(&shared, &list, 1, job->deadline_ns, arena);
	redis_leave(job->lane);
	bool hit = result == REDIS_DONE && list.state == SHARED_HIT && clock_wall_us() < list.valid_until_us &&
	           list.as_of <= freshness_applied(options->freshness) &&
	           lists_untouched(options->cache, job->query->statuses, list.as_of);
	metrics_count(METRIC_CACHE, hit ? CACHE_SHARED_HIT : CACHE_SHARED_MISS, 1);
	if (hit)
		job->entry = lists_fill(options->cache, job->key, list.body, job->query->statuses, list.as_of, list.valid_until_us,
		                        generation, clock_monotonic_ns());
	return job->entry != NULL;
}

static void leave_in_redis(struct list_job *job, struct str body, uint64_t as_of, int64_t until_us, struct arena *arena)
{
	struct shared_list list = {.query = job->key, .as_of = as_of, .valid_until_us = until_us, .body = body};
	struct shared shared;

	if (!redis_enter(job, &shared))
		return;
	(void)shared_set_lists(&shared, &list, 1, job->lane->options.shared_ttl_ms,
	                       clock_monotonic_ns() + SHARED_STORE_MS * CLOCK_MS, arena);
	redis_leave(job->lane);
}

/* ---- the database ---- */

/* From a replica, or when that one is ahead of what may be shown, from the primary. */
static enum store_result read_shown(struct list_job *job, struct store_session *session, int64_t now_us,
                                    struct arena *arena, struct query_page *page, uint64_t *as_of, int64_t *until_us)
{
	bool from_primary = job->from_primary;

	store_session_min_as_of(session, job->min_as_of);
	for (;;) {
		enum store_result result = store_list(session, job->query, now_us, from_primary, arena, page, as_of);
		bool by_replica = store_session_by_replica(session);
		if (result == STORE_OK)
			result = valid_until(job->query, page, now_us, session, from_primary, arena, *as_of, until_us);
		if (result != STORE_OK ||
		    freshness_may_show(job->lane->options.freshness, *as_of, by_replica, job->deadline_ns))
			return result;
		from_primary = true;
	}
}

static enum store_result read_store(struct list_job *job, struct store_session *session, struct arena *arena)
{
	uint64_t as_of, generation = lists_generation(job->lane->options.cache);
	struct query_page page;
	struct buf body;
	int64_t until_us, now_us = clock_wall_us();

	buf_init(&body, BODY_BYTES_MAX);
	enum store_result result = read_shown(job, session, now_us, arena, &page, &as_of, &until_us);
	if (result == STORE_OK) {
		query_page_json(&body, job->query, &page, now_us);
		job->entry = body.failed ? NULL
		                         : lists_fill(job->lane->options.cache, job->key, buf_view(&body), job->query->statuses,
		                                      as_of, until_us, generation, clock_monotonic_ns());
		result = job->entry != NULL ? STORE_OK : STORE_OUT_OF_MEMORY;
	}
	if (result == STORE_OK)
		leave_in_redis(job, buf_view(&body), as_of, until_us, arena);
	buf_finish(&body);
	return result;
}

static enum store_result read_list(struct list_job *job, struct store_session *session)
{
	struct arena arena;

	arena_init(&arena, PAGE_ARENA_BYTES_MAX);
	enum store_result result = look_in_redis(job, &arena) ? STORE_OK : read_store(job, session, &arena);
	arena_finish(&arena);
	return result;
}

/* ---- single flight ---- */

static size_t find_leader(const struct list_lane *lane, struct str key)
{
	size_t at = 0;

	while (at < lane->leader_count && !str_equal(lane->leaders[at]->key, key))
		at++;
	return at;
}

static void leave(struct list_lane *lane, const struct list_job *leader)
{
	for (size_t i = 0; i < lane->leader_count; i++) {
		if (lane->leaders[i] == leader) {
			lane->leaders[i] = lane->leaders[--lane->leader_count];
			return;
		}
	}
}

static void finish(struct list_job *job, enum store_result result, struct list_entry *entry)
{
	if (entry != NULL && job->entry == NULL) {
		table_ref(&entry->table);
		job->entry = entry;
	}
	job->result = result;
	job->done(job);
}

static void run(struct task *task, struct store_session *session)
{
	struct list_job *leader = CONTAINER_OF(task, struct list_job, task);
	struct list_lane *lane = leader->lane;
	enum store_result result = read_list(leader, session);

	pthread_mutex_lock(&lane->lock);
	leave(lane, leader);
	struct list_job *waiting = leader->next_waiting;
	pthread_mutex_unlock(&lane->lock);
	struct list_entry *entry = result == STORE_OK ? leader->entry : NULL;
	if (entry != NULL)
		table_ref(&entry->table);
	finish(leader, result, entry);
	while (waiting != NULL) {
		struct list_job *next = waiting->next_waiting;
		bool old = entry != NULL && entry->as_of < waiting->min_as_of;
		bool failed_for_leader_only = result == STORE_DEADLINE && waiting->deadline_ns > clock_monotonic_ns();
		waiting->next_waiting = NULL;
		if (!old && !failed_for_leader_only)
			finish(waiting, result, entry);
		else if (!list_submit(lane, waiting))
			finish(waiting, STORE_UNAVAILABLE, NULL);
		waiting = next;
	}
	lists_unref(entry);
}

bool list_submit(struct list_lane *lane, struct list_job *job)
{
	job->lane = lane;
	job->entry = NULL;
	job->next_waiting = NULL;
	job->task.run = run;
	job->task.deadline_ns = job->deadline_ns;
	if (job->from_primary)
		return task_submit(lane->options.tasks, &job->task);
	pthread_mutex_lock(&lane->lock);
	size_t at = find_leader(lane, job->key);
	if (at < lane->leader_count) {
		job->next_waiting = lane->leaders[at]->next_waiting;
		lane->leaders[at]->next_waiting = job;
		pthread_mutex_unlock(&lane->lock);
		return true;
	}
	bool accepted = task_submit(lane->options.tasks, &job->task);
	if (accepted && lane->leader_count < FLIGHTS_MAX)
		lane->leaders[lane->leader_count++] = job;
	pthread_mutex_unlock(&lane->lock);
	return accepted;
}

struct list_lane *list_lane_start(const struct list_lane_options *options)
{
	struct list_lane *lane = calloc(1, sizeof *lane);

	if (lane == NULL) {
		redis_destroy(options->redis);
		return NULL;
	}
	lane->options = *options;
	atomic_flag_clear(&lane->redis_busy);
	pthread_mutex_init(&lane->lock, NULL);
	return lane;
}

void list_lane_destroy(struct list_lane *lane)
{
	if (lane == NULL)
		return;
	redis_destroy(lane->options.redis);
	pthread_mutex_destroy(&lane->lock);
	free(lane);
}
