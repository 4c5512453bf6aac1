#include "base/queue.h"

#include <errno.h>
#include <time.h>

#include "base/clock.h"

bool queue_init(struct queue *queue, size_t length_max)
{
	pthread_condattr_t attributes;

	*queue = (struct queue){.length_max = length_max, .wanted = 1};
	if (pthread_mutex_init(&queue->lock, NULL) != 0)
		return false;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	int failed = pthread_cond_init(&queue->filled, &attributes);
	pthread_condattr_destroy(&attributes);
	if (failed != 0)
		pthread_mutex_destroy(&queue->lock);
	return failed == 0;
}

void queue_finish(struct queue *queue)
{
	pthread_cond_destroy(&queue->filled);
	pthread_mutex_destroy(&queue->lock);
}

bool queue_push(struct queue *queue, struct queue_job *job)
{
	job->next = NULL;
	pthread_mutex_lock(&queue->lock);
	bool accepted = !queue->closed && queue->length < queue->length_max;
	if (accepted) {
		if (queue->last != NULL)
			queue->last->next = job;
		else
			queue->first = job;
		queue->last = job;
		/* One taker waits at a time for what one signal announces; several takers each get theirs. */
		queue->length++;
		if (queue->length >= queue->wanted)
			pthread_cond_signal(&queue->filled);
	}
	pthread_mutex_unlock(&queue->lock);
	return accepted;
}

static struct timespec absolute(int timeout_ms)
{
	uint64_t until_ns = clock_monotonic_ns() + (uint64_t)timeout_ms * CLOCK_MS;
	return (struct timespec){(time_t)(until_ns / CLOCK_SECOND), (long)(until_ns % CLOCK_SECOND)};
}

size_t queue_take(struct queue *queue, size_t batch_max, int timeout_ms, struct queue_job **jobs)
{
	size_t taken = 0;
	struct timespec until = absolute(timeout_ms < 0 ? 0 : timeout_ms);

	pthread_mutex_lock(&queue->lock);
	while (queue->first == NULL && !queue->closed) {
		if (timeout_ms < 0)
			pthread_cond_wait(&queue->filled, &queue->lock);
		else if (pthread_cond_timedwait(&queue->filled, &queue->lock, &until) == ETIMEDOUT)
			break;
	}
	*jobs = queue->first;
	struct queue_job *last = NULL;
	while (queue->first != NULL && taken < batch_max) {
		last = queue->first;
		queue->first = last->next;
		taken++;
	}
	if (last != NULL)
		last->next = NULL;
	if (queue->first == NULL)
		queue->last = NULL;
	queue->length -= taken;
	pthread_mutex_unlock(&queue->lock);
	return taken;
}

void queue_gather(struct queue *queue, size_t wanted, uint64_t patience_ns)
{
	int timed_out = 0;

	pthread_mutex_lock(&queue->lock);
	while (queue->first == NULL && !queue->closed)
		pthread_cond_wait(&queue->filled, &queue->lock);
	uint64_t until_ns = clock_monotonic_ns() + patience_ns;
	struct timespec until = {(time_t)(until_ns / CLOCK_SECOND), (long)(until_ns % CLOCK_SECOND)};
	queue->wanted = wanted;
	while (queue->length < wanted && !queue->closed && timed_out == 0)
		timed_out = pthread_cond_timedwait(&queue->filled, &queue->lock, &until);
	queue->wanted = 1;
	pthread_mutex_unlock(&queue->lock);
}

void queue_close(struct queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	queue->closed = true;
	pthread_cond_broadcast(&queue->filled);
	pthread_mutex_unlock(&queue->lock);
}

bool queue_closed(struct queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	bool closed = queue->closed;
	pthread_mutex_unlock(&queue->lock);
	return closed;
}

size_t queue_length(struct queue *queue)
{
	pthread_mutex_lock(&queue->lock);
	size_t length = queue->length;
	pthread_mutex_unlock(&queue->lock);
	return length;
}
