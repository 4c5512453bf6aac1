/* What the handlers work with: one structure, filled by serve.c, read-only while requests run. */
#ifndef EVENTLY_API_SERVICE_H
#define EVENTLY_API_SERVICE_H

#include <stdatomic.h>

#include "auth/authenticator.h"
#include "auth/limiter.h"
#include "base/log.h"
#include "cache/cache_metrics.h"
#include "cache/freshness.h"
#include "cache/lists.h"
#include "cache/local.h"
#include "config/config.h"
#include "feed/follower.h"
#include "feed/hub.h"
#include "feed/relay.h"
#include "http/forwarded.h"
#include "http/server.h"
#include "lanes/list.h"
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
	struct list_lane *list_lane;
	struct task_lane *queries; /* lists, changes, history: short reads */
	struct task_lane *bulk;    /* import, export: long work, one thread */
	struct task_lane *checks;  /* /health asks the database here, never behind lists */
	struct write_lane *writes;
	struct follower *follower;
	struct hub *hub;
	struct relay *relay; /* NULL without Redis */
	struct server *server;
	atomic_bool ready;         /* warmed: /health/ready says so */
	atomic_bool access_log;    /* ACCESS_LOG=on */
	atomic_bool stopping;
	const char *(*redis_state)(void *context); /* for /health; NULL without Redis */
	void *redis_context;
	struct limiter *limiter;
	atomic_bool limited;                 /* RATE_LIMIT is set */
	_Atomic(const struct forwarded_trust *) trust;
	struct transfer *transfer; /* the import that runs or ran last; api/transfer.c */
	bool is_metrics_port;      /* this is the service of METRICS_PORT */
};

/* The service of a request. */
static inline struct service *service_of(const struct request *request)
{
	return request->service;
}

/* The statuses that the request's principal may see. */
unsigned service_visible(const struct request *request);
/* Answers for a store call that did not succeed. */
void service_answer_failure(struct request *request, enum store_result result);
/* Before an answer from the primary that no lane has read: the caches must not answer with less afterwards (P4). */
void service_show(const struct request *request, uint64_t as_of);
/* A line with the request's ids. */
void service_log(const struct request *request, enum log_level level, const char *format, ...) PRINTF_LIKE(3, 4);
/* The same with this thread's stack. */
void service_log_failure(const struct request *request, const char *what);
/* The series of METRIC_RESPONSES of a status code. */
unsigned service_status_series(unsigned status);
void service_label_metrics(void);
/* The database is away: its breaker is not closed, and no lease is held. Then what the cache has is answered, marked. */
static inline bool service_database_away(struct service *service)
{
	return store_breaker_state(service->store) != BREAKER_CLOSED;
}

#endif
