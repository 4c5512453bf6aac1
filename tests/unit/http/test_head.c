/* Where a head ends, however it is cut up, and what no head may hold. */
#include "http/head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/check.h"

static void good_heads_end_at_their_empty_line(void **state)
{
	static const struct {
		struct str bytes;
		size_t head_bytes; /* 0: not all of it is in */
	} rows[] = {
		{STR("GET / HTTP/1.1\r\n\r\n"), 18},
		{STR("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\n\r\n"), 27},
		{STR("GET / HTTP/1.1\r\nA:\r\nB: \r\n\r\nbody\n"), 27},
		{STR(""), 0},
		{STR("G"), 0},
		{STR("GET / HTTP/1.1\r"), 0},
		{STR("GET / HTTP/1.1\r\n"), 0},
		{STR("GET / HTTP/1.1\r\nHost: a\r\n"), 0},
		{STR("GET / HTTP/1.1\r\nHost: a\r\n\r"), 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		size_t line_at = 0;
		assert_int_equal(head_find(rows[i].bytes, &line_at), rows[i].head_bytes > 0 ? HEAD_COMPLETE : HEAD_INCOMPLETE);
		if (rows[i].head_bytes > 0)
			assert_int_equal(line_at, rows[i].head_bytes);
	}
}

static void what_parsers_disagree_about_is_malformed(void **state)
{
	static const struct str rows[] = {
		STR("GET / HTTP/1.1\nHost: a\r\n\r\n"),
		STR("\nGET / HTTP/1.1\r\n\r\n"),
		STR("GET / HTTP/1.1\n\n"),
		STR("GET / HTTP/1.1\r\nHost: a\r\n\n"),
		STR("GET / HTTP/1.1\r\nA: b\rC: d\r\n\r\n"),
		STR("GET / HTTP/1.1\r\r\n\r\n"),
		STR("GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n"),
		STR("GET / HTTP/1.1\r\nA: b\r\n\tc\r\n\r\n"),
		STR("GET / HTTP/1.1\r\n A: b\r\n\r\n"),
		STR("GET / HTTP/1.1\r\n: b\r\n\r\n"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		size_t line_at = 0;
		assert_int_equal(head_find(rows[i], &line_at), HEAD_MALFORMED);
	}
}

static void a_head_in_pieces_is_the_same_head(void **state)
{
	static const struct str whole = STR("GET /x HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n");
	size_t line_at = 0;

	(void)state;
	for (size_t len = 0; len < whole.len; len++)
		assert_int_equal(head_find((struct str){whole.ptr, len}, &line_at), HEAD_INCOMPLETE);
	assert_int_equal(head_find(whole, &line_at), HEAD_COMPLETE);
	assert_int_equal(line_at, whole.len);
}

static void empty_lines_before_a_request_are_counted(void **state)
{
	(void)state;
	assert_int_equal(head_empty_lines(STR("\r\n\r\nGET")), 4);
	assert_int_equal(head_empty_lines(STR("\r")), 0);
	assert_int_equal(head_empty_lines(STR("\n\r\n")), 0);
	assert_int_equal(head_empty_lines(STR("")), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_heads_end_at_their_empty_line),
		cmocka_unit_test(what_parsers_disagree_about_is_malformed),
		cmocka_unit_test(a_head_in_pieces_is_the_same_head),
		cmocka_unit_test(empty_lines_before_a_request_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
