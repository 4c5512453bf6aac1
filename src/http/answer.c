#include "http/answer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "http/connection.h"
#include "http/mailbox.h"

const char CONTENT_TYPE_JSON[] = "application/json";
const char CONTENT_TYPE_PROBLEM[] = "application/problem+json";
const char CONTENT_TYPE_NDJSON[] = "application/x-ndjson";
const char CONTENT_TYPE_CSV[] = "text/csv; charset=utf-8";
const char CONTENT_TYPE_CALENDAR[] = "text/calendar; charset=utf-8";

enum { PROBLEM_BYTES_MAX = 65536, DETAIL_BYTES_MAX = 512 };

static struct answer *begin(struct request *request, unsigned status, const char *content_type)
{
	struct answer *answer = &request->answer;

	if (answer->release != NULL)
		answer->release(answer->release_context);
	if (answer->stream != NULL)
		answer->stream->close(answer->stream);
	answer->stream = NULL;
	answer->length_unknown = false;
	answer->status = status;
	answer->content_type = content_type;
	answer->body = STR("");
	answer->release = NULL;
	answer->has_etag = false;
	answer->cache_control = CACHE_CONTROL_NO_STORE;
	request->state = REQUEST_ANSWERED;
	return answer;
}

void answer_bytes(struct request *request, unsigned status, const char *content_type, struct str body,
                  void (*release)(void *), void *context)
{
	struct answer *answer = begin(request, status, content_type);

	answer->body = body;
	answer->release = release;
	answer->release_context = context;
}

void answer_buf(struct request *request, unsigned status, const char *content_type, struct buf *body)
{
	if (body->failed) {
		buf_finish(body);
		answer_unavailable(request, 1, "There is not enough memory for the answer.");
		return;
	}
	size_t length;
	char *bytes = buf_take(body, &length);
	answer_bytes(request, status, content_type, (struct str){bytes != NULL ? bytes : "", length}, free, bytes);
}

void answer_stream(struct request *request, unsigned status, const char *content_type, struct answer_stream *stream)
{
	struct answer *answer = begin(request, status, content_type);

	stream->connection = request->connection;
	answer->stream = stream;
}

void answer_stream_head(struct request *request, unsigned status, const char *content_type)
{
	begin(request, status, content_type)->length_unknown = true;
}

void answer_empty(struct request *request, unsigned status)
{
	begin(request, status, NULL);
}

/* When there is no memory even for a problem: it cannot name the request, whose id is in the header. */
static const char no_memory[] = "{\"type\":\"urn:evently:problem:unavailable\",\"title\":\"Service unavailable\",\"status\":503,"
                                "\"detail\":\"There is not enough memory for the answer.\",\"request_id\":null}";

/* False: the answer says only that there is no memory. */
static bool problem(struct request *request, enum problem kind, struct str detail, const struct issues *issues)
{
	struct buf body;

	buf_init(&body, PROBLEM_BYTES_MAX);
	problem_json(&body, kind, detail, request_id(request), issues);
	if (body.failed) {
		buf_finish(&body);
		answer_bytes(request, 503, CONTENT_TYPE_PROBLEM, (struct str){no_memory, sizeof no_memory - 1}, NULL, NULL);
		answer_header(request, "Retry-After", STR("1"));
		return false;
	}
	answer_buf(request, problem_status(kind), CONTENT_TYPE_PROBLEM, &body);
	request->answer.cache_status = NULL;
	return true;
}

void answer_problem(struct request *request, enum problem kind, const char *detail_format, ...)
{
	char detail[DETAIL_BYTES_MAX];
	va_list arguments;

	va_start(arguments, detail_format);
	vsnprintf(detail, sizeof detail, detail_format, arguments);
	va_end(arguments);
	(void)problem(request, kind, str_from(detail), NULL);
}

void answer_issues(struct request *request, const struct issues *issues)
{
	char detail[DETAIL_BYTES_MAX];

	if (issues->arena->failed) {
		answer_unavailable(request, 1, "There is not enough memory for the answer.");
		return;
	}
	snprintf(detail, sizeof detail, "The request has %zu problem%s; see errors.", issues->total,
	         issues->total == 1 ? "" : "s");
	(void)problem(request, PROBLEM_INVALID, str_from(detail), issues);
}

void answer_unavailable(struct request *request, unsigned retry_after_s, const char *detail)
{
	if (problem(request, PROBLEM_UNAVAILABLE, str_from(detail), NULL))
		answer_header(request, "Retry-After", retry_after_s <= 1 ? STR("1") : arena_printf(&request->arena, "%u", retry_after_s));
}

void answer_header(struct request *request, const char *name, struct str value)
{
	struct answer *answer = &request->answer;

	if (value.ptr == NULL)
		return;
	/* Only Vary is a list to which others add. What an answer said that was replaced by another, for want of memory, is
	 * said anew. */
	for (unsigned i = 0; i < answer->header_count && strcmp(name, "Vary") != 0; i++) {
		if (strcmp(answer->headers[i].name, name) == 0) {
			answer->headers[i].value = value;
			return;
		}
	}
	CHECK(answer->header_count < ANSWER_HEADERS_MAX);
	answer->headers[answer->header_count++] = (struct answer_header){name, value};
}

/* Does a list of entity tags name this one? Weak comparison, as If-None-Match asks (RFC 9110 section 8.8.3.2). */
static bool none_match_names(struct str list, uint64_t etag)
{
	char quoted[24];
	struct str part;

	snprintf(quoted, sizeof quoted, "\"%016llx\"", (unsigned long long)etag);
	while (str_cut(&list, ',', &part)) {
		part = str_trim(part);
		if (str_starts_with(part, STR("W/")))
			part = str_skip(part, 2);
		if (str_equal(part, str_from(quoted)) || str_equal(part, STR("*")))
			return true;
	}
	return false;
}

void answer_etag(struct request *request, uint64_t etag)
{
	struct answer *answer = &request->answer;
	struct str none_match = request_header(request, HEADER_IF_NONE_MATCH);

	answer->has_etag = true;
	answer->etag = etag;
	if (none_match.ptr == NULL || answer->status != 200 || !none_match_names(none_match, etag))
		return;
	enum cache_control cache_control = answer->cache_control;
	begin(request, 304, NULL);
	answer->cache_control = cache_control;
	answer->has_etag = true;
	answer->etag = etag;
}

void answer_stream_park(struct answer_stream *stream)
{
	stream->connection->stream_parked = true;
}

void answer_stream_wake(struct answer_stream *stream)
{
	mailbox_post(stream->connection);
}
