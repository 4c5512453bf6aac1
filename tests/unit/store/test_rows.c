/* Rows are the same however their bytes are cut, and their length is bounded. */
#include "test.h"

#include "store/rows.h"

enum { BYTES_MAX = 32, ROWS_MAX = 16 };

struct expected {
	const char *text; /* NULL: too long */
	size_t line;
};

static void check(const struct rows_row *row, const struct expected *expected)
{
	assert_int_equal(row->line, expected->line);
	assert_int_equal(row->too_long, expected->text == NULL);
	assert_str(row->text, expected->text == NULL ? "" : expected->text);
}

/* Feeds the text in pieces of every size. */
static void assert_rows(const char *text, bool quotes, const struct expected *expected, size_t count)
{
	size_t len = strlen(text);

	for (size_t piece = 1; piece <= len + 1; piece++) {
		struct rows rows;
		struct rows_row row;
		size_t seen = 0;
		rows_init(&rows, quotes, BYTES_MAX);
		for (size_t at = 0; at < len; at += piece) {
			struct str bytes = {text + at, len - at < piece ? len - at : piece};
			while (rows_next(&rows, &bytes, &row)) {
				assert_true(seen < count);
				check(&row, &expected[seen++]);
			}
			assert_int_equal(bytes.len, 0);
		}
		if (rows_last(&rows, &row)) {
			assert_true(seen < count);
			check(&row, &expected[seen++]);
		}
		assert_int_equal(seen, count);
		assert_false(rows.failed);
		rows_finish(&rows);
	}
}

#define ASSERT_ROWS(text, quotes, ...) \
	do { \
		const struct expected expected_[] = {__VA_ARGS__}; \
		assert_rows((text), (quotes), expected_, ARRAY_LENGTH(expected_)); \
	} while (0)

static void test_lines(void **state)
{
	(void)state;
	assert_rows("", false, NULL, 0);
	ASSERT_ROWS("a", false, {"a", 1});
	ASSERT_ROWS("a\nb\r\n\nc", false, {"a", 1}, {"b", 2}, {"", 3}, {"c", 4});
	ASSERT_ROWS("a\"\nb\"\n", false, {"a\"", 1}, {"b\"", 2});
	ASSERT_ROWS("\xef\xbb\xbf" "a\n\xef\xbb\xbf" "b\n", false, {"a", 1}, {"\xef\xbb\xbf" "b", 2});
}

static void test_quotes(void **state)
{
	(void)state;
	ASSERT_ROWS("a,\"b\nc\"\nd\n", true, {"a,\"b\nc\"", 1}, {"d", 3});
	ASSERT_ROWS("\"a\"\"\n\"\"\"\r\nb", true, {"\"a\"\"\n\"\"\"", 1}, {"b", 3});
	ASSERT_ROWS("\"open\nto the end", true, {"\"open\nto the end", 1});
}

static void test_too_long(void **state)
{
	(void)state;
	ASSERT_ROWS("0123456789012345678901234567890\nb\n", false, {"0123456789012345678901234567890", 1}, {"b", 2});
	ASSERT_ROWS("01234567890123456789012345678901\nb\n", false, {NULL, 1}, {"b", 2});
	ASSERT_ROWS("a\n0123456789012345678901234567890123456789", false, {"a", 1}, {NULL, 2});
}

/* The row ends with the line in which the bound was met, so that what follows is still read. */
static void test_open_quote_does_not_swallow_the_rest(void **state)
{
	(void)state;
	ASSERT_ROWS("\"0123456789\n0123456789\n0123456789\"x\"\nb\n", true, {NULL, 1}, {"b", 4});
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_lines), cmocka_unit_test(test_quotes),
	                                   cmocka_unit_test(test_too_long),
	                                   cmocka_unit_test(test_open_quote_does_not_swallow_the_rest)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
