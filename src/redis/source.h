/* The options of Redis that all connections of the service share, and that a reload replaces (rotation of its secrets).
 *
 * A connection looks at the generation before each run and takes newer options over: at once when they lead to another
 * server, for its next connecting otherwise, because Redis asks for a password only there. Set by the thread that loads
 * the settings, read by any. */
#ifndef EVENTLY_REDIS_SOURCE_H
#define EVENTLY_REDIS_SOURCE_H

#include <pthread.h>
#include <stdatomic.h>

#include "redis/options.h"

struct redis_source {
	atomic_uint generation;
	pthread_mutex_t lock;
	/* under lock */
	struct arena texts; /* of the options */
	struct redis_options options;
};

/* False: one line in `problem`; redis_source_finish all the same. */
MUST_CHECK bool redis_source_init(struct redis_source *source, const struct config *config, struct buf *problem);
void redis_source_finish(struct redis_source *source); /* wipes; zeroed memory is fine */
/* False: one line in `problem`, and nothing has changed. */
MUST_CHECK bool redis_source_reload(struct redis_source *source, const struct config *config, struct buf *problem);

/* A copy of the present options, texts in `texts`, and their generation. False without memory. */
MUST_CHECK bool redis_source_copy(struct redis_source *source, struct redis_options *options, struct arena *texts,
				  unsigned *generation);
static inline unsigned redis_source_generation(struct redis_source *source)
{
	return atomic_load_explicit(&source->generation, memory_order_acquire);
}

#endif
