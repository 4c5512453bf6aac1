#include "events/money.h"

#include "events/event.h"
#include "unit/test.h"

static const struct {
	const char *text;
	enum money_result result;
	int64_t cents;
} cases[] = {
	{"0", MONEY_OK, 0},
	{"25", MONEY_OK, 2500},
	{"25.0", MONEY_OK, 2500},
	{"25.00", MONEY_OK, 2500},
	{"25.5", MONEY_OK, 2550},
	{"0.01", MONEY_OK, 1},
	{"0.1", MONEY_OK, 10},
	{"99999999.99", MONEY_OK, EVENT_PRICE_CENTS_MAX},
	{"99999999", MONEY_OK, INT64_C(9999999900)},
	{"1e2", MONEY_OK, 10000},
	{"1E+2", MONEY_OK, 10000},
	{"2.55e1", MONEY_OK, 2550},
	{"2.5e-1", MONEY_OK, 25},
	{"2500e-2", MONEY_OK, 2500},
	{"1.2345e3", MONEY_OK, 123450},
	{"1.2345e2", MONEY_OK, 12345},
	{"9.999999999e7", MONEY_OK, INT64_C(9999999999)},
	{"0e999999999999999999999", MONEY_OK, 0},
	{"0.00e5", MONEY_OK, 0},
	{"1e000000000000000000000002", MONEY_OK, 10000},
	{"-0", MONEY_OK, 0},
	{"-0.00", MONEY_OK, 0},
	{"-1", MONEY_NEGATIVE, 0},
	{"-0.01", MONEY_NEGATIVE, 0},
	{"-0.001", MONEY_NEGATIVE, 0},
	{"-1e99", MONEY_NEGATIVE, 0},
	{"25.001", MONEY_TOO_PRECISE, 0},
	{"25.000", MONEY_TOO_PRECISE, 0},
	{"0.001", MONEY_TOO_PRECISE, 0},
	{"1e-3", MONEY_TOO_PRECISE, 0},
	{"1.2345e1", MONEY_TOO_PRECISE, 0},
	{"1e-999999999999999999999", MONEY_TOO_PRECISE, 0},
	{"100000000", MONEY_TOO_LARGE, 0},
	{"100000000.00", MONEY_TOO_LARGE, 0},
	{"1e8", MONEY_TOO_LARGE, 0},
	{"1e999", MONEY_TOO_LARGE, 0},
	{"1e99999999999999999999999999", MONEY_TOO_LARGE, 0},
	{"123456789012345678901234567890", MONEY_TOO_LARGE, 0},
	{"", MONEY_NOT_A_NUMBER, 0},
	{"-", MONEY_NOT_A_NUMBER, 0},
	{"+1", MONEY_NOT_A_NUMBER, 0},
	{"007", MONEY_NOT_A_NUMBER, 0},
	{"00", MONEY_NOT_A_NUMBER, 0},
	{".5", MONEY_NOT_A_NUMBER, 0},
	{"5.", MONEY_NOT_A_NUMBER, 0},
	{"5.e1", MONEY_NOT_A_NUMBER, 0},
	{"1e", MONEY_NOT_A_NUMBER, 0},
	{"1e+", MONEY_NOT_A_NUMBER, 0},
	{"1e1.5", MONEY_NOT_A_NUMBER, 0},
	{"1 ", MONEY_NOT_A_NUMBER, 0},
	{" 1", MONEY_NOT_A_NUMBER, 0},
	{"1,00", MONEY_NOT_A_NUMBER, 0},
	{"1_0", MONEY_NOT_A_NUMBER, 0},
	{"0x10", MONEY_NOT_A_NUMBER, 0},
	{"NaN", MONEY_NOT_A_NUMBER, 0},
	{"Infinity", MONEY_NOT_A_NUMBER, 0},
	{"--1", MONEY_NOT_A_NUMBER, 0},
	{"twelve", MONEY_NOT_A_NUMBER, 0},
};

static void parsing(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		int64_t cents = -77;
		enum money_result result = money_parse(str_from(cases[i].text), &cents);
		if (result != cases[i].result || (result == MONEY_OK && cents != cases[i].cents))
			fail_msg("\"%s\" gave %d and %lld", cases[i].text, result, (long long)cents);
	}
	int64_t cents;
	assert_int_equal(money_parse(STR_NONE, &cents), MONEY_NOT_A_NUMBER);
	assert_int_equal(money_parse(STR("1\0002"), &cents), MONEY_NOT_A_NUMBER);
}

/* A point moved by a million places and back is still exact. */
static void long_texts(void **state)
{
	enum { ZEROS = 1000000 };
	struct buf text;
	int64_t cents = 0;

	(void)state;
	buf_init(&text, 2 * ZEROS);
	buf_lit(&text, "0.");
	for (int i = 0; i < ZEROS; i++)
		buf_char(&text, '0');
	buf_lit(&text, "25e1000001");
	assert_int_equal(money_parse(buf_view(&text), &cents), MONEY_OK);
	assert_int_equal(cents, 250);
	buf_finish(&text);
}

static void printing(void **state)
{
	static const struct {
		int64_t cents;
		const char *text, *number;
	} printed[] = {
		{0, "0.00", "0.0"},       {1, "0.01", "0.01"},      {10, "0.10", "0.1"},
		{2500, "25.00", "25.0"},  {1250, "12.50", "12.5"},  {99, "0.99", "0.99"},
		{100, "1.00", "1.0"},     {-5, "-0.05", "-0.05"},   {EVENT_PRICE_CENTS_MAX, "99999999.99", "99999999.99"},
	};
	struct buf out;

	(void)state;
	buf_init(&out, 100);
	for (size_t i = 0; i < ARRAY_LENGTH(printed); i++) {
		buf_clear(&out);
		money_print(&out, printed[i].cents);
		assert_str(buf_view(&out), printed[i].text);
		buf_clear(&out);
		money_print_number(&out, printed[i].cents);
		assert_str(buf_view(&out), printed[i].number);
	}
	buf_finish(&out);
}

static void every_cent_comes_back(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 100);
	for (int64_t cents = 0; cents <= EVENT_PRICE_CENTS_MAX; cents += cents < 20000 ? 1 : 1234567) {
		int64_t back = -1;
		buf_clear(&out);
		money_print(&out, cents);
		assert_int_equal(money_parse(buf_view(&out), &back), MONEY_OK);
		assert_int_equal(back, cents);
		buf_clear(&out);
		money_print_number(&out, cents);
		assert_int_equal(money_parse(buf_view(&out), &back), MONEY_OK);
		assert_int_equal(back, cents);
	}
	buf_finish(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parsing),
		cmocka_unit_test(long_texts),
		cmocka_unit_test(printing),
		cmocka_unit_test(every_cent_comes_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
