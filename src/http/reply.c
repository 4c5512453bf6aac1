#include "http/reply.h"

#include <microhttpd.h>
#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "http/worker.h"

static const struct {
	const char *name, *value;
} security_headers[] = {
	{"X-Content-Type-Options", "nosniff"},
	{"X-Frame-Options", "DENY"},
	{"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"},
	{"Referrer-Policy", "no-referrer"},
};

static const char *const cache_controls[] = {
	[CACHE_CONTROL_NO_STORE] = "no-store",
	[CACHE_CONTROL_PRIVATE_NO_CACHE] = "private, no-cache",
	[CACHE_CONTROL_PUBLIC_HOUR] = "public, max-age=3600",
};

static ssize_t read_stream(void *context, uint64_t position, char *space, size_t bytes_max)
{
	struct answer_stream *stream = context;

	(void)position;
	long got = stream->read(stream, space, bytes_max);
	if (got == -1)
		return MHD_CONTENT_READER_END_OF_STREAM;
	return got == -2 ? MHD_CONTENT_READER_END_WITH_ERROR : (ssize_t)got;
}

static void close_stream(void *context)
{
	struct answer_stream *stream = context;

	stream->close(stream);
}

static ssize_t read_nothing(void *context, uint64_t position, char *space, size_t bytes_max)
{
	(void)context, (void)position, (void)space, (void)bytes_max;
	return MHD_CONTENT_READER_END_OF_STREAM;
}

/* Not chunked, which costs the connection: libmicrohttpd would send the last chunk to HEAD too. */
static struct MHD_Response *make_head_of_stream(size_t block_bytes)
{
	struct MHD_Response *response =
		MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, block_bytes, read_nothing, NULL, NULL);

	if (response == NULL || MHD_set_response_options(response, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END) == MHD_YES)
		return response;
	MHD_destroy_response(response);
	return NULL;
}

/* The body's owner changes here: whatever happens later, libmicrohttpd calls its release. */
static struct MHD_Response *make_response(struct answer *answer)
{
	/* Chunks are made in the connection's memory; this block, which every open stream keeps, serves HTTP/1.0 alone. */
	enum { STREAM_BLOCK_BYTES = 1024 };
	struct MHD_Response *response;

	if (answer->stream != NULL) {
		response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK_BYTES, read_stream,
		                                             answer->stream, close_stream);
		if (response == NULL)
			close_stream(answer->stream);
		answer->stream = NULL;
		return response;
	}
	if (answer->length_unknown)
		return make_head_of_stream(STREAM_BLOCK_BYTES);
	void *bytes = (void *)(uintptr_t)answer->body.ptr;
	if (answer->release == NULL)
		return MHD_create_response_from_buffer(answer->body.len, bytes, MHD_RESPMEM_PERSISTENT);
	response = MHD_create_response_from_buffer_with_free_callback_cls(answer->body.len, bytes, answer->release,
	                                                                  answer->release_context);
	if (response == NULL)
		answer->release(answer->release_context);
	answer->release = NULL;
	return response;
}

static bool has_header(const struct answer *answer, const char *name)
{
	for (unsigned i = 0; i < answer->header_count; i++) {
		if (str_equal_caseless(str_from(answer->headers[i].name), str_from(name)))
			return true;
	}
	return false;
}

static bool add_headers(struct MHD_Response *response, struct request *request, const struct reply_options *options)
{
	struct answer *answer = &request->answer;
	bool added = true;
	char text[64];

	for (size_t i = 0; i < ARRAY_LENGTH(security_headers); i++) {
		if (!has_header(answer, security_headers[i].name))
			added &= MHD_add_response_header(response, security_headers[i].name, security_headers[i].value);
	}
	if (options->tls)
		added &= MHD_add_response_header(response, "Strict-Transport-Security", "max-age=31536000");
	if (answer->content_type != NULL)
		added &= MHD_add_response_header(response, "Content-Type", answer->content_type);
	added &= MHD_add_response_header(response, "Cache-Control", cache_controls[answer->cache_control]);
	if (answer->has_etag) {
		snprintf(text, sizeof text, "\"%016llx\"", (unsigned long long)answer->etag);
		added &= MHD_add_response_header(response, "ETag", text);
	}
	if (answer->cache_status != NULL) {
		snprintf(text, sizeof text, "evently; %s", answer->cache_status);
		added &= MHD_add_response_header(response, "Cache-Status", text);
	}
	for (unsigned i = 0; i < answer->header_count; i++)
		added &= MHD_add_response_header(response, answer->headers[i].name, answer->headers[i].value.ptr);
	added &= MHD_add_response_header(response, "X-Request-ID", request->request_id);
	if (answer->close || options->close)
		added &= MHD_add_response_header(response, "Connection", "close");
	return added;
}

/* ---- replies that are used again ---- */

static bool is_reusable(const struct answer *answer, const struct reply_options *options)
{
	return answer->reusable && answer->status == 200 && answer->header_count == 0 && !answer->close && !options->close &&
	       answer->body.len <= WORKER_REPLY_BYTES_MAX;
}

/* The headers of a reply on which only the request's id differs. No connection reads them later than its
 * MHD_queue_response, and all that share a reply are of this thread. */
static bool exchange_request_id(struct worker_reply *reply, const struct request *request)
{
	if (MHD_del_response_header(reply->response, "X-Request-ID", reply->request_id) != MHD_YES ||
	    MHD_add_response_header(reply->response, "X-Request-ID", request->request_id) != MHD_YES)
		return false;
	memcpy(reply->request_id, request->request_id, request->request_id_len + 1);
	return true;
}

/* RFC 9110 section 6.6.1. libmicrohttpd would write one for every answer; here it is good for a second. */
static bool exchange_date(struct worker_reply *reply)
{
	static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	int64_t now_s = clock_wall_us() / 1000000;
	time_t now = (time_t)now_s;
	struct tm tm;

	if (now_s == reply->date_s)
		return true;
	if (gmtime_r(&now, &tm) == NULL ||
	    (reply->date[0] != '\0' && MHD_del_response_header(reply->response, "Date", reply->date) != MHD_YES))
		return false;
	snprintf(reply->date, sizeof reply->date, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT", days + tm.tm_wday * 3, tm.tm_mday % 100,
	         months + tm.tm_mon * 3, (tm.tm_year + 1900) % 10000, tm.tm_hour % 100, tm.tm_min % 100, tm.tm_sec % 100);
	reply->date_s = now_s;
	return MHD_add_response_header(reply->response, "Date", reply->date) == MHD_YES;
}

static bool queue_again(struct worker_reply *reply, struct request *request)
{
	struct answer *answer = &request->answer;

	if (!exchange_date(reply) || !exchange_request_id(reply, request))
		return false;
	answer->release(answer->release_context);
	answer->release = NULL;
	return MHD_queue_response(request->connection, answer->status, reply->response) == MHD_YES;
}

static void keep_reply(struct worker_reply *reply, struct MHD_Response *response, const struct request *request,
                       const char *body)
{
	worker_drop_reply(reply);
	reply->response = response;
	reply->body = body;
	reply->cache_status = request->answer.cache_status;
	reply->date[0] = '\0';
	reply->date_s = 0;
	memcpy(reply->request_id, request->request_id, request->request_id_len + 1);
}

/* A handler may have described the answer that it meant to give before there was no memory for it. */
static void describe_as_error(struct answer *answer)
{
	answer->cache_control = CACHE_CONTROL_NO_STORE;
	answer->has_etag = false;
	answer->cache_status = NULL;
}

bool reply_queue(struct request *request, const struct reply_options *options)
{
	struct answer *answer = &request->answer;

	if (answer->status >= 400)
		describe_as_error(answer);
	const char *body = answer->body.ptr;
	struct worker_reply *reply = is_reusable(answer, options) ? worker_reply_of(body) : NULL;

	request->answer_bytes = answer->body.len;
	if (reply != NULL && reply->body == body && reply->cache_status == answer->cache_status)
		return queue_again(reply, request);
	struct MHD_Response *response = make_response(answer);
	if (response == NULL)
		return false;
	bool queued = add_headers(response, request, options) &&
	              MHD_queue_response(request->connection, answer->status, response) == MHD_YES;
	if (queued && reply != NULL)
		keep_reply(reply, response, request, body);
	else
		MHD_destroy_response(response);
	return queued;
}
