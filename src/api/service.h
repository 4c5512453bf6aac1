/* What the handlers work with: one structure, filled by serve.c, read-only while requests run. */
#ifndef EVENTLY_API_SERVICE_H
#define EVENTLY_API_SERVICE_H

#include <stdatomic.h>

#include "auth/authenticator.h"
#include "cache/freshness.h"
#include "cache/lists.h"
#include "cache/local.h"
#include "config/config.h"
#include "feed/follower.h"
#include "feed/hub.h"
#include "http/server.h"
#include "lanes/lookup.h"
#include "lanes/task.h"
#include "lanes/write.h"
#include "store/store.h"

struct service {
	const struct config *config;
	struct store *store;
	struct authenticator *authenticator;
	struct freshness *freshness;
	struct local_cache *local;
	struct list_cache *lists;
	struct lookup_lane *lookups;
	struct task_lane *queries; /* lists, changes, history: short reads */
	struct task_lane *bulk;    /* import, export: long work, one thread */
	struct write_lane *writes;
	struct follower *follower;
	struct hub *hub;
	struct server *server;
	atomic_bool ready;         /* warmed: /health/ready says so */
	uint64_t started_ns;
};

/* The service of a request. */
static inline struct service *service_of(const struct request *request)
{
	return request->service;
}

/* The statuses that the request's principal may see. */
unsigned service_visible(const struct request *request);

#endif
