#include "http/server.h"

#include <gnutls/gnutls.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "config/config.h"
#include "http/connections.h"
#include "http/cors.h"
#include "http/listen.h"
#include "http/reply.h"
#include "http/tls.h"
#include "http/worker.h"

/* Request line, headers and answer headers of one connection. libmicrohttpd clears all of it after each request, so what
 * is too large costs time: 32 KiB were 1.0 µs more a request than this. */
enum { CONNECTION_MEMORY_BYTES = 12288 };

struct server {
	struct server_options options;
	struct MHD_Daemon *daemon;
	struct connections connections;
	_Atomic(struct cors *) cors;
	unsigned port;
	bool tls;
	atomic_bool draining;
	atomic_size_t running; /* requests from their headers to the end of their answer */
	uint64_t request_timeout_ns;
};

/* ---- requests ---- */

static struct request *request_create(struct server *server)
{
	struct request *request = worker_take_request();

	if (request == NULL)
		return NULL;
	memset(request, 0, offsetof(struct request, first_space));
	request->server = server;
	request->service = server->options.service;
	request->started_ns = clock_monotonic_ns();
	request->deadline_ns = request->started_ns + server->request_timeout_ns;
	arena_init_with(&request->arena, request->first_space, sizeof request->first_space, REQUEST_ARENA_BYTES_MAX);
	buf_init(&request->body, 0);
	return request;
}

static void request_destroy(struct request *request)
{
	if (request->cleanup != NULL)
		request->cleanup(request);
	if (request->answer.release != NULL)
		request->answer.release(request->answer.release_context);
	if (request->answer.stream != NULL)
		request->answer.stream->close(request->answer.stream);
	buf_finish(&request->body);
	arena_finish(&request->arena);
	worker_keep_request(request);
}

/* ---- what libmicrohttpd calls ---- */

/* The request line is in: the target as it was sent, before anything is cut from it. */
static void *on_request_line(void *context, const char *uri, struct MHD_Connection *connection)
{
	struct server *server = context;
	struct request *request = request_create(server);

	if (request == NULL)
		return NULL;
	request->connection = connection;
	request->target = arena_str(&request->arena, str_from(uri));
	atomic_fetch_add_explicit(&server->running, 1, memory_order_relaxed);
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct connection *peer = info != NULL ? info->socket_context : NULL;
	if (peer != NULL) {
		request->client_address = str_from(peer->address);
		atomic_store_explicit(&peer->receiving, true, memory_order_relaxed);
		atomic_store_explicit(&peer->waiting_since_ns, request->started_ns, memory_order_relaxed);
	}
	return request;
}

static void mark_connection(struct request *request, bool receiving, uint64_t since_ns)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct connection *peer = info != NULL ? info->socket_context : NULL;

	if (peer == NULL)
		return;
	atomic_store_explicit(&peer->receiving, receiving, memory_order_relaxed);
	atomic_store_explicit(&peer->waiting_since_ns, since_ns, memory_order_relaxed);
}

static const struct str header_names[HEADER_COUNT] = {
#define X(identifier, name) [identifier] = {name, sizeof name - 1},
	HEADERS(X)
#undef X
};

/* Of each length of a name the first that has it, and after it the next: HEADER_COUNT ends the chain. */
enum { NAME_BYTES_MAX = 32 };
static uint8_t first_of_len[NAME_BYTES_MAX + 1], next_of_len[HEADER_COUNT];

__attribute__((constructor)) static void chain_names(void)
{
	memset(first_of_len, HEADER_COUNT, sizeof first_of_len);
	for (unsigned i = 0; i < HEADER_COUNT; i++) {
		CHECK(header_names[i].len <= NAME_BYTES_MAX);
		next_of_len[i] = first_of_len[header_names[i].len];
		first_of_len[header_names[i].len] = (uint8_t)i;
	}
}

struct header_scan {
	struct request *request;
	size_t bytes;
	const char *next; /* where the next header's name must begin */
	bool malformed;
};

/* A header's name is a token (RFC 9110 section 5.6.2): with a space or worse in it, another parser sees another name. */
static bool is_token(const char *text, size_t len)
{
	static const unsigned char allowed[256] = {
		['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1, ['&'] = 1, ['\''] = 1, ['*'] = 1, ['+'] = 1, ['-'] = 1, ['.'] = 1,
		['^'] = 1, ['_'] = 1, ['`'] = 1, ['|'] = 1, ['~'] = 1, ['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1,
	};
	unsigned char good = len > 0;

	for (size_t i = 0; i < len; i++)
		good &= allowed[(unsigned char)text[i]];
	return good != 0;
}

/* Up to 0.9.75 libmicrohttpd parses the head where it was received and writes a NUL over each CR and LF. So behind each
 * value there are exactly two NULs, then the next name, or two more for the empty line at the end; unless a line was
 * folded (its name comes out joined to its value), held a NUL, had no name (the head then ends too early), or ended in a
 * bare CR or LF: all of them are read differently by different parsers. */
#define HEAD_IS_PARSED_IN_PLACE (MHD_VERSION < 0x00097600)

/* The start of the line after the one that ends at `end`, NULL when that one does not end in CR LF. */
static const char *after_line(const char *end)
{
	return end != NULL && end[0] == '\0' && end[1] == '\0' ? end + 2 : NULL;
}

static bool head_is_malformed(const struct header_scan *scan)
{
	if (scan->malformed || !HEAD_IS_PARSED_IN_PLACE)
		return scan->malformed;
	return after_line(scan->next) == NULL;
}

static enum MHD_Result on_header(void *context, enum MHD_ValueKind kind, const char *name, size_t name_len,
                                 const char *value, size_t value_len)
{
	struct header_scan *scan = context;
	struct request *request = scan->request;

	(void)kind;
	scan->bytes += name_len + value_len + 4;
	if (!is_token(name, name_len) || (HEAD_IS_PARSED_IN_PLACE && name != scan->next) ||
	    (value != NULL && memchr(value, '\r', value_len) != NULL))
		scan->malformed = true;
	scan->next = after_line(value != NULL ? value + value_len : NULL);
	if (name_len > NAME_BYTES_MAX)
		return MHD_YES;
	for (unsigned i = first_of_len[name_len]; i < HEADER_COUNT; i = next_of_len[i]) {
		if ((name[0] | 0x20) != header_names[i].ptr[0] ||
		    !str_equal_caseless((struct str){name, name_len}, header_names[i]))
			continue;
		if (request->headers[i].ptr != NULL)
			request->header_repeated |= 1u << i;
		else
			request->headers[i] = (struct str){value != NULL ? value : "", value_len};
		break;
	}
	return MHD_YES;
}

static enum method parse_method(const char *method)
{
	static const char *const names[] = {[METHOD_GET] = "GET", [METHOD_HEAD] = "HEAD", [METHOD_POST] = "POST",
	                                    [METHOD_PUT] = "PUT", [METHOD_DELETE] = "DELETE", [METHOD_OPTIONS] = "OPTIONS"};

	for (unsigned i = 0; i < ARRAY_LENGTH(names); i++) {
		if (strcmp(method, names[i]) == 0)
			return (enum method)i;
	}
	return METHOD_OTHER;
}

/* 16 digits, eight at a time: the nibbles are spread to bytes, and those over 9 moved to the letters. */
static void write_hex(char *text, uint64_t bits)
{
	for (unsigned half = 0; half < 2; half++, bits >>= 32) {
		uint64_t spread = bits & 0xffffffffu;
		spread = (spread | spread << 16) & 0x0000ffff0000ffffu;
		spread = (spread | spread << 8) & 0x00ff00ff00ff00ffu;
		spread = (spread | spread << 4) & 0x0f0f0f0f0f0f0f0fu;
		uint64_t letters = (spread + 0x0606060606060606u) >> 4 & 0x0101010101010101u;
		spread += 0x3030303030303030u + letters * ('a' - '0' - 10);
		memcpy(text + half * 8, &spread, sizeof spread);
	}
}

/* X-Request-ID as the contract allows it, or one of our own (128 random bits). */
static void choose_request_id(struct request *request)
{
	struct str given = request_header(request, HEADER_X_REQUEST_ID);
	bool usable = given.ptr != NULL && given.len >= 1 && given.len <= REQUEST_ID_BYTES_MAX &&
	              (request->header_repeated & (1u << HEADER_X_REQUEST_ID)) == 0;

	for (size_t i = 0; usable && i < given.len; i++) {
		char c = given.ptr[i];
		usable = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
		         c == '_' || c == '-';
	}
	if (usable) {
		memcpy(request->request_id, given.ptr, given.len);
		request->request_id_len = (unsigned)given.len;
	} else {
		write_hex(request->request_id, random_fast_u64());
		write_hex(request->request_id + 16, random_fast_u64());
		request->request_id_len = 32;
	}
	request->request_id[request->request_id_len] = '\0';
}

/* Lower-case hexadecimal digits, not all of them 0. */
static bool is_trace_field(const char *digits, size_t count)
{
	bool nonzero = false;

	for (size_t i = 0; i < count; i++) {
		if (!((digits[i] >= '0' && digits[i] <= '9') || (digits[i] >= 'a' && digits[i] <= 'f')))
			return false;
		nonzero |= digits[i] != '0';
	}
	return nonzero;
}

/* version "-" trace-id "-" parent-id "-" flags (W3C Trace Context section 3.2.2); version ff is none */
static void read_traceparent(struct request *request)
{
	struct str given = request_header(request, HEADER_TRACEPARENT);

	if (given.len < 55 || given.ptr[2] != '-' || given.ptr[35] != '-' || given.ptr[52] != '-' ||
	    str_starts_with(given, STR("ff")))
		return;
	if (is_trace_field(given.ptr + 3, 32) && is_trace_field(given.ptr + 36, 16))
		memcpy(request->trace_id, given.ptr + 3, 32);
}

/* Framing that two parsers could read differently is refused outright (RFC 9112 section 6.3). */
static bool framing_is_ambiguous(const struct request *request)
{
	struct str length = request_header(request, HEADER_CONTENT_LENGTH);
	struct str encoding = request_header(request, HEADER_TRANSFER_ENCODING);
	unsigned repeated = request->header_repeated;
	uint64_t bytes;

	if ((repeated & (1u << HEADER_CONTENT_LENGTH)) != 0 || (repeated & (1u << HEADER_TRANSFER_ENCODING)) != 0 ||
	    (repeated & (1u << HEADER_HOST)) != 0)
		return true;
	if (length.ptr != NULL && (encoding.ptr != NULL || !str_to_u64(length, INT64_MAX, &bytes)))
		return true;
	return encoding.ptr != NULL && !str_equal_caseless(encoding, STR("chunked"));
}

/* The absolute form, as clients send it to a proxy, must be understood too (RFC 9112 section 3.2.2). */
static struct str origin_form(struct str target)
{
	const struct str schemes[] = {STR("http://"), STR("https://")};

	for (size_t i = 0; i < ARRAY_LENGTH(schemes); i++) {
		size_t start = schemes[i].len;
		if (target.len < start || !str_equal_caseless((struct str){target.ptr, start}, schemes[i]))
			continue;
		while (start < target.len && target.ptr[start] != '/' && target.ptr[start] != '?')
			start++;
		return start == target.len ? STR("/") : (struct str){target.ptr + start, target.len - start};
	}
	return target;
}

static void split_target(struct request *request)
{
	struct str rest = origin_form(request->target), path;

	(void)str_cut(&rest, '?', &path);
	request->query = rest;
	if (path.len > 1 && path.ptr[path.len - 1] == '/')
		path.len--;
	request->path = path;
	if (memchr(path.ptr, '%', path.len) != NULL && !request_decode(path, false, &request->arena, &request->path))
		answer_problem(request, PROBLEM_BAD_REQUEST, "The path is not valid percent-encoded UTF-8.");
}

static void begin_request(struct request *request, const char *method, const char *version)
{
	struct header_scan scan = {request, request->target.len, after_line(version + strlen(version)), false};

	request->state = REQUEST_RUNNING;
	request->method = parse_method(method);
	MHD_get_connection_values_n(request->connection, MHD_HEADER_KIND, on_header, &scan);
	choose_request_id(request);
	read_traceparent(request);
	/* libmicrohttpd also takes chunks whose lines end in a bare LF. Where the body ends may be read differently by a proxy
	 * in front: whatever follows it on this connection is not read. */
	if (request_header(request, HEADER_TRANSFER_ENCODING).ptr != NULL)
		request->answer.close = true;
	if (request->target.ptr == NULL) {
		answer_unavailable(request, 1, "There is not enough memory for the request.");
	} else if (head_is_malformed(&scan)) {
		answer_problem(request, PROBLEM_BAD_REQUEST, "The request's header lines are malformed.");
		request->answer.close = true;
	} else if (framing_is_ambiguous(request)) {
		answer_problem(request, PROBLEM_BAD_REQUEST, "Content-Length, Transfer-Encoding and Host must be unambiguous.");
		request->answer.close = true;
	} else if (request->target.len > REQUEST_TARGET_BYTES_MAX) {
		answer_problem(request, PROBLEM_URI_TOO_LONG, "The request target has over %d bytes.", REQUEST_TARGET_BYTES_MAX);
	} else if (scan.bytes > REQUEST_HEADER_BYTES_MAX) {
		answer_problem(request, PROBLEM_HEADERS_TOO_LARGE, "The request headers have over %d bytes.",
		               REQUEST_HEADER_BYTES_MAX);
	} else {
		split_target(request);
		if (request->state == REQUEST_RUNNING)
			request->server->options.begin(request);
	}
	if (request->state == REQUEST_RUNNING) {
		request->state = REQUEST_RECEIVING;
		buf_init(&request->body, request->body_bytes_max);
	}
}

static enum MHD_Result send_answer(struct request *request)
{
	struct server *server = request->server;
	struct reply_options options = {server->tls, atomic_load_explicit(&server->draining, memory_order_relaxed)};
	struct cors *cors = atomic_load_explicit(&server->cors, memory_order_acquire);

	if (!cors_is_preflight(request))
		cors_add_headers(cors, request);
	mark_connection(request, false, 0);
	return reply_queue(request, &options) ? MHD_YES : MHD_NO;
}

/* A refusal while a body is still to come: small ones are read and dropped, so that the connection stays usable. */
static bool must_answer_early(const struct request *request)
{
	enum { DROPPED_BODY_BYTES_MAX = 4 << 20 };
	struct str length = request_header(request, HEADER_CONTENT_LENGTH);
	uint64_t bytes;

	if (request_header(request, HEADER_EXPECT).ptr != NULL)
		return true;
	if (request->answer.close)
		return true;
	return length.ptr != NULL && !str_to_u64(length, DROPPED_BODY_BYTES_MAX, &bytes);
}

static void take_body(struct request *request, const char *bytes, size_t count)
{
	if (request->state != REQUEST_RECEIVING || request->body_too_large)
		return;
	request->body_bytes += count;
	if (request->body_bytes > request->body_bytes_max) {
		request->body_too_large = true;
		buf_finish(&request->body);
		return;
	}
	if (request->body_sink != NULL) {
		/* Long uploads are bounded by their size and by silence, not by BODY_TIMEOUT_MS. */
		mark_connection(request, true, clock_monotonic_ns());
		request->body_sink(request, (struct str){bytes, count});
		return;
	}
	buf_append(&request->body, bytes, count);
}

static void run_handler(struct request *request)
{
	if (request->state == REQUEST_RECEIVING && request->body_too_large) {
		answer_problem(request, PROBLEM_TOO_LARGE, "The body may have at most %zu bytes.", request->body_bytes_max);
		return;
	}
	if (request->state == REQUEST_RECEIVING && request->body.failed) {
		answer_unavailable(request, 1, "There is not enough memory for the request's body.");
		return;
	}
	request->state = REQUEST_RUNNING;
	request->handler(request);
	CHECK(request->state == REQUEST_SUSPENDED || request->state == REQUEST_ANSWERED);
}

/* Called when the headers are in, for each piece of the body, when all is in, and after every resume. */
static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload, size_t *upload_bytes,
                                  void **request_context)
{
	struct request *request = *request_context;

	(void)context, (void)connection, (void)url;
	if (request == NULL)
		return MHD_NO;
	if (request->state == REQUEST_RECEIVING && request->handler == NULL) {
		begin_request(request, method, version);
		if (request->state == REQUEST_ANSWERED && must_answer_early(request))
			return send_answer(request);
		return MHD_YES;
	}
	if (*upload_bytes > 0) {
		take_body(request, upload, *upload_bytes);
		*upload_bytes = 0;
		return MHD_YES;
	}
	if (request->state != REQUEST_ANSWERED) {
		mark_connection(request, false, 0);
		run_handler(request);
	}
	return request->state == REQUEST_ANSWERED ? send_answer(request) : MHD_YES;
}

static void on_request_end(void *context, struct MHD_Connection *connection, void **request_context,
                           enum MHD_RequestTerminationCode code)
{
	struct server *server = context;
	struct request *request = *request_context;

	(void)connection, (void)code;
	if (request == NULL)
		return;
	mark_connection(request, false, clock_monotonic_ns());
	if (request->handler != NULL || request->answer.status != 0)
		server->options.finished(request);
	request_destroy(request);
	*request_context = NULL;
	atomic_fetch_sub_explicit(&server->running, 1, memory_order_release);
}

static void on_connection(void *context, struct MHD_Connection *connection, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
	struct server *server = context;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		int fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
		const struct sockaddr *peer =
			MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
		*socket_context = connections_add(&server->connections, fd, peer);
	} else {
		connections_remove(&server->connections, *socket_context);
		*socket_context = NULL;
	}
}

static enum MHD_Result admit(void *context, const struct sockaddr *address, socklen_t address_len)
{
	struct server *server = context;

	(void)address, (void)address_len;
	return connections_admit(&server->connections) ? MHD_YES : MHD_NO;
}

/* Percent-encoding is undone by us, strictly. */
static size_t keep_escapes(void *context, struct MHD_Connection *connection, char *text)
{
	(void)context, (void)connection;
	return strlen(text);
}

PRINTF_LIKE(2, 0) static void on_message(void *context, const char *format, va_list arguments)
{
	char line[512];

	(void)context;
	vsnprintf(line, sizeof line, format, arguments);
	line[strcspn(line, "\r\n")] = '\0';
	log_debug("http", "%s", line);
}

/* ---- life ---- */

static unsigned thread_count(const struct config *config)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (config->http_threads > 0)
		return (unsigned)config->http_threads;
	return cores > 0 ? (unsigned)cores : 1;
}

static struct MHD_Daemon *start_daemon(struct server *server, int listen_fd, const struct config *config)
{
	unsigned threads = server->options.threads > 0 ? server->options.threads : thread_count(config);
	/* libmicrohttpd divides its limit among the threads; ours is checked in `admit`. */
	unsigned limit = ((unsigned)config->connections_max + 64) * threads;
	struct MHD_OptionItem options[] = {
		{MHD_OPTION_LISTEN_SOCKET, listen_fd, NULL},
		{MHD_OPTION_THREAD_POOL_SIZE, threads > 1 ? (intptr_t)threads : 0, NULL},
		{MHD_OPTION_CONNECTION_LIMIT, (intptr_t)limit, NULL},
		{MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY_BYTES, NULL},
		{MHD_OPTION_CONNECTION_TIMEOUT, (intptr_t)config->idle_timeout_s, NULL},
		{MHD_OPTION_STRICT_FOR_CLIENT, 1, NULL},
		{MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, NULL},
		{MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)on_request_line, server},
		{MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)on_request_end, server},
		{MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)on_connection, server},
		{MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)keep_escapes, NULL},
		{server->tls ? MHD_OPTION_HTTPS_CERT_CALLBACK2 : MHD_OPTION_END, 0, (void *)(uintptr_t)tls_certificate},
		{MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)TLS_PRIORITIES},
		{MHD_OPTION_END, 0, NULL},
	};
	unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_ERROR_LOG |
	                 (server->tls ? MHD_USE_TLS : 0);

	return MHD_start_daemon(flags, 0, admit, server, on_request, server, MHD_OPTION_EXTERNAL_LOGGER, on_message, NULL,
	                        MHD_OPTION_ARRAY, options, MHD_OPTION_END);
}

bool server_start(struct server **out, const struct server_options *options, struct buf *problem)
{
	const struct config *config = options->config;
	struct server *server = calloc(1, sizeof *server);

	if (server == NULL) {
		buf_lit(problem, "not enough memory to start the HTTP server");
		return false;
	}
	server->options = *options;
	server->tls = options->tls;
	server->request_timeout_ns = (uint64_t)config->request_timeout_ms * CLOCK_MS;
	struct cors *cors = cors_create(config->cors_origins);
	if (cors == NULL) {
		buf_lit(problem, "not enough memory to start the HTTP server");
		free(server);
		return false;
	}
	atomic_store(&server->cors, cors);
	int fd = options->listen_fd;
	server->port = options->port;
	if (fd == 0)
		fd = listen_open(config->host, options->port, &server->port, problem);
	if (fd < 0)
		goto fail;
	if (!connections_start(&server->connections, (size_t)config->connections_max,
	                       (uint64_t)config->idle_timeout_s * CLOCK_SECOND, (uint64_t)config->body_timeout_ms * CLOCK_MS)) {
		buf_lit(problem, "cannot start a thread for the HTTP server");
		goto fail_fd;
	}
	server->daemon = start_daemon(server, fd, config);
	if (server->daemon == NULL) {
		buf_lit(problem, "the HTTP library could not start (threads, epoll or memory)");
		goto fail_connections;
	}
	*out = server;
	return true;
fail_connections:
	connections_stop(&server->connections);
fail_fd:
	close(fd);
fail:
	cors_destroy(atomic_load(&server->cors));
	free(server);
	return false;
}

unsigned server_port(const struct server *server)
{
	return server->port;
}

bool server_draining(const struct server *server)
{
	return atomic_load(&server->draining);
}

void server_leave(struct server *server)
{
	atomic_store(&server->draining, true);
}

void server_drain(struct server *server)
{
	server_leave(server);
	MHD_socket listening = MHD_quiesce_daemon(server->daemon);
	if (listening != MHD_INVALID_SOCKET)
		close(listening);
}

bool server_wait_drained(struct server *server, int timeout_ms)
{
	/* A client whose connection has been silent for this long has no request on the way. */
	enum { SILENT_MS = 500, STEP_US = 5000 };
	uint64_t deadline_ns = clock_monotonic_ns() + (uint64_t)timeout_ms * CLOCK_MS;

	while (connections_count(&server->connections) > 0 && clock_monotonic_ns() < deadline_ns) {
		connections_shut_idle(&server->connections, SILENT_MS * CLOCK_MS);
		usleep(STEP_US);
	}
	return atomic_load_explicit(&server->running, memory_order_acquire) == 0;
}

void server_stop(struct server *server)
{
	MHD_stop_daemon(server->daemon);
	connections_stop(&server->connections);
	cors_destroy(atomic_load(&server->cors));
	free(server);
}

bool server_set_cors(struct server *server, const char *origins)
{
	return cors_replace(&server->cors, origins);
}

void server_preflight(struct request *request, struct str methods)
{
	if (cors_is_preflight(request)) {
		cors_preflight(atomic_load_explicit(&request->server->cors, memory_order_acquire), request, methods);
		return;
	}
	answer_empty(request, 204);
	answer_header(request, "Allow", methods);
}
