/* The change log and whole reads: get_many, each, head, changes_after, audit, prune, verify. */
#include "world.h"

#include <string.h>

static void get_many_answers_in_the_order_of_the_question(void **state)
{
	struct world *world = *state;
	int64_t a = create_event(world, "A", NOW_US, EVENT_DRAFT), b = create_event(world, "B", NOW_US, EVENT_PUBLISHED);
	int64_t ids[] = {b, 4711, a, b, 0, -1, INT64_MAX, INT64_MIN};
	struct event events[STORE_GET_MAX];
	int64_t many[STORE_GET_MAX];
	uint64_t as_of = 0;

	memset(events, 0xff, sizeof events);
	assert_ok(world->session, store_get_many(world->session, ids, ARRAY_LENGTH(ids), true, &world->arena, events, &as_of));
	assert_int_equal(2, as_of);
	assert_int_equal(b, events[0].id);
	assert_int_equal(0, events[1].id);
	assert_int_equal(a, events[2].id);
	assert_true(str_equal(STR("A"), events[2].title));
	assert_int_equal(b, events[3].id);
	for (size_t i = 4; i < ARRAY_LENGTH(ids); i++)
		assert_int_equal(0, events[i].id);
	for (size_t i = 0; i < STORE_GET_MAX; i++)
		many[i] = a;
	assert_ok(world->session, store_get_many(world->session, many, STORE_GET_MAX, false, &world->arena, events, &as_of));
	assert_int_equal(a, events[STORE_GET_MAX - 1].id);
	assert_ok(world->session, store_get_many(world->session, many, 0, false, &world->arena, events, &as_of));
}

static void a_full_arena_is_an_error_value(void **state)
{
	struct world *world = *state;
	int64_t id = create_event(world, "Jazz Night", NOW_US, EVENT_PUBLISHED);
	struct query query = {.statuses = EVENT_STATUS_ALL, .size = 10, .page = 1};
	struct query_page page;
	struct change *changes;
	struct event event;
	struct arena small;
	size_t count;
	uint64_t seq;

	arena_init(&small, 16);
	assert_result(STORE_OUT_OF_MEMORY, world->session,
	              store_get_many(world->session, &id, 1, true, &small, &event, &seq));
	assert_result(STORE_OUT_OF_MEMORY, world->session, store_list(world->session, &query, NOW_US, true, &small, &page, &seq));
	assert_result(STORE_OUT_OF_MEMORY, world->session,
	              store_changes_after(world->session, 0, 10, &small, &changes, &count, &seq));
	arena_finish(&small);
	assert_int_equal(id, get_event(world, id).id);
}

/* ---- store_each ---- */

struct seen {
	int64_t ids[8];
	size_t count, stop_after;
	int64_t total;
};

static bool see(void *context, const struct event *event, int64_t total)
{
	struct seen *seen = context;

	assert_true(seen->count < ARRAY_LENGTH(seen->ids));
	assert_true(str_equal(STR("Jazz"), event->title));
	seen->ids[seen->count++] = event->id;
	seen->total = total;
	return seen->count < seen->stop_after;
}

static void each_gives_all_in_the_order_of_ids(void **state)
{
	struct world *world = *state;
	struct seen seen = {.stop_after = 8};
	int64_t ids[5];
	uint64_t as_of = 0;

	assert_ok(world->session, store_each(world->session, see, &seen, &as_of));
	assert_int_equal(0, seen.count);
	for (size_t i = 0; i < ARRAY_LENGTH(ids); i++)
		ids[i] = create_event(world, "Jazz", NOW_US, (enum event_status)(i % EVENT_STATUS_COUNT));
	assert_ok(world->session, store_each(world->session, see, &seen, &as_of));
	assert_int_equal(5, seen.count);
	assert_int_equal(5, seen.total);
	assert_int_equal(5, as_of);
	assert_memory_equal(ids, seen.ids, sizeof ids);
	seen = (struct seen){.stop_after = 2};
	assert_ok(world->session, store_each(world->session, see, &seen, &as_of));
	assert_int_equal(2, seen.count);
	assert_int_equal(WRITE_APPLIED, apply_one(world, write_delete(ids[0])).outcome); /* the session is free again */
}

/* ---- the log ---- */

static void changes_come_after_and_in_order(void **state)
{
	struct world *world = *state;
	struct patch patch = {.fields = PATCH_TITLE, .event = {.title = STR("Renamed")}};
	int64_t id = create_event(world, "Jazz", NOW_US + DAY_US, EVENT_PUBLISHED);
	struct store_write update = apply_one(world, write_update(id, &patch));
	struct store_write deletion = apply_one(world, write_delete(id));
	struct change *changes;
	size_t count;
	uint64_t head;

	assert_ok(world->session, store_changes_after(world->session, 0, 100, &world->arena, &changes, &count, &head));
	assert_int_equal(3, count);
	assert_int_equal(3, head);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(i + 1, changes[i].seq);
		assert_int_equal(id, changes[i].event_id);
		assert_int_equal(i + 1, changes[i].version);
		assert_int_equal(NOW_US, changes[i].occurred_at_us);
		assert_int_equal(ADMIN, changes[i].actor_id);
		assert_true(str_equal(STR("req-1"), changes[i].request_id));
	}
	assert_int_equal(CHANGE_CREATED, changes[0].kind);
	assert_false(changes[0].has_before);
	assert_events_equal(&changes[0].after, &update.change.before);
	assert_events_equal(&changes[1].before, &changes[0].after);
	assert_events_equal(&changes[1].after, &update.event);
	assert_events_equal(&changes[2].before, &deletion.change.before);
	assert_false(changes[2].has_after);

	assert_ok(world->session, store_changes_after(world->session, 1, 1, &world->arena, &changes, &count, &head));
	assert_int_equal(1, count);
	assert_int_equal(2, changes[0].seq);
	assert_int_equal(3, head);
	assert_ok(world->session, store_changes_after(world->session, 3, 10, &world->arena, &changes, &count, &head));
	assert_int_equal(0, count);
	assert_ok(world->session, store_changes_after(world->session, UINT64_MAX, 10, &world->arena, &changes, &count, &head));
	assert_int_equal(0, count);
	assert_int_equal(3, head);
}

static void many_changes_are_read_in_pieces(void **state)
{
	struct world *world = *state;
	enum { COUNT = 2500 };
	struct patch patch = event_patch("Many", "Blue Hall", NOW_US, EVENT_DRAFT);
	struct store_write *writes = calloc(COUNT, sizeof *writes);
	uint64_t after = 0, head = 0;

	assert_non_null(writes);
	for (size_t i = 0; i < COUNT; i++)
		writes[i] = write_create(&patch);
	assert_ok(world->session, store_apply(world->session, writes, COUNT, false, NOW_US, &world->arena));
	while (after < COUNT) {
		struct change *changes;
		size_t count;
		assert_ok(world->session, store_changes_after(world->session, after, 1000, &world->arena, &changes, &count, &head));
		assert_int_equal(after + 1000 <= COUNT ? 1000 : COUNT - after, count);
		for (size_t i = 0; i < count; i++)
			assert_int_equal(++after, changes[i].seq);
	}
	assert_int_equal(COUNT, head);
	free(writes);
}

static size_t audit(struct world *world, struct store_audit_filter filter, uint64_t after, size_t limit,
                    struct change **changes)
{
	size_t count;
	uint64_t as_of;

	assert_ok(world->session, store_audit(world->session, &filter, after, limit, &world->arena, changes, &count, &as_of));
	return count;
}

static void the_audit_filters(void **state)
{
	struct world *world = *state;
	struct change *changes;
	int64_t ids[4];

	for (int i = 0; i < 4; i++) {
		struct patch patch = event_patch("Jazz", "Blue Hall", NOW_US, EVENT_DRAFT);
		struct store_write write = write_create(&patch);
		write.actor_id = 1 + i % 2;
		assert_ok(world->session, store_apply(world->session, &write, 1, false, NOW_US + i, &world->arena));
		ids[i] = write.event.id;
	}
	(void)apply_one(world, write_delete(ids[1])); /* seq 5 at NOW_US, by user 1 */

	assert_int_equal(5, audit(world, (struct store_audit_filter){0}, 0, 100, &changes));
	assert_int_equal(2, audit(world, (struct store_audit_filter){0}, 3, 100, &changes));
	assert_int_equal(4, changes[0].seq);
	assert_int_equal(3, audit(world, (struct store_audit_filter){0}, 0, 3, &changes));
	assert_int_equal(3, audit(world, (struct store_audit_filter){.has_actor = true, .actor_id = 1}, 0, 100, &changes));
	assert_int_equal(5, changes[2].seq);
	assert_int_equal(2, audit(world, (struct store_audit_filter){.has_actor = true, .actor_id = 2}, 0, 100, &changes));
	assert_int_equal(2, audit(world, (struct store_audit_filter){.has_event = true, .event_id = ids[1]}, 0, 100, &changes));
	assert_int_equal(2, changes[0].seq);
	assert_int_equal(5, changes[1].seq);
	assert_int_equal(1, audit(world, (struct store_audit_filter){.has_kind = true, .kind = CHANGE_DELETED}, 0, 9, &changes));
	assert_int_equal(2, audit(world, (struct store_audit_filter){.has_from = true, .from_us = NOW_US + 2}, 0, 9, &changes));
	assert_int_equal(3, changes[0].seq);
	assert_int_equal(3, audit(world, (struct store_audit_filter){.has_to = true, .to_us = NOW_US + 1}, 0, 9, &changes));
	assert_int_equal(1, audit(world, (struct store_audit_filter){.has_from = true, .from_us = NOW_US, .has_to = true,
		.to_us = NOW_US, .has_kind = true, .kind = CHANGE_CREATED, .has_actor = true, .actor_id = 1, .has_event = true,
		.event_id = ids[0]}, 0, 9, &changes));
	assert_int_equal(0, audit(world, (struct store_audit_filter){.has_event = true, .event_id = 4711}, 0, 9, &changes));
}

static void a_pruned_log_says_so(void **state)
{
	struct world *world = *state;
	struct change *changes;
	size_t count;
	uint64_t head, removed = 9;

	assert_ok(world->session, store_audit_prune(world->session, NOW_US, &removed));
	assert_int_equal(0, removed); /* of an empty log */
	for (int i = 0; i < 6; i++) {
		struct patch patch = event_patch("Jazz", "Blue Hall", NOW_US, EVENT_PUBLISHED);
		struct store_write write = write_create(&patch);
		/* The fourth was dated by a clock that had been set back. */
		int64_t now_us = i == 3 ? NOW_US : NOW_US + i * HOUR_US;
		assert_ok(world->session, store_apply(world->session, &write, 1, false, now_us, &world->arena));
	}
	assert_ok(world->session, store_audit_prune(world->session, NOW_US, &removed));
	assert_int_equal(0, removed);
	assert_ok(world->session, store_audit_prune(world->session, NOW_US + 2 * HOUR_US, &removed));
	assert_int_equal(2, removed); /* a beginning only: what is left has no holes */
	assert_verified(world);
	assert_result(STORE_PRUNED, world->session,
	              store_changes_after(world->session, 0, 10, &world->arena, &changes, &count, &head));
	assert_result(STORE_PRUNED, world->session,
	              store_changes_after(world->session, 1, 10, &world->arena, &changes, &count, &head));
	assert_ok(world->session, store_changes_after(world->session, 2, 10, &world->arena, &changes, &count, &head));
	assert_int_equal(4, count);
	assert_int_equal(3, changes[0].seq);

	assert_ok(world->session, store_audit_prune(world->session, INT64_MAX, &removed));
	assert_int_equal(3, removed); /* never the newest */
	assert_ok(world->session, store_changes_after(world->session, 5, 10, &world->arena, &changes, &count, &head));
	assert_int_equal(1, count);
	assert_int_equal(6, head);
	(void)create_event(world, "Next", NOW_US, EVENT_DRAFT);
	assert_verified(world);
	assert_ok(world->session, store_changes_after(world->session, 6, 10, &world->arena, &changes, &count, &head));
	assert_int_equal(7, changes[0].seq);
}

static void pruned_changes_are_many(void **state)
{
	struct world *world = *state;
	enum { COUNT = 12001 };
	struct patch patch = event_patch("Many", "Blue Hall", NOW_US, EVENT_DRAFT);
	struct store_write *writes = calloc(COUNT, sizeof *writes);
	uint64_t removed;

	assert_non_null(writes);
	for (size_t i = 0; i < COUNT; i++)
		writes[i] = write_create(&patch);
	assert_ok(world->session, store_apply(world->session, writes, COUNT, false, NOW_US, &world->arena));
	assert_ok(world->session, store_audit_prune(world->session, NOW_US + 1, &removed));
	assert_int_equal(COUNT - 1, removed);
	assert_verified(world);
	free(writes);
}

int run_log_tests(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(get_many_answers_in_the_order_of_the_question),
		STORE_TEST(a_full_arena_is_an_error_value),
		STORE_TEST(each_gives_all_in_the_order_of_ids),
		STORE_TEST(changes_come_after_and_in_order),
		STORE_TEST(many_changes_are_read_in_pieces),
		STORE_TEST(the_audit_filters),
		STORE_TEST(a_pruned_log_says_so),
		STORE_TEST(pruned_changes_are_many),
	};
	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
