/* Rows that are read, printed again, are read as the same rows. Taken as an import, a row that is accepted makes an
 * event whose exported line is accepted as the same event. */
#include "events/csv.h"
#include "events/patch.h"

enum { BYTES_MAX = 64 << 20 };

static void expect_row_comes_back(const struct str *fields, size_t count, struct arena *arena)
{
	struct str again[CSV_COLUMNS_MAX];
	size_t again_count;
	struct buf out;
	struct csv csv;

	/* A row of one empty field is a blank line, and one that begins with a byte order mark loses it. */
	if ((count == 1 && fields[0].len == 0) || str_starts_with(fields[0], STR("\xef\xbb\xbf")))
		return;
	buf_init(&out, BYTES_MAX);
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			buf_char(&out, ',');
		csv_print_field(&out, fields[i]);
	}
	buf_lit(&out, "\r\n");
	csv_init(&csv, buf_view(&out));
	CHECK(csv_next(&csv, again, &again_count, arena) == CSV_ROW && again_count == count);
	for (size_t i = 0; i < count; i++)
		CHECK(str_equal(fields[i], again[i]));
	CHECK(csv_next(&csv, again, &again_count, arena) == CSV_END);
	buf_finish(&out);
}

static void expect_event_comes_back(const struct patch *patch, struct arena *arena)
{
	struct str names[CSV_COLUMNS_MAX], values[CSV_COLUMNS_MAX];
	size_t name_count, value_count;
	struct event event, again;
	struct issues issues;
	struct patch second;
	struct buf out;
	struct csv csv;

	CHECK(patch_apply(patch, NULL, 1, 1, &event));
	buf_init(&out, BYTES_MAX);
	csv_print_header(&out);
	csv_print_event(&out, &event);
	csv_init(&csv, buf_view(&out));
	CHECK(csv_next(&csv, names, &name_count, arena) == CSV_ROW);
	CHECK(csv_next(&csv, values, &value_count, arena) == CSV_ROW && name_count == value_count);
	issues_init(&issues, arena);
	CHECK(patch_from_columns(&second, names, values, value_count, arena, &issues) == PATCH_OK);
	CHECK(!patch_apply(&second, &event, 1, 1, &again));
	buf_finish(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	struct str names[CSV_COLUMNS_MAX], fields[CSV_COLUMNS_MAX];
	size_t name_count = 0, field_count, line_before = 0;
	enum csv_result result;
	struct issues issues;
	struct arena arena;
	struct patch patch;
	struct csv csv;

	arena_init(&arena, BYTES_MAX);
	csv_init(&csv, (struct str){(const char *)bytes, count});
	while ((result = csv_next(&csv, fields, &field_count, &arena)) != CSV_END && result != CSV_OUT_OF_MEMORY) {
		CHECK(csv.line > line_before);
		line_before = csv.line;
		if (result == CSV_MALFORMED)
			continue;
		CHECK(field_count >= 1 && field_count <= CSV_COLUMNS_MAX);
		expect_row_comes_back(fields, field_count, &arena);
		if (name_count == 0) {
			memcpy(names, fields, sizeof names);
			name_count = field_count;
		} else if (field_count == name_count) {
			issues_init(&issues, &arena);
			if (patch_from_columns(&patch, names, fields, field_count, &arena, &issues) == PATCH_OK)
				expect_event_comes_back(&patch, &arena);
		}
	}
	arena_finish(&arena);
	return 0;
}
