#include "http/pipe.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"

struct pipe {
	struct answer_stream stream;
	const atomic_bool *abandoned;
	pthread_mutex_t lock;
	pthread_cond_t drained;
	char *bytes; /* a ring */
	size_t capacity, first, length;
	bool parked;          /* the consumer waits */
	bool producer_gone, complete;
	bool consumer_gone;
};

static void destroy(struct pipe *pipe)
{
	pthread_cond_destroy(&pipe->drained);
	pthread_mutex_destroy(&pipe->lock);
	free(pipe->bytes);
	free(pipe);
}

static long read_stream(struct answer_stream *stream, char *space, size_t bytes_max)
{
	struct pipe *pipe = CONTAINER_OF(stream, struct pipe, stream);
	long result;

	pthread_mutex_lock(&pipe->lock);
	size_t count = pipe->length < bytes_max ? pipe->length : bytes_max;
	if (count > pipe->capacity - pipe->first)
		count = pipe->capacity - pipe->first;
	if (count > 0) {
		memcpy(space, pipe->bytes + pipe->first, count);
		pipe->first = (pipe->first + count) % pipe->capacity;
		pipe->length -= count;
		pthread_cond_signal(&pipe->drained);
		result = (long)count;
	} else if (pipe->producer_gone) {
		result = pipe->complete ? -1 : -2;
	} else {
		pipe->parked = true;
		answer_stream_park(stream);
		result = 0;
	}
	pthread_mutex_unlock(&pipe->lock);
	return result;
}

static void close_stream(struct answer_stream *stream)
{
	struct pipe *pipe = CONTAINER_OF(stream, struct pipe, stream);

	pthread_mutex_lock(&pipe->lock);
	pipe->consumer_gone = true;
	bool last = pipe->producer_gone;
	pthread_cond_signal(&pipe->drained);
	pthread_mutex_unlock(&pipe->lock);
	if (last)
		destroy(pipe);
}

struct pipe *pipe_create(size_t bytes_max, const atomic_bool *abandoned)
{
	struct pipe *pipe = calloc(1, sizeof *pipe);
	pthread_condattr_t attributes;

	if (pipe == NULL)
		return NULL;
	pipe->bytes = malloc(bytes_max);
	if (pipe->bytes == NULL) {
		free(pipe);
		return NULL;
	}
	pipe->capacity = bytes_max;
	pipe->abandoned = abandoned;
	pipe->stream.read = read_stream;
	pipe->stream.close = close_stream;
	pthread_mutex_init(&pipe->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&pipe->drained, &attributes);
	pthread_condattr_destroy(&attributes);
	return pipe;
}

struct answer_stream *pipe_stream(struct pipe *pipe)
{
	return &pipe->stream;
}

static void wake(struct pipe *pipe)
{
	if (!pipe->parked)
		return;
	pipe->parked = false;
	answer_stream_wake(&pipe->stream);
}

/* Under the lock. In steps, so that an abandoned pipe is noticed soon. */
static bool wait_for_room(struct pipe *pipe, uint64_t deadline_ns)
{
	enum { STEP_MS = 100 };

	while (pipe->length == pipe->capacity && !pipe->consumer_gone) {
		uint64_t now_ns = clock_monotonic_ns();
		if (now_ns >= deadline_ns || atomic_load(pipe->abandoned))
			return false;
		uint64_t step_ns = now_ns + STEP_MS * CLOCK_MS;
		struct timespec until = {(time_t)(step_ns / CLOCK_SECOND), (long)(step_ns % CLOCK_SECOND)};
		pthread_cond_timedwait(&pipe->drained, &pipe->lock, &until);
	}
	return !pipe->consumer_gone;
}

bool pipe_write(struct pipe *pipe, struct str bytes, int timeout_ms)
{
	bool going = true;

	pthread_mutex_lock(&pipe->lock);
	while (bytes.len > 0 && going) {
		going = wait_for_room(pipe, clock_monotonic_ns() + (uint64_t)timeout_ms * CLOCK_MS);
		if (!going)
			break;
		size_t at = (pipe->first + pipe->length) % pipe->capacity;
		size_t room = pipe->capacity - pipe->length;
		size_t count = bytes.len < room ? bytes.len : room;
		if (count > pipe->capacity - at)
			count = pipe->capacity - at;
		memcpy(pipe->bytes + at, bytes.ptr, count);
		pipe->length += count;
		bytes = str_skip(bytes, count);
		wake(pipe);
	}
	pthread_mutex_unlock(&pipe->lock);
	return going;
}

void pipe_close(struct pipe *pipe, bool complete)
{
	pthread_mutex_lock(&pipe->lock);
	pipe->producer_gone = true;
	pipe->complete = complete;
	bool last = pipe->consumer_gone;
	if (!last)
		wake(pipe);
	pthread_mutex_unlock(&pipe->lock);
	if (last)
		destroy(pipe);
}
