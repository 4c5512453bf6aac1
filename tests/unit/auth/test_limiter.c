/* The rate limiter: how a bucket empties and fills, and that the number of buckets is bounded. */
#include "auth/limiter.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "support.h"

#define START_NS (1000 * CLOCK_SECOND)

static unsigned remaining, reset_s;

static bool take(struct limiter *limiter, const char *key, uint64_t now_ns)
{
	return limiter_take(limiter, str_from(key), now_ns, &remaining, &reset_s);
}

static void settings_are_read(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool allowed;
		unsigned count, seconds;
	} rows[] = {
		{"600/60", true, 600, 60}, {"1/1", true, 1, 1},   {"", true, 0, 0},        {"1000000/86400", true, 1000000, 86400},
		{"600", false, 0, 0},      {"/60", false, 0, 0},  {"600/", false, 0, 0},   {"0/60", false, 0, 0},
		{"600/0", false, 0, 0},    {"6 /6", false, 0, 0}, {"-1/60", false, 0, 0},  {"600/60/1", false, 0, 0},
		{"1000001/1", false, 0, 0}, {"1/86401", false, 0, 0}, {"1e3/1", false, 0, 0}, {"/", false, 0, 0},
	};

	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		struct limiter_rate rate;
		struct buf problem;
		buf_init(&problem, 1024);
		if (limiter_rate_parse(&rate, str_from(rows[i].text), &problem) != rows[i].allowed)
			fail_msg("%s", rows[i].text);
		assert_true(rate.count == rows[i].count && rate.seconds == rows[i].seconds);
		assert_int_equal(problem.len == 0, rows[i].allowed);
		assert_true(rows[i].allowed || memmem(problem.ptr, problem.len, "RATE_LIMIT is ", 14) != NULL);
		buf_finish(&problem);
	}
}

static void a_bucket_empties_and_is_refilled_evenly(void **state)
{
	(void)state;
	struct limiter *limiter = limiter_create((struct limiter_rate){10, 5}); /* one each 500 ms */

	for (unsigned i = 0; i < 10; i++) {
		assert_true(take(limiter, "a", START_NS));
		assert_int_equal(remaining, 9 - i);
		assert_int_equal(reset_s, (i + 2) / 2);
	}
	for (int i = 0; i < 20; i++) {
		assert_false(take(limiter, "a", START_NS));
		assert_int_equal(remaining, 0);
		assert_int_equal(reset_s, 1);
	}
	assert_true(take(limiter, "b", START_NS)); /* its own bucket */
	assert_false(take(limiter, "a", START_NS + 500 * CLOCK_MS - 1));
	assert_true(take(limiter, "a", START_NS + 500 * CLOCK_MS));
	assert_false(take(limiter, "a", START_NS + 500 * CLOCK_MS));
	/* Refusals cost nothing: three intervals later there are three. */
	for (int i = 0; i < 3; i++)
		assert_true(take(limiter, "a", START_NS + 2000 * CLOCK_MS));
	assert_false(take(limiter, "a", START_NS + 2000 * CLOCK_MS));
	/* Never more than it holds. */
	for (int i = 0; i < 10; i++)
		assert_true(take(limiter, "a", START_NS + 3600 * CLOCK_SECOND));
	assert_false(take(limiter, "a", START_NS + 3600 * CLOCK_SECOND));
	limiter_destroy(limiter);
	limiter_destroy(NULL);
}

static void a_slow_rate_says_how_long_to_wait(void **state)
{
	(void)state;
	struct limiter *limiter = limiter_create((struct limiter_rate){1, 60});

	assert_true(take(limiter, "a", START_NS));
	assert_int_equal(reset_s, 60);
	assert_false(take(limiter, "a", START_NS + CLOCK_MS));
	assert_int_equal(reset_s, 60);
	assert_false(take(limiter, "a", START_NS + 59 * CLOCK_SECOND));
	assert_int_equal(reset_s, 1);
	assert_false(take(limiter, "a", START_NS + 60 * CLOCK_SECOND - 1));
	assert_int_equal(reset_s, 1);
	assert_true(take(limiter, "a", START_NS + 60 * CLOCK_SECOND));
	limiter_destroy(limiter);
}

static void the_rate_may_change(void **state)
{
	(void)state;
	struct limiter *limiter = limiter_create((struct limiter_rate){0, 0});

	for (int i = 0; i < 1000; i++)
		assert_true(take(limiter, "a", START_NS));
	limiter_set_rate(limiter, (struct limiter_rate){1000, 1000});
	for (int i = 0; i < 1000; i++)
		assert_true(take(limiter, "a", START_NS));
	assert_false(take(limiter, "a", START_NS));
	limiter_set_rate(limiter, (struct limiter_rate){2, 2});
	assert_false(take(limiter, "a", START_NS));
	assert_int_equal(reset_s, 1);
	assert_true(take(limiter, "a", START_NS + CLOCK_SECOND));
	limiter_set_rate(limiter, (struct limiter_rate){0, 0});
	assert_true(take(limiter, "a", START_NS + CLOCK_SECOND));
	limiter_destroy(limiter);
}

/* A key that is used all the time outlives any number of others; the others give way. */
static void the_least_recently_used_gives_way(void **state)
{
	(void)state;
	struct limiter *limiter = limiter_create((struct limiter_rate){2, 2});
	char key[LIMITER_KEY_BYTES_MAX + 1];

	assert_true(take(limiter, "busy", START_NS));
	assert_true(take(limiter, "busy", START_NS));
	assert_true(take(limiter, "idle", START_NS));
	assert_true(take(limiter, "idle", START_NS));
	for (int i = 0; i < 3 * LIMITER_BUCKETS; i++) {
		snprintf(key, sizeof key, "%0*d", LIMITER_KEY_BYTES_MAX, i);
		assert_true(take(limiter, key, START_NS));
		assert_int_equal(remaining, 1);
		if (i % 100 == 0)
			assert_false(take(limiter, "busy", START_NS));
	}
	assert_false(take(limiter, "busy", START_NS));
	assert_true(take(limiter, "idle", START_NS));
	assert_int_equal(remaining, 1);
	/* The newest are all there. */
	for (int i = 3 * LIMITER_BUCKETS - LIMITER_BUCKETS / 2; i < 3 * LIMITER_BUCKETS; i++) {
		snprintf(key, sizeof key, "%0*d", LIMITER_KEY_BYTES_MAX, i);
		assert_true(take(limiter, key, START_NS));
		assert_int_equal(remaining, 0);
	}
	limiter_destroy(limiter);
}

struct shared {
	struct limiter *limiter;
	atomic_uint taken;
};

static void *take_often(void *argument)
{
	struct shared *shared = argument;
	char key[16];
	unsigned left, reset;

	for (int i = 0; i < 20000; i++) {
		if (limiter_take(shared->limiter, STR("shared"), START_NS, &left, &reset))
			atomic_fetch_add(&shared->taken, 1);
		snprintf(key, sizeof key, "%d", i % 200);
		bool other = limiter_take(shared->limiter, str_from(key), START_NS, &left, &reset);
		CHECK(other || left == 0);
	}
	return NULL;
}

static void threads_take_exactly_what_is_there(void **state)
{
	(void)state;
	struct shared shared = {.limiter = limiter_create((struct limiter_rate){5000, 60})};
	pthread_t threads[4];

	for (size_t i = 0; i < ARRAY_LENGTH(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, take_often, &shared), 0);
	for (size_t i = 0; i < ARRAY_LENGTH(threads); i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&shared.taken), 5000);
	limiter_destroy(shared.limiter);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(settings_are_read),
		cmocka_unit_test(a_bucket_empties_and_is_refilled_evenly),
		cmocka_unit_test(a_slow_rate_says_how_long_to_wait),
		cmocka_unit_test(the_rate_may_change),
		cmocka_unit_test(the_least_recently_used_gives_way),
		cmocka_unit_test(threads_take_exactly_what_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
