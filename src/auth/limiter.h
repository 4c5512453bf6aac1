/* How many requests one user or address may make: a token bucket for each (RATE_LIMIT), in this process.
 *
 * A bucket holds `count` requests and is refilled evenly over `seconds`. It is kept as one number, the time at which it
 * will be full again (the generic cell rate algorithm, ITU-T I.371 annex A), so nothing runs in the background. Bounded:
 * at most LIMITER_BUCKETS keys, of which the least recently used gives way; a key that comes back starts with a full
 * bucket. Any thread; one lock a shard, held for a few loads. Time is handed in. */
#ifndef EVENTLY_AUTH_LIMITER_H
#define EVENTLY_AUTH_LIMITER_H

#include "base/buf.h"
#include "base/check.h"
#include "base/str.h"

enum {
	LIMITER_SHARDS = 64,
	LIMITER_SHARD_BUCKETS = 1024,
	LIMITER_BUCKETS = LIMITER_SHARDS * LIMITER_SHARD_BUCKETS,
	LIMITER_KEY_BYTES_MAX = 63,
	LIMITER_COUNT_MAX = 1000000,
	LIMITER_SECONDS_MAX = 86400
};

struct limiter_rate {
	unsigned count; /* 0: no limit */
	unsigned seconds;
};

/* RATE_LIMIT: "COUNT/SECONDS", or empty for none. False: `problem` names the setting, its value and what is allowed. */
MUST_CHECK bool limiter_rate_parse(struct limiter_rate *rate, struct str text, struct buf *problem);

struct limiter;

MUST_CHECK struct limiter *limiter_create(struct limiter_rate rate); /* NULL without memory */
void limiter_destroy(struct limiter *limiter);
/* On reload. Buckets stay as full as they are, within the new size. Any thread. */
void limiter_set_rate(struct limiter *limiter, struct limiter_rate rate);

/* Takes one request from the bucket of `key` (at most LIMITER_KEY_BYTES_MAX bytes) at the monotonic time now_ns; false
 * when it is empty, and then nothing is taken. *remaining: requests left. *reset_s: seconds, rounded up, until the
 * bucket is full, or after a refusal until a request is allowed again (Retry-After, at least 1). */
MUST_CHECK bool limiter_take(struct limiter *limiter, struct str key, uint64_t now_ns, unsigned *remaining,
                             unsigned *reset_s);

/* ---- sharing the buckets with other instances (lanes/limit.c) ---- */

/* What was taken from one bucket since it was last collected. */
struct limiter_use {
	unsigned char key_len;
	char key[LIMITER_KEY_BYTES_MAX];
	unsigned taken;
};

/* From now on uses are counted, and buckets may go into debt for what other instances granted meanwhile. Before other
 * threads use the limiter. */
void limiter_share(struct limiter *limiter);
/* Waits until something was taken since the last collection, or limiter_wake. One thread. */
void limiter_wait_used(struct limiter *limiter);
void limiter_wake(struct limiter *limiter);
/* Gives and forgets uses, at most `max`; what is over stays for the next time. */
size_t limiter_collect(struct limiter *limiter, struct limiter_use *uses, size_t max);
/* All instances together have so much to wait until the bucket is full: at least so much is missing here too. */
void limiter_learn(struct limiter *limiter, struct str key, uint64_t missing_ns, uint64_t now_ns);
struct limiter_rate limiter_rate(const struct limiter *limiter);

#endif
