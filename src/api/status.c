#include "api/service.h"

#include <stdarg.h>
#include <stdio.h>

#include "api/routes.h"
#include "base/metrics.h"

/* The status codes that answers have, as series of METRIC_RESPONSES. */
static const struct {
	unsigned status;
	const char *name;
} codes[] = {
	{200, "200"}, {201, "201"}, {204, "204"}, {304, "304"}, {400, "400"}, {401, "401"}, {403, "403"}, {404, "404"},
	{405, "405"}, {406, "406"}, {408, "408"}, {409, "409"}, {410, "410"}, {412, "412"}, {413, "413"}, {414, "414"},
	{415, "415"}, {422, "422"}, {429, "429"}, {431, "431"}, {500, "500"}, {501, "501"}, {503, "503"}, {504, "504"},
};

unsigned service_status_series(unsigned status)
{
	for (unsigned i = 0; i < ARRAY_LENGTH(codes); i++) {
		if (codes[i].status == status)
			return i;
	}
	return ARRAY_LENGTH(codes);
}

/* Routes of one path differ by method, and so must their series. */
static const char *const route_labels[ROUTE_COUNT] = {
#define X(identifier, method, pattern, access, handler, body) [identifier] = #method " " pattern,
	ROUTES(X)
#undef X
};

void service_label_metrics(void)
{
	for (unsigned i = 0; i < ARRAY_LENGTH(codes); i++)
		metrics_label(METRIC_RESPONSES, i, codes[i].name);
	metrics_label(METRIC_RESPONSES, ARRAY_LENGTH(codes), "other");
	for (unsigned i = 0; i < ROUTE_COUNT; i++)
		metrics_label(METRIC_REQUESTS, i, route_labels[i]);
	metrics_label(METRIC_REQUESTS, ROUTE_COUNT, "none");
	metrics_label(METRIC_CACHE, CACHE_LOCAL_HIT, "local_hit");
	metrics_label(METRIC_CACHE, CACHE_LOCAL_MISS, "local_miss");
	metrics_label(METRIC_CACHE, CACHE_LIST_HIT, "list_hit");
	metrics_label(METRIC_CACHE, CACHE_LIST_MISS, "list_miss");
	metrics_label(METRIC_CACHE, CACHE_STALE, "stale");
	metrics_label(METRIC_CACHE, CACHE_SHARED_HIT, "shared_hit");
	metrics_label(METRIC_CACHE, CACHE_SHARED_MISS, "shared_miss");
	metrics_label(METRIC_CACHE_BYTES, 0, "events");
	metrics_label(METRIC_CACHE_BYTES, 1, "lists");
	metrics_label(METRIC_CACHE_ENTRIES, 0, "events");
	metrics_label(METRIC_CACHE_ENTRIES, 1, "lists");
	metrics_label(METRIC_CACHE_EVICTIONS, 0, "events");
	metrics_label(METRIC_CACHE_EVICTIONS, 1, "lists");
	lanes_label_metrics();
}

void service_show(const struct request *request, uint64_t as_of)
{
	(void)!freshness_may_show(service_of(request)->freshness, as_of, false, request->deadline_ns);
}

void service_answer_failure(struct request *request, enum store_result result)
{
	switch (result) {
	case STORE_DEADLINE:
		answer_problem(request, PROBLEM_DEADLINE, "The request could not be answered within its time.");
		break;
	case STORE_UNAVAILABLE:
	case STORE_DENIED:
	case STORE_SCHEMA:
		answer_unavailable(request, 1, "The database cannot be reached now; try again.");
		break;
	case STORE_FULL:
		answer_unavailable(request, 30, "The database has no room left; nothing was changed.");
		break;
	case STORE_OUT_OF_MEMORY:
		answer_unavailable(request, 1, "The service is out of memory for this request; nothing was changed.");
		break;
	case STORE_IN_USE:
		answer_unavailable(request, 1, "Somebody else holds what this needs; try again.");
		break;
	case STORE_PRUNED:
		answer_problem(request, PROBLEM_GONE, "The change log was pruned beyond this place; read the catalogue again.");
		break;
	case STORE_NOT_FOUND:
		answer_problem(request, PROBLEM_NOT_FOUND, "There is no such thing.");
		break;
	default:
		service_log_failure(request, "the store failed");
		answer_problem(request, PROBLEM_INTERNAL, "Something went wrong here; the log has the details.");
		break;
	}
}

void service_log(const struct request *request, enum log_level level, const char *format, ...)
{
	enum { MESSAGE_BYTES_MAX = 1024 };
	char message[MESSAGE_BYTES_MAX];
	va_list arguments;
	const struct log_field fields[] = {
		LOG_TEXT("request_id", request_id(request)),
		LOG_TEXT("trace_id", str_from(request->trace_id)),
	};

	va_start(arguments, format);
	vsnprintf(message, sizeof message, format, arguments);
	va_end(arguments);
	log_line(level, "api", fields, ARRAY_LENGTH(fields), "%s", message);
}

void service_log_failure(const struct request *request, const char *what)
{
	struct log_field fields[] = {
		LOG_TEXT("request_id", request_id(request)),
		LOG_TEXT("trace_id", str_from(request->trace_id)),
		LOG_TEXT("path", request->path),
	};

	log_error_with_stack("api", fields, ARRAY_LENGTH(fields), "%s", what);
}
