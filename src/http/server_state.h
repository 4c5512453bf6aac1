/* What the server and its workers share. Fixed before the first worker starts, but for the atomic members. For server.c,
 * worker.c, connection.c and sending.c alone. */
#ifndef EVENTLY_HTTP_SERVER_STATE_H
#define EVENTLY_HTTP_SERVER_STATE_H

#include <stdatomic.h>

#include "http/cors.h"
#include "http/server.h"
#include "http/worker.h"

struct server {
	struct server_options options;
	_Atomic(struct cors *) cors;
	int listen_fd;
	unsigned port;
	uint64_t request_timeout_ns, idle_ns, body_ns;
	size_t connections_max;
	atomic_size_t connections;
	atomic_size_t running; /* requests from their head to the end of their answer */
	atomic_bool leaving;   /* every answer ends its connection */
	atomic_bool draining;  /* no new connections, silent ones are ended */
	atomic_bool stopping;
	unsigned worker_count;
	struct worker *workers;
};

static inline struct server *connection_server(const struct connection *connection)
{
	return connection->worker->server;
}

/* Patience is counted in tenths of seconds: the time of the worker's turn is exact enough. On the connection's worker. */
static inline void connection_go_to(struct connection *connection, enum connection_state state)
{
	connection->state = state;
	connection->since_ns = connection->worker->turn_ns;
}

/* What was read and not consumed: in the worker's space while the connection runs. */
static inline struct str connection_unread(const struct connection *connection)
{
	const struct worker *worker = connection->worker;

	return (struct str){worker->input + worker->input_at, worker->input_len - worker->input_at};
}

#endif
