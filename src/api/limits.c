#include "api/limits.h"

#include "api/service.h"
#include "base/metrics.h"

void limits_find_client(struct request *request)
{
	const struct service *service = service_of(request);
	struct str forwarded_for = request_header(request, HEADER_X_FORWARDED_FOR);
	struct address peer;
	char text[ADDRESS_TEXT_BYTES];

	if (forwarded_for.ptr == NULL || service->trust->count == 0 || !address_parse(&peer, request->client_address))
		return;
	if ((request->header_repeated & (1u << HEADER_X_FORWARDED_FOR)) != 0)
		forwarded_for = STR_NONE;
	struct address client = forwarded_client(service->trust, &peer, forwarded_for);
	struct str copy = arena_str(&request->arena, address_text(&client, text));
	if (copy.ptr != NULL)
		request->client_address = copy;
}

/* "u7" for a user; "a" and the address's part that is one client otherwise. */
static struct str bucket_of(struct request *request)
{
	struct address address;
	char text[ADDRESS_TEXT_BYTES];

	if (request->principal.user_id != 0)
		return arena_printf(&request->arena, "u%lld", (long long)request->principal.user_id);
	if (!address_parse(&address, request->client_address))
		return STR("a");
	address = address_client_part(&address);
	return arena_printf(&request->arena, "a%s", address_text(&address, text).ptr);
}

bool limits_admit(struct request *request)
{
	struct service *service = service_of(request);
	unsigned remaining, reset_s;

	if (!atomic_load_explicit(&service->limited, memory_order_relaxed))
		return true;
	bool admitted = limiter_take(service->limiter, bucket_of(request), request->started_ns, &remaining, &reset_s);
	if (!admitted) {
		answer_problem(request, PROBLEM_TOO_MANY_REQUESTS, "Too many requests; the next is allowed in %u s.", reset_s);
		answer_header(request, "Retry-After", arena_printf(&request->arena, "%u", reset_s));
		metrics_count(METRIC_RATE_LIMITED, 0, 1);
	}
	/* draft-ietf-httpapi-ratelimit-headers: what is left, and of what */
	struct limiter_rate rate = limiter_rate(service->limiter);
	answer_header(request, "RateLimit", arena_printf(&request->arena, "\"default\";r=%u;t=%u", remaining, reset_s));
	answer_header(request, "RateLimit-Policy",
	              arena_printf(&request->arena, "\"default\";q=%u;w=%u", rate.count, rate.seconds));
	return admitted;
}
