/* Problems: every error answer there is (RFC 9457), in one table.
 *
 * X(identifier, status, "slug", "Title")   The `type` member is "urn:evently:problem:" and the slug. */
#ifndef EVENTLY_HTTP_PROBLEM_H
#define EVENTLY_HTTP_PROBLEM_H

#include "base/buf.h"
#include "events/issue.h"

#define PROBLEMS(X) \
	X(PROBLEM_BAD_REQUEST, 400, "bad-request", "Bad request") \
	X(PROBLEM_MALFORMED_JSON, 400, "malformed-json", "Malformed JSON") \
	X(PROBLEM_UNAUTHORIZED, 401, "unauthorized", "Unauthorized") \
	X(PROBLEM_FORBIDDEN, 403, "forbidden", "Forbidden") \
	X(PROBLEM_NOT_FOUND, 404, "not-found", "Not found") \
	X(PROBLEM_METHOD_NOT_ALLOWED, 405, "method-not-allowed", "Method not allowed") \
	X(PROBLEM_NOT_ACCEPTABLE, 406, "not-acceptable", "Not acceptable") \
	X(PROBLEM_REQUEST_TIMEOUT, 408, "request-timeout", "Request timeout") \
	X(PROBLEM_KEY_IN_FLIGHT, 409, "idempotency-key-in-flight", "A request with this Idempotency-Key is still in flight") \
	X(PROBLEM_CONFLICT, 409, "conflict", "Conflict") \
	X(PROBLEM_GONE, 410, "gone", "Gone") \
	X(PROBLEM_PRECONDITION_FAILED, 412, "precondition-failed", "Precondition failed") \
	X(PROBLEM_TOO_LARGE, 413, "content-too-large", "Content too large") \
	X(PROBLEM_URI_TOO_LONG, 414, "uri-too-long", "URI too long") \
	X(PROBLEM_UNSUPPORTED_MEDIA_TYPE, 415, "unsupported-media-type", "Unsupported media type") \
	X(PROBLEM_INVALID, 422, "validation", "Validation failed") \
	X(PROBLEM_KEY_REUSED, 422, "idempotency-key-reused", "Idempotency-Key reused with another body") \
	X(PROBLEM_TOO_MANY_REQUESTS, 429, "too-many-requests", "Too many requests") \
	X(PROBLEM_HEADERS_TOO_LARGE, 431, "headers-too-large", "Request header fields too large") \
	X(PROBLEM_INTERNAL, 500, "internal", "Internal error") \
	X(PROBLEM_NOT_IMPLEMENTED, 501, "not-implemented", "Not implemented") \
	X(PROBLEM_UNAVAILABLE, 503, "unavailable", "Service unavailable") \
	X(PROBLEM_DEADLINE, 504, "deadline", "Deadline exceeded")

enum problem {
#define X(identifier, status, slug, title) identifier,
	PROBLEMS(X)
#undef X
	PROBLEM_COUNT
};

unsigned problem_status(enum problem problem);
const char *problem_title(enum problem problem);
/* The application/problem+json body; `issues` (may be NULL) becomes `errors`. */
void problem_json(struct buf *out, enum problem problem, struct str detail, struct str request_id,
                  const struct issues *issues);

#endif
