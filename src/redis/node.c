#include "redis/node.h"

enum { BREAKER_SERIES = 9, FAILURES_MAX = 1, BACKOFF_MS = 100, BACKOFF_MS_MAX = 1000 };

bool node_open(struct redis_node *node, const struct redis_options *options, const struct redis_place *place,
	       enum node_kind kind)
{
	struct redis_options own = *options;

	node->place = *place;
	own.host = node->place.host;
	own.port = node->place.port;
	own.database = 0;
	own.cluster = own.sentinels = own.home_key = "";
	own.source = NULL;
	if (kind == NODE_OF_SENTINEL)
		own.user = own.password = "";
	breaker_init(&node->breaker, "redis nodes", BREAKER_SERIES, FAILURES_MAX, BACKOFF_MS, BACKOFF_MS_MAX);
	node->redis = redis_create(&own, &node->breaker);
	if (node->redis == NULL)
		breaker_finish(&node->breaker);
	return node->redis != NULL;
}

void node_close(struct redis_node *node)
{
	redis_destroy(node->redis);
	breaker_finish(&node->breaker);
	node->redis = NULL;
}
