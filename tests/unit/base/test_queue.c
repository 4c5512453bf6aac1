#include "base/queue.h"

#include <time.h>

#include "unit/test.h"

struct job {
	struct queue_job job;
	int producer, number;
};

struct late {
	struct queue *queue;
	struct queue_job jobs[3];
};

static struct job *job_of(struct queue_job *job)
{
	return CONTAINER_OF(job, struct job, job);
}

static void order_and_bound(void **state)
{
	struct queue queue;
	struct job jobs[4] = {{.number = 0}, {.number = 1}, {.number = 2}, {.number = 3}};
	struct queue_job *taken;

	(void)state;
	assert_true(queue_init(&queue, 3));
	for (int i = 0; i < 3; i++)
		assert_true(queue_push(&queue, &jobs[i].job));
	assert_false(queue_push(&queue, &jobs[3].job));
	assert_int_equal(queue_length(&queue), 3);
	assert_int_equal(queue_take(&queue, 2, -1, &taken), 2);
	assert_int_equal(job_of(taken)->number, 0);
	assert_int_equal(job_of(taken->next)->number, 1);
	assert_null(taken->next->next);
	assert_true(queue_push(&queue, &jobs[3].job));
	assert_int_equal(queue_take(&queue, 9, 0, &taken), 2);
	assert_int_equal(job_of(taken)->number, 2);
	assert_int_equal(job_of(taken->next)->number, 3);
	queue_finish(&queue);
}

static void timeout_passes(void **state)
{
	struct queue queue;
	struct queue_job *taken;

	(void)state;
	assert_true(queue_init(&queue, 3));
	uint64_t start_ns = clock_monotonic_ns();
	assert_int_equal(queue_take(&queue, 1, 20, &taken), 0);
	assert_true(clock_monotonic_ns() - start_ns >= 20 * CLOCK_MS);
	assert_null(taken);
	queue_finish(&queue);
}

static void *push_late(void *context)
{
	struct queue_job *jobs = context;
	struct queue *queue = CONTAINER_OF(jobs, struct late, jobs)->queue;

	for (int i = 0; i < 3; i++) {
		nanosleep(&(struct timespec){.tv_nsec = 5 * 1000000}, NULL);
		assert_true(queue_push(queue, &jobs[i]));
	}
	return NULL;
}

static void gathering_waits_for_as_many_and_no_longer(void **state)
{
	struct queue queue;
	struct late late = {.queue = &queue};
	struct queue_job *taken;
	pthread_t thread;

	(void)state;
	assert_true(queue_init(&queue, 9));
	assert_int_equal(0, pthread_create(&thread, NULL, push_late, late.jobs));
	queue_gather(&queue, 3, 20 * CLOCK_SECOND);
	assert_int_equal(queue_length(&queue), 3);
	assert_int_equal(0, pthread_join(thread, NULL));
	assert_int_equal(queue_take(&queue, 9, -1, &taken), 3);

	assert_true(queue_push(&queue, &late.jobs[0]));
	uint64_t start_ns = clock_monotonic_ns();
	queue_gather(&queue, 2, 20 * CLOCK_MS);
	assert_true(clock_monotonic_ns() - start_ns >= 20 * CLOCK_MS);
	queue_gather(&queue, 1, 20 * CLOCK_SECOND);
	queue_close(&queue);
	queue_gather(&queue, 9, 20 * CLOCK_SECOND);
	assert_int_equal(queue_length(&queue), 1);
	queue_finish(&queue);
}

static void closing_lets_the_rest_be_taken(void **state)
{
	struct queue queue;
	struct job one = {.number = 1}, two = {.number = 2};
	struct queue_job *taken;

	(void)state;
	assert_true(queue_init(&queue, 3));
	assert_true(queue_push(&queue, &one.job));
	queue_close(&queue);
	assert_true(queue_closed(&queue));
	assert_false(queue_push(&queue, &two.job));
	assert_int_equal(queue_take(&queue, 5, -1, &taken), 1);
	assert_int_equal(queue_take(&queue, 5, -1, &taken), 0);
	queue_finish(&queue);
}

enum { PRODUCERS = 4, EACH = 5000 };

struct producer {
	struct queue *queue;
	struct job *jobs;
	pthread_t thread;
};

static void *produce(void *argument)
{
	struct producer *producer = argument;

	for (int i = 0; i < EACH; i++) {
		while (!queue_push(producer->queue, &producer->jobs[i].job))
			test_pause_ms(1);
	}
	return NULL;
}

static void no_job_is_lost_between_threads(void **state)
{
	static struct job jobs[PRODUCERS][EACH];
	struct producer producers[PRODUCERS];
	struct queue queue;
	int next[PRODUCERS] = {0}, total = 0;

	(void)state;
	assert_true(queue_init(&queue, 100));
	for (int p = 0; p < PRODUCERS; p++) {
		for (int i = 0; i < EACH; i++)
			jobs[p][i] = (struct job){.producer = p, .number = i};
		producers[p] = (struct producer){.queue = &queue, .jobs = jobs[p]};
		assert_int_equal(pthread_create(&producers[p].thread, NULL, produce, &producers[p]), 0);
	}
	while (total < PRODUCERS * EACH) {
		struct queue_job *taken;
		size_t count = queue_take(&queue, 64, 10000, &taken);
		assert_in_range(count, 1, 64);
		for (; taken != NULL; taken = taken->next, total++, count--) {
			assert_int_equal(job_of(taken)->number, next[job_of(taken)->producer]);
			next[job_of(taken)->producer]++;
		}
		assert_int_equal(count, 0);
	}
	for (int p = 0; p < PRODUCERS; p++)
		pthread_join(producers[p].thread, NULL);
	assert_int_equal(queue_length(&queue), 0);
	queue_finish(&queue);
}

static void *take_forever(void *argument)
{
	struct queue_job *taken;
	return queue_take(argument, 1, -1, &taken) == 0 ? argument : NULL;
}

static void closing_wakes_every_taker(void **state)
{
	struct queue queue;
	pthread_t takers[3];

	(void)state;
	assert_true(queue_init(&queue, 3));
	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&takers[i], NULL, take_forever, &queue), 0);
	queue_close(&queue);
	for (int i = 0; i < 3; i++) {
		void *result;
		pthread_join(takers[i], &result);
		assert_ptr_equal(result, &queue);
	}
	queue_finish(&queue);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order_and_bound),
		cmocka_unit_test(timeout_passes),
		cmocka_unit_test(gathering_waits_for_as_many_and_no_longer),
		cmocka_unit_test(closing_lets_the_rest_be_taken),
		cmocka_unit_test(no_job_is_lost_between_threads),
		cmocka_unit_test(closing_wakes_every_taker),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
