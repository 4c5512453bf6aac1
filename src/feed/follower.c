#include "feed/follower.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/broken.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/random.h"

enum {
	BATCH = 1000,
	ARENA_BYTES_MAX = 256 << 20,
	PAUSE_MS_MIN = 50,
	PAUSE_MS_MAX = 500,
	POLL_MS = 1000, /* without leases: only a safety net */
	REASONS_MAX = 8,
};

struct follower {
	struct follower_options options;
	struct store_session *session;
	bool shared;
	char id[33]; /* of this instance, in `instances` */
	pthread_t thread;
	pthread_mutex_t lock;   /* makes "apply the next change" one step; never held across I/O */
	pthread_cond_t applied; /* applied_seq has grown */
	pthread_mutex_t users_lock; /* from reading who is shut out to saying so: what was read later is said later */
	bool stop;              /* under lock */
	/* The thread's own: */
	bool contacted;
	bool steady;            /* the last turn went well */
	uint64_t renewed_ns;    /* boot time, noted before the last renewal that went well */
	uint64_t recorded_seq;  /* what this instance's row says that it has seen */
	struct store_head head; /* as last read */
	uint64_t told[REASONS_MAX]; /* hashes of the reasons that were logged since the database was last well */
	unsigned told_count;
};

/* ---- applying ---- */

static void apply_one(struct follower *follower, const struct change *change)
{
	struct follower_options *to = &follower->options;

	freshness_begin(to->freshness, change->seq);
	lists_apply(to->lists, change);
	local_apply(to->local, change, clock_monotonic_ns(), clock_wall_us());
	hub_publish(to->hub, change);
	freshness_advance(to->freshness, change->seq);
	metrics_gauge(METRIC_CHANGES_APPLIED, 0, (int64_t)change->seq);
}

/* Applies the next one; false when an earlier change is missing. */
static bool apply_next(struct follower *follower, const struct change *change)
{
	uint64_t applied = freshness_applied(follower->options.freshness);

	if (change->seq > applied + 1)
		return false;
	if (change->seq == applied + 1)
		apply_one(follower, change);
	return true;
}

/* Under the lock, with empty caches: what happened up to the head is in the store, what comes is followed. */
static void start_at(struct follower *follower, const struct store_head *head)
{
	struct freshness *freshness = follower->options.freshness;

	hub_begin(follower->options.hub, head->seq);
	atomic_store(&freshness->history, head->history);
	atomic_store(&freshness->known_since, head->seq);
	atomic_store(&freshness->shown_seq, 0); /* what another history has shown binds nobody */
	freshness_begin(freshness, head->seq);
	freshness_advance(freshness, head->seq);
}

/* History forked: what was applied may never have happened. */
static void forget_everything(struct follower *follower, const struct store_head *head, const char *why)
{
	log_warning("follower", "%s (the database is at change %llu, %llu were applied here): the caches are emptied", why,
	            (unsigned long long)head->seq, (unsigned long long)freshness_applied(follower->options.freshness));
	pthread_mutex_lock(&follower->lock);
	atomic_store(&follower->options.freshness->lease_until_ns, 0);
	local_empty(follower->options.local);
	lists_empty(follower->options.lists);
	start_at(follower, head);
	pthread_mutex_unlock(&follower->lock);
}

static enum store_result read_and_apply(struct follower *follower)
{
	enum store_result result;
	size_t count;

	do {
		struct arena arena;
		struct change *changes;
		uint64_t head;
		arena_init(&arena, ARENA_BYTES_MAX);
		result = store_changes_after(follower->session, freshness_applied(follower->options.freshness), BATCH, &arena,
		                             &changes, &count, &head);
		if (result == STORE_OK && count > 0) {
			bool gapless = true;
			pthread_mutex_lock(&follower->lock);
			for (size_t i = 0; gapless && i < count; i++)
				gapless = apply_next(follower, &changes[i]);
			pthread_cond_broadcast(&follower->applied);
			pthread_mutex_unlock(&follower->lock);
			relay_wake(follower->options.relay);
			if (!gapless)
				result = STORE_PRUNED;
		}
		arena_finish(&arena);
	} while (result == STORE_OK && count == BATCH);
	if (result != STORE_PRUNED)
		return result;
	forget_everything(follower, &follower->head, "the change log lacks changes that were not applied yet");
	return STORE_OK;
}

/* ---- users ---- */

static void read_inactive_users(struct follower *follower, struct store_session *session)
{
	struct arena arena;
	int64_t *ids;
	size_t count;
	uint64_t version;

	arena_init(&arena, ARENA_BYTES_MAX);
	pthread_mutex_lock(&follower->users_lock);
	enum store_result result = store_users_inactive(session, &arena, &ids, &count, &version);
	if (result != STORE_OK || !authenticator_set_inactive(follower->options.authenticator, ids, count))
		log_error("follower", "cannot read which users are shut out: %s", store_session_problem(session));
	pthread_mutex_unlock(&follower->users_lock);
	arena_finish(&arena);
}

void follower_users_changed(struct follower *follower, struct store_session *session)
{
	read_inactive_users(follower, session);
}

/* ---- one turn ---- */

/* Requests may have filled the caches before this first contact, from snapshots older than the head: what changed between
 * the two will never be applied, so those entries must go. */
static void begin(struct follower *follower, const struct store_head *head)
{
	pthread_mutex_lock(&follower->lock);
	local_empty(follower->options.local);
	lists_empty(follower->options.lists);
	start_at(follower, head);
	pthread_mutex_unlock(&follower->lock);
	read_inactive_users(follower, follower->session);
	follower->head = *head;
}

static enum store_result look_at_head(struct follower *follower)
{
	struct store_head head;
	/* Read before the head is: what this instance writes meanwhile is no fork. */
	uint64_t applied = freshness_applied(follower->options.freshness);
	enum store_result result = store_head(follower->session, &head);

	if (result != STORE_OK)
		return result;
	if (!follower->contacted) {
		begin(follower, &head);
	} else {
		if (head.history != follower->head.history)
			forget_everything(follower, &head, "the database is another one, or was failed over");
		else if (head.seq < applied)
			forget_everything(follower, &head, "the database has lost changes");
		if (head.users_version != follower->head.users_version)
			read_inactive_users(follower, follower->session);
		follower->head = head;
	}
	return STORE_OK;
}

static uint64_t lease_ns(const struct follower *follower)
{
	return (uint64_t)follower->options.lease_ms * CLOCK_MS;
}

static enum store_result renew(struct follower *follower)
{
	struct str id = {follower->id, sizeof follower->id - 1};
	uint64_t applied = freshness_applied(follower->options.freshness);
	enum store_result result = store_lease_renew(follower->session, id, follower->options.lease_ms, applied);

	if (result == STORE_OK)
		follower->recorded_seq = applied;
	return result;
}

/* Writers wait for this; what they have been told already need not be said again. */
static enum store_result record_seen(struct follower *follower)
{
	struct str id = {follower->id, sizeof follower->id - 1};
	uint64_t applied = freshness_applied(follower->options.freshness);

	if (applied == follower->recorded_seq)
		return STORE_OK;
	enum store_result result = store_lease_seen(follower->session, id, applied);
	if (result == STORE_OK)
		follower->recorded_seq = applied;
	return result;
}

/* What turn() must not be: the log is read first, and a commit may come between that and the renewal. */
static enum store_result swapped_turn(struct follower *follower, uint64_t started_ns)
{
	const struct timespec pause = {.tv_nsec = 20 * 1000000};
	enum store_result result = look_at_head(follower);

	if (result == STORE_OK)
		result = read_and_apply(follower);
	nanosleep(&pause, NULL); /* so that it does come */
	if (result == STORE_OK)
		result = renew(follower);
	if (result != STORE_OK)
		return result;
	follower->renewed_ns = started_ns;
	atomic_store(&follower->options.freshness->shown_seq, 0); /* or what the primary showed meanwhile would hide the fault */
	atomic_store(&follower->options.freshness->lease_until_ns, started_ns + lease_ns(follower) - lease_ns(follower) / 20);
	nanosleep(&pause, NULL); /* so that it is seen before the next turn */
	return record_seen(follower);
}

/* The order of these steps is the promise; see cache/freshness.h and design, section 2. */
static enum store_result turn(struct follower *follower)
{
	struct freshness *freshness = follower->options.freshness;
	uint64_t started_ns = clock_boottime_ns(), shown = atomic_load(&freshness->shown_seq);
	uint64_t patience_ns = follower->shared ? lease_ns(follower) : 5 * CLOCK_SECOND;

	store_session_deadline(follower->session, clock_monotonic_ns() + patience_ns);
	if (broken("lease_swapped"))
		return swapped_turn(follower, started_ns);
	enum store_result result = follower->shared ? renew(follower) : STORE_OK;
	if (result == STORE_OK)
		result = look_at_head(follower);
	if (result == STORE_OK)
		result = read_and_apply(follower);
	if (result != STORE_OK)
		return result;
	/* All that was read before this turn is applied by now, unless it was of a history that is no more. */
	if (freshness_applied(freshness) < shown)
		atomic_compare_exchange_strong(&freshness->shown_seq, &shown, 0);
	if (!follower->shared)
		return STORE_OK;
	follower->renewed_ns = started_ns;
	uint64_t until_ns = started_ns + lease_ns(follower) - lease_ns(follower) / 20;
	if (broken("lease_forever"))
		until_ns += 3600 * CLOCK_SECOND;
	atomic_store_explicit(&freshness->lease_until_ns, until_ns, memory_order_release);
	metrics_gauge(METRIC_LEASE, 0, 1);
	return record_seen(follower);
}

/* Between renewals: something was committed. Applies it, and leaves the lease as it is. */
static enum store_result short_turn(struct follower *follower)
{
	store_session_deadline(follower->session, clock_monotonic_ns() + lease_ns(follower));
	enum store_result result = read_and_apply(follower);
	return result == STORE_OK ? record_seen(follower) : result;
}

/* Milliseconds until the lease is to be renewed: at a third of it. */
static int until_renewal_ms(const struct follower *follower)
{
	uint64_t due_ns = follower->renewed_ns + lease_ns(follower) / 3, now_ns = clock_boottime_ns();

	return follower->steady && now_ns < due_ns ? (int)((due_ns - now_ns) / CLOCK_MS) : 0;
}

static bool stopping(struct follower *follower)
{
	pthread_mutex_lock(&follower->lock);
	bool stop = follower->stop;
	pthread_mutex_unlock(&follower->lock);
	return stop;
}

static void pause_ms(struct follower *follower, unsigned ms)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += (long)(ms % 1000) * 1000000;
	until.tv_sec += (time_t)(ms / 1000) + until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&follower->lock);
	if (!follower->stop)
		pthread_cond_timedwait(&follower->applied, &follower->lock, &until);
	pthread_mutex_unlock(&follower->lock);
}

/* Each reason once: a breaker that opens first must not hide that the password is refused. */
static void tell_failure(struct follower *follower, enum store_result result)
{
	struct str reason = str_from(store_session_problem(follower->session));
	uint64_t hash = hash_content(reason);

	for (unsigned i = 0; i < follower->told_count; i++) {
		if (follower->told[i] == hash)
			return;
	}
	if (follower->told_count == REASONS_MAX)
		return;
	follower->told[follower->told_count++] = hash;
	log_warning("follower", "the database does not answer (%s): %.*s", store_result_name(result), STR_ARG(reason));
}

static void *run(void *argument)
{
	struct follower *follower = argument;
	unsigned pause = PAUSE_MS_MIN;
	bool hinted;

	while (!stopping(follower)) {
		bool early = follower->shared && until_renewal_ms(follower) > 0;
		enum store_result result = early ? short_turn(follower) : turn(follower);
		follower->steady = result == STORE_OK;
		if (result != STORE_OK) {
			tell_failure(follower, result);
			if (!freshness_held(follower->options.freshness))
				metrics_gauge(METRIC_LEASE, 0, 0);
			pause_ms(follower, pause);
			pause = pause * 2 < PAUSE_MS_MAX ? pause * 2 : PAUSE_MS_MAX;
			continue;
		}
		if (follower->told_count > 0)
			log_info("follower", "the database answers again");
		follower->told_count = 0;
		pause = PAUSE_MS_MIN;
		if (!follower->contacted) {
			follower->contacted = true;
			follower->options.first_contact(follower->options.context, follower->session);
		}
		int wait_ms = follower->shared ? until_renewal_ms(follower) : POLL_MS;
		store_session_deadline(follower->session, clock_monotonic_ns() + (uint64_t)wait_ms * CLOCK_MS + CLOCK_SECOND);
		if (!stopping(follower) && store_listen(follower->session, wait_ms, &hinted) != STORE_OK)
			pause_ms(follower, pause);
	}
	return NULL;
}

/* ---- for the write lane ---- */

static struct timespec monotonic(uint64_t ns)
{
	return (struct timespec){(time_t)(ns / CLOCK_SECOND), (long)(ns % CLOCK_SECOND)};
}

/* Waits until this instance has applied seq; when that does not come in time, it gives its own lease up instead. */
static void wait_applied_here(struct follower *follower, uint64_t seq, uint64_t deadline_ns)
{
	struct timespec until = monotonic(deadline_ns);
	int timed_out = 0;

	store_interrupt(follower->session);
	pthread_mutex_lock(&follower->lock);
	while (freshness_applied(follower->options.freshness) < seq && timed_out == 0)
		timed_out = pthread_cond_timedwait(&follower->applied, &follower->lock, &until);
	if (timed_out != 0)
		atomic_store(&follower->options.freshness->lease_until_ns, 0);
	pthread_mutex_unlock(&follower->lock);
}

/* Other instances cannot be asked any more: after a whole lease none of them answers from before the commit. */
static void wait_seen_elsewhere(struct follower *follower, struct store_session *session, uint64_t seq,
                                uint64_t committed_ns)
{
	struct str id = {follower->id, sizeof follower->id - 1};

	if (!follower->shared || broken("no_wait"))
		return;
	store_session_deadline(session, committed_ns + lease_ns(follower) + lease_ns(follower) / 4);
	if (store_lease_wait(session, id, seq) == STORE_OK)
		return;
	struct timespec until = monotonic(committed_ns + lease_ns(follower));
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) != 0)
		continue;
}

void follower_committed(struct follower *follower, struct store_session *session, const struct store_write *writes,
                        size_t count)
{
	uint64_t committed_ns = clock_monotonic_ns(), last = 0;
	bool complete = true;

	pthread_mutex_lock(&follower->lock);
	for (size_t i = 0; i < count; i++) {
		bool applied = writes[i].outcome == WRITE_APPLIED;
		if (applied || store_write_repeats(&writes[i]))
			last = writes[i].as_of;
		complete = complete && (!applied || apply_next(follower, &writes[i].change));
	}
	complete = complete && freshness_applied(follower->options.freshness) >= last;
	pthread_cond_broadcast(&follower->applied);
	pthread_mutex_unlock(&follower->lock);
	if (last == 0)
		return;
	relay_wake(follower->options.relay);
	if (!complete)
		wait_applied_here(follower, last, committed_ns + (uint64_t)follower->options.lease_ms * CLOCK_MS);
	wait_seen_elsewhere(follower, session, last, committed_ns);
}

bool follower_wait(struct follower *follower, struct store_session *session, uint64_t seq, uint64_t deadline_ns)
{
	uint64_t committed_ns = clock_monotonic_ns();

	wait_applied_here(follower, seq, deadline_ns);
	wait_seen_elsewhere(follower, session, seq, committed_ns);
	return freshness_applied(follower->options.freshness) >= seq;
}

/* ---- life ---- */

struct follower *follower_start(const struct follower_options *options)
{
	struct follower *follower = calloc(1, sizeof *follower);
	pthread_condattr_t attributes;
	unsigned char random[16];
	struct buf hex;

	if (follower == NULL)
		return NULL;
	follower->options = *options;
	follower->shared = store_is_shared(options->store);
	options->freshness->leased = follower->shared;
	random_bytes(random, sizeof random);
	buf_init(&hex, sizeof follower->id);
	buf_hex(&hex, random, sizeof random);
	follower->session = hex.failed ? NULL : store_session_open(options->store);
	if (follower->session == NULL)
		goto fail;
	memcpy(follower->id, hex.ptr, hex.len);
	buf_finish(&hex);
	pthread_mutex_init(&follower->lock, NULL);
	pthread_mutex_init(&follower->users_lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&follower->applied, &attributes);
	pthread_condattr_destroy(&attributes);
	if (pthread_create(&follower->thread, NULL, run, follower) == 0)
		return follower;
	pthread_cond_destroy(&follower->applied);
	pthread_mutex_destroy(&follower->users_lock);
	pthread_mutex_destroy(&follower->lock);
	store_session_close(follower->session);
fail:
	buf_finish(&hex);
	free(follower);
	return NULL;
}

void follower_stop(struct follower *follower)
{
	if (follower == NULL)
		return;
	pthread_mutex_lock(&follower->lock);
	follower->stop = true;
	pthread_cond_broadcast(&follower->applied);
	pthread_mutex_unlock(&follower->lock);
	store_interrupt(follower->session);
	pthread_join(follower->thread, NULL);
	if (follower->shared) {
		store_session_deadline(follower->session, clock_monotonic_ns() + CLOCK_SECOND);
		if (store_lease_drop(follower->session, (struct str){follower->id, sizeof follower->id - 1}) != STORE_OK)
			log_warning("follower", "the lease could not be given up: %s", store_session_problem(follower->session));
	}
	store_session_close(follower->session);
	pthread_cond_destroy(&follower->applied);
	pthread_mutex_destroy(&follower->users_lock);
	pthread_mutex_destroy(&follower->lock);
	free(follower);
}
