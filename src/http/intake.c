#include "http/intake.h"

#include "base/hex.h"
#include "base/random.h"

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
		hex_write_u64(request->request_id, random_fast_u64());
		hex_write_u64(request->request_id + 16, random_fast_u64());
		request->request_id_len = 32;
	}
	request->request_id[request->request_id_len] = '\0';
}

/* In lower case. */
static bool are_hex_digits(const char *digits, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!((digits[i] >= '0' && digits[i] <= '9') || (digits[i] >= 'a' && digits[i] <= 'f')))
			return false;
	}
	return true;
}

/* Hexadecimal digits, not all of them 0. */
static bool is_trace_field(const char *digits, size_t count)
{
	bool nonzero = false;

	for (size_t i = 0; i < count; i++)
		nonzero |= digits[i] != '0';
	return nonzero && are_hex_digits(digits, count);
}

/* version "-" trace-id "-" parent-id "-" flags (W3C Trace Context section 3.2.2): version ff is none, only later ones than 00
 * may say more behind the flags. */
static void read_traceparent(struct request *request)
{
	struct str given = request_header(request, HEADER_TRACEPARENT);
	enum { TRACE_ID = 3, PARENT_ID = 36, FLAGS = 53, END = 55 };

	if (given.len < END || given.ptr[TRACE_ID - 1] != '-' || given.ptr[PARENT_ID - 1] != '-' || given.ptr[FLAGS - 1] != '-')
		return;
	bool first_version = str_starts_with(given, STR("00"));
	if (!are_hex_digits(given.ptr, 2) || !are_hex_digits(given.ptr + FLAGS, 2) || str_starts_with(given, STR("ff")) ||
	    (given.len > END && (first_version || given.ptr[END] != '-')))
		return;
	if (is_trace_field(given.ptr + TRACE_ID, 32) && is_trace_field(given.ptr + PARENT_ID, 16))
		memcpy(request->trace_id, given.ptr + TRACE_ID, 32);
}

/* Framing that two parsers could read differently is refused outright (RFC 9112 sections 6.1 and 6.3). */
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
	return encoding.ptr != NULL && (request->http_1_0 || !str_equal_caseless(encoding, STR("chunked")));
}

/* The absolute form, as clients send it to a proxy, must be understood too (RFC 9112 section 3.2.2). */
static struct str origin_form(struct str target)
{
	const struct str schemes[] = {STR("http://"), STR("https://")};

	if (target.len > 0 && target.ptr[0] == '/')
		return target;
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

void intake_head(struct request *request, size_t head_bytes)
{
	request->state = REQUEST_RUNNING;
	choose_request_id(request);
	read_traceparent(request);
	/* Where chunks end, a proxy in front may see differently: whatever follows them on this connection is not read. */
	if (request_header(request, HEADER_TRANSFER_ENCODING).ptr != NULL)
		request->answer.close = true;
	if (framing_is_ambiguous(request)) {
		answer_problem(request, PROBLEM_BAD_REQUEST, "Content-Length, Transfer-Encoding and Host must be unambiguous.");
		request->answer.close = true;
	} else if (!request->http_1_0 && request_header(request, HEADER_HOST).ptr == NULL) {
		answer_problem(request, PROBLEM_BAD_REQUEST, "HTTP/1.1 requests must name their Host.");
		request->answer.close = true;
	} else if (request->target.len > REQUEST_TARGET_BYTES_MAX) {
		answer_problem(request, PROBLEM_URI_TOO_LONG, "The request target has over %d bytes.", REQUEST_TARGET_BYTES_MAX);
	} else if (head_bytes > REQUEST_HEADER_BYTES_MAX) {
		answer_problem(request, PROBLEM_HEADERS_TOO_LARGE, "The request line and headers have over %d bytes.",
		               REQUEST_HEADER_BYTES_MAX);
	} else {
		split_target(request);
	}
}

void intake_malformed(struct request *request, const char *detail)
{
	if (request->request_id_len == 0)
		choose_request_id(request);
	if (request->state != REQUEST_ANSWERED)
		answer_problem(request, PROBLEM_BAD_REQUEST, "%s", detail);
	request->answer.close = true;
}

/* A refusal while a body is still to come: small ones are read and dropped, so that the connection stays usable. */
bool intake_answers_early(const struct request *request)
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

void intake_body(struct request *request, struct str bytes)
{
	if (request->state != REQUEST_RECEIVING || request->body_too_large)
		return;
	request->body_bytes += bytes.len;
	if (request->body_bytes > request->body_bytes_max) {
		request->body_too_large = true;
		buf_finish(&request->body);
		return;
	}
	if (request->body_sink != NULL)
		request->body_sink(request, bytes);
	else
		buf_append(&request->body, bytes.ptr, bytes.len);
}

void intake_run(struct request *request)
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
