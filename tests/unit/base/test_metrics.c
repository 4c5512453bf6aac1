#include "base/metrics.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "unit/test.h"

static void print(struct buf *out)
{
	buf_init(out, 1 << 20);
	metrics_print(out);
	buf_char(out, '\0');
	assert_false(out->failed);
}

static void assert_printed(const char *line, bool expected)
{
	struct buf out;

	print(&out);
	const char *found = strstr(out.ptr, line);
	if ((found != NULL) != expected)
		fail_msg("%s is %sprinted", line, found != NULL ? "" : "not ");
	buf_finish(&out);
}

static void *count_much(void *unused)
{
	(void)unused;
	for (int i = 0; i < 10000; i++) {
		metrics_count(METRIC_LANE_JOBS, 2, 1);
		metrics_count(METRIC_LANE_JOBS, 3, 2);
	}
	return NULL;
}

static void nothing_is_lost_between_threads(void **state)
{
	pthread_t threads[8];

	(void)state;
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < 8; i++)
			assert_int_equal(pthread_create(&threads[i], NULL, count_much, NULL), 0);
		assert_true(metrics_value(METRIC_LANE_JOBS, 2) >= 0);
		for (size_t i = 0; i < 8; i++)
			pthread_join(threads[i], NULL);
	}
	assert_int_equal(metrics_value(METRIC_LANE_JOBS, 2), 3 * 8 * 10000);
	assert_int_equal(metrics_value(METRIC_LANE_JOBS, 3), 2 * 3 * 8 * 10000);
}

static void *count_once(void *unused)
{
	(void)unused;
	metrics_count(METRIC_RATE_LIMITED, 0, 1);
	return NULL;
}

static void many_short_threads_cost_no_memory(void **state)
{
	(void)state;
	/* More than there are slabs: those of ended threads are taken up again, with their sums. */
	for (int i = 0; i < 2000; i++) {
		pthread_t thread;
		assert_int_equal(pthread_create(&thread, NULL, count_once, NULL), 0);
		pthread_join(thread, NULL);
	}
	assert_int_equal(metrics_value(METRIC_RATE_LIMITED, 0), 2000);
}

static void gauges_are_set_and_added_to(void **state)
{
	(void)state;
	metrics_gauge(METRIC_CONNECTIONS, 0, 5);
	metrics_gauge_add(METRIC_CONNECTIONS, 0, -7);
	assert_int_equal(metrics_value(METRIC_CONNECTIONS, 0), -2);
	assert_printed("\nevently_http_connections -2\n", true);
}

static void buckets_hold_their_upper_bound(void **state)
{
	(void)state;
	metrics_label(METRIC_STORE_CALLS, 1, "get_many");
	metrics_observe_ns(METRIC_STORE_CALLS, 1, 0);
	metrics_observe_ns(METRIC_STORE_CALLS, 1, 50000);
	metrics_observe_ns(METRIC_STORE_CALLS, 1, 50001);
	metrics_observe_ns(METRIC_STORE_CALLS, 1, 10 * CLOCK_SECOND);
	metrics_observe_ns(METRIC_STORE_CALLS, 1, 10 * CLOCK_SECOND + 1);
	assert_int_equal(metrics_value(METRIC_STORE_CALLS, 1), 5);
#define BUCKET "\nevently_store_call_duration_seconds_bucket{call=\"get_many\",le="
	assert_printed(BUCKET "\"0.00005\"} 2\n", true);
	assert_printed(BUCKET "\"0.0001\"} 3\n", true);
	assert_printed(BUCKET "\"5\"} 3\n", true);
	assert_printed(BUCKET "\"10\"} 4\n", true);
	assert_printed(BUCKET "\"+Inf\"} 5\n", true);
	assert_printed("\nevently_store_call_duration_seconds_count{call=\"get_many\"} 5\n", true);
	assert_printed("\nevently_store_call_duration_seconds_sum{call=\"get_many\"} 20.000100002\n", true);
}

/* Around every bound and every power of two, one after another: the bucket's count goes up, and no smaller one's. */
static void every_time_finds_its_bucket(void **state)
{
	static const struct {
		uint64_t ns;
		const char *bound, *below;
	} cases[] = {
		{65536, "0.0001", "0.00005"},  {100000, "0.0001", "0.00005"},  {100001, "0.00025", "0.0001"},
		{131072, "0.00025", "0.0001"}, {262144, "0.0005", "0.00025"},  {524287, "0.001", "0.0005"},
		{1000000, "0.001", "0.0005"},  {1000001, "0.0025", "0.001"},   {4194304, "0.005", "0.0025"},
		{8388607, "0.01", "0.005"},    {20000000, "0.025", "0.01"},    {33554432, "0.05", "0.025"},
		{67108864, "0.1", "0.05"},     {134217728, "0.25", "0.1"},     {499999999, "0.5", "0.25"},
		{999999999, "1", "0.5"},       {1073741824, "2.5", "1"},       {4294967295, "5", "2.5"},
		{8589934592, "10", "5"},       {UINT64_MAX / 2, "+Inf", "10"},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LENGTH(cases); i++) {
		char line[160];
		metrics_observe_ns(METRIC_REQUESTS, i, cases[i].ns);
		snprintf(line, sizeof line, "_bucket{route=\"%u\",le=\"%s\"} 1\n", i, cases[i].bound);
		assert_printed(line, true);
		snprintf(line, sizeof line, "_bucket{route=\"%u\",le=\"%s\"} 0\n", i, cases[i].below);
		assert_printed(line, true);
	}
}

static void only_series_in_use_are_printed(void **state)
{
	(void)state;
	metrics_count(METRIC_RESPONSES, 5, 1);
	metrics_label(METRIC_RESPONSES, 6, "a\"b\\c\nd");
	assert_printed("\nevently_http_responses_total{code=\"5\"} 1\n", true);
	assert_printed("\nevently_http_responses_total{code=\"a\\\"b\\\\c\\nd\"} 0\n", true);
	assert_printed("evently_http_responses_total{code=\"4\"}", false);
	assert_printed("evently_import_lines_total 0\n", true);
	/* A family without series has no head either. */
	assert_printed("evently_store_errors_total", false);
}

/* name{label="value",…} number: enough of a parser to find what Prometheus would refuse. */
static void check_sample(const char *line)
{
	char name[128], labels[256] = "", number[64], rest;

	int fields = strchr(line, '{') != NULL
			     ? sscanf(line, "%127[a-z_]{%255[^}]} %63[0-9.e+-]%c", name, labels, number, &rest) - 1
			     : sscanf(line, "%127[a-z_] %63[0-9.e+-]%c", name, number, &rest);
	if (fields != 2)
		fail_msg("not a sample: %s", line);
}

static void the_text_keeps_the_format(void **state)
{
	struct buf out;
	char family[128] = "", name[128], type[32];
	int heads = 0;

	(void)state;
	print(&out);
	for (char *line = out.ptr, *end; *line != '\0'; line = end + 1) {
		end = strchr(line, '\n');
		assert_non_null(end);
		*end = '\0';
		if (sscanf(line, "# HELP %127s", name) == 1) {
			assert_string_not_equal(name, family);
			strcpy(family, name);
			heads++;
		} else if (sscanf(line, "# TYPE %127s %31s", name, type) == 2) {
			assert_string_equal(name, family);
		} else {
			check_sample(line);
			assert_int_equal(strncmp(line, family, strlen(family)), 0);
		}
	}
	assert_true(heads > 10);
	buf_finish(&out);
}

static void the_process_tells_of_itself(void **state)
{
	struct buf out;
	double bytes = 0, started = 0;

	(void)state;
	print(&out);
	const char *found = strstr(out.ptr, "\nprocess_resident_memory_bytes ");
	assert_non_null(found);
	bytes = strtod(found + strlen("\nprocess_resident_memory_bytes "), NULL);
	assert_true(bytes > 500e3 && bytes < 1e12);
	found = strstr(out.ptr, "\nprocess_start_time_seconds ");
	assert_non_null(found);
	started = strtod(found + strlen("\nprocess_start_time_seconds "), NULL);
	double now = (double)time(NULL);
	assert_true(started > now - 600 && started < now + 2);
	assert_non_null(strstr(out.ptr, "\nprocess_cpu_seconds_total "));
	assert_non_null(strstr(out.ptr, "\nprocess_open_fds "));
	buf_finish(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_lost_between_threads), cmocka_unit_test(many_short_threads_cost_no_memory),
		cmocka_unit_test(gauges_are_set_and_added_to),     cmocka_unit_test(buckets_hold_their_upper_bound),
		cmocka_unit_test(every_time_finds_its_bucket),     cmocka_unit_test(only_series_in_use_are_printed),
		cmocka_unit_test(the_text_keeps_the_format),       cmocka_unit_test(the_process_tells_of_itself),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
