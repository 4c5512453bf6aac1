/* The bytes of an answer's head. */
#include "http/reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static char space[8192];

static struct request *made(unsigned status)
{
	struct request *request = calloc(1, sizeof *request);

	assert_non_null(request);
	memcpy(request->request_id, "id-1", 5);
	request->request_id_len = 4;
	request->answer.status = status;
	request->answer.body = STR("12345678901");
	return request;
}

static const char *head_of(struct request *request, struct reply_options options)
{
	size_t len = reply_head(request, &options, space, sizeof space - 1);

	assert_true(len > 0);
	space[len] = '\0';
	assert_string_equal(space + len - 4, "\r\n\r\n");
	return space;
}

static unsigned count_of(const char *text, const char *part)
{
	unsigned count = 0;

	while ((text = strstr(text, part)) != NULL) {
		count++;
		text++;
	}
	return count;
}

static void a_head_says_what_the_answer_is(void **state)
{
	struct request *request = made(200);

	(void)state;
	request->answer.content_type = CONTENT_TYPE_JSON;
	request->answer.cache_control = CACHE_CONTROL_PRIVATE_NO_CACHE;
	request->answer.has_etag = true;
	request->answer.etag = 0x0123456789abcdefu;
	request->answer.cache_status = "hit";
	const char *head = head_of(request, (struct reply_options){false, false});
	assert_memory_equal(head, "HTTP/1.1 200 OK\r\nDate: ", 23);
	assert_int_equal(count_of(head, "\r\nContent-Type: application/json\r\n"), 1);
	assert_int_equal(count_of(head, "\r\nCache-Control: private, no-cache\r\n"), 1);
	assert_int_equal(count_of(head, "\r\nETag: \"0123456789abcdef\"\r\n"), 1);
	assert_int_equal(count_of(head, "\r\nCache-Status: evently; hit\r\n"), 1);
	assert_int_equal(count_of(head, "\r\nX-Request-ID: id-1\r\n"), 1);
	assert_int_equal(count_of(head, "\r\nContent-Length: 11\r\n"), 1);
	assert_int_equal(count_of(head, "\r\nX-Frame-Options: DENY\r\n"), 1);
	assert_int_equal(count_of(head, "Connection:") + count_of(head, "Strict-Transport-Security"), 0);
	free(request);
}

static void an_answers_own_header_replaces_the_common_one(void **state)
{
	struct request *request = made(200);

	(void)state;
	request->answer.headers[request->answer.header_count++] =
		(struct answer_header){"content-security-policy", STR("default-src 'self'")};
	const char *head = head_of(request, (struct reply_options){true, false});
	assert_int_equal(count_of(head, "\r\ncontent-security-policy: default-src 'self'\r\n"), 1);
	assert_int_equal(count_of(head, "Content-Security-Policy"), 0);
	assert_int_equal(count_of(head, "\r\nReferrer-Policy: no-referrer\r\n"), 1);
	assert_int_equal(count_of(head, "\r\nStrict-Transport-Security: max-age=31536000\r\n"), 1);
	free(request);
}

static void framing_follows_status_and_version(void **state)
{
	struct request *request = made(304);

	(void)state;
	const char *head = head_of(request, (struct reply_options){false, true});
	assert_int_equal(count_of(head, "Content-Length") + count_of(head, "Transfer-Encoding"), 0);
	assert_int_equal(count_of(head, "\r\nConnection: close\r\n"), 1);
	request->answer.status = 200;
	request->http_1_0 = true;
	head = head_of(request, (struct reply_options){false, false});
	assert_int_equal(count_of(head, "\r\nConnection: keep-alive\r\n"), 1);
	request->answer.length_unknown = true;
	head = head_of(request, (struct reply_options){false, true});
	assert_int_equal(count_of(head, "Content-Length") + count_of(head, "Transfer-Encoding"), 0);
	request->http_1_0 = false;
	head = head_of(request, (struct reply_options){false, false});
	assert_int_equal(count_of(head, "\r\nTransfer-Encoding: chunked\r\n"), 1);
	free(request);
}

static void every_problem_has_a_reason_phrase(void **state)
{
	(void)state;
	for (unsigned problem = 0; problem < PROBLEM_COUNT; problem++) {
		struct request *request = made(problem_status((enum problem)problem));
		const char *head = head_of(request, (struct reply_options){false, false});
		assert_true(head[12] == ' ' && head[13] >= 'A' && head[13] <= 'Z');
		free(request);
	}
}

static void a_head_that_does_not_fit_is_none(void **state)
{
	struct request *request = made(200);
	struct str wide = {calloc(1, 9000), 9000};

	(void)state;
	assert_non_null(wide.ptr);
	request->answer.headers[request->answer.header_count++] = (struct answer_header){"X-Wide", wide};
	assert_int_equal(reply_head(request, &(struct reply_options){false, false}, space, sizeof space), 0);
	free((char *)(uintptr_t)wide.ptr);
	free(request);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_head_says_what_the_answer_is),
		cmocka_unit_test(an_answers_own_header_replaces_the_common_one),
		cmocka_unit_test(framing_follows_status_and_version),
		cmocka_unit_test(every_problem_has_a_reason_phrase),
		cmocka_unit_test(a_head_that_does_not_fit_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
