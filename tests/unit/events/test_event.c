#include "events/event.h"

#include "base/hash.h"
#include "unit/test.h"

#define CREATED_US INT64_C(1795341600123456) /* 2026-11-22T10:00:00.123456Z */
#define DATE_US INT64_C(1803929400000000)    /* 2027-03-01T19:30:00Z */

static struct event jazz(void)
{
	return (struct event){
		.id = 7, .title = STR("Jazz Night"), .venue = STR("Blue Hall"), .event_date_us = DATE_US,
		.price_cents = 2500, .capacity = 250, .status = EVENT_PUBLISHED, .created_at_us = CREATED_US,
		.updated_at_us = CREATED_US, .created_by = 1, .version = 1,
	};
}

static bool contains(const struct buf *text, const char *part)
{
	return memmem(text->ptr, text->len, part, strlen(part)) != NULL;
}

static void statuses(void **state)
{
	enum event_status status;

	(void)state;
	for (unsigned i = 0; i < EVENT_STATUS_COUNT; i++) {
		assert_true(event_status_parse(str_from(event_status_name((enum event_status)i)), &status));
		assert_int_equal(status, i);
	}
	assert_null(event_status_name(EVENT_STATUS_COUNT));
	assert_false(event_status_parse(STR("Draft"), &status));
	assert_false(event_status_parse(STR(""), &status));
	assert_false(event_status_parse(STR_NONE, &status));
	assert_string_equal(event_status_name(EVENT_CANCELLED), "cancelled");
}

static void upcoming(void **state)
{
	struct event event = jazz();

	(void)state;
	assert_true(event_is_upcoming(&event, DATE_US - 1));
	assert_false(event_is_upcoming(&event, DATE_US));
	event.status = EVENT_DRAFT;
	assert_false(event_is_upcoming(&event, 0));
}

/* The example of the contract, byte for byte. */
static void printing(void **state)
{
	struct event event = jazz();
	struct buf out;

	(void)state;
	buf_init(&out, 1 << 20);
	event_json(&out, &event, CREATED_US);
	assert_str(buf_view(&out),
	           "{\"id\":7,\"title\":\"Jazz Night\",\"description\":null,\"venue\":\"Blue Hall\","
	           "\"event_date\":\"2027-03-01T19:30:00Z\",\"capacity\":250,\"price\":\"25.00\","
	           "\"status\":\"published\",\"is_upcoming\":true,\"created_at\":\"2026-11-22T10:00:00.123456Z\","
	           "\"updated_at\":\"2026-11-22T10:00:00.123456Z\",\"created_by\":1,\"version\":1}");
	buf_clear(&out);
	event_json_stored(&out, &event);
	assert_false(contains(&out, "is_upcoming"));
	buf_clear(&out);
	event_json_capacity(&out, &event, DATE_US);
	assert_str(buf_view(&out), "{\"event_id\":7,\"total_capacity\":250,\"is_published\":true,\"is_upcoming\":false,"
	                           "\"price\":25.0}");
	event.created_by = 0;
	event.description = STR("a\"b\\c\n\t\x01\x7f\xc3\xa9");
	buf_clear(&out);
	event_json(&out, &event, CREATED_US);
	assert_true(contains(&out, "\"created_by\":null"));
	assert_true(contains(&out, "\"a\\\"b\\\\c\\n\\t\\u0001\x7f\xc3\xa9\""));
	buf_finish(&out);
}

/* A character to escape is found wherever it stands. */
static void escapes_at_every_place(void **state)
{
	struct event event = jazz();
	char text[40];
	struct buf out;

	(void)state;
	buf_init(&out, 1 << 20);
	for (size_t i = 0; i < sizeof text; i++) {
		for (const char *c = "\"\\\n\x1f"; *c != '\0'; c++) {
			memset(text, 'a', sizeof text);
			text[i] = *c;
			event.description = (struct str){text, sizeof text};
			buf_clear(&out);
			event_json(&out, &event, 0);
			struct arena arena;
			struct event back;
			arena_init(&arena, 10000);
			assert_true(event_from_stored(&back, buf_view(&out), &arena));
			assert_true(str_equal(back.description, event.description));
			arena_finish(&arena);
		}
	}
	buf_finish(&out);
}

static void assert_same(const struct event *a, const struct event *b)
{
	assert_true(str_equal(a->title, b->title));
	assert_true(str_equal(a->venue, b->venue));
	assert_true(str_equal(a->description, b->description));
	assert_int_equal(a->description.ptr == NULL, b->description.ptr == NULL);
	assert_int_equal(a->id, b->id);
	assert_int_equal(a->event_date_us, b->event_date_us);
	assert_int_equal(a->price_cents, b->price_cents);
	assert_int_equal(a->capacity, b->capacity);
	assert_int_equal(a->status, b->status);
	assert_int_equal(a->created_at_us, b->created_at_us);
	assert_int_equal(a->updated_at_us, b->updated_at_us);
	assert_int_equal(a->created_by, b->created_by);
	assert_int_equal(a->version, b->version);
}

static void storing(void **state)
{
	struct event events[6];
	struct buf out;

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(events); i++)
		events[i] = jazz();
	events[1].description = STR("");
	events[2].description = STR("a\nb\"\\");
	events[3].id = INT64_MAX;
	events[3].version = INT64_MAX;
	events[3].created_by = INT64_MAX;
	events[3].capacity = EVENT_CAPACITY_MAX;
	events[3].price_cents = EVENT_PRICE_CENTS_MAX;
	/* What a table adopted from another service may hold. */
	events[4].created_by = 0;
	events[4].event_date_us = -1;
	events[4].title = STR("");
	events[4].price_cents = -250;
	events[5].title = STR("a\x01\x02\r");
	events[5].capacity = -1;
	buf_init(&out, 1 << 20);
	for (size_t i = 0; i < ARRAY_LENGTH(events); i++) {
		struct event back;
		struct arena arena;
		arena_init(&arena, 1 << 20);
		buf_clear(&out);
		event_json_stored(&out, &events[i]);
		assert_true(event_from_stored(&back, buf_view(&out), &arena));
		assert_same(&events[i], &back);
		arena_finish(&arena);
	}
	buf_finish(&out);
}

/* A tool may have spaced or ordered the members otherwise, or know one more. */
static void stored_by_another_hand(void **state)
{
	static const char *const texts[] = {
		"{\"version\":1,\"id\":7,\"title\":\"Jazz Night\",\"venue\":\"Blue Hall\",\"price\":\"25.00\","
		"\"status\":\"published\",\"event_date\":\"2027-03-01T19:30:00Z\",\"capacity\":250,"
		"\"created_at\":\"2026-11-22T10:00:00.123456Z\",\"updated_at\":\"2026-11-22T10:00:00.123456Z\","
		"\"created_by\":1}",
		" {\"id\": 7, \"title\": \"Jazz\\u0020Night\", \"description\": null, \"venue\": \"Blue Hall\", "
		"\"event_date\": \"2027-03-01T19:30:00Z\", \"capacity\": 250, \"price\": \"25.00\", "
		"\"status\": \"published\", \"created_at\": \"2026-11-22T10:00:00.123456Z\", "
		"\"updated_at\": \"2026-11-22T10:00:00.123456Z\", \"created_by\": 1, \"version\": 1, \"new\": []}",
	};
	struct event event = jazz();

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
		struct event back;
		struct arena arena;
		arena_init(&arena, 1 << 20);
		assert_true(event_from_stored(&back, str_from(texts[i]), &arena));
		assert_same(&event, &back);
		arena_finish(&arena);
	}
}

static void damaged_storage(void **state)
{
	struct event event = jazz(), back;
	struct arena arena;
	struct buf out;

	(void)state;
	arena_init(&arena, 16 << 20);
	buf_init(&out, 1 << 20);
	event_json_stored(&out, &event);
	for (size_t i = 0; i < out.len; i++)
		assert_false(event_from_stored(&back, (struct str){out.ptr, i}, &arena));
	char *title = memmem(out.ptr, out.len, "Jazz", 4);
	assert_non_null(title);
	for (const char *c = "\n\x01\xff\\"; *c != '\0'; c++) {
		*title = *c;
		assert_false(event_from_stored(&back, buf_view(&out), &arena));
	}
	*title = 'J';
	/* One byte changed: refused, or read as something that can be printed and read again. */
	for (size_t i = 0; i < out.len; i++) {
		char kept = out.ptr[i];
		for (const char *c = "\"\\,}{:0-9a\xff\x01"; *c != '\0'; c++) {
			out.ptr[i] = *c;
			struct event again;
			struct buf second;
			if (!event_from_stored(&back, buf_view(&out), &arena))
				continue;
			buf_init(&second, 1 << 20);
			event_json_stored(&second, &back);
			assert_true(event_from_stored(&again, buf_view(&second), &arena));
			assert_same(&back, &again);
			buf_finish(&second);
		}
		out.ptr[i] = kept;
	}
	assert_false(event_from_stored(&back, STR_NONE, &arena));
	assert_false(event_from_stored(&back, STR("null"), &arena));
	assert_false(event_from_stored(&back, STR("[]"), &arena));
	assert_false(event_from_stored(&back, STR("{}"), &arena));
	arena_finish(&arena);
	arena_init(&arena, 8);
	assert_false(event_from_stored(&back, buf_view(&out), &arena));
	arena_finish(&arena);
	buf_finish(&out);
}

static void copying(void **state)
{
	struct event event = jazz(), copy;
	struct arena arena;

	(void)state;
	event.description = STR("d");
	arena_init(&arena, 1 << 20);
	assert_true(event_copy(&copy, &event, &arena));
	assert_same(&event, &copy);
	assert_ptr_not_equal(copy.title.ptr, event.title.ptr);
	arena_finish(&arena);
	arena_init(&arena, 40);
	assert_false(event_copy(&copy, &event, &arena));
	arena_finish(&arena);
}

static void tags(void **state)
{
	struct event event = jazz();
	uint64_t before = event_etag(&event, DATE_US - 1);
	struct buf out;

	(void)state;
	buf_init(&out, 1 << 20);
	event_json(&out, &event, DATE_US - 1);
	assert_int_equal(before, hash_content(buf_view(&out)));
	buf_finish(&out);
	assert_int_equal(before, event_etag(&event, 0));
	/* is_upcoming flips. */
	assert_int_not_equal(before, event_etag(&event, DATE_US));
	event.version++;
	assert_int_not_equal(before, event_etag(&event, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(statuses),
		cmocka_unit_test(upcoming),
		cmocka_unit_test(printing),
		cmocka_unit_test(escapes_at_every_place),
		cmocka_unit_test(storing),
		cmocka_unit_test(stored_by_another_hand),
		cmocka_unit_test(damaged_storage),
		cmocka_unit_test(copying),
		cmocka_unit_test(tags),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
