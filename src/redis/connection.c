#include "redis/connection.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/resolver.h"
#include "redis/cluster.h"
#include "redis/place.h"
#include "redis/sentinel.h"
#include "redis/source.h"
#include "redis/tls.h"
#include "redis/transport.h"

enum { TEXTS_BYTES_MAX = 1 << 17 };
enum { READ_BYTES = 16384, PROBLEM_BYTES_MAX = 512, FAILURES_MAX = 1, BACKOFF_MS = 100, BACKOFF_MS_MAX = 1000 };

struct redis {
	struct redis_options options; /* its texts are in `texts` */
	struct arena texts;
	unsigned generation; /* of options.source, that the options are of */
	struct redis_place place;  /* of the server that the connection leads to */
	struct cluster *cluster;   /* spreads commands over nodes; NULL: all go to one server */
	struct breaker *breaker;
	struct tls_trust *trust; /* NULL without TLS, or when it could not be made: then trust_problem says why */
	char trust_problem[PROBLEM_BYTES_MAX];
	struct resolver resolver;
	struct transport transport;  /* socket -1 when not connected */
	struct reply_reader *reader; /* NULL when not connected */
	struct buf request;
	size_t commands; /* in the request */
	bool listens;    /* to a channel: what comes unasked is no fault */
	bool in_trouble; /* the last failure was logged, and no success since */
	char problem[PROBLEM_BYTES_MAX];
};

void redis_breaker_init(struct breaker *breaker, unsigned series)
{
	breaker_init(breaker, "redis", series, FAILURES_MAX, BACKOFF_MS, BACKOFF_MS_MAX);
}

/* Says why in trust_problem when the CA cannot be read; connecting then fails with that. */
static void make_trust(struct redis *redis)
{
	struct buf problem;

	redis->trust_problem[0] = '\0';
	if (!redis->options.tls)
		return;
	buf_init(&problem, PROBLEM_BYTES_MAX - 1);
	redis->trust = tls_trust_create(&redis->options, &problem);
	snprintf(redis->trust_problem, sizeof redis->trust_problem, "%.*s", STR_ARG(buf_view(&problem)));
	buf_finish(&problem);
}

/* What follows from the options. */
static void settle(struct redis *redis)
{
	snprintf(redis->place.host, sizeof redis->place.host, "%s", redis->options.host);
	redis->place.port = redis->options.port;
	make_trust(redis);
}

struct redis *redis_create(const struct redis_options *options, struct breaker *breaker)
{
	struct redis *redis = calloc(1, sizeof *redis);

	if (redis == NULL)
		return NULL;
	redis->breaker = breaker;
	redis->transport = TRANSPORT_CLOSED;
	buf_init(&redis->request, REDIS_REQUEST_BYTES_MAX);
	arena_init(&redis->texts, TEXTS_BYTES_MAX);
	/* Before the copy is made: what is newer than the copy is then taken over at the first run. */
	redis->generation = options->source != NULL ? redis_source_generation(options->source) : 0;
	if (!redis_options_copy(&redis->options, options, &redis->texts)) {
		redis_destroy(redis);
		return NULL;
	}
	settle(redis);
	if (redis->options.cluster[0] != '\0' && redis->options.home_key[0] == '\0') {
		redis->cluster = cluster_create(&redis->options);
		if (redis->cluster == NULL) {
			redis_destroy(redis);
			return NULL;
		}
	}
	return redis;
}

static void disconnect(struct redis *redis)
{
	transport_close(&redis->transport);
	reply_reader_destroy(redis->reader);
	redis->reader = NULL;
}

void redis_destroy(struct redis *redis)
{
	if (redis == NULL)
		return;
	disconnect(redis);
	cluster_destroy(redis->cluster);
	resolver_finish(&redis->resolver);
	tls_trust_destroy(redis->trust);
	buf_finish(&redis->request);
	redis_options_finish(&redis->options, &redis->texts);
	free(redis);
}

const char *redis_problem(const struct redis *redis)
{
	return redis->problem;
}

const char *redis_result_name(enum redis_result result)
{
	static const char *const names[] = {"done", "unavailable", "timeout", "lost", "refused", "broken", "too-large"};
	_Static_assert(ARRAY_LENGTH(names) == REDIS_RESULT_COUNT, "one name a result");
	return names[result];
}

/* "Redis at HOST:PORT " and the text, on one line whatever the server said. Gives the result back. */
PRINTF_LIKE(3, 4) static enum redis_result fail(struct redis *redis, enum redis_result result, const char *format, ...)
{
	char text[PROBLEM_BYTES_MAX / 2];
	va_list arguments;
	bool is_ipv6 = strchr(redis->place.host, ':') != NULL;

	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	for (char *c = text; *c != '\0'; c++) {
		if ((unsigned char)*c < 0x20 || (unsigned char)*c == 0x7f)
			*c = ' ';
	}
	snprintf(redis->problem, sizeof redis->problem, "Redis at %s%.200s%s:%u %s", is_ipv6 ? "[" : "",
		 redis->place.host, is_ipv6 ? "]" : "", redis->place.port, text);
	return result;
}

static enum redis_result fail_of_errno(struct redis *redis, const char *what)
{
	if (errno == ETIMEDOUT)
		return fail(redis, REDIS_TIMEOUT, "%s: no answer within REDIS_TIMEOUT_MS (%u ms)", what,
			    redis->options.timeout_ms);
	return fail(redis, REDIS_LOST, "%s: %s", what, strerror(errno));
}

/* ---- commands ---- */

static void append_length(struct buf *out, char type, size_t length)
{
	buf_char(out, type);
	buf_u64(out, length);
	buf_lit(out, "\r\n");
}

/* An array of bulk strings (RESP2). Written here and not by redisFormatCommandArgv, which would copy every argument
 * into memory of its own first. */
static void append_command(struct buf *out, const struct str *arguments, size_t count)
{
	append_length(out, '*', count);
	for (size_t i = 0; i < count; i++) {
		append_length(out, '$', arguments[i].len);
		buf_str(out, arguments[i]);
		buf_lit(out, "\r\n");
	}
}

void redis_append_list(struct redis *redis, const struct str *arguments, size_t count)
{
	CHECK(count > 0);
	if (count > REDIS_ARGUMENTS_MAX)
		redis->request.failed = true;
	if (redis->cluster != NULL)
		cluster_append(redis->cluster, arguments, count);
	else
		append_command(&redis->request, arguments, count);
	redis->commands++;
}

/* ---- one exchange ---- */

struct exchange {
	struct str unsent;
	size_t expected, received;
	struct redis_reply **replies;
	uint64_t deadline_ns;
	void (*meanwhile)(void *context); /* NULL when there is nothing (more) to do */
	void *context;
};

static enum redis_result fail_of_reader(struct redis *redis, enum reply_progress progress)
{
	if (progress == REPLY_TOO_LARGE)
		return fail(redis, REDIS_TOO_LARGE, "sent a reply beyond its bounds, or memory is out");
	return fail(redis, REDIS_BROKEN, "does not speak the Redis protocol; is another service at this address?");
}

/* Takes the whole replies out of what has been fed. */
static enum redis_result take_replies(struct redis *redis, struct exchange *exchange)
{
	while (exchange->received < exchange->expected) {
		struct redis_reply *reply;
		enum reply_progress progress = reply_reader_next(redis->reader, &reply);
		if (progress == REPLY_INCOMPLETE)
			return REDIS_DONE;
		if (progress != REPLY_READY)
			return fail_of_reader(redis, progress);
		exchange->replies[exchange->received++] = reply;
	}
	if (!redis->listens && !reply_reader_is_empty(redis->reader))
		return fail(redis, REDIS_BROKEN, "sent more than was asked for");
	return REDIS_DONE;
}

/* Reads until the replies are complete or nothing more is there. */
static enum redis_result receive(struct redis *redis, struct exchange *exchange)
{
	char bytes[READ_BYTES];
	enum redis_result result = redis->listens ? take_replies(redis, exchange) : REDIS_DONE;

	while (result == REDIS_DONE && exchange->received < exchange->expected) {
		ssize_t got = redis->transport.calls->read(&redis->transport, bytes, sizeof bytes);
		if (got < 0 && errno == EAGAIN)
			return REDIS_DONE;
		if (got < 0)
			return fail_of_errno(redis, "was lost");
		if (got == 0)
			return fail(redis, REDIS_LOST, "closed the connection");
		enum reply_progress progress = reply_reader_feed(redis->reader, bytes, (size_t)got);
		result = progress == REPLY_READY ? take_replies(redis, exchange) : fail_of_reader(redis, progress);
	}
	return result;
}

static enum redis_result send_some(struct redis *redis, struct exchange *exchange)
{
	while (exchange->unsent.len > 0) {
		ssize_t sent =
			redis->transport.calls->write(&redis->transport, exchange->unsent.ptr, exchange->unsent.len);
		if (sent < 0 && errno == EAGAIN)
			return REDIS_DONE;
		if (sent < 0)
			return fail_of_errno(redis, "was lost");
		exchange->unsent = str_skip(exchange->unsent, (size_t)sent);
	}
	return REDIS_DONE;
}

/* Sends and receives side by side: the server may stop reading while nobody reads its replies. */
static enum redis_result run_exchange(struct redis *redis, struct exchange *exchange, struct arena *arena)
{
	exchange->replies = arena_array(arena, struct redis_reply *, exchange->expected);
	if (exchange->replies == NULL)
		return fail_of_reader(redis, REPLY_TOO_LARGE);
	reply_reader_begin(redis->reader, arena);
	for (;;) {
		enum redis_result result = send_some(redis, exchange);
		if (result == REDIS_DONE && exchange->meanwhile != NULL) {
			exchange->meanwhile(exchange->context);
			exchange->meanwhile = NULL;
			result = send_some(redis, exchange);
		}
		if (result == REDIS_DONE)
			result = receive(redis, exchange);
		if (result != REDIS_DONE || exchange->received == exchange->expected)
			return result;
		short events = (short)(exchange->unsent.len > 0 ? POLLIN | POLLOUT : POLLIN);
		if (!transport_wait(&redis->transport, events, exchange->deadline_ns))
			return fail_of_errno(redis, "does not answer");
	}
}

/* ---- connecting ---- */

static enum redis_result refuse_entry(struct redis *redis, const struct redis_reply *reply)
{
	const struct redis_options *options = &redis->options;

	if (options->user[0] != '\0')
		return fail(redis, REDIS_REFUSED, "refused user or password: %s; check %s", reply->text.ptr,
			    options->from_url ? "REDIS_URL" : "REDIS_USER and REDIS_PASSWORD");
	return fail(redis, REDIS_REFUSED, "refused the password: %s; check %s", reply->text.ptr,
		    options->from_url ? "REDIS_URL" : "REDIS_PASSWORD");
}

static enum redis_result refuse_database(struct redis *redis, const struct redis_reply *reply)
{
	return fail(redis, REDIS_REFUSED, "refused database %u: %s; check %s", redis->options.database, reply->text.ptr,
		    redis->options.from_url ? "REDIS_URL" : "REDIS_DATABASE");
}

/* What the server says before it serves anybody: no command was run. */
static enum redis_result check_ready(struct redis *redis, const struct redis_reply *reply)
{
	if (redis_reply_is_error(reply, "NOAUTH"))
		return fail(redis, REDIS_REFUSED, "asks for a password; set %s",
			    redis->options.from_url ? "one in REDIS_URL" : "REDIS_PASSWORD");
	if (redis_reply_is_error(reply, "LOADING") || redis_reply_is_error(reply, "MASTERDOWN"))
		return fail(redis, REDIS_REFUSED, "is not ready: %s", reply->text.ptr);
	return REDIS_DONE;
}

/* A sentinel may hear of a failover later than we ask it. */
static enum redis_result check_role(struct redis *redis, const struct redis_reply *reply)
{
	if (reply->type == REPLY_ARRAY && reply->count > 0 && str_equal(reply->elements[0]->text, STR("master")))
		return REDIS_DONE;
	return fail(redis, REDIS_REFUSED, "is not the master of \"%s\" (yet, or no longer)", redis->options.master_name);
}

static enum redis_result refuse(struct redis *redis, const struct redis_reply *reply, bool of_entry, bool is_last)
{
	if (of_entry)
		return refuse_entry(redis, reply);
	if (is_last && redis->options.sentinels[0] != '\0')
		return fail(redis, REDIS_REFUSED, "does not say its role: %s", reply->text.ptr);
	return refuse_database(redis, reply);
}

/* AUTH, SELECT and ROLE in one round trip. */
static enum redis_result enter(struct redis *redis, uint64_t deadline_ns)
{
	const struct redis_options *options = &redis->options;
	bool has_password = options->password[0] != '\0', has_user = options->user[0] != '\0';
	char memory[2048] __attribute__((aligned(16)));
	struct buf request;
	struct arena arena;
	struct exchange exchange = {.deadline_ns = deadline_ns};
	enum redis_result result = REDIS_DONE;

	buf_init(&request, 16384);
	arena_init_with(&arena, memory, sizeof memory, 1 << 16);
	const struct str entry[] = {STR("AUTH"), str_from(options->user), str_from(options->password)};
	const struct str entry_of_default[] = {STR("AUTH"), str_from(options->password)};
	if (has_password || has_user) {
		append_command(&request, has_user ? entry : entry_of_default, has_user ? 3 : 2);
		exchange.expected++;
	}
	if (options->database != 0) {
		struct str number = arena_printf(&arena, "%u", options->database);
		append_command(&request, (const struct str[]){STR("SELECT"), number}, 2);
		exchange.expected++;
	}
	if (options->sentinels[0] != '\0') {
		append_command(&request, (const struct str[]){STR("ROLE")}, 1);
		exchange.expected++;
	}
	exchange.unsent = buf_view(&request);
	if (exchange.expected > 0)
		result = run_exchange(redis, &exchange, &arena);
	for (size_t i = 0; result == REDIS_DONE && i < exchange.expected; i++) {
		const struct redis_reply *reply = exchange.replies[i];
		result = check_ready(redis, reply);
		if (result == REDIS_DONE && reply->type == REPLY_ERROR)
			result = refuse(redis, reply, i == 0 && (has_password || has_user), i + 1 == exchange.expected);
	}
	if (result == REDIS_DONE && options->sentinels[0] != '\0')
		result = check_role(redis, exchange.replies[exchange.expected - 1]);
	if (request.ptr != NULL)
		explicit_bzero(request.ptr, request.len);
	buf_finish(&request);
	arena_finish(&arena);
	return result;
}

static enum redis_result open_tls(struct redis *redis, uint64_t deadline_ns)
{
	struct buf why;
	enum redis_result result = REDIS_DONE;

	if (redis->trust == NULL)
		return fail(redis, REDIS_REFUSED, "cannot be verified: %s", redis->trust_problem);
	buf_init(&why, PROBLEM_BYTES_MAX);
	switch (tls_open(&redis->transport, redis->trust, redis->place.host, deadline_ns, &why)) {
	case TLS_DONE: break;
	case TLS_TIMEOUT:
		result = fail(redis, REDIS_TIMEOUT,
			      "did not finish the TLS handshake within REDIS_TIMEOUT_MS (%u ms); "
			      "check REDIS_USE_TLS",
			      redis->options.timeout_ms);
		break;
	case TLS_LOST:
		result = fail(redis, REDIS_LOST, "does not speak TLS: %.*s; check REDIS_USE_TLS",
			      STR_ARG(buf_view(&why)));
		break;
	case TLS_UNTRUSTED:
		result = fail(redis, REDIS_REFUSED,
			      "has a certificate that is not trusted: %.*s; check %s and REDIS_CA_FILE",
			      STR_ARG(buf_view(&why)), redis->options.from_url ? "REDIS_URL" : "REDIS_HOST");
		break;
	}
	buf_finish(&why);
	return result;
}

/* Where the master is, for those whom the settings tell only whom to ask. */
static enum redis_result locate(struct redis *redis, uint64_t deadline_ns)
{
	const struct redis_options *options = &redis->options;
	bool by_sentinels = options->sentinels[0] != '\0', by_cluster = options->cluster[0] != '\0';
	struct redis_place found;
	struct buf problem;

	if (!by_sentinels && !by_cluster)
		return REDIS_DONE;
	buf_init(&problem, PROBLEM_BYTES_MAX);
	enum redis_result result = by_sentinels ? sentinel_find(options, deadline_ns, &found, &problem)
						: cluster_find(options, deadline_ns, &found, &problem);
	if (result != REDIS_DONE)
		(void)fail(redis, result, "(by %s): %.*s", by_sentinels ? "REDIS_SENTINELS" : "REDIS_CLUSTER",
			   STR_ARG(buf_view(&problem)));
	buf_finish(&problem);
	if (result != REDIS_DONE || redis_place_same(&found, &redis->place))
		return result;
	resolver_finish(&redis->resolver); /* it is for one host */
	redis->resolver = (struct resolver){0};
	redis->place = found;
	return REDIS_DONE;
}

static enum redis_result reach(struct redis *redis, uint64_t deadline_ns)
{
	struct addrinfo *addresses;
	const char *why;

	enum redis_result located = locate(redis, deadline_ns);
	if (located != REDIS_DONE)
		return located;
	switch (resolver_find(&redis->resolver, redis->place.host, redis->place.port, deadline_ns, &addresses,
			      &why)) {
	case RESOLVER_DONE: break;
	case RESOLVER_TIMEOUT: return fail(redis, REDIS_TIMEOUT, "cannot be found: %s", why);
	case RESOLVER_FAILED:
		return fail(redis, REDIS_LOST, "cannot be found: %s; check %s", why,
			    redis->options.from_url ? "REDIS_URL" : "REDIS_HOST");
	}
	bool connected = transport_connect(&redis->transport, addresses, deadline_ns);
	int failure = errno;
	freeaddrinfo(addresses);
	errno = failure;
	return connected ? REDIS_DONE : fail_of_errno(redis, "cannot be reached");
}

static enum redis_result connect_anew(struct redis *redis, uint64_t deadline_ns)
{
	enum redis_result result = reach(redis, deadline_ns);

	if (result == REDIS_DONE && redis->options.tls)
		result = open_tls(redis, deadline_ns);
	if (result != REDIS_DONE)
		return result;
	redis->reader = reply_reader_create();
	if (redis->reader == NULL)
		return fail_of_reader(redis, REPLY_TOO_LARGE);
	return enter(redis, deadline_ns);
}

/* An idle connection that the server has closed, or on which something came unasked, is not used again. */
static bool is_usable(struct redis *redis)
{
	char byte;

	if (redis->transport.socket < 0)
		return false;
	return redis->transport.calls->read(&redis->transport, &byte, 1) < 0 && errno == EAGAIN;
}

/* Takes newer options over: when they lead elsewhere at once, otherwise for the next connecting. Without memory the old
 * ones stay until the next run. */
static void follow_source(struct redis *redis)
{
	struct redis_source *source = redis->options.source;
	struct redis_options fresh;
	struct arena texts;
	unsigned generation;

	if (source == NULL || redis_source_generation(source) == redis->generation)
		return;
	arena_init(&texts, TEXTS_BYTES_MAX);
	if (!redis_source_copy(source, &fresh, &texts, &generation)) {
		redis_options_finish(&fresh, &texts);
		return;
	}
	/* These are the caller's. */
	fresh.timeout_ms = redis->options.timeout_ms;
	fresh.home_key = arena_str(&texts, str_from(redis->options.home_key)).ptr;
	if (texts.failed) {
		redis_options_finish(&fresh, &texts);
		return;
	}
	bool elsewhere = !redis_options_same_place(&fresh, &redis->options);
	if (elsewhere) {
		disconnect(redis);
		resolver_finish(&redis->resolver);
		redis->resolver = (struct resolver){0};
		tls_trust_destroy(redis->trust);
		redis->trust = NULL;
	}
	redis_options_finish(&redis->options, &redis->texts);
	redis->options = fresh;
	redis->texts = texts;
	redis->generation = generation;
	if (elsewhere)
		settle(redis);
	if (redis->cluster != NULL)
		cluster_reset(redis->cluster);
}

/* ---- a run ---- */

/* Logs the beginning and the end of trouble, and not each failure in between. */
static void remember(struct redis *redis, enum redis_result result)
{
	struct log_field field = LOG_TEXT("result", str_from(redis_result_name(result)));

	if (result == REDIS_DONE) {
		redis->problem[0] = '\0';
		redis->in_trouble = false;
	} else if (!redis->in_trouble) {
		redis->in_trouble = true;
		log_line(LOG_WARNING, "redis", &field, 1, "%s", redis->problem);
	}
}

static enum redis_result try_cluster(struct redis *redis, struct exchange *exchange, struct arena *arena)
{
	struct buf problem;
	enum redis_result result = REDIS_TOO_LARGE;

	buf_init(&problem, PROBLEM_BYTES_MAX);
	exchange->replies = arena_array(arena, struct redis_reply *, exchange->expected);
	if (exchange->replies != NULL)
		result = cluster_run(redis->cluster, exchange->deadline_ns, arena, exchange->replies, exchange->expected, &problem);
	if (result != REDIS_DONE)
		(void)fail(redis, result, "and its cluster: %.*s", STR_ARG(buf_view(&problem)));
	buf_finish(&problem);
	return result;
}

static enum redis_result try_run(struct redis *redis, struct exchange *exchange, struct arena *arena)
{
	enum redis_result result = REDIS_DONE;

	follow_source(redis);
	if (redis->cluster != NULL)
		return try_cluster(redis, exchange, arena);
	if (!is_usable(redis)) {
		disconnect(redis);
		result = connect_anew(redis, exchange->deadline_ns);
	}
	if (result == REDIS_DONE)
		result = run_exchange(redis, exchange, arena);
	for (size_t i = 0; result == REDIS_DONE && i < exchange->received; i++)
		result = check_ready(redis, exchange->replies[i]);
	if (result != REDIS_DONE)
		disconnect(redis);
	return result;
}

/* A demoted primary refuses writes, and a cluster's node may have given its slot away: asking anew leads to the right one,
 * so the connection is given up. */
static bool is_demoted(const struct exchange *exchange)
{
	for (size_t i = 0; i < exchange->received; i++) {
		if (redis_reply_is_error(exchange->replies[i], "READONLY") ||
		    redis_reply_is_error(exchange->replies[i], "MOVED ") || redis_reply_is_error(exchange->replies[i], "ASK "))
			return true;
	}
	return false;
}

enum redis_result redis_run(struct redis *redis, uint64_t deadline_ns, struct arena *arena,
			    struct redis_reply ***replies)
{
	return redis_run_while(redis, deadline_ns, arena, replies, NULL, NULL);
}

enum redis_result redis_run_while(struct redis *redis, uint64_t deadline_ns, struct arena *arena,
				  struct redis_reply ***replies, void (*meanwhile)(void *), void *context)
{
	uint64_t timeout_at_ns = clock_monotonic_ns() + redis->options.timeout_ms * CLOCK_MS;
	struct exchange exchange = {
		.unsent = buf_view(&redis->request),
		.expected = redis->commands,
		.deadline_ns = deadline_ns < timeout_at_ns ? deadline_ns : timeout_at_ns,
		.meanwhile = meanwhile,
		.context = context,
	};
	enum redis_result result;

	*replies = NULL;
	if (redis->request.failed) {
		result = fail(redis, REDIS_TOO_LARGE, "was not asked: the commands are too large");
	} else if (clock_left_ms(deadline_ns) == 0) {
		result = fail(redis, REDIS_TIMEOUT, "was not asked: the deadline has passed");
	} else if (redis->commands == 0) {
		result = REDIS_DONE;
	} else if (!breaker_allow(redis->breaker)) {
		result = REDIS_UNAVAILABLE;
	} else {
		result = try_run(redis, &exchange, arena);
		/* Replies beyond their bounds are no sign that the peer is away. */
		breaker_report(redis->breaker, result == REDIS_DONE || result == REDIS_TOO_LARGE);
		remember(redis, result);
		*replies = exchange.replies;
	}
	if (result == REDIS_DONE && is_demoted(&exchange))
		disconnect(redis);
	buf_clear(&redis->request);
	if (redis->cluster != NULL)
		cluster_clear(redis->cluster);
	redis->commands = 0;
	return result;
}

enum redis_result redis_ping(struct redis *redis, uint64_t deadline_ns)
{
	char memory[1024] __attribute__((aligned(16)));
	struct arena arena;
	struct redis_reply **replies;

	arena_init_with(&arena, memory, sizeof memory, 1 << 16);
	redis_append(redis, STR("PING"));
	enum redis_result result = redis_run(redis, deadline_ns, &arena, &replies);
	CHECK(result != REDIS_DONE || replies != NULL);
	if (result == REDIS_DONE && replies[0]->type == REPLY_ERROR)
		result = fail(redis, REDIS_REFUSED, "refused PING: %s", replies[0]->text.ptr);
	arena_finish(&arena);
	return result;
}

enum redis_result redis_subscribe(struct redis *redis, struct str channel, uint64_t deadline_ns)
{
	char memory[1024] __attribute__((aligned(16)));
	struct arena arena;
	struct redis_reply **replies = NULL;

	disconnect(redis);
	redis->listens = true;
	arena_init_with(&arena, memory, sizeof memory, 1 << 16);
	redis_append(redis, STR("SUBSCRIBE"), channel);
	enum redis_result result = redis_run(redis, deadline_ns, &arena, &replies);
	CHECK(result != REDIS_DONE || replies != NULL);
	if (result == REDIS_DONE && replies[0]->type != REPLY_ARRAY)
		result = fail(redis, REDIS_REFUSED, "refused SUBSCRIBE: %s", replies[0]->text.ptr != NULL ? replies[0]->text.ptr : "");
	if (result != REDIS_DONE)
		disconnect(redis);
	arena_finish(&arena);
	return result;
}

enum redis_result redis_listen(struct redis *redis, bool ask, uint64_t deadline_ns, struct arena *arena,
			       struct redis_reply **reply)
{
	struct exchange exchange = {.expected = 1, .unsent = ask ? STR("*1\r\n$4\r\nPING\r\n") : STR_NONE};

	*reply = NULL;
	follow_source(redis);
	if (redis->transport.socket < 0)
		return REDIS_LOST; /* the options lead elsewhere now */
	bool waiting = !ask && reply_reader_is_empty(redis->reader);
	if (waiting && !transport_wait(&redis->transport, POLLIN, deadline_ns) && errno == ETIMEDOUT)
		return REDIS_DONE;
	exchange.deadline_ns = clock_monotonic_ns() + redis->options.timeout_ms * CLOCK_MS;
	enum redis_result result = run_exchange(redis, &exchange, arena);
	/* TLS has records of its own, which woke us up. */
	if (result == REDIS_TIMEOUT && !ask && reply_reader_is_empty(redis->reader))
		return REDIS_DONE;
	remember(redis, result);
	if (result == REDIS_DONE)
		*reply = exchange.replies[0];
	else
		disconnect(redis);
	return result;
}
