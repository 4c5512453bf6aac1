/* Redis Sentinel: which server is the master at the moment (REDIS_SENTINELS, REDIS_MASTER_NAME).
 *
 * Asked whenever a connection is made; the connection then has the server itself say that it is a master (connection.c),
 * since a sentinel may be the last to hear of a failover. (Redis documentation, "Sentinel client specification") */
#ifndef EVENTLY_REDIS_SENTINEL_H
#define EVENTLY_REDIS_SENTINEL_H

#include "redis/connection.h"
#include "redis/place.h"

/* Asks the sentinels in turn, within the deadline. Not DONE: the end of a sentence in `problem`. */
MUST_CHECK enum redis_result sentinel_find(const struct redis_options *options, uint64_t deadline_ns,
					   struct redis_place *place, struct buf *problem);

#endif
