/* The open connections: counted, bounded, and watched for clients that dribble.
 *
 * libmicrohttpd closes a connection that is silent for IDLE_TIMEOUT_SECONDS. One that sends a byte now and then is never
 * silent: a sweep once a second shuts down whoever takes longer than BODY_TIMEOUT_MS from a request's first header to its
 * last byte, or longer than both times together without getting a request line out. */
#ifndef EVENTLY_HTTP_CONNECTIONS_H
#define EVENTLY_HTTP_CONNECTIONS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/check.h"

struct connection {
	struct connection *previous, *next; /* of the list, under its lock */
	int fd;
	_Atomic uint64_t waiting_since_ns;  /* monotonic: of accept, of the request line, or 0 while we work on an answer */
	_Atomic bool receiving;             /* a request line is in */
	char address[48];                   /* the peer's, numeric */
};

struct connections {
	pthread_mutex_t lock;
	pthread_cond_t stopped;
	struct connection *first;
	atomic_size_t count;
	size_t count_max;
	uint64_t idle_ns, body_ns;
	bool stop;
	pthread_t sweeper;
};

MUST_CHECK bool connections_start(struct connections *all, size_t count_max, uint64_t idle_ns, uint64_t body_ns);
void connections_stop(struct connections *all);
/* Whether there is room for one more; counts a refusal. */
bool connections_admit(struct connections *all);
/* NULL without memory: the connection is then not watched. */
struct connection *connections_add(struct connections *all, int fd, const struct sockaddr *peer);
void connections_remove(struct connections *all, struct connection *connection);
/* For draining: shuts down those that wait without having begun a request. */
void connections_shut_idle(struct connections *all, uint64_t idle_for_ns);
size_t connections_count(const struct connections *all);

#endif
