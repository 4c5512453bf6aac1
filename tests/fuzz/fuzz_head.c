/* A message that is taken in pieces is the same message as in one: the same verdict, request and body. The first byte says
 * how the rest is cut. */
#include "http/head.h"
#include "http/receive.h"

#include <stdlib.h>

enum { HEAD_BYTES_MAX = 16384 };

struct outcome {
	enum head_state head;
	enum receive_result result;
	struct request *request;
	char *copy;
	size_t used; /* of what follows the head */
};

static void append(struct request *request, struct str bytes)
{
	buf_str(&request->body, bytes);
}

static struct outcome take(struct str bytes, size_t piece)
{
	struct outcome outcome = {.head = HEAD_INCOMPLETE, .result = RECEIVE_MALFORMED, .request = calloc(1, sizeof(struct request))};
	struct request *request = outcome.request;
	size_t line_at = 0, len = 0;

	CHECK(request != NULL);
	arena_init_with(&request->arena, request->first_space, sizeof request->first_space, 1 << 20);
	buf_init(&request->body, 1 << 20);
	while (outcome.head == HEAD_INCOMPLETE && len < bytes.len) {
		len = bytes.len - len < piece ? bytes.len : len + piece;
		outcome.head = head_find((struct str){bytes.ptr, len}, &line_at);
	}
	if (outcome.head != HEAD_COMPLETE)
		return outcome;
	CHECK(line_at <= bytes.len);
	outcome.copy = malloc(line_at);
	CHECK(outcome.copy != NULL);
	memcpy(outcome.copy, bytes.ptr, line_at);
	outcome.result = receive_head(request, (struct str){outcome.copy, line_at}, append);
	for (size_t at = line_at; outcome.result == RECEIVE_MORE && at < bytes.len; at += piece) {
		size_t used, count = bytes.len - at < piece ? bytes.len - at : piece;
		outcome.result = receive_more(request, (struct str){bytes.ptr + at, count}, &used);
		CHECK(used <= count);
		outcome.used += used;
	}
	return outcome;
}

static void drop(struct outcome *outcome)
{
	buf_finish(&outcome->request->body);
	arena_finish(&outcome->request->arena);
	free(outcome->request);
	free(outcome->copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	if (count < 2 || count > HEAD_BYTES_MAX)
		return 0;
	struct str message = {(const char *)bytes + 1, count - 1};
	struct outcome whole = take(message, message.len), cut = take(message, (size_t)bytes[0] % 64 + 1);

	CHECK(whole.head == cut.head || whole.head == HEAD_MALFORMED || cut.head == HEAD_MALFORMED);
	if (whole.head == HEAD_COMPLETE && cut.head == HEAD_COMPLETE) {
		CHECK(whole.result == cut.result);
		if (whole.result == RECEIVE_COMPLETE) {
			CHECK(whole.used == cut.used);
			CHECK(whole.request->method == cut.request->method && str_equal(whole.request->target, cut.request->target));
			CHECK(str_equal(buf_view(&whole.request->body), buf_view(&cut.request->body)));
			for (unsigned i = 0; i < HEADER_COUNT; i++)
				CHECK(str_equal(whole.request->headers[i], cut.request->headers[i]));
		}
	}
	drop(&whole);
	drop(&cut);
	return 0;
}
