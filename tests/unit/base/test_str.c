#include "base/str.h"

#include "unit/test.h"

static void comparing(void **state)
{
	(void)state;
	assert_true(str_equal(STR("ab"), STR("ab")));
	assert_false(str_equal(STR("ab"), STR("aB")));
	assert_true(str_equal(STR_NONE, STR("")));
	assert_true(str_equal_caseless(STR("Content-TYPE"), STR("content-type")));
	assert_false(str_equal_caseless(STR("[a"), STR("{a")));
	assert_false(str_equal_caseless(STR("a"), STR("ab")));
	assert_true(str_starts_with(STR("abc"), STR("ab")));
	assert_true(str_starts_with(STR("abc"), STR("")));
	assert_false(str_starts_with(STR("a"), STR("ab")));
}

static void trimming_and_skipping(void **state)
{
	(void)state;
	assert_str(str_trim(STR(" \t a b\t ")), "a b");
	assert_str(str_trim(STR(" \t ")), "");
	assert_str(str_trim(STR("\na")), "\na");
	assert_str(str_skip(STR("abc"), 2), "c");
	assert_str(str_skip(STR("abc"), 9), "");
}

static void cutting_gives_every_part_once(void **state)
{
	struct str rest = STR("a,,b,"), part;
	static const char *const expected[] = {"a", "", "b", ""};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		assert_true(str_cut(&rest, ',', &part));
		assert_str(part, expected[i]);
	}
	assert_false(str_cut(&rest, ',', &part));
	rest = STR("");
	assert_true(str_cut(&rest, ',', &part));
	assert_str(part, "");
	assert_false(str_cut(&rest, ',', &part));
}

static void numbers(void **state)
{
	static const char *const bad[] = {
		"", "-", "+1", " 1", "1 ", "1a", "0x1", "18446744073709551616", "99999999999999999999999"};
	uint64_t value = 7;
	int64_t number = 7;

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_false(str_to_u64(str_from(bad[i]), UINT64_MAX, &value));
		assert_false(str_to_i64(str_from(bad[i]), &number));
	}
	assert_int_equal(value, 7);
	assert_true(str_to_u64(STR("18446744073709551615"), UINT64_MAX, &value) && value == UINT64_MAX);
	assert_false(str_to_u64(STR("256"), 255, &value));
	assert_true(str_to_u64(STR("0255"), 255, &value) && value == 255);
	assert_true(str_to_i64(STR("-9223372036854775807"), &number) && number == -INT64_MAX);
	assert_true(str_to_i64(STR("9223372036854775807"), &number) && number == INT64_MAX);
	assert_false(str_to_i64(STR("9223372036854775808"), &number));
	assert_false(str_to_i64(STR("--1"), &number));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comparing),
		cmocka_unit_test(trimming_and_skipping),
		cmocka_unit_test(cutting_gives_every_part_once),
		cmocka_unit_test(numbers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
