/* L2: what this instance read, kept in Redis for the others (design.md, section 2).
 *
 * Redis is never trusted. A value says for itself what it is (event or query), from which snapshot
 * (as_of), and is sealed with the catalogue's history as key (cache/envelope.h): what was cut, flipped, forged or is of
 * another history does not open; the rest is checked as any foreign text. Whatever is wrong, old, or not to be had is a miss, and the database answers. The caller gives
 * min_as_of (what its instance had applied when the request came) and checks the entry against the changes that it
 * knows.
 *
 * Used by one lane with its own connection; one thread at a time. Keys: evently:v1:event:<id> and
 * evently:v1:list:<hash of the canonical query>; the full query stands in the value, so that a collision is a miss. */
#ifndef EVENTLY_CACHE_SHARED_H
#define EVENTLY_CACHE_SHARED_H

#include "events/event.h"
#include "redis/connection.h"

enum { SHARED_BATCH_MAX = 1024, SHARED_BODY_BYTES_MAX = 4 << 20 };

enum shared_state {
	SHARED_MISS, /* not there, or Redis is away */
	SHARED_HIT,
	SHARED_STALE,    /* as_of below min_as_of */
	SHARED_REJECTED, /* damaged, foreign, of another history, or hostile */
};

/* An event to look for, found, or to store. */
struct shared_event {
	int64_t id;              /* given */
	uint64_t min_as_of;      /* given to look for */
	enum shared_state state; /* found */
	/* found on a hit; given to store */
	uint64_t as_of;
	int64_t created_us; /* wall clock of the instance that stored it; set by shared_set_… */
	struct event event; /* event.id is id */
};

/* A list's body (opaque here) by its canonical query. */
struct shared_list {
	struct str query;
	uint64_t min_as_of;
	enum shared_state state;
	uint64_t as_of;
	int64_t created_us;
	int64_t valid_until_us; /* wall clock; what the caller said when it stored the body */
	struct str body;
};

/* `history` tells one catalogue from another, and its course from another course (after a failover that lost commits):
 * entries of another history are not seen. */
struct shared {
	struct redis *redis;
	uint64_t history;
};

/* One MGET. Sets the state of every entry, and what was found, whose texts are in `arena`. The result is of the run;
 * when it is not DONE all are misses. */
enum redis_result shared_get_events(struct shared *shared, struct shared_event *events, size_t count,
				    uint64_t deadline_ns, struct arena *arena);
enum redis_result shared_get_lists(struct shared *shared, struct shared_list *lists, size_t count, uint64_t deadline_ns,
				   struct arena *arena);
/* One pipeline of SET … PX ttl_ms; ttl_ms 0 stores nothing. What is too large is left out. `arena` is for the values
 * while they are sent. A failure needs no answer: the entries are just not there. */
enum redis_result shared_set_events(struct shared *shared, const struct shared_event *events, size_t count,
				    uint64_t ttl_ms, uint64_t deadline_ns, struct arena *arena);
enum redis_result shared_set_lists(struct shared *shared, const struct shared_list *lists, size_t count,
				   uint64_t ttl_ms, uint64_t deadline_ns, struct arena *arena);

#endif
