#include "cache/shared.h"

#include "cache/envelope.h"
#include "unit/redis_server.h"

enum { HISTORY = 77 };

static struct redis_server server;
static struct breaker breaker;
static struct shared shared;
static struct arena arena;
static const char *const query_text = "e:published?sort=id";

static int start(void **state)
{
	(void)state;
	redis_server_start(&server);
	struct redis_options options = {.host = "127.0.0.1",
					.user = "",
					.password = "",
					.ca_file = "",
					.port = server.port,
					.timeout_ms = 2000};
	redis_breaker_init(&breaker, 1);
	shared = (struct shared){redis_create(&options, &breaker), HISTORY};
	arena_init(&arena, 64 << 20);
	return shared.redis != NULL ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	redis_destroy(shared.redis);
	breaker_finish(&breaker);
	arena_finish(&arena);
	redis_server_finish(&server);
	return 0;
}

static uint64_t soon(void)
{
	return clock_monotonic_ns() + 5 * CLOCK_SECOND;
}

static struct redis_reply *command(const struct str *words, size_t count)
{
	struct redis_reply **replies;

	redis_append_list(shared.redis, words, count);
	assert_int_equal(redis_run(shared.redis, soon(), &arena, &replies), REDIS_DONE);
	assert_int_not_equal(replies[0]->type, REPLY_ERROR);
	return replies[0];
}

#define COMMAND(...) \
	command((const struct str[]){__VA_ARGS__}, sizeof((const struct str[]){__VA_ARGS__}) / sizeof(struct str))

static int empty(void **state)
{
	(void)state;
	arena_reset(&arena);
	COMMAND(STR("FLUSHALL"));
	return 0;
}

static struct shared_event event_of(int64_t id, uint64_t as_of)
{
	return (struct shared_event){
		.id = id,
		.as_of = as_of,
		.event = {.id = id,
			  .title = STR("Jazz \"Night\""),
			  .venue = STR("Blue Hall"),
			  .description = STR_NONE,
			  .event_date_us = INT64_C(1804966200000000),
			  .price_cents = 2500,
			  .capacity = 250,
			  .status = EVENT_PUBLISHED,
			  .created_at_us = 1,
			  .updated_at_us = 2,
			  .created_by = 3,
			  .version = 4},
	};
}

static void set_event(int64_t id, uint64_t as_of)
{
	struct shared_event event = event_of(id, as_of);
	assert_int_equal(shared_set_events(&shared, &event, 1, 60000, soon(), &arena), REDIS_DONE);
}

static enum shared_state state_of(int64_t id, uint64_t min_as_of)
{
	struct shared_event event = {.id = id, .min_as_of = min_as_of, .state = SHARED_HIT};
	(void)shared_get_events(&shared, &event, 1, soon(), &arena);
	return event.state;
}

static void events_come_back_as_they_went(void **state)
{
	struct shared_event stored[3] = {event_of(7, 10), event_of(8, 11), event_of(INT64_MAX, 12)};
	struct shared_event asked[4] = {
		{.id = 8}, {.id = 9}, {.id = INT64_MAX, .min_as_of = 12}, {.id = 7, .min_as_of = 10}};

	(void)state;
	assert_int_equal(shared_set_events(&shared, stored, 3, 60000, soon(), &arena), REDIS_DONE);
	assert_int_equal(shared_get_events(&shared, asked, 4, soon(), &arena), REDIS_DONE);
	assert_int_equal(asked[0].state, SHARED_HIT);
	assert_int_equal(asked[1].state, SHARED_MISS);
	assert_int_equal(asked[2].state, SHARED_HIT);
	assert_int_equal(asked[3].state, SHARED_HIT);
	assert_int_equal(asked[0].as_of, 11);
	assert_int_equal(asked[0].event.id, 8);
	assert_str(asked[3].event.title, "Jazz \"Night\"");
	assert_null(asked[3].event.description.ptr);
	assert_int_equal(asked[3].event.price_cents, 2500);
	assert_int_equal(asked[3].event.version, 4);
	assert_true(clock_wall_us() - asked[3].created_us < 60000000);
	int64_t left_ms = COMMAND(STR("PTTL"), STR("evently:v1:event:7"))->integer;
	assert_true(left_ms > 50000 && left_ms <= 60000);
}

static void lists_come_back_as_they_went(void **state)
{
	struct shared_list stored = {
		.query = str_from(query_text), .as_of = 5, .valid_until_us = 99, .body = {"a\0b", 3}};
	struct shared_list asked[2] = {{.query = str_from(query_text), .min_as_of = 5}, {.query = STR("other")}};

	(void)state;
	assert_int_equal(shared_set_lists(&shared, &stored, 1, 60000, soon(), &arena), REDIS_DONE);
	assert_int_equal(shared_get_lists(&shared, asked, 2, soon(), &arena), REDIS_DONE);
	assert_int_equal(asked[0].state, SHARED_HIT);
	assert_int_equal(asked[0].body.len, 3);
	assert_memory_equal(asked[0].body.ptr, "a\0b", 3);
	assert_int_equal(asked[0].valid_until_us, 99);
	assert_int_equal(asked[1].state, SHARED_MISS);
	asked[0].min_as_of = 6;
	assert_int_equal(shared_get_lists(&shared, asked, 1, soon(), &arena), REDIS_DONE);
	assert_int_equal(asked[0].state, SHARED_STALE);
}

static void old_entries_and_other_histories_are_stale(void **state)
{
	(void)state;
	set_event(7, 10);
	assert_int_equal(state_of(7, 10), SHARED_HIT);
	assert_int_equal(state_of(7, 11), SHARED_STALE);
	shared.history = HISTORY + 1;
	assert_int_equal(state_of(7, 10), SHARED_REJECTED);
	shared.history = HISTORY;
}

static struct str raw(const char *key)
{
	return COMMAND(STR("GET"), str_from(key))->text;
}

static void entries_of_others_are_rejected(void **state)
{
	(void)state;
	/* Event 7's own value, whole and undamaged, under event 8's key. */
	set_event(7, 10);
	COMMAND(STR("SET"), STR("evently:v1:event:8"), raw("evently:v1:event:7"));
	assert_int_equal(state_of(8, 0), SHARED_REJECTED);
	/* Well wrapped for 9, but the event inside is another. */
	struct shared_event forged = event_of(7, 10);
	forged.id = 9;
	assert_int_equal(shared_set_events(&shared, &forged, 1, 60000, soon(), &arena), REDIS_DONE);
	assert_int_equal(state_of(9, 0), SHARED_REJECTED);
	/* A list whose query happens to have the same hash. */
	struct shared_list list = {.query = str_from(query_text), .body = STR("[]")};
	assert_int_equal(shared_set_lists(&shared, &list, 1, 60000, soon(), &arena), REDIS_DONE);
	struct redis_reply *keys = COMMAND(STR("KEYS"), STR("evently:v1:list:*"));
	assert_int_equal(keys->count, 1);
	struct buf value;
	buf_init(&value, 4096);
	envelope_print(&value, &(struct envelope){.history = HISTORY, .as_of = 9, .name = STR("?"), .body = STR("x")});
	COMMAND(STR("SET"), keys->elements[0]->text, buf_view(&value));
	assert_int_equal(shared_get_lists(&shared, &list, 1, soon(), &arena), REDIS_DONE);
	assert_int_equal(list.state, SHARED_REJECTED);
	buf_finish(&value);
}

static void damaged_values_are_rejected(void **state)
{
	(void)state;
	set_event(7, 10);
	struct str whole = raw("evently:v1:event:7");
	char *damaged = arena_alloc(&arena, whole.len);
	assert_non_null(damaged);
	for (size_t i = 0; i < whole.len; i++) {
		memcpy(damaged, whole.ptr, whole.len);
		damaged[i] = (char)(damaged[i] ^ 4);
		COMMAND(STR("SET"), STR("evently:v1:event:7"), ((struct str){damaged, whole.len}));
		assert_int_equal(state_of(7, 0), SHARED_REJECTED);
		COMMAND(STR("SET"), STR("evently:v1:event:7"), ((struct str){whole.ptr, i}));
		assert_int_equal(state_of(7, 0), SHARED_REJECTED);
	}
	COMMAND(STR("SET"), STR("evently:v1:event:7"), whole);
	assert_int_equal(state_of(7, 0), SHARED_HIT);
}

/* Even if somebody could seal them. */
static void hostile_bodies_are_rejected(void **state)
{
	static const char *const bodies[] = {
		"",
		"null",
		"[]",
		"{",
		"{}",
		"{\"id\":7}",
		"\x00\xff",
		"{\"id\":\"7\"}",
		"{\"id\":7,\"title\":5}",
		"{\"id\":9223372036854775808}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(bodies) + 1; i++) {
		struct buf value, nested;
		buf_init(&value, 4 << 20);
		buf_init(&nested, 1 << 20);
		for (int depth = 0; depth < 100000; depth++)
			buf_char(&nested, '[');
		struct str body = i < ARRAY_LENGTH(bodies) ? str_from(bodies[i]) : buf_view(&nested);
		envelope_print(&value, &(struct envelope){
					       .history = HISTORY, .as_of = 9, .name = STR("event:7"), .body = body});
		COMMAND(STR("SET"), STR("evently:v1:event:7"), buf_view(&value));
		assert_int_equal(state_of(7, 0), SHARED_REJECTED);
		buf_finish(&value);
		buf_finish(&nested);
	}
	/* Another type altogether reads as absent. */
	COMMAND(STR("DEL"), STR("evently:v1:event:7"));
	COMMAND(STR("LPUSH"), STR("evently:v1:event:7"), STR("x"));
	assert_int_equal(state_of(7, 0), SHARED_MISS);
}

static void bounds_and_times_to_live(void **state)
{
	static char large[SHARED_BODY_BYTES_MAX];
	struct shared_list lists[2] = {{.query = STR("large"), .body = {large, sizeof large}},
				       {.query = STR("small"), .body = STR("[]")}};
	struct shared_event event = event_of(7, 1);

	(void)state;
	assert_int_equal(shared_set_lists(&shared, lists, 2, 60000, soon(), &arena), REDIS_DONE);
	assert_int_equal(shared_get_lists(&shared, lists, 2, soon(), &arena), REDIS_DONE);
	assert_int_equal(lists[0].state, SHARED_MISS);
	assert_int_equal(lists[1].state, SHARED_HIT);
	assert_int_equal(shared_set_events(&shared, &event, 1, 0, soon(), &arena), REDIS_DONE);
	assert_int_equal(state_of(7, 0), SHARED_MISS);
	assert_int_equal(shared_set_events(&shared, &event, 1, 20, soon(), &arena), REDIS_DONE);
	wait_until(state_of(7, 0) == SHARED_MISS, 5000);
	assert_int_equal(shared_get_events(&shared, NULL, 0, soon(), &arena), REDIS_DONE);
	assert_int_equal(shared_set_events(&shared, NULL, 0, 60000, soon(), &arena), REDIS_DONE);
}

static void a_full_batch_fits(void **state)
{
	struct shared_event *events = arena_array(&arena, struct shared_event, SHARED_BATCH_MAX);

	(void)state;
	assert_non_null(events);
	for (int64_t i = 0; i < SHARED_BATCH_MAX; i++)
		events[i] = event_of(i + 1, 1);
	assert_int_equal(shared_set_events(&shared, events, SHARED_BATCH_MAX, 60000, soon(), &arena), REDIS_DONE);
	assert_int_equal(shared_get_events(&shared, events, SHARED_BATCH_MAX, soon(), &arena), REDIS_DONE);
	for (size_t i = 0; i < SHARED_BATCH_MAX; i++)
		assert_int_equal(events[i].state, SHARED_HIT);
}

/* Last: the server is gone afterwards. */
static void without_redis_all_are_misses(void **state)
{
	struct shared_event event = event_of(7, 1);

	(void)state;
	set_event(7, 10);
	redis_server_kill(&server);
	event.state = SHARED_HIT;
	assert_int_equal(shared_get_events(&shared, &event, 1, soon(), &arena), REDIS_LOST);
	assert_int_equal(event.state, SHARED_MISS);
	assert_int_not_equal(shared_get_events(&shared, &event, 1, soon(), &arena), REDIS_DONE);
	assert_int_equal(event.state, SHARED_MISS);
	assert_int_not_equal(shared_set_events(&shared, &event, 1, 60000, soon(), &arena), REDIS_DONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(events_come_back_as_they_went, empty),
		cmocka_unit_test_setup(lists_come_back_as_they_went, empty),
		cmocka_unit_test_setup(old_entries_and_other_histories_are_stale, empty),
		cmocka_unit_test_setup(entries_of_others_are_rejected, empty),
		cmocka_unit_test_setup(damaged_values_are_rejected, empty),
		cmocka_unit_test_setup(hostile_bodies_are_rejected, empty),
		cmocka_unit_test_setup(bounds_and_times_to_live, empty),
		cmocka_unit_test_setup(a_full_batch_fits, empty),
		cmocka_unit_test(without_redis_all_are_misses),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
