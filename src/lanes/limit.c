#include "lanes/limit.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"

enum { RUN_MS_MAX = 1000, ARENA_BYTES_MAX = 1 << 20, MISSING_SIZES_MAX = 2 };

#define PREFIX "evently:v1:limit:"

/* One bucket, kept as the time at which it is full, in microseconds of Redis' own clock: adds what was taken, at most up
 * to a debt of one bucket, and gives what is missing. (The generic cell rate algorithm, as in auth/limiter.c) */
static const struct str SCRIPT = STR(
	"local t=redis.call('TIME') local now=t[1]*1000000+t[2] "
	"local full=tonumber(redis.call('GET',KEYS[1]) or 0) "
	"if full<now then full=now end "
	"full=math.min(full+ARGV[1],now+ARGV[2]) "
	"redis.call('SET',KEYS[1],string.format('%.0f',full),'PX',math.ceil((full-now)/1000)+1000) "
	"return full-now");

struct limit_lane {
	struct limiter *limiter;
	struct redis *redis;
	pthread_t thread;
	atomic_bool stopping;
	struct limiter_use uses[LIMIT_BATCH_MAX];
};

static struct str key_of(const struct limiter_use *use)
{
	return (struct str){use->key, use->key_len};
}

static void append_use(struct limit_lane *lane, const struct limiter_use *use, struct limiter_rate rate,
                       struct arena *arena)
{
	uint64_t size_us = (uint64_t)rate.seconds * 1000000;

	redis_append(lane->redis, STR("EVAL"), SCRIPT, STR("1"), arena_printf(arena, PREFIX "%.*s", STR_ARG(key_of(use))),
	             arena_printf(arena, "%" PRIu64, use->taken * size_us / rate.count),
	             arena_printf(arena, "%" PRIu64, size_us * MISSING_SIZES_MAX));
}

static void exchange(struct limit_lane *lane, size_t count)
{
	struct limiter_rate rate = limiter_rate(lane->limiter);
	struct redis_reply **replies;
	struct arena arena;

	if (count == 0 || rate.count == 0)
		return;
	arena_init(&arena, ARENA_BYTES_MAX);
	for (size_t i = 0; i < count; i++)
		append_use(lane, &lane->uses[i], rate, &arena);
	uint64_t deadline_ns = clock_monotonic_ns() + RUN_MS_MAX * CLOCK_MS;
	if (redis_run(lane->redis, deadline_ns, &arena, &replies) == REDIS_DONE) {
		for (size_t i = 0; i < count; i++)
			if (replies[i]->type == REPLY_INTEGER && replies[i]->integer > 0)
				limiter_learn(lane->limiter, key_of(&lane->uses[i]), (uint64_t)replies[i]->integer * 1000,
				              clock_monotonic_ns());
	}
	arena_finish(&arena);
}

static void *run(void *argument)
{
	struct limit_lane *lane = argument;

	for (;;) {
		limiter_wait_used(lane->limiter);
		if (atomic_load(&lane->stopping))
			return NULL;
		exchange(lane, limiter_collect(lane->limiter, lane->uses, LIMIT_BATCH_MAX));
		/* What is taken meanwhile goes with the next exchange. */
		(void)nanosleep(&(struct timespec){0, LIMIT_PERIOD_MS * 1000000L}, NULL);
	}
}

struct limit_lane *limit_lane_start(struct limiter *limiter, struct redis *redis)
{
	struct limit_lane *lane = calloc(1, sizeof *lane);

	if (lane == NULL) {
		redis_destroy(redis);
		return NULL;
	}
	lane->limiter = limiter;
	lane->redis = redis;
	limiter_share(limiter);
	if (pthread_create(&lane->thread, NULL, run, lane) == 0)
		return lane;
	redis_destroy(redis);
	free(lane);
	return NULL;
}

void limit_lane_stop(struct limit_lane *lane)
{
	if (lane == NULL)
		return;
	atomic_store(&lane->stopping, true);
	limiter_wake(lane->limiter);
	pthread_join(lane->thread, NULL);
	redis_destroy(lane->redis);
	free(lane);
}
