#include "feed/relay.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "feed/relay_parts.h"

enum {
	BATCH = 512,
	STORE_TIMEOUT_MS = 1000,
	CHECK_MS = 300,  /* between two looks at lock and stream; the lock of a silent holder goes after 1000 */
	RETRY_MS = 400,  /* between two tries for the lock */
	RECORD_MS = 200, /* the position is recorded at most so often: a record is a commit, and recovery needs it rarely */
	STOP_MS = 1000,
	PACE_MS = 5,     /* from one reading of the log to the next, unless much is waiting */
};

/* ---- saying so ---- */

static void show_position(struct relay *relay)
{
	struct relay_state state = relay_state(relay);

	metrics_gauge(METRIC_RELAY_POSITION, 0, (int64_t)state.position);
	metrics_gauge(METRIC_RELAY_LAG, 0, (int64_t)state.lag);
}

void relay_set_published(struct relay *relay, uint64_t seq)
{
	atomic_store(&relay->published, seq);
	show_position(relay);
}

/* Logs the beginning of trouble and not each failure of it. */
static void tell_trouble(struct relay *relay, const char *why)
{
	if (!relay->in_trouble)
		log_warning("relay", "messages wait at change %llu: %s", (unsigned long long)atomic_load(&relay->published), why);
	relay->in_trouble = true;
}

static void tell_recovery(struct relay *relay)
{
	if (relay->in_trouble)
		log_info("relay", "messages flow again, now at change %llu", (unsigned long long)atomic_load(&relay->published));
	relay->in_trouble = false;
	atomic_store(&relay->redis, REDIS_CONNECTED);
}

enum step relay_judge_store(struct relay *relay, enum store_result result)
{
	if (result == STORE_OK)
		return STEP_MORE;
	if (result == STORE_IN_USE)
		log_info("relay", "another instance relays now");
	else
		tell_trouble(relay, store_session_problem(relay->session));
	return STEP_RELEASE;
}

enum step relay_judge_outlet(struct relay *relay, enum outlet_result result)
{
	/* A Redis that refuses messages still answers other questions: it refuses until a message went through. */
	if (result == OUTLET_AWAY || result == OUTLET_REFUSED)
		atomic_store(&relay->redis, result == OUTLET_AWAY ? REDIS_AWAY : REDIS_REFUSING);
	else if (atomic_load(&relay->redis) == REDIS_AWAY)
		atomic_store(&relay->redis, REDIS_CONNECTED);
	switch (result) {
	case OUTLET_DONE: return STEP_MORE;
	case OUTLET_OVERTAKEN: return STEP_LOOK;
	case OUTLET_REFUSED: tell_trouble(relay, outlet_problem(relay->outlet)); return STEP_WAIT;
	case OUTLET_AWAY: break;
	}
	tell_trouble(relay, outlet_problem(relay->outlet));
	return STEP_RELEASE;
}

/* ---- the record and the lock ---- */

void relay_bound(struct relay *relay)
{
	store_session_deadline(relay->session, clock_monotonic_ns() + STORE_TIMEOUT_MS * CLOCK_MS);
}

enum step relay_record(struct relay *relay)
{
	uint64_t published = atomic_load(&relay->published);

	relay->recorded_ns = clock_monotonic_ns();
	if (published <= relay->recorded)
		return STEP_MORE;
	relay_bound(relay);
	enum step step = relay_judge_store(relay, store_relay_advance(relay->session, published));
	if (step == STEP_MORE)
		relay->recorded = published;
	return step;
}

enum step relay_hold_lock(struct relay *relay)
{
	relay_bound(relay);
	enum step step = relay_judge_store(relay, store_relay_lock(relay->session));
	relay->checked_ns = clock_monotonic_ns();
	return step;
}

/* The lock ends with the session. The new one connects when it is first used. */
static void release(struct relay *relay)
{
	struct store_session *fresh;

	if (!atomic_exchange(&relay->holder, false))
		return;
	fresh = store_session_open(relay->options.store);
	if (fresh == NULL)
		return; /* without memory the old one goes on, and with it the lock: both are taken up again */
	store_session_close(relay->session);
	relay->session = fresh;
}

/* ---- relaying ---- */

/* Changes that come faster than this are taken several at a time: each reading is a query, a transaction in Redis, and some
 * wake-ups, which a busy writer would otherwise pay for with each of its commits. The first after a rest goes at once. */
static void keep_pace(struct relay *relay)
{
	uint64_t due_ns = relay->read_ns + PACE_MS * CLOCK_MS;
	struct timespec until = {(time_t)(due_ns / CLOCK_SECOND), (long)(due_ns % CLOCK_SECOND)};

	if (clock_monotonic_ns() < due_ns && !atomic_load(&relay->stop))
		(void)clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

static void read_batch(struct relay *relay, struct batch *batch, uint64_t after)
{
	arena_reset(&batch->arena);
	batch->after = after;
	batch->count = 0;
	relay_bound(relay);
	batch->result = store_changes_after(relay->session, after, BATCH, &batch->arena, &batch->changes, &batch->count, &batch->head);
}

/* While Redis works on a batch, the next one is read, if the log surely has more. */
static void read_ahead(void *context)
{
	struct relay *relay = context;

	read_batch(relay, &relay->batches[1], relay->ahead_after);
}

static void swap_batches(struct relay *relay)
{
	struct batch batch = relay->batches[0];

	relay->batches[0] = relay->batches[1];
	relay->batches[1] = batch;
}

/* Sends the batch, as much of it as fits. */
static enum step send_batch(struct relay *relay, const struct batch *batch)
{
	uint64_t published = atomic_load(&relay->published), last = 0;
	struct outlet_tail tail;

	outlet_begin(relay->outlet);
	for (size_t i = 0; i < batch->count; i++) {
		uint64_t seq = batch->changes[i].seq;
		if (!outlet_add(relay->outlet, &batch->changes[i], seq > relay->streamed, seq > published))
			break;
		last = seq;
	}
	relay->ahead_after = last;
	enum step step =
		relay_judge_outlet(relay, outlet_commit(relay->outlet, &tail, batch->count == BATCH ? read_ahead : NULL, relay));
	if (step != STEP_MORE)
		return step;
	relay->streamed = relay->streamed > last ? relay->streamed : last;
	if (last > published)
		relay_set_published(relay, last);
	tell_recovery(relay);
	return tail.seq == relay->streamed ? STEP_MORE : STEP_LOOK;
}

static enum step relay_batch(struct relay *relay)
{
	uint64_t published = atomic_load(&relay->published);
	uint64_t after = relay->streamed < published ? relay->streamed : published;
	struct batch *batch = &relay->batches[0];

	swap_batches(relay);
	if (batch->count == 0 || batch->after != after || batch->result != STORE_OK) {
		if (relay->batches[1].count < BATCH)
			keep_pace(relay);
		relay->read_ns = clock_monotonic_ns();
		read_batch(relay, batch, after);
	}
	relay->batches[1].count = 0;
	bool is_gapless = batch->result != STORE_OK || batch->count == 0 || batch->changes[0].seq == after + 1;
	if (batch->result == STORE_PRUNED || !is_gapless)
		return relay_skip_pruned(relay, after);
	if (batch->result != STORE_OK)
		return relay_judge_store(relay, batch->result);
	atomic_store(&relay->head, batch->head);
	if (batch->count > 0)
		return send_batch(relay, batch);
	tell_recovery(relay);
	return STEP_IDLE;
}

/* Is the lock still held, and is the stream still what it was? */
static enum step check(struct relay *relay)
{
	struct outlet_tail tail;

	enum step step = relay_hold_lock(relay);
	if (step == STEP_MORE)
		step = relay_judge_outlet(relay, outlet_look(relay->outlet, &tail));
	if (step == STEP_MORE && tail.seq != relay->streamed)
		return STEP_LOOK;
	return step;
}

static bool is_due(uint64_t since_ns, unsigned pause_ms)
{
	return clock_monotonic_ns() - since_ns >= pause_ms * CLOCK_MS;
}

static enum step relay_some(struct relay *relay)
{
	enum step step = STEP_MORE;

	if (is_due(relay->checked_ns, CHECK_MS))
		step = check(relay);
	if (step == STEP_MORE && is_due(relay->recorded_ns, RECORD_MS))
		step = relay_record(relay);
	return step == STEP_MORE ? relay_batch(relay) : step;
}

/* ---- the thread ---- */

/* For so long, or until the end; until relay_wake too when `for_changes`. */
static void rest(struct relay *relay, unsigned pause_ms, bool for_changes)
{
	uint64_t until_ns = clock_monotonic_ns() + pause_ms * CLOCK_MS, wakes;
	struct pollfd fd = {relay->wake_fd, POLLIN, 0};
	bool woken = false;

	while (!atomic_load(&relay->stop) && clock_left_ms(until_ns) > 0 && !(woken && for_changes)) {
		woken = poll(&fd, 1, clock_left_ms(until_ns)) > 0;
		(void)!read(relay->wake_fd, &wakes, sizeof wakes); /* does not block; nothing to read is fine */
	}
}

/* Somebody else relays: how far is it? */
static void look_from_outside(struct relay *relay)
{
	uint64_t position;

	relay_bound(relay);
	if (store_relay_position(relay->session, &position) == STORE_OK)
		relay_set_published(relay, position);
	relay->in_trouble = false;
	atomic_store(&relay->redis, REDIS_CONNECTED);
}

/* Tries to become the holder. An instance that does not reach Redis leaves the lock to one that does. */
static enum step take(struct relay *relay)
{
	enum step step = relay_judge_outlet(relay, outlet_ping(relay->outlet));

	if (step != STEP_MORE)
		return STEP_WAIT;
	relay_bound(relay);
	enum store_result result = store_relay_lock(relay->session);
	if (result == STORE_IN_USE)
		look_from_outside(relay);
	else if (result != STORE_OK)
		tell_trouble(relay, store_session_problem(relay->session));
	if (result != STORE_OK)
		return STEP_WAIT;
	atomic_store(&relay->holder, true);
	relay->recorded = UINT64_MAX; /* unknown until it is read */
	return STEP_LOOK;
}

static enum step look_and_say(struct relay *relay, bool took_over)
{
	enum step step = relay_look(relay);

	if (step == STEP_MORE && took_over) {
		struct log_field fields[] = {LOG_INTEGER("published", atomic_load(&relay->published)),
		                             LOG_INTEGER("streamed", relay->streamed), LOG_INTEGER("head", atomic_load(&relay->head))};
		log_line(LOG_INFO, "relay", fields, ARRAY_LENGTH(fields), "this instance relays changes to Redis");
	}
	return step;
}

static void *run(void *argument)
{
	struct relay *relay = argument;
	enum step step = STEP_RELEASE;
	uint64_t stop_ns = UINT64_MAX;
	bool took_over = false;

	while (clock_monotonic_ns() < stop_ns) {
		if (stop_ns == UINT64_MAX && atomic_load(&relay->stop))
			stop_ns = clock_monotonic_ns() + STOP_MS * CLOCK_MS;
		bool stopping = stop_ns != UINT64_MAX;
		if (!atomic_load(&relay->holder)) {
			if (stopping)
				break;
			took_over = true;
			step = take(relay);
		} else if (step == STEP_LOOK || step == STEP_WAIT) {
			step = look_and_say(relay, took_over);
			took_over = took_over && step != STEP_MORE;
		} else {
			step = relay_some(relay);
		}
		if (step == STEP_RELEASE)
			release(relay);
		if (stopping && step != STEP_MORE && step != STEP_LOOK)
			break;
		show_position(relay);
		if (step == STEP_IDLE)
			rest(relay, RECORD_MS, true);
		else if (step == STEP_WAIT || step == STEP_RELEASE)
			rest(relay, RETRY_MS, false);
	}
	if (atomic_load(&relay->holder) && relay_record(relay) != STEP_MORE)
		log_warning("relay", "how far messages went could not be recorded; some will be published again");
	return NULL;
}

/* ---- for other threads ---- */

void relay_wake(struct relay *relay)
{
	uint64_t one = 1;

	if (relay != NULL && atomic_load(&relay->holder))
		(void)!write(relay->wake_fd, &one, sizeof one); /* full means that it is woken anyway */
}

struct relay_state relay_state(struct relay *relay)
{
	uint64_t published = atomic_load(&relay->published), head = atomic_load(&relay->head);
	uint64_t applied = freshness_applied(relay->options.freshness);

	if (applied > head)
		head = applied;
	return (struct relay_state){
		.position = published, .lag = head > published ? head - published : 0, .holder = atomic_load(&relay->holder)};
}

const char *relay_redis_state(void *context)
{
	struct relay *relay = context;

	switch ((enum redis_state)atomic_load(&relay->redis)) {
	case REDIS_CONNECTED: return "connected";
	case REDIS_REFUSING: return "refusing";
	case REDIS_AWAY: break;
	}
	return "disconnected";
}

/* ---- life ---- */

static void destroy(struct relay *relay)
{
	if (relay->session != NULL)
		store_session_close(relay->session);
	outlet_destroy(relay->outlet);
	for (size_t i = 0; i < ARRAY_LENGTH(relay->batches); i++)
		arena_finish(&relay->batches[i].arena);
	if (relay->wake_fd >= 0)
		close(relay->wake_fd);
	free(relay);
}

struct relay *relay_start(const struct relay_options *options)
{
	struct relay *relay = calloc(1, sizeof *relay);

	if (relay == NULL)
		return NULL;
	relay->options = *options;
	for (size_t i = 0; i < ARRAY_LENGTH(relay->batches); i++)
		arena_init(&relay->batches[i].arena, RELAY_BATCH_BYTES_MAX);
	relay->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	relay->session = store_session_open(options->store);
	relay->outlet = outlet_create(options->redis, options->entries_max);
	bool made = relay->wake_fd >= 0 && relay->session != NULL && relay->outlet != NULL;
	if (made && pthread_create(&relay->thread, NULL, run, relay) == 0)
		return relay;
	destroy(relay);
	return NULL;
}

void relay_stop(struct relay *relay)
{
	uint64_t one = 1;

	if (relay == NULL)
		return;
	atomic_store(&relay->stop, true);
	(void)!write(relay->wake_fd, &one, sizeof one);
	pthread_join(relay->thread, NULL);
	destroy(relay);
}
