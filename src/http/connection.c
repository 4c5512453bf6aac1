#include "http/connection.h"

#include <netdb.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "http/head.h"
#include "http/intake.h"
#include "http/receive.h"
#include "http/sending.h"
#include "http/server_state.h"

enum {
	TURN_STEPS_MAX = 64,       /* then the worker's other connections are served first */
	LINGER_BYTES_MAX = 16 << 20,
	DRAINING_SILENCE_MS = 500, /* a client that was silent for so long has no request on the way */
};
#define LINGER_NS (2 * CLOCK_SECOND)

/* ---- unread bytes: in the worker's space while the connection runs ---- */

static void consume(struct connection *connection, size_t bytes)
{
	connection->worker->input_at += bytes;
}

static void take_kept(struct connection *connection)
{
	struct worker *worker = connection->worker;

	worker->input_at = 0;
	worker->input_len = connection->kept_len;
	if (connection->kept == NULL)
		return;
	memcpy(worker->input, connection->kept, connection->kept_len);
	free(connection->kept);
	connection->kept = NULL;
	connection->kept_len = 0;
}

static void keep_unread(struct connection *connection)
{
	struct str rest = connection_unread(connection);

	if (rest.len == 0 || connection->state == CONNECTION_ENDED)
		return;
	connection->kept = malloc(rest.len);
	if (connection->kept == NULL) {
		connection->state = connection->state == CONNECTION_PARKED ? CONNECTION_PARKED : CONNECTION_ENDED;
		connection->close_after = true; /* what came behind this request is lost, and so the client is told */
		return;
	}
	memcpy(connection->kept, rest.ptr, rest.len);
	connection->kept_len = rest.len;
}

/* False: nothing more can be read now. */
static bool read_more(struct connection *connection)
{
	struct worker *worker = connection->worker;
	struct str rest = connection_unread(connection);
	size_t got = 0;
	bool drained;

	if (!connection->readable)
		return false;
	if (worker->input_at > 0)
		memmove(worker->input, rest.ptr, rest.len);
	worker->input_at = 0;
	worker->input_len = rest.len;
	CHECK(rest.len < WORKER_INPUT_BYTES);
	switch (wire_read(&connection->wire, worker->input + rest.len, WORKER_INPUT_BYTES - rest.len, &got, &drained)) {
	case WIRE_DONE:
		worker->input_len += got;
		if (drained && !connection->client_ended)
			connection->readable = false;
		return true;
	case WIRE_AGAIN:
		connection->readable = false;
		return false;
	case WIRE_ENDED:
		break;
	}
	connection->state = CONNECTION_ENDED;
	return false;
}

/* ---- requests ---- */

static struct request *request_create(struct connection *connection)
{
	struct server *server = connection_server(connection);
	struct request *request = worker_take_request(connection->worker);

	if (request == NULL)
		return NULL;
	memset(request, 0, offsetof(struct request, answer.headers));
	memset(&request->principal, 0, offsetof(struct principal, email));
	request->connection = connection;
	request->server = server;
	request->service = server->options.service;
	request->client_address = str_from(connection->address);
	request->started_ns = clock_monotonic_ns();
	request->deadline_ns = request->started_ns + server->request_timeout_ns;
	arena_init_with(&request->arena, request->first_space, sizeof request->first_space, REQUEST_ARENA_BYTES_MAX);
	buf_init(&request->body, 0);
	connection->request = request;
	atomic_fetch_add_explicit(&server->running, 1, memory_order_relaxed);
	return request;
}

/* ---- receiving ---- */

/* The handler has run: answers, or leaves the request to its lane. */
static bool after_handler(struct connection *connection)
{
	if (connection->request->state == REQUEST_ANSWERED)
		return sending_answer(connection);
	connection->state = CONNECTION_PARKED;
	return false;
}

static bool message_is_in(struct connection *connection)
{
	struct request *request = connection->request;

	request->received = true;
	if (request->state != REQUEST_ANSWERED)
		intake_run(request);
	return after_handler(connection);
}

static bool answer_malformed(struct connection *connection, const char *detail)
{
	intake_malformed(connection->request, detail);
	return sending_answer(connection);
}

/* The client waits to be told that its body is wanted (RFC 9110 section 10.1.1). */
static bool ask_for_body(struct connection *connection)
{
	static const struct str words = STR("HTTP/1.1 100 Continue\r\n\r\n");
	struct request *request = connection->request;
	size_t sent;

	if (request->http_1_0 || connection_unread(connection).len > 0 ||
	    !str_equal_caseless(request_header(request, HEADER_EXPECT), STR("100-continue")))
		return true;
	return wire_write(&connection->wire, words, STR(""), &sent) == WIRE_DONE || sending_failed(connection);
}

static bool head_is_in(struct connection *connection, bool body_follows)
{
	struct request *request = connection->request;

	if (request->state == REQUEST_RUNNING)
		connection_server(connection)->options.begin(request);
	if (!body_follows) {
		if (request->state == REQUEST_RUNNING)
			request->state = REQUEST_RECEIVING;
		return message_is_in(connection);
	}
	if (request->state == REQUEST_ANSWERED && intake_answers_early(request))
		return sending_answer(connection);
	if (request->state == REQUEST_RUNNING) {
		request->state = REQUEST_RECEIVING;
		buf_init(&request->body, request->body_bytes_max);
		if (!ask_for_body(connection))
			return false;
	}
	connection->state = CONNECTION_RECEIVING;
	return true;
}

/* The parser reads a copy in the request's arena, where its texts stay as long as the request does. */
static bool begin_request(struct connection *connection, struct str head)
{
	struct request *request = request_create(connection);

	if (request == NULL) {
		connection->state = CONNECTION_ENDED;
		return false;
	}
	char *copy = arena_alloc(&request->arena, head.len);
	enum receive_result result = RECEIVE_NO_MEMORY;
	if (copy != NULL) {
		memcpy(copy, head.ptr, head.len);
		result = receive_head(request, (struct str){copy, head.len}, intake_body);
	}
	consume(connection, head.len);
	connection->line_at = 0;
	if (result == RECEIVE_MALFORMED)
		return answer_malformed(connection, "The request line or a header line is malformed.");
	intake_head(request, head.len);
	if (result == RECEIVE_NO_MEMORY)
		answer_unavailable(request, 1, "There is not enough memory for the request.");
	return head_is_in(connection, result == RECEIVE_MORE);
}

/* Without a parsed head: nothing that the client said about itself is known. */
static bool refuse_head(struct connection *connection, enum problem problem, const char *detail)
{
	struct request *request = request_create(connection);

	if (request == NULL) {
		connection->state = CONNECTION_ENDED;
		return false;
	}
	consume(connection, connection_unread(connection).len);
	request->method = METHOD_OTHER;
	intake_malformed(request, detail);
	if (problem != PROBLEM_BAD_REQUEST)
		answer_problem(request, problem, "%s", detail);
	return sending_answer(connection);
}

static bool refuse_long_head(struct connection *connection)
{
	return connection->line_at == 0
		? refuse_head(connection, PROBLEM_URI_TOO_LONG, "The request line is far too long.")
		: refuse_head(connection, PROBLEM_HEADERS_TOO_LARGE, "The request line and headers are far too long.");
}

/* False: nothing more can be read now. Patience with a head begins with its first byte. */
static bool read_head(struct connection *connection, bool first)
{
	if (!read_more(connection))
		return false;
	if (first)
		connection->since_ns = connection->worker->turn_ns;
	return true;
}

static bool wait_for_head(struct connection *connection)
{
	struct str bytes = connection_unread(connection);

	if (bytes.len == 0)
		return read_head(connection, true);
	if (connection->line_at == 0 && bytes.ptr[0] == '\r') {
		consume(connection, head_empty_lines(bytes));
		bytes = connection_unread(connection);
	}
	switch (head_find(bytes, &connection->line_at)) {
	case HEAD_COMPLETE:
		return begin_request(connection, (struct str){bytes.ptr, connection->line_at});
	case HEAD_MALFORMED:
		return refuse_head(connection, PROBLEM_BAD_REQUEST, "The request line or a header line is malformed.");
	case HEAD_INCOMPLETE:
		break;
	}
	return bytes.len < CONNECTION_HEAD_BYTES_MAX ? read_head(connection, false) : refuse_long_head(connection);
}

static bool receive_body(struct connection *connection)
{
	struct request *request = connection->request;
	struct str bytes = connection_unread(connection);
	size_t used;

	if (bytes.len == 0)
		return read_more(connection) || (connection->state == CONNECTION_ENDED && sending_failed(connection));
	enum receive_result result = receive_more(request, bytes, &used);
	consume(connection, used);
	if (request->body_sink != NULL) /* long uploads are bounded by their size and by silence */
		connection->since_ns = connection->worker->turn_ns;
	if (result == RECEIVE_COMPLETE)
		return message_is_in(connection);
	if (result != RECEIVE_MORE)
		return answer_malformed(connection, "The body's chunks are malformed.");
	if (!request->body_too_large)
		return true;
	intake_run(request); /* says so; what is still to come is not wanted */
	return after_handler(connection);
}

/* ---- the way ---- */

static bool shake_hands(struct connection *connection)
{
	switch (wire_handshake(&connection->wire)) {
	case WIRE_DONE:
		connection->readable = true; /* GnuTLS may hold bytes that the socket gave with the last of the handshake */
		connection_go_to(connection, CONNECTION_WAITING);
		return true;
	case WIRE_AGAIN:
		return false;
	case WIRE_ENDED:
		break;
	}
	connection->state = CONNECTION_ENDED;
	return false;
}

static bool linger(struct connection *connection)
{
	struct worker *worker = connection->worker;

	worker->input_at = worker->input_len = 0;
	if (!read_more(connection))
		return false;
	connection->lingered_bytes += worker->input_len;
	worker->input_at = worker->input_len;
	if (connection->lingered_bytes > LINGER_BYTES_MAX)
		connection->state = CONNECTION_ENDED;
	return connection->state != CONNECTION_ENDED;
}

/* One step. False: nothing more can be done now. */
static bool step(struct connection *connection)
{
	switch (connection->state) {
	case CONNECTION_HANDSHAKE:
		return shake_hands(connection);
	case CONNECTION_WAITING:
		return wait_for_head(connection);
	case CONNECTION_RECEIVING:
		return receive_body(connection);
	case CONNECTION_SENDING:
		return sending_rest(connection);
	case CONNECTION_STREAMING:
		return sending_stream(connection);
	case CONNECTION_LINGERING:
		return linger(connection);
	case CONNECTION_NEW:
	case CONNECTION_PARKED:
	case CONNECTION_ENDED:
		break;
	}
	return false;
}

static bool go_on(struct connection *connection)
{
	unsigned steps = 0;

	while (steps < TURN_STEPS_MAX && step(connection))
		steps++;
	keep_unread(connection);
	if (connection->state == CONNECTION_ENDED)
		return false;
	if (steps == TURN_STEPS_MAX && connection->state != CONNECTION_PARKED) {
		connection->yielded = true;
		mailbox_post(connection);
	}
	return true;
}

bool connection_run(struct connection *connection)
{
	if (connection->yielded || connection->state == CONNECTION_PARKED)
		return true; /* what is to be done is done when its post comes */
	take_kept(connection);
	return go_on(connection);
}

bool connection_run_posted(struct connection *connection)
{
	take_kept(connection);
	if (connection->yielded) {
		connection->yielded = false;
	} else if (connection->stream_parked) {
		connection->stream_parked = false;
		connection->state = CONNECTION_STREAMING;
	} else {
		CHECK(connection->state == CONNECTION_PARKED);
		intake_run(connection->request);
		after_handler(connection);
	}
	return go_on(connection);
}

/* ---- patience ---- */

static bool out_of_patience(const struct connection *connection, uint64_t waited_ns, bool draining)
{
	const struct server *server = connection_server(connection);

	switch (connection->state) {
	case CONNECTION_WAITING:
		if (connection->kept_len > 0)
			return waited_ns > server->body_ns;
		return waited_ns > (draining ? DRAINING_SILENCE_MS * CLOCK_MS : server->idle_ns);
	case CONNECTION_HANDSHAKE:
	case CONNECTION_RECEIVING:
		return waited_ns > server->body_ns;
	case CONNECTION_SENDING:
		return waited_ns > server->idle_ns;
	case CONNECTION_LINGERING:
		return waited_ns > LINGER_NS;
	case CONNECTION_NEW:
	case CONNECTION_PARKED:
	case CONNECTION_STREAMING:
	case CONNECTION_ENDED:
		break;
	}
	return false;
}

/* Who began a request is told why it is not waited for any longer. */
static void answer_too_slow(struct connection *connection)
{
	take_kept(connection);
	if (connection->state == CONNECTION_WAITING) {
		refuse_head(connection, PROBLEM_REQUEST_TIMEOUT, "The request's head took too long.");
	} else {
		struct request *request = connection->request;
		if (request->state != REQUEST_ANSWERED)
			answer_problem(request, PROBLEM_REQUEST_TIMEOUT, "The request's body took too long.");
		request->answer.close = true;
		sending_answer(connection);
	}
}

bool connection_sweep(struct connection *connection, uint64_t now_ns, bool draining)
{
	uint64_t waited_ns = now_ns > connection->since_ns ? now_ns - connection->since_ns : 0;

	if (connection->yielded || !out_of_patience(connection, waited_ns, draining))
		return true;
	if (connection->state == CONNECTION_RECEIVING || (connection->state == CONNECTION_WAITING && connection->kept_len > 0)) {
		answer_too_slow(connection);
		return go_on(connection);
	}
	if (connection->state != CONNECTION_WAITING)
		return false;
	/* A request may have come this moment, with its event still on the way. */
	connection->readable = true;
	return connection_run(connection) && (connection->state != CONNECTION_WAITING || connection->kept_len > 0);
}

/* ---- life ---- */

struct connection *connection_create(struct worker *worker, int fd, const struct sockaddr *peer, unsigned peer_len)
{
	struct connection *connection = calloc(1, sizeof *connection);

	if (connection == NULL)
		return NULL;
	if (!wire_open(&connection->wire, fd, worker->server->options.tls)) {
		free(connection);
		return NULL;
	}
	connection->worker = worker;
	connection->mailbox = &worker->mailbox;
	connection->readable = true;
	connection->state = CONNECTION_NEW;
	connection->since_ns = clock_monotonic_ns();
	if (getnameinfo(peer, peer_len, connection->address, sizeof connection->address, NULL, 0, NI_NUMERICHOST) != 0)
		memcpy(connection->address, "unknown", sizeof "unknown");
	atomic_fetch_add(&worker->count, 1);
	atomic_fetch_add(&worker->server->connections, 1);
	metrics_gauge_add(METRIC_CONNECTIONS, 0, 1);
	return connection;
}

void connection_destroy(struct connection *connection)
{
	struct worker *worker = connection->worker;

	if (connection->request != NULL)
		sending_finish(connection);
	wire_close(&connection->wire);
	free(connection->kept);
	free(connection);
	atomic_fetch_sub(&worker->count, 1);
	atomic_fetch_sub(&worker->server->connections, 1);
	metrics_gauge_add(METRIC_CONNECTIONS, 0, -1);
}
