/* The HTTP server: a worker a core, and every limit of the contract.
 *
 * It knows nothing of events: the API gives it two functions, one that looks at a request when its headers are in (route,
 * authentication, limits), one that is told when the answer is out. */
#ifndef EVENTLY_HTTP_SERVER_H
#define EVENTLY_HTTP_SERVER_H

#include "base/buf.h"
#include "http/request.h"

struct config;

struct server_options {
	const struct config *config;
	unsigned port;    /* 0: a free one */
	int listen_fd;    /* of listen_open, taken over, and `port` is where it listens; 0: HOST and port are bound here */
	bool tls;         /* with what tls_load has read */
	unsigned threads; /* 0: HTTP_THREADS */
	void *service; /* becomes request->service */
	/* Headers are in: sets route, principal, body_bytes_max and handler, or answers at once (refusal). */
	handler_fn *begin;
	/* The answer was sent or the client is gone; for log and metrics. */
	handler_fn *finished;
};

/* Binds and starts to serve. False: `problem` says why in one line ("port 8001 on 127.0.0.1 is in use: …"). */
MUST_CHECK bool server_start(struct server **server, const struct server_options *options, struct buf *problem);
unsigned server_port(const struct server *server);
/* SIGTERM: /health/ready says no and every answer ends its connection; what still comes is answered as ever. */
void server_leave(struct server *server);
/* SIGTERM, first half: takes no new connections and asks clients to close; answers go on. */
void server_drain(struct server *server);
/* Waits until no request is under way and connections have ended, at most timeout_ms. True when all was answered. */
bool server_wait_drained(struct server *server, int timeout_ms);
/* Second half: stops the threads. Every suspended request must have been resumed before. */
void server_stop(struct server *server);
bool server_draining(const struct server *server);
/* Answers OPTIONS: a CORS preflight where it is one. `methods` is the path's Allow list, NUL-terminated. */
void server_preflight(struct request *request, struct str methods);
/* SIGHUP: the origins of CORS anew. False without memory (the old stay). */
MUST_CHECK bool server_set_cors(struct server *server, const char *origins);

#endif
