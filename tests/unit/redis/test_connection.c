#include "redis/connection.h"

#include <pthread.h>

#include "unit/redis_server.h"

/* A client of its own breaker, as a lane has it. */
struct client {
	struct breaker breaker;
	struct redis *redis;
	struct arena arena;
	struct redis_reply **replies;
};

static struct redis_options options_of(unsigned port)
{
	return (struct redis_options){
		.host = "127.0.0.1", .user = "", .password = "", .ca_file = "", .port = port, .timeout_ms = 2000};
}

static void client_init(struct client *client, const struct redis_options *options)
{
	redis_breaker_init(&client->breaker, 1);
	arena_init(&client->arena, 16 << 20);
	client->redis = redis_create(options, &client->breaker);
	assert_non_null(client->redis);
}

static void client_finish(struct client *client)
{
	redis_destroy(client->redis);
	breaker_finish(&client->breaker);
	arena_finish(&client->arena);
}

static uint64_t in_ms(unsigned bound_ms)
{
	return clock_monotonic_ns() + bound_ms * CLOCK_MS;
}

static enum redis_result run(struct client *client)
{
	return redis_run(client->redis, in_ms(5000), &client->arena, &client->replies);
}

static enum redis_result ping(struct client *client)
{
	return redis_ping(client->redis, in_ms(5000));
}

static void assert_problem(struct client *client, const char *word)
{
	if (strstr(redis_problem(client->redis), word) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", redis_problem(client->redis), word);
	assert_null(strchr(redis_problem(client->redis), '\n'));
}

static struct redis_server plain;

static int start_plain(void **state)
{
	(void)state;
	redis_server_start(&plain);
	return 0;
}

static int stop_plain(void **state)
{
	(void)state;
	redis_server_finish(&plain);
	return 0;
}

static void a_pipeline_is_answered_in_order(void **state)
{
	struct redis_options options = options_of(plain.port);
	struct client client;

	(void)state;
	client_init(&client, &options);
	assert_int_equal(run(&client), REDIS_DONE);
	redis_append(client.redis, STR("SET"), STR("a"), ((struct str){"x\r\n\0y", 5}));
	redis_append(client.redis, STR("GET"), STR("a"));
	redis_append(client.redis, STR("INCR"), STR("a"));
	redis_append(client.redis, STR("MGET"), STR("a"), STR("absent"));
	assert_int_equal(run(&client), REDIS_DONE);
	assert_int_equal(client.replies[0]->type, REPLY_STATUS);
	assert_int_equal(client.replies[1]->text.len, 5);
	assert_memory_equal(client.replies[1]->text.ptr, "x\r\n\0y", 5);
	assert_int_equal(client.replies[2]->type, REPLY_ERROR);
	assert_int_equal(client.replies[3]->count, 2);
	assert_int_equal(client.replies[3]->elements[1]->type, REPLY_NIL);
	assert_string_equal(redis_problem(client.redis), "");
	assert_int_equal(ping(&client), REDIS_DONE);
	client_finish(&client);
}

static void large_pipelines_do_not_block_each_other(void **state)
{
	static char block[100000];
	struct redis_options options = options_of(plain.port);
	struct client client;

	(void)state;
	options.timeout_ms = 10000;
	memset(block, 'b', sizeof block);
	client_init(&client, &options);
	/* Megabytes in both directions: more than the sockets hold. */
	for (int i = 0; i < 100; i++) {
		redis_append(client.redis, STR("SET"), STR("large"), ((struct str){block, sizeof block}));
		redis_append(client.redis, STR("GET"), STR("large"));
	}
	assert_int_equal(redis_run(client.redis, in_ms(10000), &client.arena, &client.replies), REDIS_DONE);
	for (int i = 1; i < 200; i += 2)
		assert_int_equal(client.replies[i]->text.len, sizeof block);
	client_finish(&client);
}

static void too_much_is_refused_before_it_is_sent(void **state)
{
	static char block[20 << 20];
	struct redis_options options = options_of(plain.port);
	struct client client;

	(void)state;
	client_init(&client, &options);
	for (int i = 0; i < 4; i++)
		redis_append(client.redis, STR("SET"), STR("huge"), ((struct str){block, sizeof block}));
	assert_int_equal(run(&client), REDIS_TOO_LARGE);
	assert_int_equal(ping(&client), REDIS_DONE);
	/* And a reply that the caller's arena does not hold costs the connection, not the peer's good name. */
	redis_append(client.redis, STR("SET"), STR("huge"), ((struct str){block, sizeof block}));
	assert_int_equal(run(&client), REDIS_DONE);
	redis_append(client.redis, STR("GET"), STR("huge"));
	assert_int_equal(run(&client), REDIS_TOO_LARGE);
	assert_int_equal(breaker_state(&client.breaker), BREAKER_CLOSED);
	redis_append(client.redis, STR("DEL"), STR("huge"));
	arena_reset(&client.arena);
	assert_int_equal(run(&client), REDIS_DONE);
	assert_int_equal(client.replies[0]->integer, 1);
	client_finish(&client);
}

static void databases_are_apart(void **state)
{
	struct redis_options options = options_of(plain.port);
	struct client zero, five, none;

	(void)state;
	client_init(&zero, &options);
	options.database = 5;
	client_init(&five, &options);
	redis_append(five.redis, STR("SET"), STR("only in five"), STR("1"));
	redis_append(five.redis, STR("EXISTS"), STR("only in five"));
	assert_int_equal(run(&five), REDIS_DONE);
	assert_int_equal(five.replies[1]->integer, 1);
	redis_append(zero.redis, STR("EXISTS"), STR("only in five"));
	assert_int_equal(run(&zero), REDIS_DONE);
	assert_int_equal(zero.replies[0]->integer, 0);
	options.database = 99;
	client_init(&none, &options);
	assert_int_equal(ping(&none), REDIS_REFUSED);
	assert_problem(&none, "refused database 99");
	assert_problem(&none, "REDIS_DATABASE");
	client_finish(&zero);
	client_finish(&five);
	client_finish(&none);
}

static void names_are_resolved(void **state)
{
	struct redis_options options = options_of(plain.port);
	struct client client;

	(void)state;
	options.host = "localhost";
	client_init(&client, &options);
	assert_int_equal(ping(&client), REDIS_DONE);
	client_finish(&client);
	options.host = "no-such-host.invalid";
	client_init(&client, &options);
	uint64_t start_ns = clock_monotonic_ns();
	enum redis_result result = ping(&client);
	assert_true(result == REDIS_LOST || result == REDIS_TIMEOUT);
	assert_true(clock_monotonic_ns() - start_ns < 3 * CLOCK_SECOND);
	assert_problem(&client, "Redis at no-such-host.invalid:");
	client_finish(&client);
}

static void passwords_and_users_are_checked(void **state)
{
	struct redis_server server = {.arguments = {"--requirepass", "right horse", "--user", "reader", "on", ">opened",
						    "~*", "+get", "+ping"}};
	static const struct {
		const char *user, *password;
		enum redis_result expected;
		const char *word;
	} cases[] = {
		{"", "right horse", REDIS_DONE, ""},
		{"", "wrong", REDIS_REFUSED, "refused the password: WRONGPASS"},
		{"", "", REDIS_REFUSED, "asks for a password; set REDIS_PASSWORD"},
		{"reader", "opened", REDIS_DONE, ""},
		{"reader", "wrong", REDIS_REFUSED, "check REDIS_USER and REDIS_PASSWORD"},
		{"nobody", "opened", REDIS_REFUSED, "check REDIS_USER and REDIS_PASSWORD"},
	};

	(void)state;
	redis_server_start(&server);
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct redis_options options = options_of(server.port);
		struct client client;
		options.user = cases[i].user;
		options.password = cases[i].password;
		client_init(&client, &options);
		assert_int_equal(ping(&client), cases[i].expected);
		assert_problem(&client, cases[i].word);
		assert_null(strstr(redis_problem(client.redis), "horse"));
		if (cases[i].expected == REDIS_DONE && cases[i].user[0] != '\0') {
			redis_append(client.redis, STR("SET"), STR("a"), STR("b"));
			assert_int_equal(run(&client), REDIS_DONE);
			assert_true(redis_reply_is_error(client.replies[0], "NOPERM"));
		}
		client_finish(&client);
	}
	redis_server_finish(&server);
}

static void a_frozen_server_costs_one_timeout(void **state)
{
	struct redis_server server = {0};
	struct client client;

	(void)state;
	redis_server_start(&server);
	struct redis_options options = options_of(server.port);
	options.timeout_ms = 100;
	client_init(&client, &options);
	wait_until(ping(&client) == REDIS_DONE, 5000);
	redis_server_freeze(&server);
	uint64_t start_ns = clock_monotonic_ns();
	redis_append(client.redis, STR("INCR"), STR("counter"));
	assert_int_equal(run(&client), REDIS_TIMEOUT);
	uint64_t took_ns = clock_monotonic_ns() - start_ns;
	assert_true(took_ns >= 95 * CLOCK_MS && took_ns < 1000 * CLOCK_MS);
	assert_problem(&client, "REDIS_TIMEOUT_MS");
	/* The pause lasts 50 ms at least; on a busy machine fewer calls fit into it. */
	unsigned refused = 0;
	for (start_ns = clock_monotonic_ns(); clock_monotonic_ns() - start_ns < 30 * CLOCK_MS && refused < 100;
	     refused++)
		assert_int_equal(ping(&client), REDIS_UNAVAILABLE);
	assert_true(refused > 1);
	redis_server_thaw(&server);
	wait_until(ping(&client) == REDIS_DONE, 10000);
	/* The reply to INCR came too late and must not be taken for this one's. */
	redis_append(client.redis, STR("GET"), STR("counter"));
	redis_append(client.redis, STR("ECHO"), STR("mine"));
	assert_int_equal(run(&client), REDIS_DONE);
	assert_str(client.replies[1]->text, "mine");
	client_finish(&client);
	redis_server_finish(&server);
}

static void a_callers_deadline_is_kept(void **state)
{
	struct redis_server server = {0};
	struct client client;

	(void)state;
	redis_server_start(&server);
	struct redis_options options = options_of(server.port);
	options.timeout_ms = 10000;
	client_init(&client, &options);
	assert_int_equal(ping(&client), REDIS_DONE);
	assert_int_equal(redis_ping(client.redis, clock_monotonic_ns()), REDIS_TIMEOUT);
	redis_server_freeze(&server);
	uint64_t start_ns = clock_monotonic_ns();
	assert_int_equal(redis_ping(client.redis, in_ms(50)), REDIS_TIMEOUT);
	assert_true(clock_monotonic_ns() - start_ns < 2 * CLOCK_SECOND);
	client_finish(&client);
	redis_server_finish(&server);
}

static void a_restarted_server_is_found_again(void **state)
{
	struct redis_server server = {0};
	struct client client;

	(void)state;
	redis_server_start(&server);
	struct redis_options options = options_of(server.port);
	client_init(&client, &options);
	assert_int_equal(ping(&client), REDIS_DONE);
	/* Restarted while the connection idles: not even one failure. */
	redis_server_kill(&server);
	redis_server_start(&server);
	assert_int_equal(ping(&client), REDIS_DONE);
	redis_server_kill(&server);
	assert_int_equal(ping(&client), REDIS_LOST);
	assert_problem(&client, "Connection refused");
	assert_int_equal(breaker_state(&client.breaker), BREAKER_OPEN);
	redis_server_start(&server);
	wait_until(ping(&client) == REDIS_DONE, 10000);
	assert_string_equal(redis_problem(client.redis), "");
	client_finish(&client);
	redis_server_finish(&server);
}

/* A peer that says the given bytes to whoever connects, and then hangs up or stays silent. */
struct liar {
	int listener;
	unsigned port;
	struct str answer;
	bool stays;
	pthread_t thread;
};

static void *lie(void *argument)
{
	const struct liar *liar = argument;
	char asked[256];
	int client = accept(liar->listener, NULL, NULL);

	if (recv(client, asked, sizeof asked, 0) > 0 && liar->answer.len > 0)
		(void)send(client, liar->answer.ptr, liar->answer.len, MSG_NOSIGNAL);
	/* Until the client gives up. */
	while (liar->stays && recv(client, asked, sizeof asked, 0) > 0)
		;
	close(client);
	return NULL;
}

static enum redis_result result_of_lie(const char *answer, bool stays)
{
	struct liar liar = {.answer = str_from(answer), .stays = stays};
	struct client client;

	liar.listener = test_listen(&liar.port);
	assert_int_equal(pthread_create(&liar.thread, NULL, lie, &liar), 0);
	struct redis_options options = options_of(liar.port);
	options.timeout_ms = 200;
	client_init(&client, &options);
	enum redis_result result = ping(&client);
	client_finish(&client);
	pthread_join(liar.thread, NULL);
	close(liar.listener);
	return result;
}

static void hostile_peers_are_errors(void **state)
{
	(void)state;
	assert_int_equal(result_of_lie("HTTP/1.1 400 Bad Request\r\n\r\n", true), REDIS_BROKEN);
	assert_int_equal(result_of_lie("*2147483647\r\n", true), REDIS_TOO_LARGE);
	assert_int_equal(result_of_lie("$-5\r\n", true), REDIS_BROKEN);
	assert_int_equal(result_of_lie("$2147483647\r\n", true), REDIS_TIMEOUT);
	assert_int_equal(result_of_lie("$10\r\nabc", false), REDIS_LOST);
	assert_int_equal(result_of_lie("+PONG\r\n+PONG\r\n", true), REDIS_BROKEN);
	assert_int_equal(result_of_lie("", false), REDIS_LOST);
	assert_int_equal(result_of_lie("-LOADING Redis is loading\r\n", true), REDIS_REFUSED);
	assert_int_equal(result_of_lie("+PONG\r\n", true), REDIS_DONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pipeline_is_answered_in_order),
		cmocka_unit_test(large_pipelines_do_not_block_each_other),
		cmocka_unit_test(too_much_is_refused_before_it_is_sent),
		cmocka_unit_test(databases_are_apart),
		cmocka_unit_test(names_are_resolved),
		cmocka_unit_test(passwords_and_users_are_checked),
		cmocka_unit_test(a_frozen_server_costs_one_timeout),
		cmocka_unit_test(a_callers_deadline_is_kept),
		cmocka_unit_test(a_restarted_server_is_found_again),
		cmocka_unit_test(hostile_peers_are_errors),
	};
	return cmocka_run_group_tests(tests, start_plain, stop_plain);
}
