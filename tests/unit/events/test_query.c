#include "events/query.h"

#include "unit/test.h"

enum { PARAMETERS_MAX = 16 };

/* "a=1&b=2" → parameters, without any percent-decoding. */
static size_t split(struct str text, struct query_parameter *parameters)
{
	struct str rest = text, part;
	size_t count = 0;

	if (text.len == 0)
		return 0;
	while (str_cut(&rest, '&', &part)) {
		assert_true(count < PARAMETERS_MAX);
		assert_true(str_cut(&part, '=', &parameters[count].name));
		parameters[count++].value = part;
	}
	return count;
}

static bool parse(struct query *query, const char *text, bool upcoming, unsigned visible, struct arena *arena,
                  struct issues *issues)
{
	struct query_parameter parameters[PARAMETERS_MAX];

	issues_init(issues, arena);
	return query_parse(query, parameters, split(str_from(text), parameters), upcoming, visible, arena, issues);
}

static struct str summary(struct arena *arena, const struct issues *issues)
{
	struct str text = STR("");

	for (size_t i = 0; i < issues->count; i++) {
		assert_string_equal(issues->items[i].where, "query");
		text = arena_printf(arena, "%.*s%s%.*s:%s", STR_ARG(text), i > 0 ? " " : "",
		                    STR_ARG(issues->items[i].name), issues->items[i].type);
	}
	return text;
}

static const struct {
	const char *text, *issues;
} parameter_cases[] = {
	{"", ""},
	{"page=1&size=100&status=draft&sort=-title&q=jazz&venue=Hall", ""},
	{"page=1000000000", ""},
	{"page=1000000001", "page:less_than_equal"},
	{"page=99999999999999999999999", "page:less_than_equal"},
	{"page=0", "page:greater_than_equal"},
	{"page=-1", "page:greater_than_equal"},
	{"page=", "page:int_parsing"},
	{"page=-", "page:int_parsing"},
	{"page=1.0", "page:int_parsing"},
	{"page=+1", "page:int_parsing"},
	{"page= 1", "page:int_parsing"},
	{"page=one", "page:int_parsing"},
	{"size=0", "size:greater_than_equal"},
	{"size=101", "size:less_than_equal"},
	{"size=abc", "size:int_parsing"},
	{"page=0&size=0&status=x&sort=y",
         "page:greater_than_equal size:greater_than_equal status:enum sort:enum"},
	{"page=1&page=2", "page:duplicate"},
	{"page=0&page=2", "page:greater_than_equal page:duplicate"},
	{"pages=1", "pages:extra_forbidden"},
	{"Page=1", "Page:extra_forbidden"},
	{"_=123", "_:extra_forbidden"},
	{"=1", ":extra_forbidden"},
	{"\xff\n=1", "??:extra_forbidden"},
	{"status=", "status:enum"},
	{"status=Published", "status:enum"},
	{"q=", "q:string_too_short"},
	{"q=a\tb", "q:string_unicode"},
	{"q=a\xc3", "q:string_unicode"},
	{"q=caf\xc3\xa9", ""},
	{"venue=", "venue:string_too_short"},
	{"venue=\x7f", "venue:string_unicode"},
	{"date_from=2027-03-01&date_to=2027-03-01&updated_since=2027-03-01", ""},
	{"date_from=2027-03-01T10:00:00+02:00", ""},
	{"date_from=2027-03-01T10:00:00 02:00", ""},
	{"date_from=2027-03-01T10:00:00.25 02:00", ""},
	{"date_from=2027-03-01 10:00:00", ""},
	{"date_from=2027-03-01T10:00 02:00", "date_from:datetime_parsing"},
	{"date_from=", "date_from:datetime_parsing"},
	{"date_from=tomorrow", "date_from:datetime_parsing"},
	{"date_to=1969-12-31", "date_to:datetime_out_of_range"},
	{"date_to=9999-12-31", ""},
	{"updated_since=2027-02-30", "updated_since:datetime_parsing"},
	{"price_min=0&price_max=99999999.99", ""},
	{"price_min=-1", "price_min:greater_than_equal"},
	{"price_min=", "price_min:decimal_parsing"},
	{"price_max=1.001", "price_max:decimal_max_places"},
	{"price_max=100000000", "price_max:less_than_equal"},
	{"price_max=cheap", "price_max:decimal_parsing"},
	{"sort=", "sort:enum"},
	{"sort=-", "sort:enum"},
	{"sort=--id", "sort:enum"},
	{"sort=venue", "sort:enum"},
	{"sort=ID", "sort:enum"},
	{"cursor=", "cursor:cursor_invalid"},
	{"cursor=x", "cursor:cursor_invalid"},
	{"cursor=AAAA", "cursor:cursor_invalid"},
	{"cursor=!&size=0", "size:greater_than_equal cursor:cursor_invalid"},
	{"cursor=x&page=1", "cursor:cursor_with_page"},
};

static void parameters(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(parameter_cases); i++) {
		struct issues issues;
		struct arena arena;
		struct query query;
		arena_init(&arena, 1 << 20);
		bool good = parse(&query, parameter_cases[i].text, false, EVENT_STATUS_ALL, &arena, &issues);
		struct str got = summary(&arena, &issues);
		if (!str_equal(got, str_from(parameter_cases[i].issues)))
			fail_msg("%s gave %.*s, not %s", parameter_cases[i].text, STR_ARG(got), parameter_cases[i].issues);
		assert_int_equal(good, got.len == 0);
		arena_finish(&arena);
	}
}

static void long_texts(void **state)
{
	static char text[2000];
	struct query_parameter parameter = {STR("q"), {text, 512}};
	struct issues issues;
	struct arena arena;
	struct query query;

	(void)state;
	memset(text, 'a', sizeof text);
	arena_init(&arena, 1 << 20);
	issues_init(&issues, &arena);
	assert_true(query_parse(&query, &parameter, 1, false, EVENT_STATUS_ALL, &arena, &issues));
	parameter.value.len = 513;
	assert_false(query_parse(&query, &parameter, 1, false, EVENT_STATUS_ALL, &arena, &issues));
	/* A venue may have 255 characters of 4 bytes. */
	parameter = (struct query_parameter){STR("venue"), {text, 1020}};
	assert_true(query_parse(&query, &parameter, 1, false, EVENT_STATUS_ALL, &arena, &issues));
	parameter.value.len = 1021;
	assert_false(query_parse(&query, &parameter, 1, false, EVENT_STATUS_ALL, &arena, &issues));
	arena_finish(&arena);
}

static void upcoming_knows_its_own(void **state)
{
	static const char *const unknown[] = {"status", "q", "venue", "date_from", "date_to", "price_min", "price_max",
	                                      "updated_since", "sort"};
	struct issues issues;
	struct arena arena;
	struct query query;

	(void)state;
	arena_init(&arena, 1 << 20);
	assert_true(parse(&query, "page=2&size=5", true, EVENT_STATUS_ALL, &arena, &issues));
	assert_true(query.upcoming);
	assert_int_equal(query.statuses, EVENT_STATUS_BIT(EVENT_PUBLISHED));
	assert_int_equal(query.sort, SORT_EVENT_DATE);
	assert_false(query.descending);
	assert_int_equal(query.page, 2);
	assert_int_equal(query.size, 5);
	for (size_t i = 0; i < ARRAY_LENGTH(unknown); i++) {
		struct str text = arena_printf(&arena, "%s=id", unknown[i]);
		assert_false(parse(&query, text.ptr, true, EVENT_STATUS_ALL, &arena, &issues));
		assert_string_equal(issues.items[0].type, "extra_forbidden");
	}
	arena_finish(&arena);
}

static void values(void **state)
{
	struct issues issues;
	struct arena arena;
	struct query query;

	(void)state;
	arena_init(&arena, 1 << 20);
	assert_true(parse(&query, "", false, EVENT_STATUS_NOT_DRAFT, &arena, &issues));
	assert_int_equal(query.statuses, EVENT_STATUS_NOT_DRAFT);
	assert_int_equal(query.page, 1);
	assert_int_equal(query.size, QUERY_SIZE_DEFAULT);
	assert_int_equal(query.sort, SORT_ID);
	assert_false(query.descending || query.has_cursor || query.upcoming || query.has_date_from);
	assert_null(query.q.ptr);
	assert_null(query.venue.ptr);
	/* What the viewer may not see is an empty list. */
	assert_true(parse(&query, "status=draft", false, EVENT_STATUS_NOT_DRAFT, &arena, &issues));
	assert_int_equal(query.statuses, 0);
	assert_true(parse(&query, "status=draft", false, EVENT_STATUS_ALL, &arena, &issues));
	assert_int_equal(query.statuses, EVENT_STATUS_BIT(EVENT_DRAFT));
	assert_true(parse(&query,
	                  "sort=-price&price_min=1.5&price_max=1e2&date_from=1970-01-02&date_to=1970-01-02&"
	                  "updated_since=1970-01-01T02:00:01 02:00&q=a b&venue= c",
	                  false, EVENT_STATUS_ALL, &arena, &issues));
	assert_int_equal(query.sort, SORT_PRICE);
	assert_true(query.descending);
	assert_true(query.has_price_min && query.price_min_cents == 150);
	assert_true(query.has_price_max && query.price_max_cents == 10000);
	assert_true(query.has_date_from && query.date_from_us == INT64_C(86400000000));
	assert_true(query.has_date_to && query.date_to_us == INT64_C(172799999999));
	assert_true(query.has_updated_since && query.updated_since_us == 1000000);
	assert_str(query.q, "a b");
	assert_str(query.venue, " c");
	/* A time, even midnight, is a moment. */
	assert_true(parse(&query, "date_to=1970-01-02T00:00:00Z", false, EVENT_STATUS_ALL, &arena, &issues));
	assert_int_equal(query.date_to_us, INT64_C(86400000000));
	arena_finish(&arena);
}

static const struct event last = {
	.id = 42, .title = {"Jazz \xc3\xa9", 7}, .venue = {"Hall", 4}, .event_date_us = 1000, .price_cents = 2500,
	.status = EVENT_PUBLISHED, .created_at_us = 2000, .updated_at_us = 3000, .version = 1,
};

/* The cursor of `text`'s list behind `last`. */
static struct str cursor_of(const char *text, bool upcoming, unsigned visible, struct arena *arena)
{
	struct issues issues;
	struct query query;
	struct buf out;

	assert_true(parse(&query, text, upcoming, visible, arena, &issues));
	buf_init(&out, 10000);
	query_cursor_print(&out, &query, &last);
	assert_false(out.failed);
	struct str cursor = arena_str(arena, buf_view(&out));
	buf_finish(&out);
	return cursor;
}

static void cursors_come_back(void **state)
{
	static const struct {
		const char *text;
		int64_t number;
	} cases[] = {
		{"size=5", 42}, {"sort=-id", 42}, {"sort=event_date", 1000}, {"sort=-created_at", 2000},
		{"sort=updated_at", 3000}, {"sort=price&q=a", 2500}, {"sort=-title", 0},
	};
	struct issues issues;
	struct arena arena;
	struct query query;

	(void)state;
	arena_init(&arena, 1 << 20);
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct str cursor = cursor_of(cases[i].text, false, EVENT_STATUS_ALL, &arena);
		/* Another size of page goes on in the same list. */
		struct str text = arena_printf(&arena, "%s&%scursor=%.*s", cases[i].text, i > 0 ? "size=7&" : "",
		                               STR_ARG(cursor));
		assert_true(parse(&query, text.ptr, false, EVENT_STATUS_ALL, &arena, &issues));
		assert_true(query.has_cursor);
		assert_int_equal(query.cursor.id, 42);
		assert_int_equal(query.cursor.page, 2);
		assert_int_equal(query.page, 2);
		assert_int_equal(query.cursor.number, cases[i].number);
		if (query.sort == SORT_TITLE)
			assert_str(query.cursor.text, "Jazz \xc3\xa9");
		text = arena_printf(&arena, "%s&page=1&cursor=%.*s", cases[i].text, STR_ARG(cursor));
		assert_false(parse(&query, text.ptr, false, EVENT_STATUS_ALL, &arena, &issues));
		assert_str(summary(&arena, &issues), "cursor:cursor_with_page");
	}
	arena_finish(&arena);
}

static void cursors_belong_to_their_list(void **state)
{
	static const char *const lists[] = {
		"sort=id", "sort=-id", "sort=price", "sort=title", "sort=-title", "status=published", "status=draft",
		"q=a", "q=b", "venue=a", "date_from=2027-01-01", "date_to=2027-01-01", "price_min=1", "price_max=1",
		"updated_since=2027-01-01",
	};
	struct issues issues;
	struct arena arena;
	struct query query;

	(void)state;
	arena_init(&arena, 1 << 20);
	for (size_t i = 0; i < ARRAY_LENGTH(lists); i++) {
		struct str cursor = cursor_of(lists[i], false, EVENT_STATUS_ALL, &arena);
		for (size_t k = 0; k < ARRAY_LENGTH(lists); k++) {
			struct str text = arena_printf(&arena, "%s&cursor=%.*s", lists[k], STR_ARG(cursor));
			assert_int_equal(parse(&query, text.ptr, false, EVENT_STATUS_ALL, &arena, &issues), i == k);
			if (i != k)
				assert_str(summary(&arena, &issues), "cursor:cursor_invalid");
		}
		/* Another viewer's list, and the upcoming ones. */
		struct str text = arena_printf(&arena, "cursor=%.*s", STR_ARG(cursor));
		assert_false(parse(&query, text.ptr, true, EVENT_STATUS_ALL, &arena, &issues));
		assert_false(parse(&query, text.ptr, false, EVENT_STATUS_NOT_DRAFT, &arena, &issues));
	}
	struct str cursor = cursor_of("", true, EVENT_STATUS_NOT_DRAFT, &arena);
	struct str text = arena_printf(&arena, "cursor=%.*s&size=3", STR_ARG(cursor));
	assert_true(parse(&query, text.ptr, true, EVENT_STATUS_NOT_DRAFT, &arena, &issues));
	assert_int_equal(query.cursor.number, 1000);
	arena_finish(&arena);
}

/* A cursor that is changed anywhere is refused or reads as another place, never as the same. */
static void damaged_cursors(void **state)
{
	struct issues issues;
	struct arena arena;
	struct query query;

	(void)state;
	arena_init(&arena, 8 << 20);
	struct str cursor = cursor_of("", false, EVENT_STATUS_ALL, &arena);
	for (size_t i = 0; i <= cursor.len; i++) {
		struct str text = arena_printf(&arena, "cursor=%.*s", (int)i, cursor.ptr);
		assert_int_equal(parse(&query, text.ptr, false, EVENT_STATUS_ALL, &arena, &issues), i == cursor.len);
	}
	static const char *const appended[] = {"=", "A", "AA", "AAAA", " ", "+"};
	for (size_t i = 0; i < ARRAY_LENGTH(appended); i++) {
		struct str text = arena_printf(&arena, "cursor=%.*s%s", STR_ARG(cursor), appended[i]);
		assert_false(parse(&query, text.ptr, false, EVENT_STATUS_ALL, &arena, &issues));
	}
	for (size_t i = 0; i < cursor.len; i++) {
		struct str text = arena_printf(&arena, "cursor=%.*s", STR_ARG(cursor));
		char *at = (char *)(uintptr_t)text.ptr + sizeof "cursor=" - 1 + i;
		*at = *at == 'B' ? 'C' : 'B';
		if (parse(&query, text.ptr, false, EVENT_STATUS_ALL, &arena, &issues))
			assert_true(query.cursor.id != 42 || query.cursor.page != 2);
	}
	/* The bits that the last character does not need are zero. */
	cursor = cursor_of("sort=title", false, EVENT_STATUS_ALL, &arena);
	assert_int_not_equal(cursor.len % 4, 0);
	unsigned accepted = 0;
	for (const char *c = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"; *c != '\0'; c++) {
		struct str text = arena_printf(&arena, "sort=title&cursor=%.*s%c", (int)cursor.len - 1, cursor.ptr, *c);
		accepted += parse(&query, text.ptr, false, EVENT_STATUS_ALL, &arena, &issues) &&
		            str_equal(query.cursor.text, last.title);
	}
	assert_int_equal(accepted, 1);
	static char giant[4000];
	memset(giant, 'A', sizeof giant);
	struct query_parameter parameter = {STR("cursor"), {giant, sizeof giant}};
	assert_false(query_parse(&query, &parameter, 1, false, EVENT_STATUS_ALL, &arena, &issues));
	arena_finish(&arena);
}

static struct str canonical(const char *text, unsigned visible, struct arena *arena)
{
	struct issues issues;
	struct query query;
	struct buf out;

	assert_true(parse(&query, text, false, visible, arena, &issues));
	buf_init(&out, 10000);
	query_canonical(&out, &query);
	struct str kept = arena_str(arena, buf_view(&out));
	buf_finish(&out);
	return kept;
}

static void canonical_names(void **state)
{
	static const char *const different[] = {
		"", "page=2", "size=11", "sort=-id", "sort=price", "status=draft", "q=a", "venue=a", "q=a|venue=1:b",
		"q=a&venue=b", "q=a|venue=b", "date_from=2027-01-01", "date_to=2027-01-01", "price_min=1", "price_max=1",
		"updated_since=2027-01-01", "price_min=0",
	};
	static const char *const same[][2] = {
		{"", "page=1&size=10&sort=id"},
		{"q=a&venue=b", "venue=b&q=a"},
		{"price_min=1", "price_min=1.00"},
		{"date_from=2027-01-01", "date_from=2027-01-01T02:00:00 02:00"},
	};
	struct arena arena;

	(void)state;
	arena_init(&arena, 1 << 20);
	for (size_t i = 0; i < ARRAY_LENGTH(different); i++) {
		for (size_t k = 0; k < i; k++)
			assert_false(str_equal(canonical(different[i], EVENT_STATUS_ALL, &arena),
			                       canonical(different[k], EVENT_STATUS_ALL, &arena)));
	}
	for (size_t i = 0; i < ARRAY_LENGTH(same); i++)
		assert_true(str_equal(canonical(same[i][0], EVENT_STATUS_ALL, &arena),
		                      canonical(same[i][1], EVENT_STATUS_ALL, &arena)));
	assert_int_equal(canonical("", EVENT_STATUS_ALL, &arena).ptr[0], 'f');
	assert_int_equal(canonical("", EVENT_STATUS_NOT_DRAFT, &arena).ptr[0], 'e');
	struct str cursor = cursor_of("", false, EVENT_STATUS_ALL, &arena);
	assert_false(str_equal(canonical(arena_printf(&arena, "cursor=%.*s", STR_ARG(cursor)).ptr, EVENT_STATUS_ALL, &arena),
	                       canonical("page=2", EVENT_STATUS_ALL, &arena)));
	arena_finish(&arena);
}

static void pages(void **state)
{
	struct event event = last;
	struct query_page page = {.events = &event, .count = 0, .total = 0, .has_next = false};
	struct issues issues;
	struct arena arena;
	struct query query;
	struct buf out;

	(void)state;
	arena_init(&arena, 1 << 20);
	buf_init(&out, 1 << 20);
	assert_true(parse(&query, "", false, EVENT_STATUS_ALL, &arena, &issues));
	query_page_json(&out, &query, &page, 0);
	assert_str(buf_view(&out), "{\"events\":[],\"total\":0,\"page\":1,\"size\":10,\"has_next\":false,"
	                           "\"has_prev\":false,\"next_cursor\":null}");
	buf_clear(&out);
	assert_true(parse(&query, "page=3&size=1", false, EVENT_STATUS_ALL, &arena, &issues));
	page = (struct query_page){.events = &event, .count = 1, .total = 5, .has_next = true};
	query_page_json(&out, &query, &page, 0);
	struct str text = arena_str(&arena, buf_view(&out));
	assert_true(str_starts_with(text, STR("{\"events\":[{\"id\":42,")));
	const char *tail = strstr(text.ptr, "],\"total\":5,\"page\":3,\"size\":1,\"has_next\":true,\"has_prev\":true,"
	                                    "\"next_cursor\":\"");
	assert_non_null(tail);
	assert_string_equal(text.ptr + text.len - 2, "\"}");
	/* The cursor leads to page 4. */
	const char *cursor = strstr(tail, "next_cursor\":\"") + sizeof "next_cursor\":\"" - 1;
	size_t length = (size_t)(text.ptr + text.len - 2 - cursor);
	assert_true(parse(&query, arena_printf(&arena, "size=1&cursor=%.*s", (int)length, cursor).ptr, false,
	                  EVENT_STATUS_ALL, &arena, &issues));
	assert_int_equal(query.page, 4);
	buf_finish(&out);
	arena_finish(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parameters),
		cmocka_unit_test(long_texts),
		cmocka_unit_test(upcoming_knows_its_own),
		cmocka_unit_test(values),
		cmocka_unit_test(cursors_come_back),
		cmocka_unit_test(cursors_belong_to_their_list),
		cmocka_unit_test(damaged_cursors),
		cmocka_unit_test(canonical_names),
		cmocka_unit_test(pages),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
