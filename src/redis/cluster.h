/* Redis Cluster: sends each command to the node that has its key's slot, and follows the slots as they move.
 *
 * connection.c gives its pipeline here when REDIS_CLUSTER is set. Commands of one node go there as one pipeline, node
 * after node; MGET is taken apart into a GET a key and put together again. MOVED and ASK are followed within the run, and
 * the map of slots is read anew then and when a node is away. What no node would do gets an error reply of its own, so
 * that one dead node costs its own keys only. Belongs to one connection, so to one thread at a time.
 * (Redis Cluster specification, "Redirection and resharding") */
#ifndef EVENTLY_REDIS_CLUSTER_H
#define EVENTLY_REDIS_CLUSTER_H

#include "redis/connection.h"
#include "redis/place.h"

struct cluster;

/* `options` outlive it. NULL without memory. */
MUST_CHECK struct cluster *cluster_create(const struct redis_options *options);
void cluster_destroy(struct cluster *cluster); /* NULL is fine */
/* The options have changed. */
void cluster_reset(struct cluster *cluster);

/* Arguments are copied. Only commands whose key stands where GET, SET, EVAL or XINFO have theirs, or that have none. */
void cluster_append(struct cluster *cluster, const struct str *arguments, size_t count);
/* As redis_run, but what was appended stays until cluster_clear. REDIS_DONE when any node has answered; else a line in `problem`. */
MUST_CHECK enum redis_result cluster_run(struct cluster *cluster, uint64_t deadline_ns, struct arena *arena,
					 struct redis_reply **replies, size_t count, struct buf *problem);

/* Drops what was appended and not run. */
void cluster_clear(struct cluster *cluster);

/* For connections that keep to the node of one key (options->home_key): its master at the moment. */
MUST_CHECK enum redis_result cluster_find(const struct redis_options *options, uint64_t deadline_ns,
					  struct redis_place *place, struct buf *problem);

#endif
