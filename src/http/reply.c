#include "http/reply.h"

#include <stdio.h>
#include <time.h>

#include "base/clock.h"
#include "base/hex.h"

#define CONTENT_TYPE_OPTIONS "X-Content-Type-Options: nosniff\r\n"
#define FRAME_OPTIONS "X-Frame-Options: DENY\r\n"
#define SECURITY_POLICY "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"
#define REFERRER_POLICY "Referrer-Policy: no-referrer\r\n"

static const char security_headers[] = CONTENT_TYPE_OPTIONS FRAME_OPTIONS SECURITY_POLICY REFERRER_POLICY;

/* The same ones by one, for answers that have their own of some. */
static const struct {
	struct str name, line;
} security_lines[] = {
	{{"X-Content-Type-Options", 22}, {CONTENT_TYPE_OPTIONS, sizeof CONTENT_TYPE_OPTIONS - 1}},
	{{"X-Frame-Options", 15}, {FRAME_OPTIONS, sizeof FRAME_OPTIONS - 1}},
	{{"Content-Security-Policy", 23}, {SECURITY_POLICY, sizeof SECURITY_POLICY - 1}},
	{{"Referrer-Policy", 15}, {REFERRER_POLICY, sizeof REFERRER_POLICY - 1}},
};

#define CACHE_CONTROL(value) {"Cache-Control: " value "\r\n", sizeof("Cache-Control: " value "\r\n") - 1}
static const struct str cache_controls[] = {
	[CACHE_CONTROL_NO_STORE] = CACHE_CONTROL("no-store"),
	[CACHE_CONTROL_PRIVATE_NO_CACHE] = CACHE_CONTROL("private, no-cache"),
	[CACHE_CONTROL_PUBLIC_HOUR] = CACHE_CONTROL("public, max-age=3600"),
};

/* Every status that an answer here may have (RFC 9110 section 15), and "" for one that it may not: a phrase is optional. */
static const char *reason_phrase(unsigned status)
{
	static const struct {
		unsigned status;
		const char *phrase;
	} phrases[] = {
		{200, "OK"}, {201, "Created"}, {202, "Accepted"}, {204, "No Content"}, {304, "Not Modified"}, {400, "Bad Request"},
		{401, "Unauthorized"}, {403, "Forbidden"}, {404, "Not Found"}, {405, "Method Not Allowed"}, {406, "Not Acceptable"},
		{408, "Request Timeout"}, {409, "Conflict"}, {410, "Gone"}, {412, "Precondition Failed"}, {413, "Content Too Large"},
		{414, "URI Too Long"}, {415, "Unsupported Media Type"}, {422, "Unprocessable Content"}, {429, "Too Many Requests"},
		{431, "Request Header Fields Too Large"}, {500, "Internal Server Error"}, {501, "Not Implemented"},
		{503, "Service Unavailable"}, {504, "Gateway Timeout"},
	};

	for (size_t i = 0; i < ARRAY_LENGTH(phrases); i++) {
		if (phrases[i].status == status)
			return phrases[i].phrase;
	}
	return "";
}

/* Of each thread, written anew once a second (RFC 9110 section 6.6.1). */
static struct str date_line(void)
{
	static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	static _Thread_local char line[64];
	static _Thread_local size_t line_len;
	static _Thread_local int64_t written_s = -1;
	int64_t now_s = clock_wall_us() / 1000000;
	time_t now = (time_t)now_s;
	struct tm tm;

	if (now_s == written_s)
		return (struct str){line, line_len};
	if (gmtime_r(&now, &tm) == NULL)
		return STR("");
	int len = snprintf(line, sizeof line, "Date: %.3s, %02d %.3s %04d %02d:%02d:%02d GMT\r\n", days + tm.tm_wday * 3,
	                   tm.tm_mday % 100, months + tm.tm_mon * 3, (tm.tm_year + 1900) % 10000, tm.tm_hour % 100,
	                   tm.tm_min % 100, tm.tm_sec % 100);
	CHECK(len > 0 && (size_t)len < sizeof line);
	line_len = (size_t)len;
	written_s = now_s;
	return (struct str){line, line_len};
}

/* ---- writing: room was made sure of before ---- */

static char *put(char *at, struct str text)
{
	memcpy(at, text.ptr, text.len);
	return at + text.len;
}

#define put_lit(at, literal) ((char *)memcpy((at), literal, sizeof(literal) - 1) + sizeof(literal) - 1)

static char *put_number(char *at, uint64_t value)
{
	char digits[20];
	size_t count = 0;

	do
		digits[sizeof digits - ++count] = (char)('0' + value % 10);
	while ((value /= 10) > 0);
	memcpy(at, digits + sizeof digits - count, count);
	return at + count;
}

static char *put_status(char *at, unsigned status)
{
	if (status == 200)
		return put_lit(at, "HTTP/1.1 200 OK\r\n");
	at = put_lit(at, "HTTP/1.1 ");
	at = put_number(at, status);
	*at++ = ' ';
	at = put(at, str_from(reason_phrase(status)));
	return put_lit(at, "\r\n");
}

static bool has_header(const struct answer *answer, struct str name)
{
	for (unsigned i = 0; i < answer->header_count; i++) {
		if (str_equal_caseless(str_from(answer->headers[i].name), name))
			return true;
	}
	return false;
}

static char *put_security(char *at, const struct answer *answer)
{
	if (answer->header_count == 0)
		return put(at, (struct str){security_headers, sizeof security_headers - 1});
	for (size_t i = 0; i < ARRAY_LENGTH(security_lines); i++) {
		if (!has_header(answer, security_lines[i].name))
			at = put(at, security_lines[i].line);
	}
	return at;
}

static char *put_header(char *at, struct str name, struct str value)
{
	at = put(at, name);
	at = put_lit(at, ": ");
	at = put(at, value);
	return put_lit(at, "\r\n");
}

/* How the client finds the body's end (RFC 9112 section 6). */
static char *put_framing(char *at, const struct request *request, bool close)
{
	const struct answer *answer = &request->answer;

	if (answer->stream != NULL || answer->length_unknown) {
		if (!request->http_1_0)
			at = put_lit(at, "Transfer-Encoding: chunked\r\n");
	} else if (!reply_is_bodiless(answer->status)) {
		at = put_lit(at, "Content-Length: ");
		at = put_number(at, answer->body.len);
		at = put_lit(at, "\r\n");
	}
	if (close)
		at = put_lit(at, "Connection: close\r\n");
	else if (request->http_1_0)
		at = put_lit(at, "Connection: keep-alive\r\n");
	return put_lit(at, "\r\n");
}

bool reply_is_bodiless(unsigned status)
{
	return status == 204 || status == 304;
}

/* More than all of the head has that is no header of the answer's own. */
static size_t bytes_needed(const struct request *request)
{
	const struct answer *answer = &request->answer;
	size_t bytes = 1024 + request->request_id_len;

	for (unsigned i = 0; i < answer->header_count; i++)
		bytes += strlen(answer->headers[i].name) + answer->headers[i].value.len + 4;
	return bytes;
}

size_t reply_head(const struct request *request, const struct reply_options *options, char *space, size_t bytes_max)
{
	const struct answer *answer = &request->answer;
	char *at = space;

	if (bytes_needed(request) > bytes_max)
		return 0;
	at = put_status(at, answer->status);
	at = put(at, date_line());
	at = put_security(at, answer);
	if (options->tls)
		at = put_lit(at, "Strict-Transport-Security: max-age=31536000\r\n");
	if (answer->content_type != NULL) {
		at = put_lit(at, "Content-Type: ");
		at = put(at, str_from(answer->content_type));
		at = put_lit(at, "\r\n");
	}
	at = put(at, cache_controls[answer->cache_control]);
	if (answer->has_etag) {
		at = put_lit(at, "ETag: \"");
		hex_write_u64(at, answer->etag);
		at = put_lit(at + 16, "\"\r\n");
	}
	if (answer->cache_status != NULL) {
		at = put_lit(at, "Cache-Status: evently; ");
		at = put(at, str_from(answer->cache_status));
		at = put_lit(at, "\r\n");
	}
	for (unsigned i = 0; i < answer->header_count; i++)
		at = put_header(at, str_from(answer->headers[i].name), answer->headers[i].value);
	at = put_lit(at, "X-Request-ID: ");
	at = put(at, request_id(request));
	at = put_lit(at, "\r\n");
	at = put_framing(at, request, options->close);
	CHECK((size_t)(at - space) <= bytes_max);
	return (size_t)(at - space);
}
