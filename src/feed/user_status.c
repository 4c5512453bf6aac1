#include "feed/user_status.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "events/body.h"
#include "redis/connection.h"

#define CHANNEL "evently:users:status"

enum {
	TIMEOUT_MS = 1000,    /* of connecting, and of a sign of life */
	LISTEN_MS = 100,      /* between looks at `stopping` */
	SILENCE_MS = 5000,    /* then Redis is asked for a sign of life */
	RETRY_MS = 250,
	REFUSED_MS = 5000,    /* who may not subscribe asks seldom whether he may now */
	STORE_MS = 5000,
	MESSAGE_BYTES_MAX = 4096,
	ARENA_BYTES_MAX = 1 << 20,
	BREAKER_SERIES = 10,
	FAILURES_MAX = 1,
};

struct user_status {
	struct user_status_options options;
	struct breaker breaker;
	struct redis *redis;
	struct store_session *session;
	pthread_t thread;
	atomic_bool stopping;
};

/* False: it is no message of ours. */
static bool parse(struct str message, struct arena *arena, int64_t *user_id, bool *is_active)
{
	struct body_member member;
	bool has_type = false, has_user = false;
	struct body body;
	struct str problem;

	if (message.len > MESSAGE_BYTES_MAX)
		return false;
	bool opened = body_open(&body, message, arena, &problem) == BODY_OK;
	while (opened && body_next(&body, &member)) {
		if (str_equal(member.name, STR("type"))) {
			*is_active = str_equal(member.raw, STR("\"UserActivated\""));
			has_type = *is_active || str_equal(member.raw, STR("\"UserDeactivated\""));
		} else if (str_equal(member.name, STR("user_id"))) {
			has_user = json_is_number(member.value) && str_to_i64(member.raw, user_id) && *user_id > 0;
		}
	}
	body_close(&body);
	return has_type && has_user;
}

static void rest(const struct user_status *status, unsigned pause_ms)
{
	for (; pause_ms >= RETRY_MS && !atomic_load(&status->stopping); pause_ms -= RETRY_MS)
		(void)nanosleep(&(struct timespec){0, RETRY_MS * 1000000L}, NULL);
}

/* Until it is written down: what was said once is not said again. */
static void take_over(struct user_status *status, int64_t user_id, bool is_active)
{
	const struct log_field fields[] = {LOG_INTEGER("user_id", user_id)};
	enum store_result result = STORE_UNAVAILABLE;
	bool in_trouble = false;

	while (result != STORE_OK && !atomic_load(&status->stopping)) {
		struct store_user user;
		struct arena arena;
		arena_init(&arena, ARENA_BYTES_MAX);
		store_session_deadline(status->session, clock_monotonic_ns() + STORE_MS * CLOCK_MS);
		result = store_user_set_active(status->session, user_id, is_active, clock_wall_us(), &arena, &user);
		arena_finish(&arena);
		if (result == STORE_OK) {
			follower_users_changed(status->options.follower, status->session);
			log_line(LOG_INFO, "users", fields, ARRAY_LENGTH(fields), "a message on " CHANNEL " %s a user",
			         is_active ? "let in" : "shut out");
			return;
		}
		if (!in_trouble)
			log_line(LOG_ERROR, "users", fields, ARRAY_LENGTH(fields), "a message on " CHANNEL " is not written down yet: %s",
			         store_session_problem(status->session));
		in_trouble = true;
		rest(status, RETRY_MS);
	}
}

static void hear(struct user_status *status, const struct redis_reply *reply, struct arena *arena)
{
	int64_t user_id;
	bool is_active = false;

	/* ["message", channel, payload]; others are answers to SUBSCRIBE and PING. */
	if (reply->type != REPLY_ARRAY || reply->count != 3 || !str_equal(reply->elements[0]->text, STR("message")))
		return;
	if (parse(reply->elements[2]->text, arena, &user_id, &is_active))
		take_over(status, user_id, is_active);
	else
		log_warning("users", "a message on " CHANNEL " is not understood");
}

/* Until the connection is lost. */
static void listen_on(struct user_status *status)
{
	uint64_t heard_ns = clock_monotonic_ns();
	enum redis_result result = REDIS_DONE;

	while (result == REDIS_DONE && !atomic_load(&status->stopping)) {
		struct redis_reply *reply;
		struct arena arena;
		uint64_t now_ns = clock_monotonic_ns();
		arena_init(&arena, ARENA_BYTES_MAX);
		result = redis_listen(status->redis, now_ns - heard_ns > SILENCE_MS * CLOCK_MS, now_ns + LISTEN_MS * CLOCK_MS, &arena, &reply);
		if (result == REDIS_DONE && reply != NULL) {
			hear(status, reply, &arena);
			heard_ns = clock_monotonic_ns();
		}
		arena_finish(&arena);
	}
}

static void *run(void *argument)
{
	struct user_status *status = argument;
	bool refused = false;

	while (!atomic_load(&status->stopping)) {
		uint64_t deadline_ns = clock_monotonic_ns() + TIMEOUT_MS * CLOCK_MS;
		enum redis_result result = redis_subscribe(status->redis, STR(CHANNEL), deadline_ns);
		if (result == REDIS_REFUSED && !refused)
			log_warning("users", "nothing is heard on " CHANNEL ": %s", redis_problem(status->redis));
		refused = result == REDIS_REFUSED;
		if (result == REDIS_DONE)
			listen_on(status);
		else
			rest(status, refused ? REFUSED_MS : RETRY_MS);
	}
	return NULL;
}

static void destroy(struct user_status *status)
{
	if (status->session != NULL)
		store_session_close(status->session);
	redis_destroy(status->redis);
	breaker_finish(&status->breaker);
	free(status);
}

struct user_status *user_status_start(const struct user_status_options *options)
{
	struct user_status *status = calloc(1, sizeof *status);
	struct redis_options own = *options->redis;

	if (status == NULL)
		return NULL;
	status->options = *options;
	if (own.timeout_ms < TIMEOUT_MS)
		own.timeout_ms = TIMEOUT_MS;
	own.home_key = CHANNEL; /* in a cluster every node hears of every message: any one will do */
	breaker_init(&status->breaker, "redis of the users' status", BREAKER_SERIES, FAILURES_MAX, RETRY_MS, TIMEOUT_MS);
	status->redis = redis_create(&own, &status->breaker);
	status->session = store_session_open(options->store);
	if (status->redis != NULL && status->session != NULL && pthread_create(&status->thread, NULL, run, status) == 0)
		return status;
	destroy(status);
	return NULL;
}

void user_status_stop(struct user_status *status)
{
	if (status == NULL)
		return;
	atomic_store(&status->stopping, true);
	pthread_join(status->thread, NULL);
	destroy(status);
}
