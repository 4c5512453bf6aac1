#include "base/breaker.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "base/random.h"

void breaker_init(struct breaker *breaker, const char *peer, unsigned series, unsigned failures_max,
		  unsigned backoff_ms, unsigned backoff_ms_max)
{
	CHECK(failures_max > 0 && backoff_ms > 0 && backoff_ms <= backoff_ms_max);
	*breaker = (struct breaker){
		.peer = peer,
		.series = series,
		.failures_max = failures_max,
		.backoff_ms = backoff_ms,
		.backoff_ms_max = backoff_ms_max,
		.state = BREAKER_CLOSED,
		.backoff_now_ms = backoff_ms,
	};
	CHECK(pthread_mutex_init(&breaker->lock, NULL) == 0);
	metrics_label(METRIC_BREAKER, series, peer);
	metrics_label(METRIC_BREAKER_TRIPS, series, peer);
	metrics_gauge(METRIC_BREAKER, series, BREAKER_CLOSED);
}

void breaker_finish(struct breaker *breaker)
{
	pthread_mutex_destroy(&breaker->lock);
}

/* Under lock. Logging only appends to a ring, so that it may be done here and the lines stand in order. */
static void enter(struct breaker *breaker, enum breaker_state state)
{
	breaker->state = state;
	metrics_gauge(METRIC_BREAKER, breaker->series, state);
}

/* Between half and all of the pause, so that many instances do not come back to a peer at the same moment. */
static uint64_t jittered_ns(unsigned pause_ms)
{
	uint64_t pause_ns = pause_ms * CLOCK_MS;
	return pause_ns / 2 + random_fast_u64() % (pause_ns / 2 + 1);
}

/* Under lock. */
static void trip(struct breaker *breaker)
{
	bool first = breaker->state == BREAKER_CLOSED;

	breaker->retry_at_ns = clock_monotonic_ns() + jittered_ns(breaker->backoff_now_ms);
	enter(breaker, BREAKER_OPEN);
	metrics_count(METRIC_BREAKER_TRIPS, breaker->series, 1);
	struct log_field fields[] = {
		LOG_TEXT("peer", str_from(breaker->peer)),
		LOG_INTEGER("failures", breaker->failures),
		LOG_INTEGER("pause_ms_max", breaker->backoff_now_ms),
	};
	if (first)
		log_line(LOG_WARNING, "breaker", fields, ARRAY_LENGTH(fields),
			 "%s is left alone for a while, calls that failed in a row: %u", breaker->peer,
			 breaker->failures);
	else
		log_line(LOG_DEBUG, "breaker", fields, ARRAY_LENGTH(fields),
			 "%s failed its probe: left alone for longer", breaker->peer);
	unsigned doubled = breaker->backoff_now_ms > breaker->backoff_ms_max / 2 ? breaker->backoff_ms_max
										 : breaker->backoff_now_ms * 2;
	breaker->backoff_now_ms = doubled;
}

bool breaker_allow(struct breaker *breaker)
{
	pthread_mutex_lock(&breaker->lock);
	bool allowed = breaker->state == BREAKER_CLOSED;
	if (!allowed) {
		uint64_t now_ns = clock_monotonic_ns();
		if (now_ns >= breaker->retry_at_ns) {
			/* Should the probe never be reported, the next one is due after another pause. */
			breaker->retry_at_ns = now_ns + breaker->backoff_ms_max * CLOCK_MS;
			enter(breaker, BREAKER_HALF_OPEN);
			allowed = true;
		}
	}
	pthread_mutex_unlock(&breaker->lock);
	return allowed;
}

void breaker_report(struct breaker *breaker, bool success)
{
	pthread_mutex_lock(&breaker->lock);
	switch (breaker->state) {
	case BREAKER_CLOSED:
		if (success)
			breaker->failures = 0;
		else if (++breaker->failures >= breaker->failures_max)
			trip(breaker);
		break;
	case BREAKER_HALF_OPEN:
		if (success) {
			breaker->failures = 0;
			breaker->backoff_now_ms = breaker->backoff_ms;
			enter(breaker, BREAKER_CLOSED);
			log_info("breaker", "%s answers again", breaker->peer);
		} else {
			breaker->failures++;
			trip(breaker);
		}
		break;
	case BREAKER_OPEN:
		/* The end of a call that began before the opening: it says nothing about now. */
		break;
	}
	pthread_mutex_unlock(&breaker->lock);
}

enum breaker_state breaker_state(struct breaker *breaker)
{
	pthread_mutex_lock(&breaker->lock);
	enum breaker_state state = breaker->state;
	pthread_mutex_unlock(&breaker->lock);
	return state;
}

const char *breaker_state_name(enum breaker_state state)
{
	switch (state) {
	case BREAKER_CLOSED: return "closed";
	case BREAKER_HALF_OPEN: return "half-open";
	case BREAKER_OPEN: return "open";
	}
	return "unknown";
}
