#include "base/logline.h"

#include <execinfo.h>
#include <jansson.h>
#include <math.h>

#include "unit/test.h"

/* 2026-11-22 12:00:00.123456 UTC */
static const int64_t noon_us = INT64_C(1795348800123456);

static json_t *parsed(struct logline *line)
{
	json_error_t error;

	logline_end(line);
	assert_true(line->len <= LOGLINE_BYTES_MAX);
	assert_int_equal(line->bytes[line->len - 1], '\n');
	assert_null(memchr(line->bytes, '\n', line->len - 1));
	json_t *root = json_loadb(line->bytes, line->len, JSON_REJECT_DUPLICATES, &error);
	if (root == NULL)
		fail_msg("not JSON (%s): %.*s", error.text, (int)line->len, line->bytes);
	return root;
}

static const char *text_of(json_t *root, const char *name)
{
	return json_string_value(json_object_get(root, name));
}

static void members_of_a_json_line(void **state)
{
	static struct logline line;
	struct log_field fields[] = {LOG_TEXT("path", STR("/a\"b\\")), LOG_INTEGER("status", INT64_MIN),
				     LOG_REAL("seconds", 0.25), LOG_REAL("ratio", NAN), LOG_TEXT("user", STR_NONE)};

	(void)state;
	logline_begin(&line, true, noon_us, LOG_WARNING, "http", STR("hello\tworld"));
	for (size_t i = 0; i < ARRAY_LENGTH(fields); i++)
		logline_field(&line, &fields[i]);
	json_t *root = parsed(&line);
	assert_string_equal(text_of(root, "ts"), "2026-11-22T12:00:00.123456Z");
	assert_string_equal(text_of(root, "level"), "warning");
	assert_string_equal(text_of(root, "module"), "http");
	assert_string_equal(text_of(root, "msg"), "hello\tworld");
	assert_string_equal(text_of(root, "path"), "/a\"b\\");
	assert_true(json_integer_value(json_object_get(root, "status")) == INT64_MIN);
	assert_true(json_real_value(json_object_get(root, "seconds")) == 0.25);
	assert_true(json_is_null(json_object_get(root, "ratio")));
	assert_true(json_is_null(json_object_get(root, "user")));
	assert_null(json_object_get(root, "cut"));
	json_decref(root);
}

static void dates_of_leap_years(void **state)
{
	static const struct {
		int64_t s;
		const char *text;
	} cases[] = {{0, "1970-01-01T00:00:00.000000Z"},          {951782399, "2000-02-28T23:59:59.000000Z"},
		     {951782400, "2000-02-29T00:00:00.000000Z"},  {951868800, "2000-03-01T00:00:00.000000Z"},
		     {1709251199, "2024-02-29T23:59:59.000000Z"}, {4107542400, "2100-03-01T00:00:00.000000Z"}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		static struct logline line;
		logline_begin(&line, true, cases[i].s * 1000000, LOG_INFO, "x", STR(""));
		json_t *root = parsed(&line);
		assert_string_equal(text_of(root, "ts"), cases[i].text);
		json_decref(root);
	}
}

static void a_text_line_has_columns_and_no_controls(void **state)
{
	static struct logline line;
	struct log_field field = LOG_TEXT("path", STR("\x1b[31m\xc2\x9bx\"\xc3\xa9"));

	(void)state;
	logline_begin(&line, false, noon_us, LOG_INFO, "http", STR("message\n2"));
	logline_field(&line, &field);
	logline_end(&line);
	line.bytes[line.len] = '\0';
	assert_string_equal(line.bytes, "12:00:00.123 info  http  message\\n2  path=\\u001b[31m\\u009bx\"\xc3\xa9\n");
}

static void any_bytes_become_valid_utf8(void **state)
{
	static const char *const bad[] = {"\xff",     "\xc3", "\xc0\x80",        "\xed\xa0\x80", "\xf4\x90\x80\x80",
					  "\xe2\x82", "\x80", "\xf0\x80\x80\x80"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
		static struct logline line;
		struct log_field field = LOG_TEXT("path", str_from(bad[i]));
		logline_begin(&line, true, noon_us, LOG_INFO, "http", str_from(bad[i]));
		logline_field(&line, &field);
		json_t *root = parsed(&line);
		assert_non_null(strstr(text_of(root, "path"), "\xef\xbf\xbd"));
		json_decref(root);
	}
}

/* Whatever is too long, at whatever length the room ends: one valid line that says that it was cut. */
static void long_lines_are_cut_and_stay_json(void **state)
{
	static char text[LOGLINE_BYTES_MAX + 64];
	static const char *const patterns[] = {"x", "\"", "\xc3\xa9", "\x01", "\xf0\x9f\x98\x80", "\xff"};

	(void)state;
	for (size_t p = 0; p < ARRAY_LENGTH(patterns); p++) {
		size_t width = strlen(patterns[p]);
		for (size_t i = 0; i < sizeof text; i++)
			text[i] = patterns[p][i % width];
		for (size_t length = 0; length < sizeof text;
		     length += length < 1000 || length > 7900 ? width : 50 * width) {
			static struct logline line;
			struct log_field fields[] = {LOG_TEXT("a", ((struct str){text, length})),
						     LOG_INTEGER("b", 123456789), LOG_TEXT("c", STR("end")),
						     LOG_REAL("d", 0.125)};
			logline_begin(&line, true, noon_us, LOG_INFO, "http", STR("message"));
			for (size_t i = 0; i < ARRAY_LENGTH(fields); i++)
				logline_field(&line, &fields[i]);
			void *frames[2] = {text, text};
			logline_stack(&line, frames, 2);
			json_t *root = parsed(&line);
			assert_true(json_is_true(json_object_get(root, "cut")) ==
				    (json_object_size(root) < 9 ||
				     json_string_length(json_object_get(root, "a")) < length / width ||
				     json_array_size(json_object_get(root, "stack")) < 2));
			json_decref(root);
		}
	}
}

static void the_stack_names_functions(void **state)
{
	static struct logline line;
	void *frames[8];

	(void)state;
	int count = backtrace(frames, 8);
	logline_begin(&line, true, noon_us, LOG_INFO, "http", STR("message"));
	logline_stack(&line, frames, count);
	json_t *root = parsed(&line);
	json_t *stack = json_object_get(root, "stack");
	assert_int_equal(json_array_size(stack), count);
	assert_non_null(strstr(json_string_value(json_array_get(stack, 0)), "+0x"));
	json_decref(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(members_of_a_json_line),
		cmocka_unit_test(dates_of_leap_years),
		cmocka_unit_test(a_text_line_has_columns_and_no_controls),
		cmocka_unit_test(any_bytes_become_valid_utf8),
		cmocka_unit_test(long_lines_are_cut_and_stay_json),
		cmocka_unit_test(the_stack_names_functions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
