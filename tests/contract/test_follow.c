/* Following the log: hints, leases, the relay's books. What several instances see of each other is tests/fault's. */
#include "world.h"

#include <pthread.h>

#include "base/clock.h"

enum { LONG_MS = 20000 };

struct listener {
	struct store_session *session;
	bool hinted;
	enum store_result result;
};

static void *listen_long(void *context)
{
	struct listener *listener = context;

	listener->result = store_listen(listener->session, LONG_MS, &listener->hinted);
	return NULL;
}

static void a_commit_is_hinted(void **state)
{
	struct world *world = *state;
	struct listener listener = {.session = world_session(world)};
	uint64_t begun_ns = clock_monotonic_ns();
	struct store_user user;
	pthread_t thread;
	bool hinted;

	assert_ok(listener.session, store_listen(listener.session, 0, &hinted)); /* from here on nothing is missed */
	(void)create_event(world, "Jazz", NOW_US, EVENT_DRAFT);
	assert_ok(listener.session, store_listen(listener.session, LONG_MS, &hinted));
	assert_true(hinted);

	assert_int_equal(0, pthread_create(&thread, NULL, listen_long, &listener));
	(void)create_event(world, "Jazz", NOW_US, EVENT_DRAFT);
	assert_int_equal(0, pthread_join(thread, NULL));
	assert_ok(listener.session, listener.result);
	assert_true(listener.hinted);

	assert_ok(world->session, store_user_set_active(world->session, 7, false, NOW_US, &world->arena, &user));
	assert_ok(listener.session, store_listen(listener.session, LONG_MS, &hinted));
	assert_true(hinted);
	assert_true(clock_monotonic_ns() - begun_ns < (LONG_MS / 2) * CLOCK_MS);
	store_session_close(listener.session);
}

static void listening_ends(void **state)
{
	struct world *world = *state;
	struct listener listener = {.session = world_session(world)};
	uint64_t begun_ns = clock_monotonic_ns();
	pthread_t thread;
	bool hinted = true;

	assert_ok(listener.session, store_listen(listener.session, 0, &hinted));
	assert_ok(listener.session, store_listen(listener.session, 30, &hinted));
	assert_false(hinted);
	assert_true(clock_monotonic_ns() - begun_ns >= 30 * CLOCK_MS);

	assert_int_equal(0, pthread_create(&thread, NULL, listen_long, &listener));
	store_interrupt(listener.session); /* before or while it waits */
	assert_int_equal(0, pthread_join(thread, NULL));
	assert_ok(listener.session, listener.result);
	assert_false(listener.hinted);
	assert_true(clock_monotonic_ns() - begun_ns < (LONG_MS / 2) * CLOCK_MS);
	store_session_close(listener.session);
}

static void the_head_names_the_last_change(void **state)
{
	struct world *world = *state;
	struct store_head head;

	assert_ok(world->session, store_head(world->session, &head));
	assert_int_equal(0, head.seq);
	uint64_t history = head.history;
	int64_t id = create_event(world, "Jazz", NOW_US, EVENT_DRAFT);
	(void)apply_one(world, write_delete(id));
	assert_ok(world->session, store_head(world->session, &head));
	assert_int_equal(2, head.seq);
	assert_true(head.history == history);
}

static void a_writer_alone_waits_for_nobody(void **state)
{
	struct world *world = *state;
	uint64_t begun_ns = clock_monotonic_ns();

	assert_ok(world->session, store_lease_renew(world->session, STR("me"), 60000, 0));
	(void)create_event(world, "Jazz", NOW_US, EVENT_DRAFT);
	assert_ok(world->session, store_lease_wait(world->session, STR("me"), 1));
	assert_ok(world->session, store_lease_seen(world->session, STR("me"), 1));
	assert_ok(world->session, store_lease_drop(world->session, STR("me")));
	assert_ok(world->session, store_lease_wait(world->session, STR("other"), 1));
	assert_true(clock_monotonic_ns() - begun_ns < 10 * CLOCK_SECOND);
}

/* A store need not tell anybody of a commit while nobody else is there. Who comes is told of the next one. */
static void who_comes_while_one_wrote_alone_is_told(void **state)
{
	struct world *world = *state;
	struct store_session *other = world_session(world);
	uint64_t seq = 0;
	bool hinted = true;

	if (world_is_sqlite()) {
		store_session_close(other);
		return;
	}
	for (; seq < 4; seq++) {
		(void)create_event(world, "Jazz", NOW_US, EVENT_DRAFT);
		assert_ok(world->session, store_lease_wait(world->session, STR("me"), seq + 1));
	}
	assert_ok(other, store_lease_renew(other, STR("other"), 60000, seq));
	assert_ok(other, store_listen(other, 0, &hinted)); /* from here on nothing is missed */
	for (int i = 0; i < 2; i++) {
		(void)create_event(world, "Jazz", NOW_US, EVENT_DRAFT);
		store_session_deadline(world->session, clock_monotonic_ns() + 200 * CLOCK_MS);
		assert_result(STORE_DEADLINE, world->session, store_lease_wait(world->session, STR("me"), ++seq));
		store_session_deadline(world->session, clock_monotonic_ns() + 20 * CLOCK_SECOND);
		assert_ok(other, store_listen(other, LONG_MS, &hinted));
		assert_true(hinted);
	}
	assert_ok(other, store_lease_seen(other, STR("other"), seq));
	assert_ok(world->session, store_lease_wait(world->session, STR("me"), seq));
	store_session_close(other);
}

static void one_session_relays(void **state)
{
	struct world *world = *state;
	struct store_session *first = world_session(world), *second = world_session(world);
	uint64_t seq = 9;

	assert_ok(first, store_relay_lock(first));
	assert_ok(first, store_relay_lock(first)); /* it has it already */
	assert_result(STORE_IN_USE, second, store_relay_lock(second));
	assert_ok(first, store_relay_position(first, &seq));
	assert_int_equal(0, seq);
	for (int i = 0; i < 3; i++)
		(void)create_event(world, "Jazz", NOW_US, EVENT_DRAFT);
	assert_ok(first, store_relay_advance(first, 2));
	assert_ok(second, store_relay_position(second, &seq));
	assert_int_equal(2, seq);
	store_session_close(first);
	assert_ok(second, store_relay_lock(second));
	assert_ok(second, store_relay_advance(second, 3));
	assert_ok(second, store_relay_position(second, &seq));
	assert_int_equal(3, seq);
	store_session_close(second);
}

int run_follow_tests(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(a_commit_is_hinted),
		STORE_TEST(listening_ends),
		STORE_TEST(the_head_names_the_last_change),
		STORE_TEST(a_writer_alone_waits_for_nobody),
		STORE_TEST(who_comes_while_one_wrote_alone_is_told),
		STORE_TEST(one_session_relays),
	};
	return cmocka_run_group_tests_name("follow", tests, NULL, NULL);
}
