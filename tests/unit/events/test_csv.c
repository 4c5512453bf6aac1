#include "events/csv.h"

#include "events/patch.h"
#include "unit/test.h"

/* Rows as "line:field|field;", ending in "." at the end and "!line" where malformed (reading goes on). */
static struct str read_all(struct str text, struct arena *arena)
{
	struct str fields[CSV_COLUMNS_MAX], read = STR("");
	struct csv csv;
	size_t count;

	csv_init(&csv, text);
	for (;;) {
		switch (csv_next(&csv, fields, &count, arena)) {
		case CSV_END: return arena_printf(arena, "%.*s.", STR_ARG(read));
		case CSV_OUT_OF_MEMORY: return STR("out of memory");
		case CSV_MALFORMED: read = arena_printf(arena, "%.*s!%zu;", STR_ARG(read), csv.line); break;
		case CSV_ROW:
			read = arena_printf(arena, "%.*s%zu:", STR_ARG(read), csv.line);
			for (size_t i = 0; i < count; i++)
				read = arena_printf(arena, "%.*s%s%.*s", STR_ARG(read), i > 0 ? "|" : "", STR_ARG(fields[i]));
			read = arena_printf(arena, "%.*s;", STR_ARG(read));
			break;
		}
	}
}

static void reading(void **state)
{
	static const struct {
		const char *text, *rows;
	} cases[] = {
		{"", "."},
		{"\n\r\n\n", "."},
		{"a", "1:a;."},
		{"a,b\r\nc,d\r\n", "1:a|b;2:c|d;."},
		{"a,b\nc,d", "1:a|b;2:c|d;."},
		{"\xef\xbb\xbf" "a,b\n", "1:a|b;."},
		{"\n\na\n\nb", "3:a;5:b;."},
		{"a,,\n,,", "1:a||;2:||;."},
		{"\"\"", "1:;."},
		{"\"a\",\"b\"\n", "1:a|b;."},
		{"\"a,b\"", "1:a,b;."},
		{"\"a\"\"b\"", "1:a\"b;."},
		{"\"\"\"\"", "1:\";."},
		{"\"\"\"a\"\"\",x", "1:\"a\"|x;."},
		{"\"a\nb\",c\nd", "1:a\nb|c;3:d;."},
		{"\"a\r\nb\"\r\nd", "1:a\r\nb;3:d;."},
		{"a\rb", "1:a\rb;."},
		{" a , b ", "1: a | b ;."},
		{"a\"b\nc", "!1;2:c;."},
		{"a \"b\"\nc", "!1;2:c;."},
		{"\"a\"b\nc", "!1;2:c;."},
		{"\"a\" \nc", "!1;2:c;."},
		{"x\n\"a\nb", "1:x;!2;3:b;."},
		{"\"", "!1;."},
		{"\"\"\"", "!1;."},
		{"a,\"", "!1;."},
		{",,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,", "1:|||||||||||||||||||||||||||||||;."},
		{",,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,\nb", "!1;2:b;."},
	};
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct arena arena;
		arena_init(&arena, 1 << 20);
		struct str rows = read_all(str_from(cases[i].text), &arena);
		if (!str_equal(rows, str_from(cases[i].rows)))
			fail_msg("%s\n gave %.*s\n not %s", cases[i].text, STR_ARG(rows), cases[i].rows);
		arena_finish(&arena);
	}
}

static void without_memory(void **state)
{
	struct arena arena;

	(void)state;
	arena_init(&arena, 0);
	assert_str(read_all(STR("\"a\"\"b\""), &arena), "out of memory");
	arena_finish(&arena);
}

static void fields_come_back(void **state)
{
	static const char *const fields[] = {
		"", "a", "a b", " a", "a ", ",", "\"", "\"\"", "a\nb", "a\r\nb", "\r", "=1+1", "+1", "-1", "@x", "\xc3\xa9",
		"'", ";", "\t",
	};
	struct buf out;

	(void)state;
	buf_init(&out, 10000);
	for (size_t i = 0; i < ARRAY_LENGTH(fields); i++) {
		struct str back[CSV_COLUMNS_MAX];
		struct arena arena;
		struct csv csv;
		size_t count;
		arena_init(&arena, 10000);
		buf_clear(&out);
		csv_print_field(&out, str_from(fields[i]));
		buf_lit(&out, ",x\r\n");
		csv_init(&csv, buf_view(&out));
		assert_int_equal(csv_next(&csv, back, &count, &arena), CSV_ROW);
		assert_int_equal(count, 2);
		assert_str(back[0], fields[i]);
		assert_str(back[1], "x");
		assert_int_equal(csv_next(&csv, back, &count, &arena), CSV_END);
		arena_finish(&arena);
	}
	/* Other readers take a lone CR for the end of the line. */
	buf_clear(&out);
	csv_print_field(&out, STR("a\rb"));
	assert_str(buf_view(&out), "\"a\rb\"");
	buf_finish(&out);
}

/* What the export prints, the import reads as the same event. */
static void export_and_import(void **state)
{
	struct event event = {
		.id = 7, .title = STR("Jazz, \"Night\""), .venue = STR("=Hall"), .description = STR("a\nb\tc"),
		.event_date_us = INT64_C(1803929400000000), .price_cents = 2550, .capacity = 250,
		.status = EVENT_PUBLISHED, .created_at_us = 1, .updated_at_us = 2000000, .created_by = 0, .version = 3,
	};
	struct str names[CSV_COLUMNS_MAX], values[CSV_COLUMNS_MAX];
	size_t name_count, value_count;
	struct issues issues;
	struct arena arena;
	struct patch patch;
	struct csv csv;
	struct buf out;

	(void)state;
	arena_init(&arena, 1 << 20);
	buf_init(&out, 10000);
	issues_init(&issues, &arena);
	csv_print_header(&out);
	csv_print_event(&out, &event);
	assert_str(buf_view(&out), "id,title,venue,description,event_date,capacity,price,status,created_at,updated_at,"
	                           "created_by,version\r\n"
	                           "7,\"Jazz, \"\"Night\"\"\",=Hall,\"a\nb\tc\",2027-03-01T19:30:00Z,250,25.50,published,"
	                           "1970-01-01T00:00:00.000001Z,1970-01-01T00:00:02Z,,3\r\n");
	csv_init(&csv, buf_view(&out));
	assert_int_equal(csv_next(&csv, names, &name_count, &arena), CSV_ROW);
	assert_int_equal(csv_next(&csv, values, &value_count, &arena), CSV_ROW);
	assert_int_equal(name_count, value_count);
	assert_int_equal(patch_from_columns(&patch, names, values, value_count, &arena, &issues), PATCH_OK);
	assert_str(patch.event.title, "Jazz, \"Night\"");
	assert_str(patch.event.venue, "=Hall");
	assert_str(patch.event.description, "a\nb\tc");
	assert_int_equal(patch.event.event_date_us, event.event_date_us);
	assert_int_equal(patch.event.price_cents, 2550);
	assert_int_equal(patch.event.capacity, 250);
	assert_int_equal(patch.event.status, EVENT_PUBLISHED);
	buf_finish(&out);
	arena_finish(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reading),
		cmocka_unit_test(without_memory),
		cmocka_unit_test(fields_come_back),
		cmocka_unit_test(export_and_import),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
