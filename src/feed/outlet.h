/* The outlet: where changes leave for Redis, one stream and three channels (contract.md §5).
 *
 * What belongs together goes in one transaction, and only while the stream is still what was last seen of it: the stream
 * is watched (WATCH) from one transaction to the next, so whoever writes with an old picture of it, be it a relay that
 * was frozen or one that was cut off from the database, writes nothing at all. An entry's id is `<seq>-1`, which Redis
 * refuses a second time. Entries have the fields payload (the message), seq and type.
 *
 * Used by the relay's thread alone. Every call is one exchange with Redis, bounded by OUTLET_TIMEOUT_MS. */
#ifndef EVENTLY_FEED_OUTLET_H
#define EVENTLY_FEED_OUTLET_H

#include "events/change.h"
#include "redis/connection.h"

#define OUTLET_STREAM "evently:events:stream"

enum { OUTLET_TIMEOUT_MS = 1000 };

struct outlet;

enum outlet_result {
	OUTLET_DONE,
	OUTLET_OVERTAKEN, /* the stream is not what was last seen of it: nothing was written; look again */
	OUTLET_REFUSED,   /* Redis answers and refuses (memory, read-only, rights): nothing was written */
	OUTLET_AWAY,      /* not reached, or cut off: what was sent may have been written or not; look again */
};

/* The end of the stream. */
struct outlet_tail {
	uint64_t seq;       /* of the last entry there ever was; 0 when there is no stream */
	struct str payload; /* of the last entry; absent when it has none. Lives until the next call */
};

/* `redis` is copied, with a timeout of the relay's own. NULL without memory. */
MUST_CHECK struct outlet *outlet_create(const struct redis_options *redis, uint64_t entries_max);
void outlet_destroy(struct outlet *outlet); /* NULL is fine */
/* One line about the last failure. */
const char *outlet_problem(const struct outlet *outlet);

MUST_CHECK enum outlet_result outlet_ping(struct outlet *outlet);
/* Reads the stream's end and watches the stream from now on. */
MUST_CHECK enum outlet_result outlet_look(struct outlet *outlet, struct outlet_tail *tail);

/* A transaction: begin, then add or mark a gap, then commit. */
void outlet_begin(struct outlet *outlet);
/* False: there is no room for more; commit what there is. The first always fits. */
MUST_CHECK bool outlet_add(struct outlet *outlet, const struct change *change, bool to_stream, bool to_channel);
/* An entry `<to>-0` of the type ChangesMissing, which says that `from` to `to` are not in the stream. */
void outlet_add_gap(struct outlet *outlet, uint64_t from, uint64_t to);
/* Afterwards the stream is watched again, and *tail is what it ends with now. `meanwhile` (may be NULL) is called while
 * Redis works. */
MUST_CHECK enum outlet_result outlet_commit(struct outlet *outlet, struct outlet_tail *tail, void (*meanwhile)(void *context),
                                            void *context);

/* Renames the stream to OUTLET_STREAM ":forked" ("{…}:forked" in a cluster), because it tells of changes that never happened. */
MUST_CHECK enum outlet_result outlet_set_aside(struct outlet *outlet);

#endif
