#include "http/reply.h"

#include <microhttpd.h>
#include <stdio.h>

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

/* The body's owner changes here: whatever happens later, libmicrohttpd calls its release. */
static struct MHD_Response *make_response(struct answer *answer)
{
	enum { STREAM_BLOCK_BYTES = 8192 };
	struct MHD_Response *response;

	if (answer->stream != NULL) {
		response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK_BYTES, read_stream,
		                                             answer->stream, close_stream);
		if (response == NULL)
			close_stream(answer->stream);
		answer->stream = NULL;
		return response;
	}
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

bool reply_queue(struct request *request, const struct reply_options *options)
{
	request->answer_bytes = request->answer.body.len;
	struct MHD_Response *response = make_response(&request->answer);
	if (response == NULL)
		return false;
	bool queued = add_headers(response, request, options) &&
	              MHD_queue_response(request->connection, request->answer.status, response) == MHD_YES;
	MHD_destroy_response(response);
	return queued;
}
