/* The limit lane: makes RATE_LIMIT one limit for all instances, through Redis.
 *
 * Requests are admitted by the buckets in this process alone, and never wait for this. While there are requests, a thread
 * adds what was taken here to the buckets in Redis a few times a second, all in one exchange, and learns what all
 * instances took together. So a client that spreads over N instances gets at most what they granted within one such
 * period more, and owes it then. Without Redis, or while it is away, each instance limits for itself. */
#ifndef EVENTLY_LANES_LIMIT_H
#define EVENTLY_LANES_LIMIT_H

#include "auth/limiter.h"
#include "redis/connection.h"

enum { LIMIT_PERIOD_MS = 100, LIMIT_BATCH_MAX = 512 };

struct limit_lane;

/* `limiter` outlives the lane; `redis` belongs to it from now on, also on failure. NULL: no memory or thread. */
MUST_CHECK struct limit_lane *limit_lane_start(struct limiter *limiter, struct redis *redis);
void limit_lane_stop(struct limit_lane *lane); /* NULL is fine */

#endif
