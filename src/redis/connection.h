/* One connection to Redis: pipelines of commands, each bounded in time and bytes.
 *
 * redis_append gathers commands, redis_run sends them and reads one reply to each. A run takes at most the configured
 * timeout, connecting included, and never longer than its caller's deadline. Whenever a run does not end well the
 * connection is closed, so that no reply is ever taken for another's; the next run connects anew, as the breaker
 * (shared by all connections to the same Redis) allows. A connection belongs to one thread at a time; each lane has its
 * own. */
#ifndef EVENTLY_REDIS_CONNECTION_H
#define EVENTLY_REDIS_CONNECTION_H

#include "base/arena.h"
#include "base/breaker.h"
#include "redis/options.h"
#include "redis/reply.h"

struct redis;

enum redis_result {
	REDIS_DONE,
	REDIS_UNAVAILABLE, /* the breaker is open: not tried */
	REDIS_TIMEOUT,
	REDIS_LOST,      /* not reached, or cut off: what was sent may have been done or not */
	REDIS_REFUSED,   /* wrong password, no such database, still loading */
	REDIS_BROKEN,    /* the peer does not speak RESP */
	REDIS_TOO_LARGE, /* commands or replies beyond their bounds, or no memory */
	REDIS_RESULT_COUNT
};

enum { REDIS_ARGUMENTS_MAX = 100000, REDIS_REQUEST_BYTES_MAX = 64 << 20 };

/* Texts of `options` are copied. Does not connect yet. `breaker` outlives the connection. NULL without memory. */
MUST_CHECK struct redis *redis_create(const struct redis_options *options, struct breaker *breaker);
void redis_destroy(struct redis *redis); /* NULL is fine */
/* The breaker of one Redis. A single failure opens it, since caches do well without Redis for a moment, whereas each
 * further try costs its callers the whole timeout; idle connections that the server closed are no failures. */
void redis_breaker_init(struct breaker *breaker, unsigned series);

/* Adds one command to the pipeline. What does not fit is remembered, and redis_run then gives REDIS_TOO_LARGE. */
void redis_append_list(struct redis *redis, const struct str *arguments, size_t count);
#define redis_append(redis, ...)                                      \
	redis_append_list((redis), (const struct str[]){__VA_ARGS__}, \
			  sizeof((const struct str[]){__VA_ARGS__}) / sizeof(struct str))

/* Runs the pipeline and empties it, whatever the result. `deadline_ns` is monotonic. DONE: *replies has one for each
 * command, in order, all in `arena`; a command that Redis refused has an error reply, and is no failure of the run. */
MUST_CHECK enum redis_result redis_run(struct redis *redis, uint64_t deadline_ns, struct arena *arena,
				       struct redis_reply ***replies);
/* The same, and calls `meanwhile` once when the commands are on their way, so that caller and server work side by side.
 * It may use none of `redis` and `arena`; what it takes of the time is taken from the run. */
MUST_CHECK enum redis_result redis_run_while(struct redis *redis, uint64_t deadline_ns, struct arena *arena,
					     struct redis_reply ***replies, void (*meanwhile)(void *context),
					     void *context);
MUST_CHECK enum redis_result redis_ping(struct redis *redis, uint64_t deadline_ns);

/* Subscribes to a channel: from then on the connection is only for redis_listen, until that fails. */
MUST_CHECK enum redis_result redis_subscribe(struct redis *redis, struct str channel, uint64_t deadline_ns);
/* The next thing that comes, in `arena`: a message is an array of "message", the channel and the payload. DONE without a
 * reply (NULL): none came by the deadline. `ask`: asks the server for a sign of life, and then waits as long as a run may
 * take. Whatever is not DONE ends the subscription. */
MUST_CHECK enum redis_result redis_listen(struct redis *redis, bool ask, uint64_t deadline_ns, struct arena *arena,
					  struct redis_reply **reply);

/* One line about the last failure, for /health, `evently check` and the log; "" when the last run ended well. It names
 * the address and the setting to look at, and holds no secret. */
const char *redis_problem(const struct redis *redis);
const char *redis_result_name(enum redis_result result);

#endif
