/* A connection to one server that was found, not configured: a node of a cluster, or a sentinel. */
#ifndef EVENTLY_REDIS_NODE_H
#define EVENTLY_REDIS_NODE_H

#include "redis/connection.h"
#include "redis/place.h"

enum { REDIS_NODES_MAX = 64 };

struct redis_node {
	struct redis_place place;
	struct breaker breaker; /* of this server alone */
	struct redis *redis;
};

/* A sentinel has no data, and takes no password of the servers'. */
enum node_kind { NODE_OF_CLUSTER, NODE_OF_SENTINEL };

/* Enters as `options` say, but at `place`. False without memory, and then there is nothing to close. */
MUST_CHECK bool node_open(struct redis_node *node, const struct redis_options *options,
			  const struct redis_place *place, enum node_kind kind);
void node_close(struct redis_node *node);

#endif
