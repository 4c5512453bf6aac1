/* An HTTP thread: epoll over its own connections and the listening socket.
 *
 * Workers share nothing but the listening socket, counters, and the posts that they send each other. An accepted connection
 * goes to the worker that has fewest, and stays there. Sockets are watched edge-triggered, registered once: a request costs
 * one read, one write and its part of an epoll_wait. Created and stopped by server.c, used by connection.c. */
#ifndef EVENTLY_HTTP_WORKER_H
#define EVENTLY_HTTP_WORKER_H

#include <pthread.h>
#include <stdatomic.h>

#include "http/connection.h"
#include "http/mailbox.h"

struct server;

enum {
	WORKER_INPUT_BYTES = 65536,  /* read at once; over CONNECTION_HEAD_BYTES_MAX, so that any head fits */
	WORKER_OUTPUT_BYTES = 32768, /* an answer's head, and its body when that is small; a piece of a stream */
	WORKER_REQUESTS_MAX = 256,   /* kept for use again */
};

struct worker {
	struct server *server;
	pthread_t thread;
	bool started;
	int epoll_fd;
	struct mailbox mailbox;
	atomic_size_t count;                    /* connections, with those on their way here */
	atomic_bool listening;                  /* the listening socket is still watched */
	/* the thread's own: */
	struct connection *first;
	struct request *free_requests;
	unsigned free_count;
	uint64_t turn_ns;                       /* monotonic: when the events being worked on were fetched */
	uint64_t swept_ns;
	bool accept_paused;
	size_t input_len;                       /* of input: what the connection that runs has not consumed */
	size_t input_at;
	char *input, *output;
};

/* False: no memory or descriptors; nothing is left behind. All workers are made before the first one starts. */
MUST_CHECK bool worker_init(struct worker *worker, struct server *server);
MUST_CHECK bool worker_start(struct worker *worker);
/* The server is stopping: ends the thread. */
void worker_stop(struct worker *worker);
/* After all were stopped, since they post to each other: ends the connections that are left. */
void worker_finish(struct worker *worker);
/* Not cleared. NULL without memory. Worker's thread. */
MUST_CHECK struct request *worker_take_request(struct worker *worker);
void worker_keep_request(struct worker *worker, struct request *request);

#endif
