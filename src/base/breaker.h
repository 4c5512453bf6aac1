/* A circuit breaker around one peer (Redis, one database host).
 *
 * Closed: calls go through. After `failures_max` failures in a row it opens: calls are refused at once. After the
 * backoff (doubling from backoff_ms to backoff_ms_max, with jitter) one caller is let through as a probe (half-open);
 * its success closes the breaker, its failure opens it for longer. Any thread; one mutex, held for a few stores.
 * (M. Nygard, Release It!, 2007, ch. 5.) Transitions are logged and counted. */
#ifndef EVENTLY_BASE_BREAKER_H
#define EVENTLY_BASE_BREAKER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

enum breaker_state { BREAKER_CLOSED, BREAKER_HALF_OPEN, BREAKER_OPEN };

struct breaker {
	pthread_mutex_t lock;
	const char *peer;        /* for log and metrics; lives as long as the process */
	unsigned series;         /* of METRIC_BREAKER */
	unsigned failures_max;
	unsigned backoff_ms, backoff_ms_max;
	/* under lock */
	enum breaker_state state;
	unsigned failures;       /* in a row */
	unsigned backoff_now_ms; /* the pause of the next opening */
	uint64_t retry_at_ns;    /* monotonic; when open */
};

void breaker_init(struct breaker *breaker, const char *peer, unsigned series, unsigned failures_max,
                  unsigned backoff_ms, unsigned backoff_ms_max);
void breaker_finish(struct breaker *breaker);
/* True: make the call and report it with breaker_report, always. False: the peer is to be left alone. */
bool breaker_allow(struct breaker *breaker);
void breaker_report(struct breaker *breaker, bool success);
enum breaker_state breaker_state(struct breaker *breaker);
const char *breaker_state_name(enum breaker_state state);

#endif
