/* A request, from its first header to its last byte of answer.
 *
 * Made by its connection when the head is in, handed to the API's handler when body and all are there, freed when the
 * connection has sent the answer. Its memory (texts, jobs, bodies) comes from `arena` and dies with it. It belongs
 * to the HTTP thread of its connection, except between request_suspend and request_resume, when it belongs to the lane
 * that was given a job. */
#ifndef EVENTLY_HTTP_REQUEST_H
#define EVENTLY_HTTP_REQUEST_H

#include "auth/principal.h"
#include "base/arena.h"
#include "base/buf.h"
#include "events/query.h"
#include "http/answer.h"

struct connection;
struct receiver;
struct request;
struct route;
struct server;

enum method { METHOD_GET, METHOD_HEAD, METHOD_POST, METHOD_PUT, METHOD_DELETE, METHOD_OPTIONS, METHOD_OTHER };

/* The request headers that anybody here reads; X(identifier, "lower-case-name"). */
#define HEADERS(X) \
	X(HEADER_ACCEPT, "accept") \
	X(HEADER_ACCEPT_ENCODING, "accept-encoding") \
	X(HEADER_AUTHORIZATION, "authorization") \
	X(HEADER_CACHE_CONTROL, "cache-control") \
	X(HEADER_CONTENT_ENCODING, "content-encoding") \
	X(HEADER_CONTENT_LENGTH, "content-length") \
	X(HEADER_CONTENT_TYPE, "content-type") \
	X(HEADER_CORS_HEADERS, "access-control-request-headers") \
	X(HEADER_CORS_METHOD, "access-control-request-method") \
	X(HEADER_EXPECT, "expect") \
	X(HEADER_HOST, "host") \
	X(HEADER_IDEMPOTENCY_KEY, "idempotency-key") \
	X(HEADER_IF_MATCH, "if-match") \
	X(HEADER_IF_NONE_MATCH, "if-none-match") \
	X(HEADER_LAST_EVENT_ID, "last-event-id") \
	X(HEADER_ORIGIN, "origin") \
	X(HEADER_TRACEPARENT, "traceparent") \
	X(HEADER_TRANSFER_ENCODING, "transfer-encoding") \
	X(HEADER_X_FORWARDED_FOR, "x-forwarded-for") \
	X(HEADER_X_REQUEST_ID, "x-request-id")

enum header {
#define X(identifier, name) identifier,
	HEADERS(X)
#undef X
	HEADER_COUNT
};

enum {
	REQUEST_TARGET_BYTES_MAX = 6144,
	REQUEST_HEADER_BYTES_MAX = 8192,  /* with the request line */
	REQUEST_QUERY_PARAMETERS_MAX = 64,
	REQUEST_ID_BYTES_MAX = 128,
	REQUEST_ARENA_BYTES_MAX = 64 << 20,
};

typedef void handler_fn(struct request *request);

struct request {
	struct connection *connection;
	struct server *server;
	void *service;            /* the API's own context, from server_options */

	/* what came */
	enum method method;
	struct receiver *receiver; /* parses the message while it comes in */
	bool http_1_0, keep_alive; /* what the client speaks, and whether it may send another request */
	bool received;             /* all of the message is in */
	struct str target;        /* path and query as sent */
	struct str path;          /* decoded, without one trailing slash (but "/" stays) */
	struct str query;         /* as sent, behind '?'; absent if none */
	struct str headers[HEADER_COUNT]; /* value of the first of each name; absent if none */
	unsigned header_repeated; /* bit per enum header: came more than once */
	struct buf body;
	size_t body_bytes_max;    /* set by the route; the body beyond is dropped, the answer 413 */
	size_t body_bytes;        /* received */
	bool body_too_large;

	/* who and what it is for */
	const struct route *route; /* the API's; NULL when none matches */
	int64_t path_id;           /* {id} of the path, > 0 */
	struct str path_tail;      /* {asset} of the path */
	struct str client_address;
	unsigned request_id_len;
	char trace_id[33];         /* of traceparent (W3C Trace Context), or "" */
	uint64_t started_ns;       /* monotonic */
	uint64_t deadline_ns;      /* monotonic; everything done for the request ends by it */

	/* how it goes on */
	void (*body_sink)(struct request *request, struct str bytes); /* takes the body as it comes, instead of `body` */
	void (*cleanup)(struct request *request); /* before the request's memory goes; may be NULL */
	void *job;                 /* the handler's, in the arena: what it asked a lane for */
	handler_fn *handler;       /* runs next: the route's, then whatever request_suspend was given */
	enum { REQUEST_RECEIVING, REQUEST_RUNNING, REQUEST_SUSPENDED, REQUEST_ANSWERED } state;
	uint64_t answer_bytes;
	struct arena arena;
	struct request *next_free;
	struct answer answer;

	/* Not cleared for a new request, from answer.headers on: what counts their entries is, or what says that they are set. */
	struct principal principal; /* cleared but for its e-mail */
	char request_id[REQUEST_ID_BYTES_MAX + 1];
	_Alignas(16) char first_space[2048]; /* of the arena */
};

static inline struct str request_header(const struct request *request, enum header header)
{
	return request->headers[header];
}

static inline struct str request_id(const struct request *request)
{
	return (struct str){request->request_id, request->request_id_len};
}

/* Parks the connection until request_resume; then `next` runs on its HTTP thread. Call it before the job is handed
 * over: the lane may be faster than the caller. HTTP thread, from a handler. */
void request_suspend(struct request *request, handler_fn *next);
/* Any thread, once for each request_suspend. The request must not be touched afterwards. */
void request_resume(struct request *request);

/* The query's parameters, percent-decoded into the arena. False when it is malformed or there are too many: issues say
 * which. */
MUST_CHECK bool request_parameters(struct request *request, struct query_parameter **parameters, size_t *count,
                                   struct issues *issues);
/* Percent-decodes (RFC 3986 section 2.1), '+' as space when asked. False: malformed, NUL, or not UTF-8. */
MUST_CHECK bool request_decode(struct str text, bool plus_is_space, struct arena *arena, struct str *decoded);
bool request_utf8_valid(struct str text);

#endif
