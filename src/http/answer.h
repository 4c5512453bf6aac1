/* An answer: what a handler decides; the server turns it into headers and bytes.
 *
 * Exactly one of the answer_… functions is called for a request, on its HTTP thread. */
#ifndef EVENTLY_HTTP_ANSWER_H
#define EVENTLY_HTTP_ANSWER_H

#include "base/buf.h"
#include "base/str.h"
#include "http/problem.h"

struct connection;
struct request;

enum cache_control {
	CACHE_CONTROL_NO_STORE,         /* admin answers, errors, health */
	CACHE_CONTROL_PRIVATE_NO_CACHE, /* reads: keep, but ask again */
	CACHE_CONTROL_PUBLIC_HOUR,      /* the documentation's files */
};

enum { ANSWER_HEADERS_MAX = 12, ANSWER_UNKNOWN_LENGTH = -1 };

/* A body made while it is sent. All on the connection's HTTP thread. */
struct answer_stream {
	/* Copies up to `bytes_max` to `space`: how many; 0: nothing yet, the stream has parked the connection with
	 * answer_stream_park; -1: the end; -2: cut the connection. */
	long (*read)(struct answer_stream *stream, char *space, size_t bytes_max);
	/* The answer is over, in whatever way; frees the stream. */
	void (*close)(struct answer_stream *stream);
	struct connection *connection; /* set by answer_stream */
};

struct answer_header {
	const char *name; /* a literal */
	struct str value; /* lives as long as the request */
};

struct answer {
	unsigned status;
	const char *content_type;
	enum cache_control cache_control;
	struct str body;                  /* bytes that stay until `release` is called */
	void (*release)(void *context);   /* may be NULL */
	void *release_context;
	struct answer_stream *stream;     /* instead of body */
	bool length_unknown;              /* to HEAD: GET would answer with a stream */
	bool has_etag;
	uint64_t etag;
	const char *cache_status;         /* Cache-Status value without the cache's name, a literal; NULL for none */
	bool close;                       /* end the connection after it */
	unsigned header_count;
	struct answer_header headers[ANSWER_HEADERS_MAX]; /* the last member: see struct request */
};

extern const char CONTENT_TYPE_JSON[];    /* application/json */
extern const char CONTENT_TYPE_PROBLEM[]; /* application/problem+json */
extern const char CONTENT_TYPE_NDJSON[];
extern const char CONTENT_TYPE_CSV[];
extern const char CONTENT_TYPE_CALENDAR[];

/* Takes the buffer's memory. A buffer that failed becomes a 503 (no memory) or 500 (too large). Cache-Control is
 * no-store until set otherwise on request->answer. */
void answer_buf(struct request *request, unsigned status, const char *content_type, struct buf *body);
/* Bytes that somebody keeps until release(context) is called (release may be NULL: they live for ever). */
void answer_bytes(struct request *request, unsigned status, const char *content_type, struct str body,
                  void (*release)(void *), void *context);
void answer_stream(struct request *request, unsigned status, const char *content_type, struct answer_stream *stream);
/* To HEAD, where GET would answer with a stream: no Content-Length (RFC 9110 section 8.6). */
void answer_stream_head(struct request *request, unsigned status, const char *content_type);
/* 304, 204 and the like. */
void answer_empty(struct request *request, unsigned status);
/* A problem, with a sentence for people. */
void answer_problem(struct request *request, enum problem problem, const char *detail_format, ...) PRINTF_LIKE(3, 4);
/* 422 with all issues. */
void answer_issues(struct request *request, const struct issues *issues);
/* 503 with Retry-After in seconds. */
void answer_unavailable(struct request *request, unsigned retry_after_s, const char *detail);

/* The value must live as long as the request (a literal, or its arena). */
void answer_header(struct request *request, const char *name, struct str value);
/* Marks the answer with an ETag; turns it into a 304 when If-None-Match names it (RFC 9110 section 13.1.2). */
void answer_etag(struct request *request, uint64_t etag);

/* From a stream's read, before it returns 0: parks the connection until answer_stream_wake (any thread). */
void answer_stream_park(struct answer_stream *stream);
void answer_stream_wake(struct answer_stream *stream);

#endif
