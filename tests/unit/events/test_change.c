#include "events/change.h"

#include "unit/test.h"

#define DATE_US INT64_C(1803929400000000)     /* 2027-03-01T19:30:00Z */
#define OCCURRED_US INT64_C(1795341600123456) /* 2026-11-22T10:00:00.123456Z */

static struct change make(enum change_kind kind, int before, int after)
{
	struct event event = {
		.id = 7, .title = STR("Jazz \"Night\""), .venue = STR("Blue Hall"), .event_date_us = DATE_US,
		.price_cents = 2500, .capacity = 250, .created_at_us = OCCURRED_US, .updated_at_us = DATE_US,
		.created_by = 1, .version = 2,
	};
	struct change change = {
		.seq = 4711, .kind = kind, .event_id = 7, .version = 2, .occurred_at_us = OCCURRED_US, .actor_id = 1,
		.request_id = STR("r-1"), .has_before = before >= 0, .has_after = after >= 0,
	};
	if (before >= 0) {
		change.before = event;
		change.before.status = (enum event_status)before;
	}
	if (after >= 0) {
		change.after = event;
		change.after.status = (enum event_status)after;
	}
	return change;
}

static void kinds(void **state)
{
	enum change_kind kind;

	(void)state;
	for (unsigned i = 0; i < CHANGE_KIND_COUNT; i++) {
		assert_true(change_kind_parse(str_from(change_kind_name((enum change_kind)i)), &kind));
		assert_int_equal(kind, i);
	}
	assert_null(change_kind_name(CHANGE_KIND_COUNT));
	assert_false(change_kind_parse(STR("Created"), &kind));
	assert_false(change_kind_parse(STR_NONE, &kind));
}

/* What a user sees, who may not see drafts, and an admin. -1: there is no event on that side; NOT: not seen at all. */
enum { NONE = -1, NOT = -1 };
static const struct {
	enum change_kind kind;
	int before, after;
	int seen_by_user; /* a kind, or NOT */
	bool user_has_event;
} views[] = {
	{CHANGE_CREATED, NONE, EVENT_DRAFT, NOT, false},
	{CHANGE_CREATED, NONE, EVENT_PUBLISHED, CHANGE_CREATED, true},
	{CHANGE_UPDATED, EVENT_DRAFT, EVENT_DRAFT, NOT, false},
	{CHANGE_UPDATED, EVENT_DRAFT, EVENT_PUBLISHED, CHANGE_UPDATED, true},
	{CHANGE_UPDATED, EVENT_PUBLISHED, EVENT_PUBLISHED, CHANGE_UPDATED, true},
	{CHANGE_UPDATED, EVENT_PUBLISHED, EVENT_CANCELLED, CHANGE_UPDATED, true},
	{CHANGE_UPDATED, EVENT_PUBLISHED, EVENT_DRAFT, CHANGE_DELETED, false},
	{CHANGE_DELETED, EVENT_PUBLISHED, NONE, CHANGE_DELETED, false},
	{CHANGE_DELETED, EVENT_COMPLETED, NONE, CHANGE_DELETED, false},
	{CHANGE_DELETED, EVENT_DRAFT, NONE, NOT, false},
	{CHANGE_DELETED, NONE, NONE, NOT, false},
};

static void seeing(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 1 << 20);
	for (size_t i = 0; i < ARRAY_LENGTH(views); i++) {
		struct change change = make(views[i].kind, views[i].before, views[i].after);
		const struct event *shown;
		enum change_kind kind;
		bool seen = change_seen(&change, EVENT_STATUS_NOT_DRAFT, &kind, &shown);
		assert_int_equal(seen, views[i].seen_by_user != NOT);
		if (seen) {
			assert_int_equal(kind, views[i].seen_by_user);
			assert_int_equal(shown != NULL, views[i].user_has_event);
		}
		buf_clear(&out);
		assert_int_equal(change_json(&out, &change, EVENT_STATUS_NOT_DRAFT, 0), seen);
		assert_int_equal(out.len > 0, seen);
		/* Nothing of a draft, whatever is printed. */
		assert_null(out.len > 0 ? memmem(out.ptr, out.len, "draft", 5) : NULL);
		assert_true(change_seen(&change, EVENT_STATUS_ALL, &kind, &shown));
		assert_int_equal(kind, change.kind);
		assert_ptr_equal(shown, change.has_after ? &change.after : NULL);
	}
	buf_finish(&out);
}

#define EVENT_JSON(status, upcoming) \
	"{\"id\":7,\"title\":\"Jazz \\\"Night\\\"\",\"description\":null,\"venue\":\"Blue Hall\"," \
	"\"event_date\":\"2027-03-01T19:30:00Z\",\"capacity\":250,\"price\":\"25.00\",\"status\":\"" status "\"," \
	"\"is_upcoming\":" upcoming ",\"created_at\":\"2026-11-22T10:00:00.123456Z\"," \
	"\"updated_at\":\"2027-03-01T19:30:00Z\",\"created_by\":1,\"version\":2}"
#define HEAD(kind) \
	"{\"seq\":4711,\"kind\":\"" kind "\",\"event_id\":7,\"version\":2,\"occurred_at\":\"2026-11-22T10:00:00.123456Z\""

static void feed(void **state)
{
	struct change change = make(CHANGE_UPDATED, EVENT_DRAFT, EVENT_PUBLISHED);
	struct buf out;

	(void)state;
	buf_init(&out, 1 << 20);
	assert_true(change_json(&out, &change, EVENT_STATUS_NOT_DRAFT, 0));
	assert_str(buf_view(&out), HEAD("updated") ",\"event\":" EVENT_JSON("published", "true") "}");
	buf_clear(&out);
	change_json_audit(&out, &change, DATE_US);
	assert_str(buf_view(&out), HEAD("updated") ",\"event\":" EVENT_JSON("published", "false")
	           ",\"actor_id\":1,\"request_id\":\"r-1\",\"before\":" EVENT_JSON("draft", "false")
	           ",\"after\":" EVENT_JSON("published", "false") "}");
	change = make(CHANGE_DELETED, EVENT_PUBLISHED, NONE);
	change.actor_id = 0;
	change.request_id = STR_NONE;
	buf_clear(&out);
	assert_true(change_json(&out, &change, EVENT_STATUS_NOT_DRAFT, 0));
	assert_str(buf_view(&out), HEAD("deleted") ",\"event\":null}");
	buf_clear(&out);
	change_json_audit(&out, &change, 0);
	assert_str(buf_view(&out), HEAD("deleted") ",\"event\":null,\"actor_id\":null,\"request_id\":null,\"before\":"
	           EVENT_JSON("published", "true") ",\"after\":null}");
	buf_finish(&out);
}

static void messages(void **state)
{
	struct change change = make(CHANGE_UPDATED, EVENT_DRAFT, EVENT_PUBLISHED);
	struct buf out;

	(void)state;
	buf_init(&out, 1 << 20);
	change_json_message(&out, &change);
	assert_str(buf_view(&out),
	           "{\"type\":\"EventUpdated\",\"event_id\":7,\"event_data\":{\"id\":7,\"name\":\"Jazz \\\"Night\\\"\","
	           "\"title\":\"Jazz \\\"Night\\\"\",\"category\":null,\"venue\":\"Blue Hall\",\"capacity\":250,"
	           "\"price\":25.0,\"status\":\"published\",\"event_date\":\"2027-03-01T19:30:00+00:00\","
	           "\"created_at\":\"2026-11-22T10:00:00.123456+00:00\","
	           "\"updated_at\":\"2027-03-01T19:30:00+00:00\",\"version\":2},\"seq\":4711,"
	           "\"occurred_at\":\"2026-11-22T10:00:00.123456+00:00\",\"actor_id\":1,\"request_id\":\"r-1\"}");
	change = make(CHANGE_DELETED, EVENT_PUBLISHED, NONE);
	buf_clear(&out);
	change_json_message(&out, &change);
	assert_str(buf_view(&out),
	           "{\"type\":\"EventDeleted\",\"event_id\":7,\"seq\":4711,"
	           "\"occurred_at\":\"2026-11-22T10:00:00.123456+00:00\",\"actor_id\":1,\"request_id\":\"r-1\"}");
	change = make(CHANGE_CREATED, NONE, EVENT_DRAFT);
	buf_clear(&out);
	change_json_message(&out, &change);
	assert_true(str_starts_with(buf_view(&out), STR("{\"type\":\"EventCreated\",\"event_id\":7,\"event_data\":{")));
	buf_finish(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds),
		cmocka_unit_test(seeing),
		cmocka_unit_test(feed),
		cmocka_unit_test(messages),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
