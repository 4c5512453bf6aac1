#include "base/breaker.h"

#include "base/metrics.h"
#include "unit/test.h"

enum { SERIES = 3, FAILURES_MAX = 3 };

static void fail_times(struct breaker *breaker, int times)
{
	for (int i = 0; i < times; i++) {
		assert_true(breaker_allow(breaker));
		breaker_report(breaker, false);
	}
}

static void opens_after_failures_in_a_row_only(void **state)
{
	struct breaker breaker;
	int64_t trips = metrics_value(METRIC_BREAKER_TRIPS, SERIES);

	(void)state;
	breaker_init(&breaker, "test peer", SERIES, FAILURES_MAX, 60000, 60000);
	fail_times(&breaker, FAILURES_MAX - 1);
	assert_true(breaker_allow(&breaker));
	breaker_report(&breaker, true);
	fail_times(&breaker, FAILURES_MAX - 1);
	assert_int_equal(breaker_state(&breaker), BREAKER_CLOSED);
	assert_int_equal(metrics_value(METRIC_BREAKER, SERIES), 0);
	fail_times(&breaker, 1);
	assert_int_equal(breaker_state(&breaker), BREAKER_OPEN);
	assert_int_equal(metrics_value(METRIC_BREAKER, SERIES), 2);
	assert_int_equal(metrics_value(METRIC_BREAKER_TRIPS, SERIES), trips + 1);
	for (int i = 0; i < 100; i++)
		assert_false(breaker_allow(&breaker));
	/* A call that began before the opening ends now: no news. */
	breaker_report(&breaker, true);
	assert_int_equal(breaker_state(&breaker), BREAKER_OPEN);
	breaker_finish(&breaker);
}

static void one_probe_closes_it(void **state)
{
	struct breaker breaker;

	(void)state;
	breaker_init(&breaker, "test peer", SERIES, FAILURES_MAX, 10, 10000);
	uint64_t opened_ns = clock_monotonic_ns();
	fail_times(&breaker, FAILURES_MAX);
	wait_until(breaker_allow(&breaker), 2000);
	/* The jitter takes at most half of the pause away. */
	assert_true(clock_monotonic_ns() - opened_ns >= 5 * CLOCK_MS);
	assert_int_equal(breaker_state(&breaker), BREAKER_HALF_OPEN);
	assert_int_equal(metrics_value(METRIC_BREAKER, SERIES), 1);
	for (int i = 0; i < 100; i++)
		assert_false(breaker_allow(&breaker));
	breaker_report(&breaker, true);
	assert_int_equal(breaker_state(&breaker), BREAKER_CLOSED);
	fail_times(&breaker, FAILURES_MAX - 1);
	assert_int_equal(breaker_state(&breaker), BREAKER_CLOSED);
	assert_int_equal(breaker.backoff_now_ms, 10);
	breaker_finish(&breaker);
}

static void a_failed_probe_opens_it_for_longer(void **state)
{
	struct breaker breaker;

	(void)state;
	breaker_init(&breaker, "test peer", SERIES, 1, 4, 20);
	fail_times(&breaker, 1);
	assert_int_equal(breaker.backoff_now_ms, 8);
	static const unsigned pauses_ms[] = {16, 20, 20};
	for (size_t i = 0; i < 3; i++) {
		wait_until(breaker_allow(&breaker), 2000);
		breaker_report(&breaker, false);
		assert_int_equal(breaker_state(&breaker), BREAKER_OPEN);
		assert_int_equal(breaker.backoff_now_ms, pauses_ms[i]);
	}
	breaker_finish(&breaker);
}

static void a_probe_that_is_never_reported_is_replaced(void **state)
{
	struct breaker breaker;

	(void)state;
	breaker_init(&breaker, "test peer", SERIES, 1, 2, 20);
	fail_times(&breaker, 1);
	wait_until(breaker_allow(&breaker), 2000);
	assert_false(breaker_allow(&breaker));
	wait_until(breaker_allow(&breaker), 2000);
	breaker_report(&breaker, true);
	assert_int_equal(breaker_state(&breaker), BREAKER_CLOSED);
	breaker_finish(&breaker);
}

static void *ask(void *argument)
{
	return breaker_allow(argument) ? argument : NULL;
}

static void of_many_threads_one_probes(void **state)
{
	struct breaker breaker;
	pthread_t threads[16];
	int allowed = 0;

	(void)state;
	breaker_init(&breaker, "test peer", SERIES, 1, 1, 60000);
	fail_times(&breaker, 1);
	wait_until(clock_monotonic_ns() > breaker.retry_at_ns, 2000);
	for (size_t i = 0; i < 16; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ask, &breaker), 0);
	for (size_t i = 0; i < 16; i++) {
		void *result;
		pthread_join(threads[i], &result);
		allowed += result != NULL;
	}
	assert_int_equal(allowed, 1);
	breaker_finish(&breaker);
}

static void states_have_names(void **state)
{
	(void)state;
	assert_string_equal(breaker_state_name(BREAKER_CLOSED), "closed");
	assert_string_equal(breaker_state_name(BREAKER_HALF_OPEN), "half-open");
	assert_string_equal(breaker_state_name(BREAKER_OPEN), "open");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opens_after_failures_in_a_row_only),
		cmocka_unit_test(one_probe_closes_it),
		cmocka_unit_test(a_failed_probe_opens_it_for_longer),
		cmocka_unit_test(a_probe_that_is_never_reported_is_replaced),
		cmocka_unit_test(of_many_threads_one_probes),
		cmocka_unit_test(states_have_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
