/* A bounded queue of jobs between the HTTP threads and one lane.
 *
 * Jobs are embedded in what they are about (CONTAINER_OF gives it back); the queue owns nothing and allocates nothing.
 * Any thread pushes; the lane's thread takes all that wait, up to a batch. Closing lets what waits be taken first. */
#ifndef EVENTLY_BASE_QUEUE_H
#define EVENTLY_BASE_QUEUE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

struct queue_job {
	struct queue_job *next;
};

struct queue {
	pthread_mutex_t lock;
	pthread_cond_t filled;
	struct queue_job *first, *last;
	size_t length, length_max;
	size_t wanted;    /* a push says so when as many wait; 1 but for queue_gather */
	bool closed;
};

MUST_CHECK bool queue_init(struct queue *queue, size_t length_max);
void queue_finish(struct queue *queue);
/* False when the queue is full or closed: the caller answers 503. */
MUST_CHECK bool queue_push(struct queue *queue, struct queue_job *job);
/* Waits until a job is there, and takes up to `batch_max` of them, oldest first, as a list.
 * Returns how many: 0 when the timeout passed (timeout_ms < 0: never), or when closed and empty. */
size_t queue_take(struct queue *queue, size_t batch_max, int timeout_ms, struct queue_job **jobs);
/* Waits until a job is there, and from then on up to `patience_ns` until `wanted` are; takes none. For a queue with one taker:
 * pushes in between do not wake it. */
void queue_gather(struct queue *queue, size_t wanted, uint64_t patience_ns);
/* No more pushes; takers get the rest and then 0. */
void queue_close(struct queue *queue);
bool queue_closed(struct queue *queue);
size_t queue_length(struct queue *queue);

#endif
