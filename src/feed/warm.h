/* Warm start: fills the caches with what is asked for first, before /health/ready says yes. */
#ifndef EVENTLY_FEED_WARM_H
#define EVENTLY_FEED_WARM_H

#include "cache/freshness.h"
#include "cache/lists.h"
#include "cache/local.h"
#include "store/store.h"

/* The first pages of the upcoming events (the events too), and of the default list. A failure only leaves them cold. */
void warm_caches(struct store_session *session, struct freshness *freshness, struct local_cache *local,
                 struct list_cache *lists);

#endif
