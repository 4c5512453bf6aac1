#include "base/buf.h"

#include <stdlib.h>

#include "unit/test.h"

static void everything_is_appended_in_order(void **state)
{
	struct buf buf;
	static const unsigned char bytes[] = {0x00, 0xab, 0xff};

	(void)state;
	buf_init(&buf, 4096);
	buf_lit(&buf, "a");
	buf_str(&buf, STR("bc"));
	buf_char(&buf, ' ');
	buf_u64(&buf, UINT64_MAX);
	buf_char(&buf, ' ');
	buf_i64(&buf, INT64_MIN);
	buf_char(&buf, ' ');
	buf_i64(&buf, 0);
	buf_char(&buf, ' ');
	buf_hex(&buf, bytes, sizeof bytes);
	buf_printf(&buf, " %s=%d", "x", 5);
	assert_str(buf_view(&buf), "abc 18446744073709551615 -9223372036854775808 0 00abff x=5");
	assert_false(buf.failed);
	buf_finish(&buf);
}

static void maximum_is_kept_and_remembered(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 10);
	buf_lit(&buf, "12345");
	buf_lit(&buf, "67890");
	assert_false(buf.failed);
	buf_char(&buf, 'x');
	assert_true(buf.failed);
	buf_lit(&buf, "");
	assert_str(buf_view(&buf), "1234567890");
	assert_true(buf.capacity <= 10);
	buf_clear(&buf);
	assert_false(buf.failed);
	/* A failed buffer stays as it was, also for pieces that would fit. */
	buf_lit(&buf, "12345678901");
	buf_lit(&buf, "1");
	assert_str(buf_view(&buf), "");
	assert_true(buf.failed);
	buf_finish(&buf);
}

static void json_strings_are_escaped(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 4096);
	buf_json(&buf, (struct str){"a\"\\\n\r\t\x01\x1f\0\xc3\xa9/", 12});
	assert_str(buf_view(&buf), "\"a\\\"\\\\\\n\\r\\t\\u0001\\u001f\\u0000\xc3\xa9/\"");
	buf_clear(&buf);
	buf_json(&buf, STR("\u2028a\u2029\u2027\u202a\u20a8"));
	assert_str(buf_view(&buf), "\"\\u2028a\\u2029\u2027\u202a\u20a8\"");
	buf_clear(&buf);
	buf_json(&buf, STR_NONE);
	buf_json(&buf, STR(""));
	assert_str(buf_view(&buf), "null\"\"");
	buf_finish(&buf);
}

static void memory_is_handed_over(void **state)
{
	struct buf buf;
	size_t len;

	(void)state;
	buf_init(&buf, 100);
	buf_lit(&buf, "mine");
	char *taken = buf_take(&buf, &len);
	assert_int_equal(len, 4);
	assert_memory_equal(taken, "mine", 4);
	free(taken);
	assert_str(buf_view(&buf), "");
	buf_lit(&buf, "again");
	assert_str(buf_view(&buf), "again");
	buf_finish(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_is_appended_in_order),
		cmocka_unit_test(maximum_is_kept_and_remembered),
		cmocka_unit_test(json_strings_are_escaped),
		cmocka_unit_test(memory_is_handed_over),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
