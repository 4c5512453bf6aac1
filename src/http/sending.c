#include "http/sending.h"

#include <stdlib.h>

#include "base/clock.h"
#include "http/reply.h"
#include "http/server_state.h"

enum {
	BODY_JOINED_BYTES_MAX = 2048, /* copied behind the head, so that one write has both */
	STREAM_PIECE_BYTES = 16384,
};

void sending_finish(struct connection *connection)
{
	struct server *server = connection_server(connection);
	struct request *request = connection->request;

	server->options.finished(request);
	if (request->cleanup != NULL)
		request->cleanup(request);
	if (request->answer.release != NULL)
		request->answer.release(request->answer.release_context);
	if (request->answer.stream != NULL)
		request->answer.stream->close(request->answer.stream);
	buf_finish(&request->body);
	arena_finish(&request->arena);
	worker_keep_request(connection->worker, request);
	connection->request = NULL;
	free(connection->block);
	connection->block = NULL;
	atomic_fetch_sub_explicit(&server->running, 1, memory_order_release);
}

/* ---- answering ---- */

/* The last answer is out. What the client may still be sending must be read, or its system would throw the answer away. */
static bool end_after_answer(struct connection *connection, bool all_was_read)
{
	if (all_was_read && connection_unread(connection).len == 0 && connection->wire.tls == NULL) {
		connection->state = CONNECTION_ENDED;
		return false;
	}
	wire_end(&connection->wire);
	connection->worker->input_at = connection->worker->input_len;
	connection->lingered_bytes = 0;
	connection_go_to(connection, CONNECTION_LINGERING);
	return true;
}

static bool answer_sent(struct connection *connection)
{
	bool all_was_read = connection->request->received;

	sending_finish(connection);
	if (connection->close_after)
		return end_after_answer(connection, all_was_read);
	connection->line_at = 0;
	connection_go_to(connection, CONNECTION_WAITING);
	return true;
}

bool sending_failed(struct connection *connection)
{
	sending_finish(connection);
	connection->state = CONNECTION_ENDED;
	return false;
}

/* What the socket did not take, in two parts; `first` is in the worker's space and copied to memory of its own. */
static bool keep_unsent(struct connection *connection, struct str first, struct str second, char *space)
{
	if (first.len > 0 && space == NULL)
		return false;
	if (first.len > 0)
		memcpy(space, first.ptr, first.len);
	connection->unsent[0] = (struct str){first.len > 0 ? space : "", first.len};
	connection->unsent[1] = second;
	connection_go_to(connection, CONNECTION_SENDING);
	return true;
}

static bool after_sending(struct connection *connection)
{
	if (connection->request->answer.stream == NULL)
		return answer_sent(connection);
	free(connection->block);
	connection->block = NULL;
	connection->state = CONNECTION_STREAMING;
	return true;
}

/* Goes on with what the socket did not take. */
bool sending_rest(struct connection *connection)
{
	struct str *first = &connection->unsent[0], *second = &connection->unsent[1];
	size_t sent;

	enum wire_result result = wire_write(&connection->wire, *first, *second, &sent);
	if (result == WIRE_ENDED)
		return sending_failed(connection);
	*second = sent > first->len ? str_skip(*second, sent - first->len) : *second;
	*first = str_skip(*first, sent);
	if (sent > 0)
		connection->since_ns = connection->worker->turn_ns;
	return result == WIRE_DONE && after_sending(connection);
}

static void describe_as_error(struct answer *answer)
{
	/* A handler may have described the answer that it meant to give before there was no memory for it. */
	answer->cache_control = CACHE_CONTROL_NO_STORE;
	answer->has_etag = false;
	answer->cache_status = NULL;
}

static struct str body_of(const struct request *request)
{
	const struct answer *answer = &request->answer;
	bool without = request->method == METHOD_HEAD || reply_is_bodiless(answer->status) || answer->stream != NULL;

	return without ? STR("") : answer->body;
}

static void describe(struct connection *connection, struct reply_options *options)
{
	struct server *server = connection_server(connection);
	struct request *request = connection->request;
	struct answer *answer = &request->answer;
	struct cors *cors = atomic_load_explicit(&server->cors, memory_order_acquire);

	if (!cors_is_preflight(request))
		cors_add_headers(cors, request);
	if (answer->status >= 400)
		describe_as_error(answer);
	request->answer_bytes = answer->body.len;
	connection->close_after = connection->close_after || answer->close || !request->keep_alive || !request->received ||
	                          (request->http_1_0 && answer->stream != NULL) ||
	                          atomic_load_explicit(&server->leaving, memory_order_relaxed);
	*options = (struct reply_options){server->options.tls, connection->close_after};
}

bool sending_answer(struct connection *connection)
{
	struct request *request = connection->request;
	char *output = connection->worker->output;
	struct reply_options options;
	size_t sent;

	describe(connection, &options);
	size_t head_len = reply_head(request, &options, output, WORKER_OUTPUT_BYTES);
	if (head_len == 0)
		return sending_failed(connection);
	struct str head = {output, head_len}, body = body_of(request);
	if (body.len > 0 && body.len <= BODY_JOINED_BYTES_MAX && body.len <= WORKER_OUTPUT_BYTES - head_len) {
		memcpy(output + head_len, body.ptr, body.len);
		head.len += body.len;
		body = STR("");
	}
	enum wire_result result = wire_write(&connection->wire, head, body, &sent);
	if (result == WIRE_DONE)
		return after_sending(connection);
	if (result == WIRE_ENDED)
		return sending_failed(connection);
	struct str behind = sent > head.len ? str_skip(body, sent - head.len) : body;
	head = str_skip(head, sent);
	char *space = head.len > 0 ? arena_alloc(&request->arena, head.len) : NULL;
	if (!keep_unsent(connection, head, behind, space))
		return sending_failed(connection);
	return false;
}

/* ---- streamed bodies ---- */

/* A piece with its chunk's frame around it (RFC 9112 section 7.1), at `output`; the piece itself is at its place there. */
enum { CHUNK_HEAD_BYTES = 10, CHUNK_END_BYTES = 2 };

static struct str frame(char *output, size_t bytes)
{
	static const char digits[] = "0123456789abcdef";
	char *at = output + CHUNK_HEAD_BYTES;

	at -= 2;
	memcpy(at, "\r\n", 2);
	for (size_t rest = bytes; rest > 0; rest >>= 4)
		*--at = digits[rest & 15];
	memcpy(output + CHUNK_HEAD_BYTES + bytes, "\r\n", CHUNK_END_BYTES);
	return (struct str){at, (size_t)(output + CHUNK_HEAD_BYTES + bytes + CHUNK_END_BYTES - at)};
}

/* True: all of it is out. */
static bool send_piece(struct connection *connection, struct str piece)
{
	size_t sent;
	enum wire_result result = wire_write(&connection->wire, piece, STR(""), &sent);

	if (result == WIRE_DONE)
		return true;
	if (result == WIRE_ENDED)
		return sending_failed(connection);
	piece = str_skip(piece, sent);
	connection->block = piece.len > 0 ? malloc(piece.len) : NULL;
	return keep_unsent(connection, piece, STR(""), connection->block) ? false : sending_failed(connection);
}

static bool end_stream(struct connection *connection)
{
	struct request *request = connection->request;

	request->answer.stream->close(request->answer.stream);
	request->answer.stream = NULL;
	if (request->http_1_0)
		return answer_sent(connection);
	return send_piece(connection, STR("0\r\n\r\n")) && answer_sent(connection);
}

/* One piece. False: the stream is parked, over, or waits for the socket. */
bool sending_stream(struct connection *connection)
{
	struct request *request = connection->request;
	struct answer_stream *stream = request->answer.stream;
	char *output = connection->worker->output;

	if (request->method == METHOD_HEAD)
		return end_stream(connection);
	long got = stream->read(stream, output + CHUNK_HEAD_BYTES, STREAM_PIECE_BYTES);
	if (got == 0) {
		CHECK(connection->stream_parked);
		connection->state = CONNECTION_PARKED;
		return false;
	}
	if (got == -1)
		return end_stream(connection);
	if (got < 0)
		return sending_failed(connection);
	request->answer_bytes += (uint64_t)got;
	struct str piece = {output + CHUNK_HEAD_BYTES, (size_t)got};
	return send_piece(connection, request->http_1_0 ? piece : frame(output, (size_t)got));
}

