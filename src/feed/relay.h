/* The relay: change log → Redis' stream and channels (contract.md §5, promise P3).
 *
 * One thread. Of all instances the one that holds the store's relay lock relays; the others look for the lock a few times
 * a second, and take it only while Redis answers them. Three numbers say where it stands: the log's head, the last change
 * of the stream, and the last one that was published on the channels (recorded in the database now and then). Each turn
 * sends what the stream, the channels or both have not got yet, in seq order; so recovery is no case of its own:
 * - A crash between Redis and the record: the stream is ahead of the record. What lies between is published again, since
 *   nobody knows whether it was heard, and is not added again. Stream exactly once, channels at least once.
 * - Redis lost or emptied: the stream is behind the record. What lies between is added and not published again.
 * - Changes that were pruned before they came so far: an entry in the stream and a line in the log say which.
 * A relay that wakes late finds the stream changed since it last looked, and writes nothing (see feed/outlet.h): the lock
 * keeps instances out of each other's way, the stream keeps them right. */
#ifndef EVENTLY_FEED_RELAY_H
#define EVENTLY_FEED_RELAY_H

#include "cache/freshness.h"
#include "redis/options.h"
#include "store/store.h"

struct relay;

struct relay_options {
	struct store *store;
	struct freshness *freshness; /* knows the log's head without asking for it */
	const struct redis_options *redis;
	uint64_t entries_max; /* of the stream, about */
};

struct relay_state {
	uint64_t position; /* the last change on the channels, as far as this instance knows */
	uint64_t lag;      /* changes behind it */
	bool holder;
};

/* NULL: no memory or thread. */
MUST_CHECK struct relay *relay_start(const struct relay_options *options);
/* There are new changes. Any thread, cheap; NULL is fine. */
void relay_wake(struct relay *relay);
/* Any thread. */
struct relay_state relay_state(struct relay *relay);
/* For /health: "connected", "refusing" or "disconnected", at most about a second old. `relay` is a struct relay *. */
const char *relay_redis_state(void *relay);
/* Relays what was committed, as far as that is done within a second, and joins the thread. NULL is fine. */
void relay_stop(struct relay *relay);

#endif
