#include "http/cors.h"

#include <stdlib.h>

#include "http/request.h"

enum { ORIGINS_MAX = 64 };

struct cors {
	char *text;
	struct cors *former; /* replaced by this one */
	bool any;
	struct str origins[ORIGINS_MAX];
	size_t count;
};

struct cors *cors_create(const char *origins)
{
	struct cors *cors = calloc(1, sizeof *cors);
	if (cors == NULL)
		return NULL;
	cors->text = strdup(origins);
	if (cors->text == NULL) {
		free(cors);
		return NULL;
	}
	struct str rest = str_from(cors->text), origin;
	while (str_cut(&rest, ',', &origin)) {
		origin = str_trim(origin);
		if (str_equal(origin, STR("*")))
			cors->any = true;
		else if (origin.len > 0 && cors->count < ORIGINS_MAX)
			cors->origins[cors->count++] = origin;
	}
	return cors;
}

void cors_destroy(struct cors *cors)
{
	while (cors != NULL) {
		struct cors *former = cors->former;
		free(cors->text);
		free(cors);
		cors = former;
	}
}

bool cors_replace(_Atomic(struct cors *) *place, const char *origins)
{
	struct cors *now = atomic_load_explicit(place, memory_order_relaxed);

	if (strcmp(now->text, origins) == 0)
		return true;
	struct cors *fresh = cors_create(origins);
	if (fresh == NULL)
		return false;
	fresh->former = now;
	atomic_store_explicit(place, fresh, memory_order_release);
	return true;
}

bool cors_disabled(const struct cors *cors)
{
	return !cors->any && cors->count == 0;
}

static bool is_listed(const struct cors *cors, struct str origin)
{
	for (size_t i = 0; i < cors->count; i++) {
		if (str_equal(cors->origins[i], origin))
			return true;
	}
	return false;
}

/* Credentials never go with `*`: a listed origin is named and may send them, any other gets the bare star. */
static bool allow_origin(const struct cors *cors, struct request *request)
{
	struct str origin = request_header(request, HEADER_ORIGIN);

	if (origin.ptr == NULL)
		return false;
	if (is_listed(cors, origin)) {
		answer_header(request, "Access-Control-Allow-Origin", arena_str(&request->arena, origin));
		answer_header(request, "Access-Control-Allow-Credentials", STR("true"));
		return true;
	}
	if (cors->any)
		answer_header(request, "Access-Control-Allow-Origin", STR("*"));
	return cors->any;
}

void cors_add_headers(const struct cors *cors, struct request *request)
{
	if (cors_disabled(cors))
		return;
	answer_header(request, "Vary", STR("Origin"));
	if (allow_origin(cors, request))
		answer_header(request, "Access-Control-Expose-Headers",
		              STR("Age, Cache-Status, Content-Disposition, ETag, Link, Location, RateLimit, RateLimit-Policy, Retry-After, "
		                  "WWW-Authenticate, X-Request-ID"));
}

bool cors_is_preflight(const struct request *request)
{
	return request->method == METHOD_OPTIONS && request_header(request, HEADER_ORIGIN).ptr != NULL &&
	       request_header(request, HEADER_CORS_METHOD).ptr != NULL;
}

void cors_preflight(const struct cors *cors, struct request *request, struct str methods)
{
	answer_empty(request, 204);
	answer_header(request, "Allow", methods);
	if (cors_disabled(cors))
		return;
	answer_header(request, "Vary",
	              STR("Origin, Access-Control-Request-Method, Access-Control-Request-Headers"));
	if (!allow_origin(cors, request))
		return;
	answer_header(request, "Access-Control-Allow-Methods", methods);
	answer_header(request, "Access-Control-Allow-Headers",
	              STR("Authorization, Content-Type, If-Match, If-None-Match, Idempotency-Key, X-Request-ID, "
	                  "Cache-Control, Last-Event-ID, traceparent"));
	answer_header(request, "Access-Control-Max-Age", STR("600"));
}
