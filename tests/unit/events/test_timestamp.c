#include "events/timestamp.h"

#include <time.h>

#include "unit/test.h"

#define SECOND_US INT64_C(1000000)

static const struct {
	const char *text;
	const char *printed; /* NULL: refused as malformed; "": out of range */
} cases[] = {
	{"2027-03-01T19:30:00Z", "2027-03-01T19:30:00Z"},
	{"2027-03-01t19:30:00z", "2027-03-01T19:30:00Z"},
	{"2027-03-01 19:30:00Z", "2027-03-01T19:30:00Z"},
	{"2027-03-01T19:30:00", "2027-03-01T19:30:00Z"},
	{"2027-03-01", "2027-03-01T00:00:00Z"},
	{"2027-03-01T19:30:00+00:00", "2027-03-01T19:30:00Z"},
	{"2027-03-01T19:30:00-00:00", "2027-03-01T19:30:00Z"},
	{"2027-03-01T19:30:00+02:00", "2027-03-01T17:30:00Z"},
	{"2027-03-01T00:30:00+05:45", "2027-02-28T18:45:00Z"},
	{"2027-12-31T23:30:00-01:00", "2028-01-01T00:30:00Z"},
	{"2027-03-01T19:30:00+23:59", "2027-02-28T19:31:00Z"},
	{"2027-03-01T19:30:00-23:59", "2027-03-02T19:29:00Z"},
	{"2027-03-01T19:30:00.5Z", "2027-03-01T19:30:00.500000Z"},
	{"2027-03-01T19:30:00.000Z", "2027-03-01T19:30:00Z"},
	{"2027-03-01T19:30:00.000001Z", "2027-03-01T19:30:00.000001Z"},
	{"2027-03-01T19:30:00.1234567Z", "2027-03-01T19:30:00.123456Z"},
	{"2027-03-01T19:30:00.9999999999999999999Z", "2027-03-01T19:30:00.999999Z"},
	{"2027-03-01T19:30:00.123456+01:00", "2027-03-01T18:30:00.123456Z"},
	{"2028-02-29T12:00:00Z", "2028-02-29T12:00:00Z"},
	{"2000-02-29T12:00:00Z", "2000-02-29T12:00:00Z"},
	{"2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"},
	{"2016-12-31T23:59:60.5Z", "2017-01-01T00:00:00.500000Z"},
	{"2017-01-01T01:59:60+02:00", "2017-01-01T00:00:00Z"},
	{"1969-12-31T23:59:60Z", "1970-01-01T00:00:00Z"},
	{"1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"},
	{"1969-12-31T23:30:00-01:00", "1970-01-01T00:30:00Z"},
	{"9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"},
	{"1969-12-31T23:59:59Z", ""},
	{"1970-01-01T00:00:00+00:01", ""},
	{"0000-01-01T00:00:00Z", ""},
	{"0001-01-01", ""},
	{"9999-12-31T23:59:60Z", ""},
	{"9999-12-31T23:59:59-00:01", ""},
	{"", NULL},
	{"tomorrow", NULL},
	{"2027", NULL},
	{"2027-03", NULL},
	{"2027-3-1", NULL},
	{"20270301T193000Z", NULL},
	{"10000-01-01T00:00:00Z", NULL},
	{"-2027-03-01T00:00:00Z", NULL},
	{"2027-02-29T12:00:00Z", NULL},
	{"1900-02-29T12:00:00Z", NULL},
	{"2100-02-29T12:00:00Z", NULL},
	{"2027-04-31T12:00:00Z", NULL},
	{"2027-00-01T12:00:00Z", NULL},
	{"2027-13-01T12:00:00Z", NULL},
	{"2027-03-00T12:00:00Z", NULL},
	{"2027-03-32T12:00:00Z", NULL},
	{"2027-03-01T24:00:00Z", NULL},
	{"2027-03-01T19:60:00Z", NULL},
	{"2027-03-01T19:30:61Z", NULL},
	{"2027-03-01T19:30:60Z", NULL},
	{"2027-03-30T23:59:60Z", NULL},
	{"2016-12-31T23:59:60+02:00", NULL},
	{"0000-01-02T23:59:60Z", NULL},
	{"2027-03-01T19:30Z", NULL},
	{"2027-03-01T19:30", NULL},
	{"2027-03-01T", NULL},
	{"2027-03-01Z", NULL},
	{"2027-03-01T19:30:00.Z", NULL},
	{"2027-03-01T19:30:00,5Z", NULL},
	{"2027-03-01T19:30:00ZZ", NULL},
	{"2027-03-01T19:30:00Z ", NULL},
	{" 2027-03-01T19:30:00Z", NULL},
	{"2027-03-01T19:30:00+0200", NULL},
	{"2027-03-01T19:30:00+02", NULL},
	{"2027-03-01T19:30:00+24:00", NULL},
	{"2027-03-01T19:30:00+02:60", NULL},
	{"2027-03-01T19:30:00 02:00", NULL},
	{"2027-03-01  19:30:00Z", NULL},
	{"2027/03/01T19:30:00Z", NULL},
	{"1772393400", NULL},
};

static void parsing(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 100);
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		int64_t us = -1;
		enum timestamp_result result = timestamp_parse(str_from(cases[i].text), &us);
		enum timestamp_result expected = cases[i].printed == NULL         ? TIMESTAMP_MALFORMED
		                                 : cases[i].printed[0] == '\0' ? TIMESTAMP_OUT_OF_RANGE
		                                                               : TIMESTAMP_OK;
		if (result != expected)
			fail_msg("\"%s\" gave %d", cases[i].text, result);
		buf_clear(&out);
		timestamp_print(&out, us);
		if (result == TIMESTAMP_OK && !str_equal(buf_view(&out), str_from(cases[i].printed)))
			fail_msg("\"%s\" became %.*s", cases[i].text, STR_ARG(buf_view(&out)));
	}
	int64_t us;
	assert_int_equal(timestamp_parse(STR_NONE, &us), TIMESTAMP_MALFORMED);
	assert_int_equal(timestamp_parse(STR("2027-03-01T19:30:00\0"), &us), TIMESTAMP_MALFORMED);
	buf_finish(&out);
}

static void forms(void **state)
{
	int64_t us = INT64_C(1803929400) * SECOND_US;
	struct buf out;

	(void)state;
	buf_init(&out, 100);
	timestamp_print(&out, us);
	assert_str(buf_view(&out), "2027-03-01T19:30:00Z");
	buf_clear(&out);
	timestamp_print_offset(&out, us + 120);
	assert_str(buf_view(&out), "2027-03-01T19:30:00.000120+00:00");
	buf_clear(&out);
	timestamp_print_offset(&out, us);
	assert_str(buf_view(&out), "2027-03-01T19:30:00+00:00");
	buf_clear(&out);
	timestamp_print_ical(&out, us + 999999);
	assert_str(buf_view(&out), "20270301T193000Z");
	/* What adopted rows may hold is printed too, and within what can be read. */
	buf_clear(&out);
	timestamp_print(&out, -1);
	assert_str(buf_view(&out), "1969-12-31T23:59:59.999999Z");
	buf_clear(&out);
	timestamp_print(&out, INT64_MIN);
	assert_str(buf_view(&out), "0000-01-01T00:00:00Z");
	buf_clear(&out);
	timestamp_print(&out, INT64_MAX);
	assert_str(buf_view(&out), "9999-12-31T23:59:59.999999Z");
	buf_finish(&out);
}

/* Against the C library's calendar, through all years. */
static void every_day_agrees_with_gmtime(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 100);
	for (int64_t day = 0; day * 86400 * SECOND_US <= TIMESTAMP_MAX_US; day += day < 50000 ? 1 : 13) {
		time_t seconds = (time_t)(day * 86400 + day % 86400);
		char expected[40];
		struct tm when;
		int64_t back;
		assert_non_null(gmtime_r(&seconds, &when));
		assert_true(strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%SZ", &when) > 0);
		buf_clear(&out);
		timestamp_print(&out, (int64_t)seconds * SECOND_US);
		assert_str(buf_view(&out), expected);
		assert_int_equal(timestamp_parse(buf_view(&out), &back), TIMESTAMP_OK);
		assert_int_equal(back, (int64_t)seconds * SECOND_US);
	}
	buf_finish(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parsing),
		cmocka_unit_test(forms),
		cmocka_unit_test(every_day_agrees_with_gmtime),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
