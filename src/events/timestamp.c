#include "events/timestamp.h"

#include "base/check.h"

#define SECOND_US INT64_C(1000000)
#define DAY_SECONDS INT64_C(86400)
/* 0000-01-01T00:00:00Z: what is printed lies between it and TIMESTAMP_MAX_US, so that it always parses again. */
#define PRINT_MIN_US (INT64_C(-719528) * DAY_SECONDS * SECOND_US)

struct date_time {
	int year, month, day, hour, minute, second, fraction_us;
};

/* Days since 1970-01-01 of a proleptic Gregorian date, and back. (H. Hinnant, chrono-Compatible Low-Level Date
 * Algorithms, days_from_civil and civil_from_days; years begin in March there, so that a leap day ends one.) */
static int64_t days_from_date(int year, int month, int day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t year_of_era = y - era * 400;
	int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
	int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
	return era * 146097 + day_of_era - 719468;
}

static void date_from_days(int64_t days, struct date_time *date)
{
	int64_t shifted = days + 719468;
	int64_t era = (shifted >= 0 ? shifted : shifted - 146096) / 146097;
	int64_t day_of_era = shifted - era * 146097;
	int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t month = (5 * day_of_year + 2) / 153;
	date->day = (int)(day_of_year - (153 * month + 2) / 5 + 1);
	date->month = (int)(month < 10 ? month + 3 : month - 9);
	date->year = (int)(year_of_era + era * 400 + (date->month <= 2));
}

static int days_of_month(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return month == 2 && leap ? 29 : days[month - 1];
}

/* Exactly `digits` digits with a value in min..max. */
static bool take_number(struct str *rest, size_t digits, int min, int max, int *value)
{
	int sum = 0;

	if (rest->len < digits)
		return false;
	for (size_t i = 0; i < digits; i++) {
		if (rest->ptr[i] < '0' || rest->ptr[i] > '9')
			return false;
		sum = sum * 10 + (rest->ptr[i] - '0');
	}
	*value = sum;
	*rest = str_skip(*rest, digits);
	return sum >= min && sum <= max;
}

static bool take_one_of(struct str *rest, const char *set)
{
	if (rest->len == 0 || rest->ptr[0] == '\0' || strchr(set, rest->ptr[0]) == NULL)
		return false;
	*rest = str_skip(*rest, 1);
	return true;
}

static bool take_date(struct str *rest, struct date_time *date)
{
	return take_number(rest, 4, 0, 9999, &date->year) && take_one_of(rest, "-") &&
	       take_number(rest, 2, 1, 12, &date->month) && take_one_of(rest, "-") &&
	       take_number(rest, 2, 1, days_of_month(date->year, date->month), &date->day);
}

static bool take_fraction(struct str *rest, int *fraction_us)
{
	int place = 100000;
	size_t digits = 0;

	for (; digits < rest->len && rest->ptr[digits] >= '0' && rest->ptr[digits] <= '9'; digits++) {
		*fraction_us += (rest->ptr[digits] - '0') * place;
		place /= 10;
	}
	*rest = str_skip(*rest, digits);
	return digits > 0;
}

static bool take_time(struct str *rest, struct date_time *time)
{
	return take_number(rest, 2, 0, 23, &time->hour) && take_one_of(rest, ":") &&
	       take_number(rest, 2, 0, 59, &time->minute) && take_one_of(rest, ":") &&
	       take_number(rest, 2, 0, 60, &time->second) &&
	       (!take_one_of(rest, ".") || take_fraction(rest, &time->fraction_us));
}

/* Nothing means UTC. */
static bool take_offset(struct str *rest, int *offset_minutes)
{
	int hours, minutes;

	*offset_minutes = 0;
	if (rest->len == 0 || take_one_of(rest, "Zz"))
		return true;
	bool west = rest->ptr[0] == '-';
	if (!take_one_of(rest, "+-") || !take_number(rest, 2, 0, 23, &hours) || !take_one_of(rest, ":") ||
	    !take_number(rest, 2, 0, 59, &minutes))
		return false;
	*offset_minutes = (hours * 60 + minutes) * (west ? -1 : 1);
	return true;
}

/* A leap second ends a month in UTC (RFC 3339 section 5.7); `seconds` is what comes after it. */
static bool begins_month(int64_t seconds)
{
	struct date_time date;

	date_from_days(seconds / DAY_SECONDS - (seconds % DAY_SECONDS < 0), &date);
	return seconds % DAY_SECONDS == 0 && date.day == 1;
}

enum timestamp_result timestamp_parse(struct str text, int64_t *us)
{
	struct date_time when = {0};
	int offset_minutes = 0;

	if (!take_date(&text, &when))
		return TIMESTAMP_MALFORMED;
	if (text.len > 0 &&
	    (!take_one_of(&text, "Tt ") || !take_time(&text, &when) || !take_offset(&text, &offset_minutes)))
		return TIMESTAMP_MALFORMED;
	if (text.len > 0)
		return TIMESTAMP_MALFORMED;
	int64_t seconds = days_from_date(when.year, when.month, when.day) * DAY_SECONDS + when.hour * 3600 +
	                  (when.minute - offset_minutes) * 60 + when.second;
	if (when.second == 60 && !begins_month(seconds))
		return TIMESTAMP_MALFORMED;
	*us = seconds * SECOND_US + when.fraction_us;
	return *us < 0 || *us > TIMESTAMP_MAX_US ? TIMESTAMP_OUT_OF_RANGE : TIMESTAMP_OK;
}

/* An offset's plus sign that was not percent-encoded arrives as a space: "…T10:00:00 02:00". */
static struct str with_plus(struct str text, char *space, size_t space_bytes)
{
	const size_t offset_bytes = 6, shortest = sizeof "2027-03-01T10:00:00" - 1;

	if (text.len < shortest + offset_bytes || text.len > space_bytes || text.ptr[text.len - offset_bytes] != ' ')
		return text;
	memcpy(space, text.ptr, text.len);
	space[text.len - offset_bytes] = '+';
	return (struct str){space, text.len};
}

enum timestamp_result timestamp_parse_parameter(struct str text, bool end_of_day, int64_t *us)
{
	char space[64];
	enum timestamp_result result = timestamp_parse(with_plus(text, space, sizeof space), us);

	if (result == TIMESTAMP_OK && end_of_day && text.len == sizeof "2027-03-01" - 1)
		*us += DAY_SECONDS * SECOND_US - 1;
	return result;
}

static struct date_time split(int64_t us)
{
	struct date_time when;

	us = us < PRINT_MIN_US ? PRINT_MIN_US : us > TIMESTAMP_MAX_US ? TIMESTAMP_MAX_US : us;
	int64_t days = us / (DAY_SECONDS * SECOND_US);
	int64_t rest_us = us % (DAY_SECONDS * SECOND_US);
	if (rest_us < 0) {
		rest_us += DAY_SECONDS * SECOND_US;
		days--;
	}
	date_from_days(days, &when);
	int seconds = (int)(rest_us / SECOND_US);
	when.hour = seconds / 3600;
	when.minute = seconds / 60 % 60;
	when.second = seconds % 60;
	when.fraction_us = (int)(rest_us % SECOND_US);
	return when;
}

static char *put_number(char *space, int value, int digits)
{
	for (int i = digits - 1; i >= 0; i--) {
		space[i] = (char)('0' + value % 10);
		value /= 10;
	}
	return space + digits;
}

static char *put_char(char *space, char c)
{
	*space = c;
	return space + 1;
}

/* "2027-03-01T19:30:00" and the fraction, if any; at most 26 bytes. */
static char *put_time(char *space, int64_t us)
{
	struct date_time when = split(us);

	space = put_char(put_number(space, when.year, 4), '-');
	space = put_char(put_number(space, when.month, 2), '-');
	space = put_char(put_number(space, when.day, 2), 'T');
	space = put_char(put_number(space, when.hour, 2), ':');
	space = put_char(put_number(space, when.minute, 2), ':');
	space = put_number(space, when.second, 2);
	if (when.fraction_us != 0)
		space = put_number(put_char(space, '.'), when.fraction_us, 6);
	return space;
}

void timestamp_print(struct buf *out, int64_t us)
{
	char text[32];
	char *end = put_char(put_time(text, us), 'Z');

	buf_append(out, text, (size_t)(end - text));
}

void timestamp_print_offset(struct buf *out, int64_t us)
{
	char text[32];
	char *end = put_time(text, us);

	buf_append(out, text, (size_t)(end - text));
	buf_lit(out, "+00:00");
}

void timestamp_print_ical(struct buf *out, int64_t us)
{
	char text[32];
	struct date_time when = split(us);
	char *end = put_number(put_number(put_number(text, when.year, 4), when.month, 2), when.day, 2);

	end = put_char(end, 'T');
	end = put_number(put_number(put_number(end, when.hour, 2), when.minute, 2), when.second, 2);
	end = put_char(end, 'Z');
	buf_append(out, text, (size_t)(end - text));
}
