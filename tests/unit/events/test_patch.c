#include "events/patch.h"

#include <stdlib.h>

#include "unit/test.h"

#define NEEDED "\"title\":\"Jazz\",\"venue\":\"Hall\",\"event_date\":\"2027-03-01T19:30:00Z\""
#define WITH(member) "{" NEEDED "," member "}"
#define NOW_US INT64_C(1795000000123456)

enum { ALL_FIELDS = 127 };

/* "title:missing venue:missing", in the order they were found; a problem of the whole body is ":type". */
static struct str summary(struct arena *arena, const struct issues *issues)
{
	struct str text = STR("");

	for (size_t i = 0; i < issues->count; i++) {
		const struct issue *issue = &issues->items[i];
		assert_string_equal(issue->where, "body");
		assert_true(issue->message.len > 0);
		text = arena_printf(arena, "%.*s%s%.*s:%s", STR_ARG(text), i > 0 ? " " : "", STR_ARG(issue->name),
		                    issue->type);
	}
	return text;
}

struct parsed {
	struct arena arena;
	struct patch patch;
	struct issues issues;
	struct str problem;
	enum patch_result result;
};

/* Frees nothing: finish it with arena_finish(&parsed->arena). */
static void parse(struct parsed *parsed, struct str body, bool creating)
{
	arena_init(&parsed->arena, 8 << 20);
	issues_init(&parsed->issues, &parsed->arena);
	parsed->result = patch_parse(&parsed->patch, body, creating, &parsed->arena, &parsed->issues, &parsed->problem);
	if (parsed->result == PATCH_MALFORMED)
		assert_true(parsed->problem.len > 0);
	assert_int_equal(parsed->result == PATCH_INVALID, parsed->issues.total > 0);
}

/* Of the bodies of the table: the issues, "" for none, "!" for malformed JSON. */
struct body_case {
	const char *body;
	const char *issues;
};

static void run(const struct body_case *cases, size_t count, bool creating)
{
	for (size_t i = 0; i < count; i++) {
		struct parsed parsed;
		parse(&parsed, str_from(cases[i].body), creating);
		struct str got = parsed.result == PATCH_MALFORMED ? STR("!") : summary(&parsed.arena, &parsed.issues);
		if (!str_equal(got, str_from(cases[i].issues)))
			fail_msg("%s\n gave %.*s\n not %s", cases[i].body, STR_ARG(got), cases[i].issues);
		arena_finish(&parsed.arena);
	}
}

static void creations(void **state)
{
	static const struct body_case cases[] = {
		{"{" NEEDED "}", ""},
		{" \t\r\n{" NEEDED "} \n", ""},
		{"{}", "title:missing venue:missing event_date:missing"},
		{"{\"title\":\"\",\"price\":-1}",
	         "title:string_too_short price:greater_than_equal venue:missing event_date:missing"},
		{WITH("\"description\":null"), ""},
		{WITH("\"titel\":\"x\""), "titel:extra_forbidden"},
		{WITH("\"Title\":\"x\""), "Title:extra_forbidden"},
		{WITH("\"\":1"), ":extra_forbidden"},
		{WITH("\"id\":\"x\",\"is_upcoming\":null,\"created_at\":[],\"updated_at\":{},\"created_by\":-5,"
	              "\"version\":1e999"), ""},
		{"[]", ":object_type"},
		{"null", ":object_type"},
		{"\"title\"", ":object_type"},
		{"12", ":object_type"},
		{"1e999", ":object_type"},
		{"true", ":object_type"},
	};
	(void)state;
	run(cases, ARRAY_LENGTH(cases), true);
}

static void malformed(void **state)
{
	static const struct body_case cases[] = {
		{"", "!"},
		{" ", "!"},
		{"{", "!"},
		{"{}}", "!"},
		{"{} x", "!"},
		{"{}{}", "!"},
		{"\xef\xbb\xbf{}", "!"},
		{"{'title':1}", "!"},
		{"{\"title\":\"a\",}", "!"},
		{"{\"title\" \"a\"}", "!"},
		{"{\"title\":\"a\nb\"}", "!"},
		{"{\"title\":\"\\x41\"}", "!"},
		{"{\"price\":01}", "!"},
		{"{\"price\":+1}", "!"},
		{"{\"price\":.5}", "!"},
		{"{\"price\":5.}", "!"},
		{"{\"price\":NaN}", "!"},
		{"{\"price\":1e999", "!"},
		{"{\"price\":1e999,}", "!"},
		{"{\"price\":01e999}", "!"},
		{"{/* */}", "!"},
		{"{\"title\":\"a\\u0000b\"}", "!"},
		{"{\"ti\\u0000tle\":\"a\"}", "!"},
		{"{\"title\":\"\xff\"}", "!"},
		{"{\"title\":\"\xc0\xaf\"}", "!"},
		{"{\"title\":\"\xed\xa0\x80\"}", "!"},
		{"{\"title\":\"\xf4\x90\x80\x80\"}", "!"},
		{"{\"title\":\"\xe2\x82\"}", "!"},
		{"{\"title\":\"\\ud800\"}", "!"},
		{"{\"title\":\"\\udc00\"}", "!"},
		{"{\"title\":\"\\ud800\\ud800\"}", "!"},
		{"{\"title\":\"a\",\"title\":\"a\"}", "!"},
		{"{\"title\":\"a\",\"t\\u0069tle\":\"b\"}", "!"},
		{"{\"id\":{\"a\":1,\"a\":2}}", "!"},
		{"{\"price\":1e999,\"price\":1}", "!"},
	};
	(void)state;
	run(cases, ARRAY_LENGTH(cases), false);
	struct parsed parsed;
	parse(&parsed, STR("{\"title\":\"a\0b\"}"), false);
	assert_int_equal(parsed.result, PATCH_MALFORMED);
	arena_finish(&parsed.arena);
	parse(&parsed, STR("{}\0"), false);
	assert_int_equal(parsed.result, PATCH_MALFORMED);
	arena_finish(&parsed.arena);
	parse(&parsed, STR_NONE, false);
	assert_int_equal(parsed.result, PATCH_MALFORMED);
	arena_finish(&parsed.arena);
}

static const struct body_case value_cases[] = {
	{"{}", ""},
	{"{\"title\":null}", "title:string_type"},
	{"{\"title\":5}", "title:string_type"},
	{"{\"title\":[\"a\"]}", "title:string_type"},
	{"{\"title\":\"\"}", "title:string_too_short"},
	{"{\"title\":\" \"}", "title:string_blank"},
	{"{\"title\":\"\xc2\xa0\xe2\x80\x83\xe3\x80\x80\xe2\x80\xa8\"}", "title:string_blank"},
	{"{\"title\":\" a \"}", ""},
	{"{\"title\":\"a\xe2\x80\xa8\xe2\x80\xa9\"}", ""},
	{"{\"title\":\"\xf0\x9f\x8e\xb7\"}", ""},
	{"{\"title\":\"\\ud83c\\udfb7\"}", ""},
	{"{\"t\\u0069tle\":\"a\"}", ""},
	{"{\"title\":\"a\\tb\"}", "title:string_control_character"},
	{"{\"title\":\"a\\nb\"}", "title:string_control_character"},
	{"{\"title\":\"a\\u001f\"}", "title:string_control_character"},
	{"{\"title\":\"a\x7f\"}", "title:string_control_character"},
	{"{\"title\":\"a\\u0080\"}", "title:string_control_character"},
	{"{\"title\":\"a\\u0085\"}", "title:string_control_character"},
	{"{\"title\":\"a\\u009f\"}", "title:string_control_character"},
	{"{\"title\":\"a\\u00a0b\"}", ""},
	{"{\"venue\":null}", "venue:string_type"},
	{"{\"venue\":\"\\t\"}", "venue:string_control_character"},
	{"{\"venue\":\"\\u2003\"}", "venue:string_blank"},
	{"{\"description\":null}", ""},
	{"{\"description\":\"\"}", ""},
	{"{\"description\":\"a\\tb\\nc\"}", ""},
	{"{\"description\":\"a\\r\\nb\"}", "description:string_control_character"},
	{"{\"description\":\"a\\u0001\"}", "description:string_control_character"},
	{"{\"description\":\"a\\u0090\"}", "description:string_control_character"},
	{"{\"description\":5}", "description:string_type"},
	{"{\"description\":false}", "description:string_type"},
	{"{\"event_date\":\"2027-03-01T19:30:00\"}", ""},
	{"{\"event_date\":null}", "event_date:datetime_type"},
	{"{\"event_date\":1803929400}", "event_date:datetime_type"},
	{"{\"event_date\":\"\"}", "event_date:datetime_parsing"},
	{"{\"event_date\":\"2027-02-29T19:30:00Z\"}", "event_date:datetime_parsing"},
	{"{\"event_date\":\"1969-12-31T23:59:59Z\"}", "event_date:datetime_out_of_range"},
	{"{\"event_date\":\"9999-12-31T23:59:59-01:00\"}", "event_date:datetime_out_of_range"},
	{"{\"capacity\":0}", ""},
	{"{\"capacity\":-0}", ""},
	{"{\"capacity\":2147483647}", ""},
	{"{\"capacity\":2147483648}", "capacity:less_than_equal"},
	{"{\"capacity\":99999999999999999999999999}", "capacity:less_than_equal"},
	{"{\"capacity\":-1}", "capacity:greater_than_equal"},
	{"{\"capacity\":-99999999999999999999}", "capacity:greater_than_equal"},
	{"{\"capacity\":5.0}", "capacity:int_parsing"},
	{"{\"capacity\":5.5}", "capacity:int_parsing"},
	{"{\"capacity\":1e1}", "capacity:int_parsing"},
	{"{\"capacity\":1e999}", "capacity:int_parsing"},
	{"{\"capacity\":\"5\"}", "capacity:int_type"},
	{"{\"capacity\":true}", "capacity:int_type"},
	{"{\"capacity\":null}", "capacity:int_type"},
	{"{\"capacity\":[1]}", "capacity:int_type"},
	{"{\"price\":0}", ""},
	{"{\"price\":-0}", ""},
	{"{\"price\":\"25.00\"}", ""},
	{"{\"price\":1e2}", ""},
	{"{\"price\":99999999.99}", ""},
	{"{\"price\":99999999.994}", "price:decimal_max_places"},
	{"{\"price\":100000000}", "price:less_than_equal"},
	{"{\"price\":25.001}", "price:decimal_max_places"},
	{"{\"price\":25.000}", "price:decimal_max_places"},
	{"{\"price\":0.1000000000000000055511151231257827}", "price:decimal_max_places"},
	{"{\"price\":\"25.001\"}", "price:decimal_max_places"},
	{"{\"price\":-0.01}", "price:greater_than_equal"},
	{"{\"price\":1e999}", "price:less_than_equal"},
	{"{\"price\":-1e999}", "price:greater_than_equal"},
	{"{\"price\":1e-999}", "price:decimal_max_places"},
	{"{\"price\":\"\"}", "price:decimal_parsing"},
	{"{\"price\":\" 25\"}", "price:decimal_parsing"},
	{"{\"price\":\"+25\"}", "price:decimal_parsing"},
	{"{\"price\":\"NaN\"}", "price:decimal_parsing"},
	{"{\"price\":\"Infinity\"}", "price:decimal_parsing"},
	{"{\"price\":true}", "price:decimal_type"},
	{"{\"price\":null}", "price:decimal_type"},
	{"{\"price\":{}}", "price:decimal_type"},
	{"{\"status\":\"draft\"}", ""},
	{"{\"status\":\"published\"}", ""},
	{"{\"status\":\"cancelled\"}", ""},
	{"{\"status\":\"completed\"}", ""},
	{"{\"status\":\"Published\"}", "status:enum"},
	{"{\"status\":\"\"}", "status:enum"},
	{"{\"status\":null}", "status:string_type"},
	{"{\"status\":1}", "status:string_type"},
	{"{\"id\":[1e999,{\"price\":5}],\"x,\\\"}\":\"{\\\\\",\"price\" : 7 ,\"capacity\"\n:\t8\r}",
         "x,\"}:extra_forbidden"},
};

static void types_and_values(void **state)
{
	(void)state;
	run(value_cases, ARRAY_LENGTH(value_cases), false);
}

static struct str repeat(struct arena *arena, const char *before, const char *unit, size_t count, const char *after)
{
	struct buf text;

	buf_init(&text, 8 << 20);
	buf_str(&text, str_from(before));
	for (size_t i = 0; i < count; i++)
		buf_str(&text, str_from(unit));
	buf_str(&text, str_from(after));
	struct str copy = arena_str(arena, buf_view(&text));
	buf_finish(&text);
	return copy;
}

static void lengths(void **state)
{
	static const struct {
		const char *before, *unit;
		size_t count;
		const char *after, *issues;
	} cases[] = {
		{"{\"title\":\"", "a", 255, "\"}", ""},
		{"{\"title\":\"", "a", 256, "\"}", "title:string_too_long"},
		{"{\"title\":\"", "\xf0\x9f\x8e\xb7", 255, "\"}", ""},
		{"{\"title\":\"", "\xf0\x9f\x8e\xb7", 256, "\"}", "title:string_too_long"},
		{"{\"title\":\"", "\\u00e9", 255, "\"}", ""},
		{"{\"venue\":\"", "a", 255, "\"}", ""},
		{"{\"venue\":\"", "\xc3\xa9", 256, "\"}", "venue:string_too_long"},
		{"{\"description\":\"", "a", 65536, "\"}", ""},
		{"{\"description\":\"", "a", 65537, "\"}", "description:string_too_long"},
		{"{\"description\":\"", "\xc3\xa9", 32768, "\"}", ""},
		{"{\"description\":\"", "\xc3\xa9", 32769, "\"}", "description:string_too_long"},
		{"{\"capacity\":", "9", 400, "}", "capacity:less_than_equal"},
		{"{\"price\":", "9", 400, "}", "price:less_than_equal"},
		{"{\"price\":0.", "0", 400, "}", "price:decimal_max_places"},
		{"{\"id\":", "[", 15, "]]]]]]]]]]]]]]]}", ""},
		{"{\"id\":", "[", 16, "]]]]]]]]]]]]]]]]}", "!"},
		{"{\"id\":\"", "[", 100, "\"}", ""},
		{"{\"id\":\"\\\"", "{", 100, "\"}", ""},
		{"", "[", 100000, "", "!"},
		{"", "{\"a\":", 100000, "", "!"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct arena arena;
		arena_init(&arena, 8 << 20);
		struct str body = repeat(&arena, cases[i].before, cases[i].unit, cases[i].count, cases[i].after);
		const struct body_case one = {body.ptr, cases[i].issues};
		run(&one, 1, false);
		arena_finish(&arena);
	}
}

static void messages_help(void **state)
{
	struct parsed parsed;
	struct arena arena;

	(void)state;
	arena_init(&arena, 8 << 20);
	parse(&parsed, repeat(&arena, "{\"title\":\"", "a", 300, "\"}"), false);
	assert_str(parsed.issues.items[0].message, "must be at most 255 characters, has 300");
	arena_finish(&parsed.arena);
	parse(&parsed, STR("{\"title\":null}"), false);
	assert_str(parsed.issues.items[0].message, "must be a string, not null");
	arena_finish(&parsed.arena);
	parse(&parsed, STR("{\"title\":\"a\",\n \"title\":\"b\"}"), false);
	assert_non_null(strstr(parsed.problem.ptr, "line 2"));
	assert_non_null(strstr(parsed.problem.ptr, "twice"));
	arena_finish(&parsed.arena);
	/* More problems than are kept are still counted, and a long name is cut at a character. */
	struct buf body;
	buf_init(&body, 1 << 20);
	buf_lit(&body, "{\"x\":0");
	struct str accents = repeat(&arena, "", "\xc3\xa9", 60, "");
	for (int i = 0; i < 100; i++)
		buf_printf(&body, ",\"x%d%.*s\":0", i, STR_ARG(accents));
	buf_lit(&body, "}");
	parse(&parsed, buf_view(&body), false);
	assert_int_equal(parsed.issues.total, 101);
	assert_int_equal(parsed.issues.count, ISSUES_MAX);
	assert_int_equal(parsed.issues.items[1].name.len, 100);
	assert_int_equal(parsed.issues.items[11].name.len, 99);
	arena_finish(&parsed.arena);
	buf_finish(&body);
	arena_finish(&arena);
}

static void values_arrive_exactly(void **state)
{
	struct parsed parsed;

	(void)state;
	parse(&parsed,
	      STR("{\"title\":\"J\\u00e9\",\"venue\":\"H\",\"description\":\"d\",\"event_date\":\"2027-03-01T19:30:00+01:00\","
	          "\"capacity\":250,\"price\":35184372.07,\"status\":\"published\"}"),
	      true);
	assert_int_equal(parsed.result, PATCH_OK);
	assert_int_equal(parsed.patch.fields, ALL_FIELDS);
	assert_str(parsed.patch.event.title, "J\xc3\xa9");
	assert_str(parsed.patch.event.venue, "H");
	assert_str(parsed.patch.event.description, "d");
	assert_int_equal(parsed.patch.event.event_date_us, INT64_C(1803925800000000));
	assert_int_equal(parsed.patch.event.capacity, 250);
	assert_int_equal(parsed.patch.event.price_cents, INT64_C(3518437207));
	assert_int_equal(parsed.patch.event.status, EVENT_PUBLISHED);
	arena_finish(&parsed.arena);
	parse(&parsed, STR("{" NEEDED "}"), true);
	assert_int_equal(parsed.patch.fields, ALL_FIELDS);
	assert_null(parsed.patch.event.description.ptr);
	assert_int_equal(parsed.patch.event.capacity, 0);
	assert_int_equal(parsed.patch.event.price_cents, 0);
	assert_int_equal(parsed.patch.event.status, EVENT_DRAFT);
	arena_finish(&parsed.arena);
	parse(&parsed, STR("{\"price\":1,\"description\":null}"), false);
	assert_int_equal(parsed.patch.fields, PATCH_PRICE | PATCH_DESCRIPTION);
	arena_finish(&parsed.arena);
}

/* Every allocation of the arena refused in turn: out of memory is said, nothing is half done silently. */
static void out_of_memory(void **state)
{
	struct str body = STR("{\"title\":\"Jazz\",\"venue\":\"Hall\",\"description\":\"d\",\"x\":1,\"price\":1e999}");
	bool enough = false;

	(void)state;
	for (size_t bytes_max = 0; !enough; bytes_max += 16) {
		struct parsed parsed;
		arena_init(&parsed.arena, bytes_max);
		issues_init(&parsed.issues, &parsed.arena);
		parsed.result =
			patch_parse(&parsed.patch, body, false, &parsed.arena, &parsed.issues, &parsed.problem);
		enough = !parsed.arena.failed;
		assert_int_equal(parsed.result, enough ? PATCH_INVALID : PATCH_OUT_OF_MEMORY);
		arena_finish(&parsed.arena);
		assert_true(bytes_max < 100000);
	}
}

static const struct event before = {
	.id = 7, .title = {"Jazz", 4}, .venue = {"Hall", 4}, .event_date_us = 5, .price_cents = 2500, .capacity = 10,
	.status = EVENT_PUBLISHED, .created_at_us = 100, .updated_at_us = 200, .created_by = 3, .version = 4,
};

static struct event apply(const char *body, int64_t now_us, bool *changed)
{
	static char kept[1000];
	struct parsed parsed;
	struct event after;

	parse(&parsed, str_from(body), false);
	assert_int_equal(parsed.result, PATCH_OK);
	*changed = patch_apply(&parsed.patch, &before, 9, now_us, &after);
	/* The texts are the patch's. */
	memcpy(kept, after.title.ptr, after.title.len);
	after.title.ptr = kept;
	if (after.venue.ptr != before.venue.ptr)
		after.venue = STR_NONE;
	arena_finish(&parsed.arena);
	return after;
}

static void applying(void **state)
{
	struct parsed parsed;
	struct event after;
	bool changed;

	(void)state;
	parse(&parsed, STR("{" NEEDED "}"), true);
	assert_true(patch_apply(&parsed.patch, NULL, 9, NOW_US, &after));
	assert_int_equal(after.id, 0);
	assert_int_equal(after.version, 1);
	assert_int_equal(after.created_by, 9);
	assert_int_equal(after.created_at_us, NOW_US);
	assert_int_equal(after.updated_at_us, NOW_US);
	assert_str(after.title, "Jazz");
	arena_finish(&parsed.arena);

	after = apply("{\"title\":\"Blues\"}", 500, &changed);
	assert_true(changed);
	assert_str(after.title, "Blues");
	assert_str(after.venue, "Hall");
	assert_int_equal(after.version, 5);
	assert_int_equal(after.updated_at_us, 500);
	assert_int_equal(after.created_at_us, 100);
	assert_int_equal(after.created_by, 3);
	assert_int_equal(after.id, 7);
	/* A clock that was set back, or stands. */
	after = apply("{\"price\":1}", 50, &changed);
	assert_int_equal(after.updated_at_us, 201);
	after = apply("{\"price\":1}", 200, &changed);
	assert_int_equal(after.updated_at_us, 201);
}

static void nothing_to_change(void **state)
{
	static const char *const bodies[] = {
		"{}", "{\"title\":\"Jazz\"}", "{\"price\":\"25.00\",\"capacity\":10,\"status\":\"published\"}",
		"{\"description\":null}", "{\"event_date\":\"1970-01-01T00:00:00.000005Z\",\"version\":99,\"id\":1}",
	};
	static const char *const others[] = {
		"{\"title\":\"jazz\"}", "{\"price\":25.01}", "{\"capacity\":11}", "{\"status\":\"draft\"}",
		"{\"description\":\"\"}", "{\"event_date\":\"1970-01-01T00:00:00Z\"}", "{\"venue\":\"Hal\"}",
	};
	bool changed;

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(bodies); i++) {
		struct event after = apply(bodies[i], 500, &changed);
		assert_false(changed);
		assert_int_equal(after.version, 4);
		assert_int_equal(after.updated_at_us, 200);
	}
	for (size_t i = 0; i < ARRAY_LENGTH(others); i++) {
		struct event after = apply(others[i], 500, &changed);
		assert_true(changed);
		assert_int_equal(after.version, 5);
	}
}

static void columns(void **state)
{
	static const struct {
		const char *names[4], *values[4];
		const char *issues;
	} cases[] = {
		{{"title", "venue", "event_date"}, {"Jazz", "Hall", "2027-03-01"}, ""},
		{{"title", "venue", "event_date", "capacity"}, {"Jazz", "Hall", "2027-03-01", ""}, ""},
		{{"title", "venue", "event_date", "capacity"}, {"Jazz", "Hall", "2027-03-01", "12"}, ""},
		{{"title", "venue", "event_date", "capacity"}, {"Jazz", "Hall", "2027-03-01", "x"}, "capacity:int_parsing"},
		{{"title", "venue", "event_date", "capacity"}, {"Jazz", "Hall", "2027-03-01", "-1"},
	         "capacity:greater_than_equal"},
		{{"title", "venue", "event_date", "price"}, {"Jazz", "Hall", "2027-03-01", "1.234"},
	         "price:decimal_max_places"},
		{{"title", "venue", "event_date", "description"}, {"Jazz", "Hall", "2027-03-01", ""}, ""},
		{{"title", "venue", "event_date", "version"}, {"Jazz", "Hall", "2027-03-01", "abc"}, ""},
		{{"title", "venue", "event_date", "colour"}, {"Jazz", "Hall", "2027-03-01", ""}, "colour:extra_forbidden"},
		{{"title", "venue", "event_date", "title"}, {"Jazz", "Hall", "2027-03-01", "Blues"}, "title:duplicate"},
		{{"title", "venue"}, {"", "Hall"}, "title:missing event_date:missing"},
		{{"title", "venue", "event_date"}, {"\xff", "Hall", "2027-03-01"}, "title:string_unicode"},
		{{"title", "venue", "event_date"}, {"a\xc0\x80", "Hall", "2027-03-01"}, "title:string_unicode"},
		{{"title", "venue", "event_date"}, {"\xed\xa0\x80", "Hall", "2027-03-01"}, "title:string_unicode"},
		{{"title", "venue", "event_date"}, {"\xf4\x90\x80\x80", "Hall", "2027-03-01"}, "title:string_unicode"},
		{{"title", "venue", "event_date"}, {"\xe0\x9f\xbf", "Hall", "2027-03-01"}, "title:string_unicode"},
		{{"title", "venue", "event_date"}, {"\xf0\x9f\x8e", "Hall", "2027-03-01"}, "title:string_unicode"},
		{{"title", "venue", "event_date"}, {"a\tb", "Hall", "2027-03-01"}, "title:string_control_character"},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct str names[4], values[4];
		struct issues issues;
		struct arena arena;
		struct patch patch;
		size_t count = 0;
		arena_init(&arena, 1 << 20);
		issues_init(&issues, &arena);
		for (; count < 4 && cases[i].names[count] != NULL; count++) {
			names[count] = str_from(cases[i].names[count]);
			values[count] = str_from(cases[i].values[count]);
		}
		enum patch_result result = patch_from_columns(&patch, names, values, count, &arena, &issues);
		struct str got = summary(&arena, &issues);
		if (!str_equal(got, str_from(cases[i].issues)))
			fail_msg("row %zu gave %.*s, not %s", i, STR_ARG(got), cases[i].issues);
		assert_int_equal(result, got.len > 0 ? PATCH_INVALID : PATCH_OK);
		assert_int_equal(patch.fields, ALL_FIELDS);
		arena_finish(&arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(creations),
		cmocka_unit_test(malformed),
		cmocka_unit_test(types_and_values),
		cmocka_unit_test(lengths),
		cmocka_unit_test(messages_help),
		cmocka_unit_test(values_arrive_exactly),
		cmocka_unit_test(out_of_memory),
		cmocka_unit_test(applying),
		cmocka_unit_test(nothing_to_change),
		cmocka_unit_test(columns),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
