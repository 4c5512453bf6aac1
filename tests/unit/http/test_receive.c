/* What llhttp makes of a message, and that pieces of a body come through whole. */
#include "http/receive.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static struct request *made(void)
{
	struct request *request = calloc(1, sizeof *request);

	assert_non_null(request);
	arena_init_with(&request->arena, request->first_space, sizeof request->first_space, REQUEST_ARENA_BYTES_MAX);
	buf_init(&request->body, 1 << 20);
	return request;
}

static void destroy(struct request *request)
{
	buf_finish(&request->body);
	arena_finish(&request->arena);
	free(request);
}

static void append(struct request *request, struct str bytes)
{
	buf_str(&request->body, bytes);
}

static void a_head_fills_the_request(void **state)
{
	struct request *request = made();
	struct str head = STR("PUT /a/b?c=d HTTP/1.1\r\nHoST: x\r\nIF-MATCH:\t \"1\" \t\r\nAccept:\r\nHost: y\r\nX-Other: z\r\n"
	                      "Content-Length: 3\r\n\r\n");

	(void)state;
	assert_int_equal(receive_head(request, head, append), RECEIVE_MORE);
	assert_int_equal(request->method, METHOD_PUT);
	assert_true(str_equal(request->target, STR("/a/b?c=d")));
	assert_true(str_equal(request_header(request, HEADER_IF_MATCH), STR("\"1\"")));
	assert_true(str_equal(request_header(request, HEADER_HOST), STR("x")));
	assert_non_null(request_header(request, HEADER_ACCEPT).ptr);
	assert_int_equal(request_header(request, HEADER_ACCEPT).len, 0);
	assert_int_equal(request->header_repeated, 1u << HEADER_HOST);
	assert_null(request_header(request, HEADER_ORIGIN).ptr);
	assert_true(request->keep_alive && !request->http_1_0);
	destroy(request);
}

static void whether_another_request_may_come_is_read(void **state)
{
	static const struct {
		struct str head;
		bool keep_alive;
	} rows[] = {
		{STR("GET / HTTP/1.1\r\n\r\n"), true},
		{STR("GET / HTTP/1.1\r\nConnection: close\r\n\r\n"), false},
		{STR("GET / HTTP/1.1\r\nConnection: x, Close\r\n\r\n"), false},
		{STR("GET / HTTP/1.0\r\n\r\n"), false},
		{STR("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"), true},
		{STR("GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"), true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		struct request *request = made();
		assert_int_equal(receive_head(request, rows[i].head, append), RECEIVE_COMPLETE);
		assert_int_equal(request->keep_alive, rows[i].keep_alive);
		destroy(request);
	}
}

static void any_token_is_a_method(void **state)
{
	static const struct str known = STR("OPTIONS * HTTP/1.1\r\n\r\n");
	static const struct str others[] = {STR("BREW / HTTP/1.1\r\n\r\n"), STR("PATCH / HTTP/1.1\r\n\r\n"),
	                                    STR("CONNECT a:1 HTTP/1.1\r\n\r\n"), STR("get / HTTP/1.1\r\n\r\n"),
	                                    STR("SOURCE / HTTP/1.1\r\n\r\n")};
	struct request *request = made();

	(void)state;
	assert_int_equal(receive_head(request, known, append), RECEIVE_COMPLETE);
	assert_int_equal(request->method, METHOD_OPTIONS);
	destroy(request);
	for (size_t i = 0; i < ARRAY_LENGTH(others); i++) {
		request = made();
		enum receive_result result = receive_head(request, others[i], append);
		assert_int_equal(request->method, METHOD_OTHER);
		assert_int_equal(result, i == 2 ? RECEIVE_MALFORMED : RECEIVE_COMPLETE); /* "a:1" is no target but CONNECT's */
		destroy(request);
	}
}

static void malformed_heads_are_refused(void **state)
{
	static const struct str rows[] = {
		STR("GET\r\n\r\n"),
		STR("G@T / HTTP/1.1\r\n\r\n"),
		STR("GET / HTTP/2.0\r\n\r\n"),
		STR("GET / HTTP/0.9\r\n\r\n"),
		STR("GET / HTTP/1.1 \r\n\r\n"),
		STR("GET /\x01 HTTP/1.1\r\n\r\n"),
		STR("GET /\xc3\xa4 HTTP/1.1\r\n\r\n"),
		STR("GET / HTTP/1.1\r\nA b: c\r\n\r\n"),
		STR("GET / HTTP/1.1\r\nA : c\r\n\r\n"),
		STR("GET / HTTP/1.1\r\nA: b\x01\r\n\r\n"),
		STR("GET / HTTP/1.1\r\nA: b\n\r\n\r\n"),
		STR("GET / HTTP/1.1\r\nA\r\n\r\n"),
		STR("POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"),
		STR("POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n"),
		STR("POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
		STR("POST / HTTP/1.1\r\nTransfer-Encoding: chunked, identity\r\n\r\n"),
		STR("POST / HTTP/1.1\r\nTransfer-Encoding: identity\r\n\r\n"),
		STR("PRI * HTTP/2.0\r\n\r\n"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		struct request *request = made();
		if (receive_head(request, rows[i], append) != RECEIVE_MALFORMED)
			fail_msg("accepted: %s", rows[i].ptr);
		destroy(request);
	}
}

/* Every way to cut the message in two gives the same body, and leaves what follows it. */
static void expect_body(struct str head, struct str rest, struct str body, size_t used_in_all)
{
	for (size_t cut = 0; cut <= used_in_all; cut++) {
		struct request *request = made();
		size_t used = 0, used_then = 0;
		assert_int_equal(receive_head(request, head, append), RECEIVE_MORE);
		enum receive_result result = receive_more(request, (struct str){rest.ptr, cut}, &used);
		if (result == RECEIVE_MORE)
			result = receive_more(request, str_skip(rest, cut), &used_then);
		assert_int_equal(result, RECEIVE_COMPLETE);
		assert_int_equal(used + used_then, used_in_all);
		assert_true(str_equal(buf_view(&request->body), body));
		destroy(request);
	}
}

static void bodies_are_whole_however_they_come(void **state)
{
	(void)state;
	expect_body(STR("POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n"), STR("helloGET /"), STR("hello"), 5);
	expect_body(STR("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"),
	            STR("3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nHost: z\r\n\r\nGET /"), STR("hello"), 33);
}

static void malformed_chunks_are_refused(void **state)
{
	static const struct str rows[] = {STR("3\nabc\r\n"), STR("g\r\n"), STR("\r\n"), STR("-1\r\n"), STR("0x1\r\na\r\n"),
	                                  STR("1\r\nab\r\n"), STR("1\r\na\n0\r\n\r\n"), STR("10000000000000000\r\n")};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		struct request *request = made();
		size_t used;
		assert_int_equal(receive_head(request, STR("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"), append), RECEIVE_MORE);
		assert_int_equal(receive_more(request, rows[i], &used), RECEIVE_MALFORMED);
		destroy(request);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_head_fills_the_request),
		cmocka_unit_test(whether_another_request_may_come_is_read),
		cmocka_unit_test(any_token_is_a_method),
		cmocka_unit_test(malformed_heads_are_refused),
		cmocka_unit_test(bodies_are_whole_however_they_come),
		cmocka_unit_test(malformed_chunks_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
