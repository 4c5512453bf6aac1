#include "events/ical.h"

#include "unit/test.h"

static struct event jazz(void)
{
	return (struct event){
		.id = 7, .title = STR("Jazz"), .venue = STR("Blue Hall"), .event_date_us = INT64_C(1803929400000000),
		.status = EVENT_PUBLISHED, .created_at_us = INT64_C(1795341600123456),
		.updated_at_us = INT64_C(1795341660000000), .created_by = 1, .version = 3,
	};
}

#define HEAD \
	"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Evently//Events Service//EN\r\nCALSCALE:GREGORIAN\r\n" \
	"X-WR-CALNAME:Evently\r\n"
#define TAIL "END:VCALENDAR\r\n"

static void calendars(void **state)
{
	struct event event = jazz();
	struct buf out;

	(void)state;
	buf_init(&out, 1 << 20);
	ical_print(&out, &event, 0);
	assert_str(buf_view(&out), HEAD TAIL);
	buf_clear(&out);
	ical_print(&out, &event, 1);
	assert_str(buf_view(&out),
	           HEAD "BEGIN:VEVENT\r\nUID:event-7@evently\r\nDTSTAMP:20261122T100100Z\r\nDTSTART:20270301T193000Z\r\n"
	           "SUMMARY:Jazz\r\nLOCATION:Blue Hall\r\nSTATUS:CONFIRMED\r\nSEQUENCE:3\r\n"
	           "CREATED:20261122T100000Z\r\nLAST-MODIFIED:20261122T100100Z\r\nEND:VEVENT\r\n" TAIL);
	buf_finish(&out);
}

static void statuses(void **state)
{
	static const char *const lines[EVENT_STATUS_COUNT] = {"\r\nSTATUS:TENTATIVE\r\n", "\r\nSTATUS:CONFIRMED\r\n",
	                                                      "\r\nSTATUS:CANCELLED\r\n", "\r\nSTATUS:CONFIRMED\r\n"};
	struct event event = jazz();
	struct buf out;

	(void)state;
	buf_init(&out, 1 << 20);
	for (unsigned i = 0; i < EVENT_STATUS_COUNT; i++) {
		event.status = (enum event_status)i;
		buf_clear(&out);
		ical_print(&out, &event, 1);
		assert_non_null(memmem(out.ptr, out.len, lines[i], strlen(lines[i])));
	}
	buf_finish(&out);
}

static void escaping(void **state)
{
	static const char line[] = "\r\nDESCRIPTION:a\\\\b\\;c\\,d\\ne\t\"f\"\xc3\xa9g\r\n";
	struct event event = jazz();
	struct buf out;

	(void)state;
	event.description = STR("a\\b;c,d\r\ne\t\"f\"\xc3\xa9\x01\x7fg");
	buf_init(&out, 1 << 20);
	ical_print(&out, &event, 1);
	assert_non_null(memmem(out.ptr, out.len, line, sizeof line - 1));
	buf_finish(&out);
}

/* Whatever the characters, lines have at most 75 octets and no character is cut; unfolded, the text is there again. */
static void folding(void **state)
{
	static const char *const units[] = {"a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x8e\xb7", ",", "\n"};
	struct event event = jazz();
	struct buf out, text, plain;

	(void)state;
	buf_init(&out, 1 << 20);
	buf_init(&text, 1 << 20);
	buf_init(&plain, 1 << 20);
	for (size_t unit = 0; unit < ARRAY_LENGTH(units); unit++) {
		for (size_t count = 1; count < 170; count++) {
			buf_clear(&out);
			buf_clear(&text);
			buf_clear(&plain);
			buf_lit(&text, "x");
			for (size_t i = 0; i < count; i++)
				buf_str(&text, str_from(units[unit]));
			event.description = buf_view(&text);
			ical_print(&out, &event, 1);
			struct str rest = buf_view(&out), line;
			while (str_cut(&rest, '\n', &line) && rest.ptr != NULL) {
				assert_true(line.len <= 76 && line.ptr[line.len - 1] == '\r');
				bool folded = line.ptr[0] == ' ';
				assert_true((line.ptr[folded] & 0xc0) != 0x80);
				if (!folded)
					buf_char(&plain, '\n');
				buf_append(&plain, line.ptr + folded, line.len - 1 - folded);
			}
			size_t escaped = units[unit][0] == ',' || units[unit][0] == '\n' ? 2 : strlen(units[unit]);
			const char *found = memmem(plain.ptr, plain.len, "\nDESCRIPTION:", 13);
			assert_non_null(found);
			const char *end = memchr(found + 1, '\n', plain.len - (size_t)(found + 1 - plain.ptr));
			assert_int_equal(end - found, 13 + 1 + count * escaped);
		}
	}
	buf_finish(&out);
	buf_finish(&text);
	buf_finish(&plain);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calendars),
		cmocka_unit_test(statuses),
		cmocka_unit_test(escaping),
		cmocka_unit_test(folding),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
