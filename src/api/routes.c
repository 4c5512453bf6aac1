#include "api/routes.h"

#include "api/limits.h"
#include "api/service.h"
#include "api/transfer.h"
#include "base/clock.h"
#include "base/json_memory.h"
#include "base/log.h"
#include "base/metrics.h"

#define GET METHOD_GET
#define POST METHOD_POST
#define PUT METHOD_PUT
#define DELETE METHOD_DELETE
#define ANYONE ACCESS_ANYONE
#define USER ACCESS_USER
#define ADMIN ACCESS_ADMIN
const struct route routes[ROUTE_COUNT] = {
#define X(identifier, method, pattern, access, handler, body) {identifier, method, #method, pattern, access, handler, body},
	ROUTES(X)
#undef X
};
#undef GET
#undef POST
#undef PUT
#undef DELETE
#undef ANYONE
#undef USER
#undef ADMIN

/* ---- matching ---- */

struct match {
	struct str id;   /* the text in {id}'s place; absent if the pattern has none */
	struct str tail; /* … in {asset}'s place */
};

/* A pattern taken apart: a literal, then maybe {id} or {asset}, then maybe more text. Patterns without a segment are chained
 * by their length, those with one by their literal, so that a path is compared with a few of them. */
struct shape {
	struct str literal;
	bool is_id;
	struct str behind; /* what follows the segment */
	unsigned next;     /* of the chain; ROUTE_COUNT ends it */
};

enum { LITERAL_BYTES_MAX = 64, SEGMENT_LITERALS_MAX = 8 };
static struct shape shapes[ROUTE_COUNT];
static unsigned literal_of_len[LITERAL_BYTES_MAX + 1];
static unsigned segment_chains[SEGMENT_LITERALS_MAX], segment_chain_count;

static void chain_segment(unsigned route)
{
	unsigned chain = 0;

	while (chain < segment_chain_count && !str_equal(shapes[segment_chains[chain]].literal, shapes[route].literal))
		chain++;
	CHECK(chain < SEGMENT_LITERALS_MAX);
	shapes[route].next = chain < segment_chain_count ? segment_chains[chain] : ROUTE_COUNT;
	segment_chains[chain] = route;
	if (chain == segment_chain_count)
		segment_chain_count++;
}

__attribute__((constructor)) static void take_patterns_apart(void)
{
	for (unsigned len = 0; len <= LITERAL_BYTES_MAX; len++)
		literal_of_len[len] = ROUTE_COUNT;
	for (unsigned i = 0; i < ROUTE_COUNT; i++) {
		const char *pattern = routes[i].pattern, *segment = strchr(pattern, '{');
		struct shape *shape = &shapes[i];
		shape->literal = (struct str){pattern, strcspn(pattern, "{")};
		CHECK(shape->literal.len <= LITERAL_BYTES_MAX);
		if (segment == NULL) {
			shape->next = literal_of_len[shape->literal.len];
			literal_of_len[shape->literal.len] = i;
			continue;
		}
		shape->is_id = segment[1] == 'i';
		shape->behind = str_from(strchr(segment, '}') + 1);
		chain_segment(i);
	}
}

struct search {
	struct str path;
	enum method method; /* HEAD follows GET */
	const struct route *found;
	unsigned methods;   /* bit by enum method: what the path knows */
	struct match match;
};

static void add_route(struct search *search, unsigned route, struct match match)
{
	search->methods |= 1u << routes[route].method;
	if (routes[route].method != search->method)
		return;
	search->found = &routes[route];
	search->match = match;
}

static void search_literals(struct search *search)
{
	if (search->path.len > LITERAL_BYTES_MAX)
		return;
	for (unsigned i = literal_of_len[search->path.len]; i < ROUTE_COUNT; i = shapes[i].next) {
		if (memcmp(search->path.ptr, shapes[i].literal.ptr, search->path.len) == 0)
			add_route(search, i, (struct match){STR_NONE, STR_NONE});
	}
}

static void search_segments(struct search *search)
{
	for (unsigned chain = 0; chain < segment_chain_count; chain++) {
		struct str literal = shapes[segment_chains[chain]].literal;
		if (search->path.len <= literal.len || memcmp(search->path.ptr, literal.ptr, literal.len) != 0)
			continue;
		struct str rest = str_skip(search->path, literal.len);
		const char *slash = memchr(rest.ptr, '/', rest.len);
		struct str segment = {rest.ptr, slash != NULL ? (size_t)(slash - rest.ptr) : rest.len};
		rest = str_skip(rest, segment.len);
		for (unsigned i = segment_chains[chain]; i < ROUTE_COUNT && segment.len > 0; i = shapes[i].next) {
			if (str_equal(rest, shapes[i].behind))
				add_route(search, i, shapes[i].is_id ? (struct match){segment, STR_NONE} : (struct match){STR_NONE, segment});
		}
	}
}

/* A literal path wins over one with {id}: /events/upcoming is no event. */
static const struct route *find_route(struct str path, enum method method, struct match *match, unsigned *methods)
{
	struct search search = {.path = path, .method = method == METHOD_HEAD ? METHOD_GET : method};

	search_literals(&search);
	if (search.methods == 0)
		search_segments(&search);
	*match = search.match;
	*methods = search.methods;
	return search.found;
}

static struct str allow_list(struct request *request, unsigned methods)
{
	struct buf list;

	buf_init(&list, 64);
	if ((methods & (1u << METHOD_GET)) != 0)
		buf_lit(&list, "GET, HEAD, ");
	if ((methods & (1u << METHOD_POST)) != 0)
		buf_lit(&list, "POST, ");
	if ((methods & (1u << METHOD_PUT)) != 0)
		buf_lit(&list, "PUT, ");
	if ((methods & (1u << METHOD_DELETE)) != 0)
		buf_lit(&list, "DELETE, ");
	buf_lit(&list, "OPTIONS");
	struct str text = arena_str(&request->arena, buf_view(&list));
	buf_finish(&list);
	return text;
}

/* ---- rights ---- */

static void refuse_token(struct request *request, enum token_result result, bool missing)
{
	const char *detail = missing ? "A bearer token is needed." : token_result_text(result);

	answer_problem(request, PROBLEM_UNAUTHORIZED, "%s", detail);
	/* The error first: the contract writes `Bearer error="…"`. */
	answer_header(request, "WWW-Authenticate",
	              arena_printf(&request->arena, "Bearer error=\"%s\", error_description=\"%s\", realm=\"evently\"",
	                           missing ? "invalid_request" : "invalid_token", detail));
}

/* Balancers and collectors ask at their own pace. */
static bool is_for_probes(const struct route *route)
{
	return route->id == ROUTE_HEALTH || route->id == ROUTE_LIVE || route->id == ROUTE_READY || route->id == ROUTE_METRICS;
}

/* False: answered. */
static bool authorize(struct request *request)
{
	const struct principal *principal;
	bool missing;
	enum token_result result = TOKEN_MALFORMED;

	if (request->route->access == ACCESS_ANYONE)
		return is_for_probes(request->route) || limits_admit(request);
	json_memory_forget();
	if ((request->header_repeated & (1u << HEADER_AUTHORIZATION)) != 0)
		missing = false;
	else
		result = authenticator_check(service_of(request)->authenticator, request_header(request, HEADER_AUTHORIZATION),
		                             &principal, &missing);
	if (result != TOKEN_OK && json_memory_failed()) {
		service_answer_failure(request, STORE_OUT_OF_MEMORY);
		return false;
	}
	if (result != TOKEN_OK) {
		if (limits_admit(request))
			refuse_token(request, result, missing);
		return false;
	}
	principal_copy(&request->principal, principal);
	if (!limits_admit(request))
		return false;
	if (request->route->access == ACCESS_ADMIN && principal->role != ROLE_ADMIN) {
		answer_problem(request, PROBLEM_FORBIDDEN, "This needs the role admin.");
		return false;
	}
	return true;
}

unsigned service_visible(const struct request *request)
{
	bool drafts = request->principal.role == ROLE_ADMIN ||
	              strcmp(service_of(request)->config->drafts_visible_to, "users") == 0;

	return drafts ? EVENT_STATUS_ALL : EVENT_STATUS_NOT_DRAFT;
}

/* ---- the body ---- */

bool routes_media_type_is(struct str content_type, const char *type)
{
	struct str name;

	return str_cut(&content_type, ';', &name) && str_equal_caseless(str_trim(name), str_from(type));
}

/* False: answered. */
static bool accept_body(struct request *request)
{
	const struct config *config = service_of(request)->config;
	struct str type = request_header(request, HEADER_CONTENT_TYPE);
	struct str encoding = request_header(request, HEADER_CONTENT_ENCODING);
	enum route_body body = request->route->body;
	uint64_t length = 0;

	request->body_bytes_max = (size_t)(body == BODY_IMPORT ? config->import_bytes_max : config->body_bytes_max);
	if (str_to_u64(request_header(request, HEADER_CONTENT_LENGTH), UINT64_MAX, &length) &&
	    length > request->body_bytes_max) {
		answer_problem(request, PROBLEM_TOO_LARGE, "The body may have at most %zu bytes.", request->body_bytes_max);
		return false;
	}
	if (body == BODY_NONE)
		return true;
	bool known = type.ptr == NULL || routes_media_type_is(type, "application/json") ||
	             (body == BODY_JSON && routes_media_type_is(type, "application/merge-patch+json")) ||
	             (body == BODY_IMPORT && (routes_media_type_is(type, "application/x-ndjson") || routes_media_type_is(type, "text/csv") ||
	                                      routes_media_type_is(type, "application/ndjson") || routes_media_type_is(type, "application/jsonl")));
	if (encoding.ptr != NULL && !str_equal_caseless(encoding, STR("identity")))
		known = false;
	if (!known)
		answer_problem(request, PROBLEM_UNSUPPORTED_MEDIA_TYPE, "Send %s, without Content-Encoding.",
		               body == BODY_IMPORT ? "application/x-ndjson or text/csv" : "application/json");
	return known;
}

/* ---- the door ---- */

void routes_path_issue(const struct request *request, struct issues *issues)
{
	enum route_id route = request->route->id;

	if (strstr(request->route->pattern, "{id}") == NULL || request->path_id > 0)
		return;
	issues_add(issues, "path", str_from(route == ROUTE_USER_PUT || route == ROUTE_USER_GET ? "user_id" : "event_id"),
	           "int_parsing", "must be a whole number from 1 to 9223372036854775807");
}

/* Its handler reads a body or parameters, and tells of a bad path together with what is wrong there. */
static bool has_more_to_read(const struct route *route)
{
	return route->body == BODY_JSON || route->id == ROUTE_HISTORY || route->id == ROUTE_CALENDAR;
}

/* False: answered. */
static bool read_path(struct request *request, const struct match *match)
{
	struct issues issues;
	int64_t id;

	request->path_tail = match->tail;
	if (match->id.ptr == NULL)
		return true;
	if (str_to_i64(match->id, &id) && id > 0)
		request->path_id = id;
	if (request->path_id > 0 || has_more_to_read(request->route))
		return true;
	issues_init(&issues, &request->arena);
	routes_path_issue(request, &issues);
	answer_issues(request, &issues);
	return false;
}

void routes_begin(struct request *request)
{
	struct match match;
	unsigned methods;

	limits_find_client(request);
	request->route = find_route(request->path, request->method, &match, &methods);
	if (request->method == METHOD_OPTIONS && methods != 0) {
		server_preflight(request, allow_list(request, methods));
		return;
	}
	if (request->method == METHOD_OPTIONS && str_equal(request->path, STR("*"))) { /* of the server as a whole */
		server_preflight(request, STR("GET, HEAD, POST, PUT, DELETE, OPTIONS"));
		return;
	}
	if (request->route == NULL && methods == 0) {
		answer_problem(request, PROBLEM_NOT_FOUND, "There is nothing at this path.");
		return;
	}
	if (request->route == NULL) {
		answer_problem(request, PROBLEM_METHOD_NOT_ALLOWED, "This path does not know the method; see Allow.");
		answer_header(request, "Allow", allow_list(request, methods));
		return;
	}
	request->handler = request->route->handler;
	if (authorize(request) && read_path(request, &match) && accept_body(request) && request->route->body == BODY_IMPORT)
		transfer_begin_import(request);
}

static void log_access(const struct request *request, uint64_t elapsed_ns)
{
	static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "OTHER"};
	struct log_field fields[] = {
		LOG_TEXT("method", str_from(methods[request->method])),
		LOG_TEXT("path", request->path),
		LOG_INTEGER("status", request->answer.status),
		LOG_INTEGER("duration_us", elapsed_ns / 1000),
		LOG_INTEGER("bytes", request->answer_bytes),
		LOG_TEXT("request_id", request_id(request)),
		LOG_TEXT("trace_id", str_from(request->trace_id)),
		LOG_TEXT("client", request->client_address),
		LOG_INTEGER("user_id", request->principal.user_id),
		LOG_TEXT("cache", str_from(request->answer.cache_status != NULL ? request->answer.cache_status : "-")),
	};

	log_line(LOG_INFO, "access", fields, ARRAY_LENGTH(fields), "request");
}

void routes_finished(struct request *request)
{
	uint64_t elapsed_ns = clock_monotonic_ns() - request->started_ns;
	unsigned status = request->answer.status;

	metrics_observe_ns(METRIC_REQUESTS, request->route != NULL ? request->route->id : ROUTE_COUNT, elapsed_ns);
	metrics_count(METRIC_RESPONSES, service_status_series(status), 1);
	if (service_of(request)->access_log)
		log_access(request, elapsed_ns);
}

void routes_print(struct buf *out)
{
	static const char *const access[] = {"anyone", "user", "admin"};

	for (unsigned i = 0; i < ROUTE_COUNT; i++)
		buf_printf(out, "%s %s %s\n", routes[i].method_name, routes[i].pattern, access[routes[i].access]);
}
