#include "cache/freshness.h"

#include <time.h>

#include "base/broken.h"

enum { CATCH_UP_MS_MAX = 100 };

void freshness_init(struct freshness *freshness)
{
	pthread_condattr_t attributes;

	*freshness = (struct freshness){0};
	pthread_mutex_init(&freshness->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&freshness->advanced, &attributes);
	pthread_condattr_destroy(&attributes);
}

void freshness_finish(struct freshness *freshness)
{
	pthread_cond_destroy(&freshness->advanced);
	pthread_mutex_destroy(&freshness->lock);
}

void freshness_begin(struct freshness *freshness, uint64_t seq)
{
	atomic_store(&freshness->begun_seq, seq);
}

void freshness_advance(struct freshness *freshness, uint64_t seq)
{
	/* Sequentially consistent with the waiter's count and look: one of the two sees the other. */
	atomic_store(&freshness->applied_seq, seq);
	if (atomic_load(&freshness->waiting) == 0)
		return;
	pthread_mutex_lock(&freshness->lock);
	pthread_cond_broadcast(&freshness->advanced);
	pthread_mutex_unlock(&freshness->lock);
}

static void wait_applied(struct freshness *freshness, uint64_t as_of, uint64_t deadline_ns)
{
	uint64_t bound_ns = clock_monotonic_ns() + CATCH_UP_MS_MAX * CLOCK_MS;
	uint64_t until_ns = deadline_ns < bound_ns ? deadline_ns : bound_ns;
	struct timespec until = {(time_t)(until_ns / CLOCK_SECOND), (long)(until_ns % CLOCK_SECOND)};
	int timed_out = 0;

	atomic_fetch_add(&freshness->waiting, 1);
	pthread_mutex_lock(&freshness->lock);
	while (atomic_load(&freshness->applied_seq) < as_of && timed_out == 0)
		timed_out = pthread_cond_timedwait(&freshness->advanced, &freshness->lock, &until);
	pthread_mutex_unlock(&freshness->lock);
	atomic_fetch_sub(&freshness->waiting, 1);
}

bool freshness_may_show(struct freshness *freshness, uint64_t as_of, bool by_replica, uint64_t deadline_ns)
{
	if (freshness_applied(freshness) >= as_of || broken("ahead"))
		return true;
	if (freshness_held(freshness))
		wait_applied(freshness, as_of, deadline_ns);
	if (by_replica && freshness_applied(freshness) < as_of && !broken("replica_ahead"))
		return false;
	freshness_shown(freshness, as_of);
	return true;
}

void freshness_shown(struct freshness *freshness, uint64_t as_of)
{
	uint64_t shown = atomic_load(&freshness->shown_seq);
	while (freshness_applied(freshness) < as_of && shown < as_of &&
	       !atomic_compare_exchange_weak(&freshness->shown_seq, &shown, as_of))
		continue;
}
