#include "redis/options.h"

#include <stdlib.h>

#include "config/config.h"
#include "unit/test.h"

static struct config *config;
static struct arena arena;
static struct buf problem;

static int set_up(void **state)
{
	(void)state;
	clearenv();
	arena_init(&arena, 1 << 16);
	buf_init(&problem, 1024);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	config_free(config);
	config = NULL;
	arena_finish(&arena);
	buf_finish(&problem);
	return 0;
}

static void load(void)
{
	struct buf warnings;

	buf_init(&warnings, 4096);
	if (!config_load(&config, &problem, &warnings))
		fail_msg("%.*s", STR_ARG(buf_view(&problem)));
	buf_finish(&warnings);
}

static void single_settings(void **state)
{
	struct redis_options options;

	(void)state;
	setenv("REDIS_HOST", "cache.example", 1);
	setenv("REDIS_PORT", "7000", 1);
	setenv("REDIS_USER", "app", 1);
	setenv("REDIS_PASSWORD", "p@ss/word", 1);
	setenv("REDIS_DATABASE", "3", 1);
	setenv("REDIS_USE_TLS", "true", 1);
	setenv("REDIS_CA_FILE", "/etc/ca.pem", 1);
	setenv("REDIS_CERTIFICATE_FILE", "/etc/own.pem", 1);
	setenv("REDIS_KEY_FILE", "/etc/own.key", 1);
	setenv("REDIS_TIMEOUT_MS", "70", 1);
	load();
	assert_true(redis_options_from_config(&options, config, &arena, &problem));
	assert_string_equal(options.host, "cache.example");
	assert_string_equal(options.user, "app");
	assert_string_equal(options.password, "p@ss/word");
	assert_string_equal(options.ca_file, "/etc/ca.pem");
	assert_string_equal(options.certificate_file, "/etc/own.pem");
	assert_string_equal(options.key_file, "/etc/own.key");
	assert_int_equal(options.port, 7000);
	assert_int_equal(options.database, 3);
	assert_int_equal(options.timeout_ms, 70);
	assert_true(options.tls);
	assert_false(options.from_url);
}

static void the_url_wins(void **state)
{
	struct redis_options options;

	(void)state;
	setenv("REDIS_HOST", "other.example", 1);
	setenv("REDIS_PASSWORD", "other", 1);
	setenv("REDIS_URL", "rediss://app:p%40ss@cache.example/4", 1);
	load();
	assert_true(redis_options_from_config(&options, config, &arena, &problem));
	assert_string_equal(options.host, "cache.example");
	assert_string_equal(options.password, "p@ss");
	assert_int_equal(options.port, 6379);
	assert_int_equal(options.database, 4);
	assert_true(options.tls);
	assert_true(options.from_url);
}

static void a_bad_url_is_a_problem_without_secrets(void **state)
{
	struct redis_options options;

	(void)state;
	setenv("REDIS_URL", "redis://app:hidden@cache.example/x", 1);
	load();
	assert_false(redis_options_from_config(&options, config, &arena, &problem));
	buf_char(&problem, '\0');
	assert_non_null(strstr(problem.ptr, "REDIS_URL"));
	assert_null(strstr(problem.ptr, "hidden"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(single_settings, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_url_wins, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_bad_url_is_a_problem_without_secrets, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
