/* store_apply: every kind of write, every outcome. */
#include "world.h"

#include <string.h>

#include "base/hash.h"

static void a_creation_is_an_event_and_a_change(void **state)
{
	struct world *world = *state;
	struct patch patch = event_patch("Jazz Night", "Blue Hall", NOW_US + DAY_US, EVENT_PUBLISHED);
	struct store_write write = apply_one(world, write_create(&patch));
	struct buf json;

	assert_int_equal(WRITE_APPLIED, write.outcome);
	assert_true(write.event.id > 0);
	assert_int_equal(1, write.event.version);
	assert_int_equal(NOW_US, write.event.created_at_us);
	assert_int_equal(NOW_US, write.event.updated_at_us);
	assert_int_equal(ADMIN, write.event.created_by);
	buf_init(&json, 65536);
	event_json(&json, &write.event, NOW_US);
	assert_true(str_equal(buf_view(&json), write.answer));
	buf_finish(&json);

	assert_int_equal(1, write.change.seq);
	assert_int_equal(CHANGE_CREATED, write.change.kind);
	assert_int_equal(write.event.id, write.change.event_id);
	assert_false(write.change.has_before);
	assert_true(write.change.has_after);
	assert_events_equal(&write.event, &write.change.after);
	struct event read = get_event(world, write.event.id);
	assert_events_equal(&write.event, &read);
	assert_verified(world);
}

static void an_update_changes_what_it_carries(void **state)
{
	struct world *world = *state;
	int64_t id = create_event(world, "Jazz Night", NOW_US + DAY_US, EVENT_DRAFT);
	struct event before = get_event(world, id);
	struct patch patch = {.fields = PATCH_DESCRIPTION | PATCH_STATUS,
		.event = {.description = STR("late"), .status = EVENT_PUBLISHED}};
	struct store_write write = apply_one(world, write_update(id, &patch));

	assert_int_equal(WRITE_APPLIED, write.outcome);
	assert_int_equal(2, write.event.version);
	assert_true(write.event.updated_at_us > before.updated_at_us);
	assert_true(str_equal(STR("late"), write.event.description));
	assert_true(str_equal(STR("Jazz Night"), write.event.title));
	assert_int_equal(CHANGE_UPDATED, write.change.kind);
	assert_int_equal(2, write.change.seq);
	assert_int_equal(2, write.change.version);
	assert_events_equal(&before, &write.change.before);
	assert_events_equal(&write.event, &write.change.after);
	struct event read = get_event(world, id);
	assert_events_equal(&write.event, &read);

	struct patch clear = {.fields = PATCH_DESCRIPTION, .event = {.description = STR_NONE}};
	write = apply_one(world, write_update(id, &clear));
	assert_int_equal(WRITE_APPLIED, write.outcome);
	assert_null(get_event(world, id).description.ptr);
	assert_verified(world);
}

static void an_update_that_changes_nothing_is_no_version(void **state)
{
	struct world *world = *state;
	int64_t id = create_event(world, "Jazz Night", NOW_US + DAY_US, EVENT_DRAFT);
	struct patch same = {.fields = PATCH_TITLE, .event = {.title = STR("Jazz Night")}};
	struct patch empty = {0};
	struct store_write write = apply_one(world, write_update(id, &same));

	assert_int_equal(WRITE_UNCHANGED, write.outcome);
	assert_int_equal(1, write.event.version);
	assert_int_equal(0, write.change.seq);
	write = apply_one(world, write_update(id, &empty));
	assert_int_equal(WRITE_UNCHANGED, write.outcome);
	assert_int_equal(id, write.event.id);
	assert_verified(world);
}

static void a_deletion_leaves_its_change(void **state)
{
	struct world *world = *state;
	int64_t id = create_event(world, "Jazz Night", NOW_US + DAY_US, EVENT_PUBLISHED);
	struct event before = get_event(world, id);
	struct store_write write = apply_one(world, write_delete(id));

	assert_int_equal(WRITE_APPLIED, write.outcome);
	assert_int_equal(CHANGE_DELETED, write.change.kind);
	assert_int_equal(2, write.change.version);
	assert_int_equal(2, write.change.seq);
	assert_int_equal(id, write.change.event_id);
	assert_true(write.change.has_before);
	assert_false(write.change.has_after);
	assert_events_equal(&before, &write.change.before);
	assert_int_equal(0, get_event(world, id).id);
	assert_int_equal(WRITE_NOT_FOUND, apply_one(world, write_delete(id)).outcome);
	assert_true(create_event(world, "Next", NOW_US, EVENT_DRAFT) > id); /* ids are never given twice */
	assert_verified(world);
}

static void what_is_not_there_cannot_be_changed(void **state)
{
	struct world *world = *state;
	struct patch patch = {.fields = PATCH_TITLE, .event = {.title = STR("New")}};

	assert_int_equal(WRITE_NOT_FOUND, apply_one(world, write_update(4711, &patch)).outcome);
	struct store_write write = write_delete(4711);
	write.if_match = STR("\"0000000000000000\"");
	assert_int_equal(WRITE_NOT_FOUND, apply_one(world, write).outcome);
	write = write_delete(INT64_MAX);
	assert_int_equal(WRITE_NOT_FOUND, apply_one(world, write).outcome);
	struct store_head head;
	assert_ok(world->session, store_head(world->session, &head));
	assert_int_equal(0, head.seq);
}

/* ---- If-Match ---- */

/* `header` with the event's tag (without its quotes) for each @. */
static struct str with_tag(struct world *world, const struct event *event, const char *header)
{
	struct str text = STR("");

	for (const char *c = header; *c != '\0'; c++) {
		if (*c == '@')
			text = arena_printf(&world->arena, "%.*s%016llx", STR_ARG(text), (unsigned long long)event_etag(event, NOW_US));
		else
			text = arena_printf(&world->arena, "%.*s%c", STR_ARG(text), *c);
	}
	return text;
}

static void if_match_is_compared_inside_the_write(void **state)
{
	struct world *world = *state;
	static const char *const hold[] = {"\"@\"", " \"@\" ", "*", "\"x\", \"@\"", "W/\"a\" ,\"@\"",
		"\"a,b\",\"@\",\"c\"", ",, \"@\""};
	static const char *const fail[] = {"W/\"@\"", "@", "\"0@\"", "\"@", "\"\"", "", "\"*\"",
		"\"@\" \"x\"", "w/\"@\"", "\"@\", oops", "\"-@\""};

	for (size_t i = 0; i < ARRAY_LENGTH(hold) + ARRAY_LENGTH(fail); i++) {
		bool holds = i < ARRAY_LENGTH(hold);
		int64_t id = create_event(world, "Jazz Night", NOW_US + DAY_US, EVENT_PUBLISHED);
		struct event before = get_event(world, id);
		struct patch patch = {.fields = PATCH_CAPACITY, .event = {.capacity = 1}};
		struct store_write write = i % 2 == 0 ? write_update(id, &patch) : write_delete(id);
		write.if_match = with_tag(world, &before, holds ? hold[i] : fail[i - ARRAY_LENGTH(hold)]);
		write = apply_one(world, write);
		if (write.outcome != (holds ? WRITE_APPLIED : WRITE_PRECONDITION))
			fail_msg("If-Match: %s", write.if_match.ptr);
		if (!holds) {
			struct event after = get_event(world, id);
			assert_events_equal(&before, &after);
		}
	}
	assert_verified(world);
}

static void if_match_speaks_of_the_present_version(void **state)
{
	struct world *world = *state;
	int64_t id = create_event(world, "Jazz Night", NOW_US + DAY_US, EVENT_PUBLISHED);
	struct event first = get_event(world, id);
	struct patch patches[2] = {{.fields = PATCH_CAPACITY, .event = {.capacity = 1}},
		{.fields = PATCH_CAPACITY, .event = {.capacity = 2}}};
	struct store_write writes[2] = {write_update(id, &patches[0]), write_update(id, &patches[1])};

	/* Two clients read the same version; in one batch, too, only one of them wins. */
	writes[0].if_match = writes[1].if_match = with_tag(world, &first, "\"@\"");
	assert_ok(world->session, store_apply(world->session, writes, 2, false, NOW_US, &world->arena));
	assert_int_equal(WRITE_APPLIED, writes[0].outcome);
	assert_int_equal(WRITE_PRECONDITION, writes[1].outcome);
	assert_int_equal(1, get_event(world, id).capacity);

	/* The tag also covers is_upcoming, which changes with time alone. */
	struct event now = get_event(world, id);
	struct store_write late = write_delete(id);
	late.if_match = with_tag(world, &now, "\"@\"");
	assert_ok(world->session, store_apply(world->session, &late, 1, false, NOW_US + 2 * DAY_US, &world->arena));
	assert_int_equal(WRITE_PRECONDITION, late.outcome);
}

/* ---- Idempotency-Key ---- */

static struct store_write keyed(const struct patch *patch, const char *key, const char *body, int64_t user)
{
	struct store_write write = write_create(patch);

	write.idempotency_key = str_from(key);
	write.body_hash = hash_content(str_from(body));
	write.actor_id = user;
	return write;
}

static void a_key_repeats_the_first_answer(void **state)
{
	struct world *world = *state;
	struct patch patch = event_patch("Jazz Night", "Blue Hall", NOW_US + DAY_US, EVENT_PUBLISHED);
	struct store_write first = apply_one(world, keyed(&patch, "k1", "body", ADMIN));
	struct store_write again = apply_one(world, keyed(&patch, "k1", "body", ADMIN));
	struct store_head head;

	assert_int_equal(WRITE_APPLIED, first.outcome);
	assert_int_equal(WRITE_REPLAYED, again.outcome);
	assert_true(str_equal(first.answer, again.answer));

	/* Also when the event was changed and deleted since. */
	(void)apply_one(world, write_delete(first.event.id));
	again = apply_one(world, keyed(&patch, "k1", "body", ADMIN));
	assert_int_equal(WRITE_REPLAYED, again.outcome);
	assert_true(str_equal(first.answer, again.answer));

	assert_int_equal(WRITE_KEY_REUSED, apply_one(world, keyed(&patch, "k1", "other body", ADMIN)).outcome);
	assert_int_equal(WRITE_APPLIED, apply_one(world, keyed(&patch, "k1", "body", 2)).outcome); /* keys are per user */
	assert_int_equal(WRITE_APPLIED, apply_one(world, keyed(&patch, "K1", "body", ADMIN)).outcome);
	assert_ok(world->session, store_head(world->session, &head));
	assert_int_equal(4, head.seq);
	assert_verified(world);
}

static void a_key_counts_within_one_batch(void **state)
{
	struct world *world = *state;
	struct patch patch = event_patch("Jazz Night", "Blue Hall", NOW_US + DAY_US, EVENT_PUBLISHED);
	struct store_write writes[3] = {keyed(&patch, "k", "body", 1), keyed(&patch, "k", "body", 1), keyed(&patch, "k", "x", 1)};

	assert_ok(world->session, store_apply(world->session, writes, 3, false, NOW_US, &world->arena));
	assert_int_equal(WRITE_APPLIED, writes[0].outcome);
	assert_int_equal(WRITE_REPLAYED, writes[1].outcome);
	assert_true(str_equal(writes[0].answer, writes[1].answer));
	assert_int_equal(WRITE_KEY_REUSED, writes[2].outcome);
	assert_verified(world);
}

static void a_key_is_forgotten_after_a_day(void **state)
{
	struct world *world = *state;
	struct patch patch = event_patch("Jazz Night", "Blue Hall", NOW_US + DAY_US, EVENT_PUBLISHED);
	struct store_write write = apply_one(world, keyed(&patch, "k", "body", ADMIN));

	assert_int_equal(WRITE_APPLIED, write.outcome);
	write = keyed(&patch, "k", "body", ADMIN);
	assert_ok(world->session, store_housekeeping(world->session, NOW_US + DAY_US - HOUR_US));
	assert_ok(world->session, store_apply(world->session, &write, 1, false, NOW_US + DAY_US - HOUR_US, &world->arena));
	assert_int_equal(WRITE_REPLAYED, write.outcome);
	write = keyed(&patch, "k", "other body", ADMIN); /* past the day, even before it is swept */
	assert_ok(world->session, store_apply(world->session, &write, 1, false, NOW_US + DAY_US + HOUR_US, &world->arena));
	assert_int_equal(WRITE_APPLIED, write.outcome);
	assert_ok(world->session, store_housekeeping(world->session, NOW_US + 3 * DAY_US));
	write = keyed(&patch, "k", "body", ADMIN);
	assert_ok(world->session, store_apply(world->session, &write, 1, false, NOW_US + 3 * DAY_US, &world->arena));
	assert_int_equal(WRITE_APPLIED, write.outcome);
}

/* A store may count on what its last batch left behind; a key that is there already it must find nevertheless. */
static void a_key_is_found_among_creations_in_a_row(void **state)
{
	struct world *world = *state;
	struct patch patch = event_patch("Jazz Night", "Blue Hall", NOW_US + DAY_US, EVENT_PUBLISHED);

	for (int i = 0; i < 3; i++)
		assert_int_equal(WRITE_APPLIED, apply_one(world, write_create(&patch)).outcome);
	struct store_write first = apply_one(world, keyed(&patch, "k", "body", ADMIN));
	assert_int_equal(WRITE_APPLIED, first.outcome);
	assert_int_equal(WRITE_APPLIED, apply_one(world, write_create(&patch)).outcome);
	struct store_write writes[3] = {write_create(&patch), keyed(&patch, "k", "body", ADMIN), keyed(&patch, "k", "x", ADMIN)};
	assert_ok(world->session, store_apply(world->session, writes, 3, false, NOW_US, &world->arena));
	assert_int_equal(WRITE_APPLIED, writes[0].outcome);
	assert_int_equal(6, writes[0].change.seq);
	assert_int_equal(WRITE_REPLAYED, writes[1].outcome);
	assert_true(str_equal(first.answer, writes[1].answer));
	assert_int_equal(WRITE_KEY_REUSED, writes[2].outcome);
	assert_int_equal(7, apply_one(world, write_create(&patch)).change.seq);
	assert_verified(world);
}

/* ---- batches ---- */

static void writers_by_turns_leave_no_gap(void **state)
{
	struct world *world = *state;
	struct store_session *sessions[2] = {world_session(world), world_session(world)};
	struct patch patch = event_patch("Jazz Night", "Blue Hall", NOW_US + DAY_US, EVENT_PUBLISHED);
	static const unsigned turns[] = {0, 0, 0, 1, 0, 1, 1, 1, 0, 0, 1, 0, 0};
	int64_t last_id = 0;
	uint64_t seq = 0;

	for (size_t i = 0; i < ARRAY_LENGTH(turns); i++) {
		struct store_session *session = sessions[turns[i]];
		struct store_write writes[3] = {write_create(&patch), write_create(&patch), write_create(&patch)};
		assert_ok(session, store_apply(session, writes, 3, false, NOW_US, &world->arena));
		for (size_t j = 0; j < 3; j++) {
			assert_int_equal(WRITE_APPLIED, writes[j].outcome);
			assert_int_equal(++seq, writes[j].change.seq);
			assert_true(writes[j].event.id > last_id);
			last_id = writes[j].event.id;
		}
	}
	assert_verified(world);
	store_session_close(sessions[0]);
	store_session_close(sessions[1]);
}

static void one_bad_creation_fails_alone(void **state)
{
	struct world *world = *state;
	struct patch good = event_patch("Good", "Blue Hall", NOW_US + DAY_US, EVENT_PUBLISHED), bad = good;
	struct store_write writes[5];

	bad.event.price_cents = -1;
	for (int i = 0; i < 3; i++)
		(void)apply_one(world, write_create(&good));
	for (size_t i = 0; i < ARRAY_LENGTH(writes); i++)
		writes[i] = write_create(i == 3 ? &bad : &good);
	assert_ok(world->session, store_apply(world->session, writes, 5, false, NOW_US, &world->arena));
	for (size_t i = 0; i < ARRAY_LENGTH(writes); i++)
		assert_int_equal(i == 3 ? WRITE_FAILED : WRITE_APPLIED, writes[i].outcome);
	assert_int_equal(6, writes[2].change.seq);
	assert_int_equal(7, writes[4].change.seq);
	assert_int_equal(8, apply_one(world, write_create(&good)).change.seq);
	assert_verified(world);
}

static void one_bad_write_fails_alone(void **state)
{
	struct world *world = *state;
	struct patch good = event_patch("Good", "Blue Hall", NOW_US + DAY_US, EVENT_PUBLISHED);
	struct patch bad = event_patch("Bad", "Blue Hall", NOW_US + DAY_US, EVENT_PUBLISHED);
	struct patch rename = {.fields = PATCH_TITLE, .event = {.title = STR("Renamed")}};
	int64_t id = create_event(world, "Jazz", NOW_US + DAY_US, EVENT_PUBLISHED);
	struct store_write writes[5] = {write_create(&good), write_create(&bad), write_update(4711, &rename),
		write_update(id, &rename), write_delete(id)};

	bad.event.price_cents = -1; /* no patch_parse lets it through: the schema must refuse it */
	writes[1].actor_id = 7;
	assert_ok(world->session, store_apply(world->session, writes, 5, false, NOW_US, &world->arena));
	assert_int_equal(WRITE_APPLIED, writes[0].outcome);
	assert_int_equal(WRITE_FAILED, writes[1].outcome);
	assert_int_equal(WRITE_NOT_FOUND, writes[2].outcome);
	assert_int_equal(WRITE_APPLIED, writes[3].outcome);
	assert_int_equal(WRITE_APPLIED, writes[4].outcome);
	assert_int_equal(2, writes[0].change.seq);
	assert_int_equal(3, writes[3].change.seq);
	assert_int_equal(4, writes[4].change.seq);
	assert_int_equal(3, writes[4].change.version);
	assert_null(writes[1].answer.ptr);
	struct store_user user; /* whatever came before the failure went with it */
	assert_result(STORE_NOT_FOUND, world->session, store_user_get(world->session, 7, &world->arena, &user));
	assert_verified(world);
}

static void all_or_nothing_takes_everything_back(void **state)
{
	struct world *world = *state;
	struct patch good = event_patch("Good", "Blue Hall", NOW_US + DAY_US, EVENT_PUBLISHED);
	struct patch same = {0};
	struct store_head head;
	int64_t id = create_event(world, "Jazz", NOW_US + DAY_US, EVENT_PUBLISHED);
	struct store_write writes[4] = {write_create(&good), write_update(id, &same), write_delete(4711), write_create(&good)};

	assert_ok(world->session, store_apply(world->session, writes, 4, true, NOW_US, &world->arena));
	assert_int_equal(WRITE_PENDING, writes[0].outcome);
	assert_int_equal(WRITE_PENDING, writes[1].outcome);
	assert_int_equal(WRITE_NOT_FOUND, writes[2].outcome);
	assert_int_equal(WRITE_PENDING, writes[3].outcome);
	assert_int_equal(0, writes[0].event.id);
	assert_null(writes[0].answer.ptr);
	assert_ok(world->session, store_head(world->session, &head));
	assert_int_equal(1, head.seq);

	writes[2] = write_update(id, &same);
	assert_ok(world->session, store_apply(world->session, writes, 4, true, NOW_US, &world->arena));
	assert_int_equal(WRITE_APPLIED, writes[0].outcome);
	assert_int_equal(WRITE_UNCHANGED, writes[1].outcome);
	assert_int_equal(WRITE_APPLIED, writes[3].outcome);
	assert_ok(world->session, store_head(world->session, &head));
	assert_int_equal(3, head.seq);
	assert_verified(world);
}

static void a_large_batch_is_one_transaction(void **state)
{
	struct world *world = *state;
	enum { COUNT = 5000 };
	struct patch patch = event_patch("Many", "Blue Hall", NOW_US + DAY_US, EVENT_PUBLISHED);
	struct store_write *writes = calloc(COUNT, sizeof *writes);
	struct store_head head;

	assert_non_null(writes);
	for (size_t i = 0; i < COUNT; i++)
		writes[i] = write_create(&patch);
	assert_ok(world->session, store_apply(world->session, writes, COUNT, true, NOW_US, &world->arena));
	for (size_t i = 0; i < COUNT; i++) {
		assert_int_equal(WRITE_APPLIED, writes[i].outcome);
		assert_int_equal(i + 1, writes[i].change.seq);
	}
	assert_ok(world->session, store_head(world->session, &head));
	assert_int_equal(COUNT, head.seq);
	assert_ok(world->session, store_apply(world->session, writes, 0, true, NOW_US, &world->arena));
	free(writes);
}

static void no_memory_for_the_answer_writes_nothing(void **state)
{
	struct world *world = *state;
	struct patch patch = event_patch("Jazz", "Blue Hall", NOW_US + DAY_US, EVENT_PUBLISHED);
	struct store_write writes[2] = {write_create(&patch), write_create(&patch)};
	enum store_result result = STORE_OUT_OF_MEMORY;
	struct store_head head;
	struct arena small;
	int tries = 0;

	for (size_t bytes = 0; result == STORE_OUT_OF_MEMORY; bytes += 16) {
		assert_ok(world->session, store_head(world->session, &head));
		assert_int_equal(0, head.seq);
		assert_int_equal(WRITE_PENDING, writes[0].outcome);
		arena_init(&small, bytes);
		result = store_apply(world->session, writes, 2, false, NOW_US, &small);
		tries++;
		arena_finish(&small);
	}
	assert_int_equal(STORE_OK, result);
	assert_true(tries > 10);
	assert_ok(world->session, store_head(world->session, &head));
	assert_int_equal(2, head.seq);
	assert_verified(world);
}

static void texts_come_back_byte_by_byte(void **state)
{
	struct world *world = *state;
	static const char *const texts[] = {"'; DROP TABLE events; --", "\"quoted\"", "日本の音楽 🎷", "a\tb\nc", "%_\\", "été",
		"{\"json\":1}", "$1 ?1 :a @b", ""};
	static char long_text[EVENT_DESCRIPTION_BYTES_MAX];

	for (size_t i = 0; i < ARRAY_LENGTH(texts) + 1; i++) {
		struct patch patch = event_patch("Title", "Blue Hall", NOW_US + DAY_US, EVENT_PUBLISHED);
		patch.event.description = i < ARRAY_LENGTH(texts) ? str_from(texts[i]) : (struct str){long_text, sizeof long_text};
		if (i < ARRAY_LENGTH(texts) - 1)
			patch.event.title = patch.event.venue = str_from(texts[i]);
		memset(long_text, '"', sizeof long_text); /* twice as long in JSON */
		struct store_write write = apply_one(world, write_create(&patch));
		assert_int_equal(WRITE_APPLIED, write.outcome);
		struct event read = get_event(world, write.event.id);
		assert_events_equal(&write.event, &read);
		assert_true(str_equal(patch.event.description, read.description));
		assert_true(str_equal(patch.event.title, read.title));
	}
	assert_verified(world);
}

static void extremes_are_kept_exactly(void **state)
{
	struct world *world = *state;
	struct patch patch = event_patch("Extreme", "Blue Hall", INT64_C(253402300799999999), EVENT_PUBLISHED);

	patch.event.price_cents = EVENT_PRICE_CENTS_MAX;
	patch.event.capacity = EVENT_CAPACITY_MAX;
	struct store_write write = apply_one(world, write_create(&patch));
	struct event read = get_event(world, write.event.id);
	assert_events_equal(&write.event, &read);
	assert_int_equal(EVENT_PRICE_CENTS_MAX, read.price_cents);
	patch = event_patch("Extreme", "Blue Hall", 0, EVENT_PUBLISHED);
	patch.event.price_cents = 0;
	patch.event.capacity = 0;
	write = apply_one(world, write_update(write.event.id, &patch));
	assert_int_equal(WRITE_APPLIED, write.outcome);
	read = get_event(world, write.event.id);
	assert_events_equal(&write.event, &read);
	assert_verified(world);
}

int run_write_tests(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(a_creation_is_an_event_and_a_change),
		STORE_TEST(an_update_changes_what_it_carries),
		STORE_TEST(an_update_that_changes_nothing_is_no_version),
		STORE_TEST(a_deletion_leaves_its_change),
		STORE_TEST(what_is_not_there_cannot_be_changed),
		STORE_TEST(if_match_is_compared_inside_the_write),
		STORE_TEST(if_match_speaks_of_the_present_version),
		STORE_TEST(a_key_repeats_the_first_answer),
		STORE_TEST(a_key_counts_within_one_batch),
		STORE_TEST(a_key_is_forgotten_after_a_day),
		STORE_TEST(a_key_is_found_among_creations_in_a_row),
		STORE_TEST(writers_by_turns_leave_no_gap),
		STORE_TEST(one_bad_creation_fails_alone),
		STORE_TEST(one_bad_write_fails_alone),
		STORE_TEST(all_or_nothing_takes_everything_back),
		STORE_TEST(a_large_batch_is_one_transaction),
		STORE_TEST(no_memory_for_the_answer_writes_nothing),
		STORE_TEST(texts_come_back_byte_by_byte),
		STORE_TEST(extremes_are_kept_exactly),
	};
	return cmocka_run_group_tests_name("write", tests, NULL, NULL);
}
