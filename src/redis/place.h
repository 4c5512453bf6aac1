/* Where one Redis server is, and which part of a cluster a key belongs to. Pure, no I/O; any thread. */
#ifndef EVENTLY_REDIS_PLACE_H
#define EVENTLY_REDIS_PLACE_H

#include "base/check.h"
#include "base/str.h"

enum { REDIS_HOST_BYTES_MAX = 255, REDIS_SLOTS = 16384 };

struct redis_place {
	char host[REDIS_HOST_BYTES_MAX + 1]; /* a name or an address, IPv6 without its brackets */
	unsigned port;
};

/* "host:port", "[::1]:port", or "::1:port" as Redis writes it. */
MUST_CHECK bool redis_place_parse(struct redis_place *place, struct str text);
MUST_CHECK bool redis_place_set(struct redis_place *place, struct str host, struct str port);
bool redis_place_same(const struct redis_place *one, const struct redis_place *other);
/* The next of a comma-separated list; false at its end. What is no place is passed over. */
bool redis_place_next(struct str *list, struct redis_place *place);

/* The slot of a key, by its hash tag where it has one (Redis Cluster specification, "Key distribution model"). */
unsigned redis_slot(struct str key);

#endif
