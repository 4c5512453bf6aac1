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

int run_write_tests(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)
	const struct CMUnitTest tests[] = {
		T(a_creation_is_an_event_and_a_change),
		T(an_update_changes_what_it_carries),
		T(an_update_that_changes_nothing_is_no_version),
		T(a_deletion_leaves_its_change),
	};
#undef T
	return cmocka_run_group_tests_name("write", tests, NULL, NULL);
}
