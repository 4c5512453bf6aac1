/* Imports over a store that only remembers what it was asked to write. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>

#include "store/backend.h"
#include "store/import.h"

/* ---- the store ---- */

static struct {
	size_t calls, writes;
	char titles[8][64];    /* of the first writes */
	bool all_or_nothing;   /* of the last call */
	size_t fail_call;      /* this call fails, from 1; 0: none */
	size_t fail_write;     /* this write (of all) fails alone, from 1 */
} seen;

static enum store_result apply(struct store_session *session, struct store_write *writes, size_t count,
                               bool all_or_nothing, int64_t now_us, struct arena *arena)
{
	(void)session;
	(void)now_us;
	(void)arena;
	seen.calls++;
	seen.all_or_nothing = all_or_nothing;
	if (seen.calls == seen.fail_call)
		return STORE_UNAVAILABLE;
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(writes[i].kind, WRITE_CREATE);
		assert_int_equal(writes[i].actor_id, 7);
		if (seen.writes < ARRAY_LENGTH(seen.titles))
			snprintf(seen.titles[seen.writes], sizeof seen.titles[0], "%.*s",
			         STR_ARG(writes[i].patch->event.title));
		seen.writes++;
		writes[i].outcome = seen.writes == seen.fail_write ? WRITE_FAILED : WRITE_APPLIED;
		writes[i].change.seq = seen.writes;
	}
	return STORE_OK;
}

static const struct store_backend backend = {.kind = "fake", .apply = apply};
static struct store store = {&backend};
static struct store_session session = {.store = &store};

/* ---- running one ---- */

static struct import *import;

static int tear_down(void **state)
{
	(void)state;
	import_destroy(import);
	import = NULL;
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	memset(&seen, 0, sizeof seen);
	return 0;
}

static void begin(enum import_format format, bool partial)
{
	const struct import_options options = {.format = format,
	                                       .partial = partial,
	                                       .actor_id = 7,
	                                       .actor_email = STR("a@example"),
	                                       .actor_role = STR("admin"),
	                                       .request_id = STR("r")};
	import_destroy(import);
	import = import_create(&options);
	assert_non_null(import);
}

static const struct import_report *run(enum import_format format, bool partial, const char *text)
{
	memset(&seen, 0, sizeof seen);
	begin(format, partial);
	(void)!import_feed(import, str_from(text));
	import_finish(import, &session, 1000000);
	return import_report(import);
}

static void assert_error(const struct import_report *report, size_t i, size_t line, const char *part)
{
	char text[4096];

	assert_true(i < report->error_count);
	assert_int_equal(report->errors[i].line, line);
	snprintf(text, sizeof text, "%.*s", STR_ARG(report->errors[i].text));
	if (strstr(text, part) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", part, text);
}

#define GOOD(title) "{\"title\":\"" title "\",\"venue\":\"v\",\"event_date\":\"2027-01-01\"}\n"

static void test_a_mark_in_the_middle_is_data(void **state)
{
	(void)state;
	const struct import_report *report = run(IMPORT_CSV, true, "\xef\xbb\xbftitle,venue,event_date\na,b,2027-01-01\n\xef\xbb\xbf\n"
	                                                          "\xef\xbb\xbfx,b,2027-01-01\n");
	assert_int_equal(report->lines, 3);
	assert_int_equal(report->written, 2);
	assert_int_equal(report->failed, 1);
	assert_error(report, 0, 3, "has 1 column where the header has 3");
}

static void test_ndjson(void **state)
{
	(void)state;
	const struct import_report *report = run(IMPORT_NDJSON, false, GOOD("one") "\n  \r\n" GOOD("two"));
	assert_int_equal(report->result, IMPORT_OK);
	assert_int_equal(report->lines, 2);
	assert_int_equal(report->written, 2);
	assert_int_equal(report->last_seq, 2);
	assert_int_equal(seen.calls, 1);
	assert_true(seen.all_or_nothing);
	assert_string_equal(seen.titles[0], "one");
	assert_string_equal(seen.titles[1], "two");
	assert_int_equal(atomic_load(&import_progress(import)->written), 2);
	report = run(IMPORT_NDJSON, false, "");
	assert_int_equal(report->result, IMPORT_OK);
	assert_int_equal(seen.calls, 0);
}

static void test_csv(void **state)
{
	(void)state;
	const struct import_report *report =
		run(IMPORT_CSV, false, "\xef\xbb\xbfid,title,venue, event_date,description\r\n"
		                       "9,one,v,2027-01-01,\"two\nlines\"\r\n\r\n,\"t, \"\"w\"\"\",v,2027-01-01,");
	assert_int_equal(report->result, IMPORT_OK);
	assert_int_equal(report->written, 2);
	assert_string_equal(seen.titles[1], "t, \"w\"");
}

static void test_all_or_nothing(void **state)
{
	(void)state;
	const struct import_report *report =
		run(IMPORT_NDJSON, false, GOOD("one") "{\"title\":3,\"vneue\":\"v\"}\nnonsense\n" GOOD("two"));
	assert_int_equal(report->result, IMPORT_INVALID);
	assert_int_equal(report->lines, 4);
	assert_int_equal(report->failed, 2);
	assert_int_equal(report->written, 0);
	assert_int_equal(seen.calls, 0);
	assert_error(report, 0, 2, "title must be a string");
	assert_error(report, 0, 2, "vneue");
	assert_error(report, 1, 3, "");
}

static void test_partial(void **state)
{
	struct buf json;

	(void)state;
	const struct import_report *report = run(IMPORT_NDJSON, true, GOOD("one") "[]\n" GOOD("two"));
	assert_int_equal(report->result, IMPORT_OK);
	assert_int_equal(report->written, 2);
	assert_int_equal(report->failed, 1);
	assert_false(seen.all_or_nothing);
	buf_init(&json, 65536);
	import_report_json(&json, report);
	assert_true(str_starts_with(buf_view(&json), STR("{\"imported\":2,\"failed\":1,\"lines\":3,\"errors\":[{\"line\":2,"
	                                                 "\"errors\":[{\"loc\":[\"body\",2]")));
	buf_finish(&json);
}

static void test_header(void **state)
{
	(void)state;
	const struct import_report *report = run(IMPORT_CSV, true, "title,vneue,title\na,b,c\n");
	assert_int_equal(report->result, IMPORT_INVALID);
	assert_int_equal(report->error_count, 1);
	assert_int_equal(report->lines, 0);
	assert_error(report, 0, 1, "vneue is not a field");
	assert_error(report, 0, 1, "title is a column twice");
	assert_error(report, 0, 1, "venue is a column that the header must have");
	assert_int_equal(seen.calls, 0);
	report = run(IMPORT_CSV, false, "title,venue,event_date\nonly,two\n");
	assert_error(report, 0, 2, "has 2 columns where the header has 3");
}

static void test_errors_are_bounded(void **state)
{
	(void)state;
	begin(IMPORT_NDJSON, true);
	for (int i = 0; i < IMPORT_ERRORS_MAX + 50; i++)
		assert_true(import_feed(import, STR("{}\n")));
	assert_int_equal(import_finish(import, &session, 0), IMPORT_OK);
	assert_int_equal(import_report(import)->error_count, IMPORT_ERRORS_MAX);
	assert_int_equal(import_report(import)->failed, IMPORT_ERRORS_MAX + 50);
}

static void test_too_many_lines(void **state)
{
	bool more = true;

	(void)state;
	begin(IMPORT_NDJSON, false);
	for (int i = 0; i < IMPORT_LINES_MAX; i++)
		assert_true(import_feed(import, STR(GOOD("t"))));
	more = import_feed(import, STR(GOOD("t")));
	assert_false(more);
	assert_int_equal(import_finish(import, &session, 0), IMPORT_TOO_LARGE);
	assert_error(import_report(import), 0, IMPORT_LINES_MAX + 1, "more than 100000 lines");
	assert_int_equal(seen.calls, 0);
}

static void test_memory_is_bounded(void **state)
{
	const struct import_options options = {.actor_id = 7, .memory_bytes_max = 65536};

	(void)state;
	import = import_create(&options);
	assert_non_null(import);
	size_t fed = 0;
	while (fed < 10000 && import_feed(import, STR(GOOD("a title that takes some room"))))
		fed++;
	assert_true(fed > 100 && fed < 10000);
	assert_int_equal(import_finish(import, &session, 0), IMPORT_TOO_LARGE);
	assert_int_equal(seen.calls, 0);
}

static void feed_good(int count)
{
	for (int i = 0; i < count; i++)
		assert_true(import_feed(import, STR(GOOD("t"))));
}

static void test_store_failures(void **state)
{
	(void)state;
	begin(IMPORT_NDJSON, true);
	feed_good(IMPORT_BATCH * 2 + 1);
	seen.fail_call = 2;
	assert_int_equal(import_finish(import, &session, 0), IMPORT_STORE_FAILED);
	assert_int_equal(import_report(import)->store_result, STORE_UNAVAILABLE);
	assert_int_equal(import_report(import)->written, IMPORT_BATCH);
	assert_int_equal(seen.calls, 2);

	memset(&seen, 0, sizeof seen);
	begin(IMPORT_NDJSON, true);
	feed_good(IMPORT_BATCH + 2);
	seen.fail_write = IMPORT_BATCH + 1;
	assert_int_equal(import_finish(import, &session, 0), IMPORT_OK);
	assert_int_equal(import_report(import)->written, IMPORT_BATCH + 1);
	assert_error(import_report(import), 0, IMPORT_BATCH + 1, "could not be written");

	memset(&seen, 0, sizeof seen);
	begin(IMPORT_NDJSON, false);
	feed_good(3);
	seen.fail_write = 2;
	assert_int_equal(import_finish(import, &session, 0), IMPORT_INVALID);
	assert_int_equal(import_report(import)->written, 0);
	assert_error(import_report(import), 0, 2, "could not be written");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_mark_in_the_middle_is_data),
		TEST(test_ndjson), TEST(test_csv), TEST(test_all_or_nothing), TEST(test_partial), TEST(test_header),
		TEST(test_errors_are_bounded), TEST(test_too_many_lines), TEST(test_memory_is_bounded),
		TEST(test_store_failures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
