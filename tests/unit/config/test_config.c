/* Settings: sources and their order, bounds, messages, masks, rules between settings, warnings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config/environment.h"
#include "config/setting.h"

static struct config *config;
static struct buf problem, warnings;

#define LONG_SECRET "0123456789abcdef0123456789abcdef"

static int set_up(void **state)
{
	(void)state;
	clearenv();
	environment_forget();
	buf_init(&problem, 4096);
	buf_init(&warnings, 4096);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	config_free(config);
	config = NULL;
	buf_finish(&problem);
	buf_finish(&warnings);
	environment_forget();
	return 0;
}

/* Loads afresh; the texts of problem and warnings end in NUL. */
static bool load(void)
{
	config_free(config);
	buf_clear(&problem);
	buf_clear(&warnings);
	bool ok = config_load(&config, &problem, &warnings);
	if (ok)
		assert_int_equal(problem.len, 0);
	else
		assert_null(config);
	buf_char(&problem, '\0');
	buf_char(&warnings, '\0');
	return ok;
}

static void assert_refused(const char *name, const char *value, const char *message)
{
	setenv(name, value, 1);
	assert_false(load());
	assert_string_equal(problem.ptr, message);
	unsetenv(name);
	environment_forget();
}

static void assert_taken(const char *name, const char *value)
{
	setenv(name, value, 1);
	if (!load())
		fail_msg("%s", problem.ptr);
	unsetenv(name);
	environment_forget();
}

static void test_defaults(void **state)
{
	(void)state;
	assert_true(load());
	assert_string_equal(config->host, "127.0.0.1");
	assert_int_equal(config->port, 8001);
	assert_string_equal(config->jwt_algorithm, "HS256");
	assert_int_equal(config->jwt_expiry_minutes, 30);
	assert_false(config->redis_use_tls);
	assert_string_equal(config->db_host, "");
	assert_false(config_uses_postgres(config));
	assert_false(config_uses_redis(config));
	assert_string_equal(warnings.ptr, "");
	assert_int_equal(config_source(config, SETTING_port), SOURCE_DEFAULT);
}

static void test_integers(void **state)
{
	(void)state;
	assert_refused("PORT", "80000", "PORT is \"80000\": allowed are 0 to 65535");
	assert_refused("PORT", "-1", "PORT is \"-1\": allowed are 0 to 65535");
	assert_refused("PORT", " 80", "PORT is \" 80\": allowed are 0 to 65535");
	assert_refused("PORT", "80x", "PORT is \"80x\": allowed are 0 to 65535");
	assert_refused("PORT", "0x50", "PORT is \"0x50\": allowed are 0 to 65535");
	assert_refused("PORT", "18446744073709551696", "PORT is \"18446744073709551696\": allowed are 0 to 65535");
	assert_refused("PORT", "8\n0", "PORT is \"8\\x0a0\": allowed are 0 to 65535");
	assert_taken("PORT", "65535");
	assert_int_equal(config->port, 65535);
	assert_taken("CACHE_MAX_BYTES", "9223372036854775807");
	assert_true(config->cache_bytes_max == INT64_MAX);
	setenv("PORT", "tcp://10.0.0.1:80", 1);
	assert_false(load());
	assert_non_null(strstr(problem.ptr, "enableServiceLinks"));
}

static void test_booleans_and_choices(void **state)
{
	static const char *const yes[] = {"true", "1", "yes", "on", "TRUE", "Yes"};
	static const char *const no[] = {"false", "0", "no", "off", "False"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(yes); i++) {
		assert_taken("REDIS_USE_TLS", yes[i]);
		assert_true(config->redis_use_tls);
	}
	for (size_t i = 0; i < ARRAY_LENGTH(no); i++) {
		assert_taken("REDIS_USE_TLS", no[i]);
		assert_false(config->redis_use_tls);
	}
	assert_refused("REDIS_USE_TLS", "ja",
	               "REDIS_USE_TLS is \"ja\": allowed are true, false, 1, 0, yes, no, on, off");
	assert_taken("LOG_LEVEL", "WARNING");
	assert_string_equal(config->log_level, "warning");
	assert_refused("LOG_LEVEL", "loud", "LOG_LEVEL is \"loud\": allowed are debug, info, warning, error");
	assert_refused("JWT_ALGORITHM", "none",
	               "JWT_ALGORITHM is \"none\": allowed are HS256, HS384, HS512, RS256, PS256, ES256, EdDSA");
}

static void test_texts(void **state)
{
	char text[300];

	(void)state;
	memset(text, 'h', sizeof text);
	text[255] = '\0';
	assert_taken("HOST", text);
	text[255] = 'h';
	text[256] = '\0';
	setenv("HOST", text, 1);
	assert_false(load());
	assert_non_null(strstr(problem.ptr, "hhh…\": allowed are 0 to 255 bytes"));
	assert_refused("HOST", "a\nb", "HOST is \"a\\x0ab\": allowed are 0 to 255 bytes without control characters");
	assert_taken("DB_NAME", "");
	assert_string_equal(config->db_name, "evently");
}

static void test_secrets_leave_the_environment(void **state)
{
	(void)state;
	setenv("JWT_SECRET", LONG_SECRET, 1);
	const char *in_place = getenv("JWT_SECRET");
	setenv("PORT", "80000", 1); /* also when another setting is bad */
	assert_false(load());
	assert_null(getenv("JWT_SECRET"));
	assert_int_equal(in_place[0], '\0');
	unsetenv("PORT");
	assert_true(load()); /* a reload still knows it */
	assert_string_equal(config->jwt_secret, LONG_SECRET);
	assert_int_equal(config_source(config, SETTING_jwt_secret), SOURCE_ENVIRONMENT);
}

static void test_masks(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 1 << 20);
	setenv("JWT_SECRET", LONG_SECRET, 1);
	setenv("DATABASE_URL", "postgresql://evently:hunter2@db/evently", 1);
	setenv("REDIS_PASSWORD", "hunter3", 1);
	assert_true(load());
	config_print(&out, config);
	buf_char(&out, '\0');
	assert_null(strstr(out.ptr, LONG_SECRET));
	assert_null(strstr(out.ptr, "hunter"));
	assert_non_null(strstr(out.ptr, "********"));
	for (size_t i = 0; i < SETTING_COUNT; i++)
		assert_non_null(strstr(out.ptr, settings[i].name));
	buf_finish(&out);
	assert_refused("DATABASE_URL", "mysql://root:hunter2@db/x",
	               "DATABASE_URL is ********: allowed are addresses that begin with postgresql:// or postgres:// "
	               "(empty is the embedded store)");
}

/* A file with the given content; the caller unlinks it. */
static void make_file(char path[static 32], const char *content, size_t len)
{
	snprintf(path, 32, "/tmp/evently-config-XXXXXX");
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, len), (ssize_t)len);
	close(fd);
}

static void test_files(void **state)
{
	char path[32], empty[32], binary[32];

	(void)state;
	make_file(path, LONG_SECRET "\n", sizeof LONG_SECRET);
	make_file(empty, "\n", 1);
	make_file(binary, "a\0b", 3);
	setenv("JWT_SECRET_FILE", path, 1);
	setenv("DB_NAME_FILE", empty, 1);
	assert_true(load());
	assert_string_equal(config->jwt_secret, LONG_SECRET);
	assert_int_equal(config_source(config, SETTING_jwt_secret), SOURCE_FILE);
	assert_string_equal(config->db_name, "evently");
	setenv("PORT_FILE", path, 1);
	setenv("PORT", "1234", 1);
	assert_true(load());
	assert_int_equal(config->port, 1234);
	assert_string_equal(warnings.ptr, "PORT and PORT_FILE are both set: PORT_FILE is not used\n");
	unsetenv("PORT_FILE");
	assert_refused("HOST_FILE", "/nowhere/at/all",
	               "HOST_FILE is \"/nowhere/at/all\": cannot read that file: No such file or directory");
	assert_refused("HOST_FILE", "/dev/zero", "HOST_FILE is \"/dev/zero\": cannot read that file: File too large");
	setenv("HOST_FILE", binary, 1);
	assert_false(load());
	assert_non_null(strstr(problem.ptr, "NUL"));
	unlink(path);
	unlink(empty);
	unlink(binary);
}

static void test_jwt_rules(void **state)
{
	(void)state;
	assert_refused("JWT_SECRET", "tooshort",
	               "JWT_SECRET is ******** (8 bytes): allowed are secrets of 32 bytes and more "
	               "(`openssl rand -base64 48` makes one)");
	setenv("JWT_SECRET", LONG_SECRET ",short", 1);
	assert_false(load());
	assert_non_null(strstr(problem.ptr, "(number 2 has 5 bytes)"));
	environment_forget();
	assert_taken("JWT_SECRET", LONG_SECRET ", " LONG_SECRET);
	setenv("DB_HOST", "db", 1);
	assert_false(load());
	assert_non_null(strstr(problem.ptr, "JWT_SECRET is not set"));
	assert_taken("JWT_SECRET", LONG_SECRET);
	setenv("JWT_ALGORITHM", "RS256", 1);
	assert_false(load());
	assert_non_null(strstr(problem.ptr, "JWT_PUBLIC_KEYS is not set: RS256 needs"));
	assert_taken("JWT_PUBLIC_KEYS", "/etc/keys.pem");
	assert_taken("JWT_JWKS_URL", "https://id.example/jwks");
	assert_string_equal(warnings.ptr, "");
	assert_taken("JWT_JWKS_URL", "http://127.0.0.1:8080/jwks");
	assert_taken("JWT_JWKS_URL", "http://[::1]:8080/jwks");
	static const char *const refused[] = {"http://id.example/jwks", "http://localhost.example/", "http://127.example/",
	                                      "http://localhost@id.example/", "http://127.0.0.1:80@id.example/", "http://[::1",
	                                      "ftp://id.example/", "//id.example/"};
	for (size_t i = 0; i < ARRAY_LENGTH(refused); i++) {
		setenv("JWT_JWKS_URL", refused[i], 1);
		assert_false(load());
		assert_non_null(strstr(problem.ptr, "allowed are addresses that begin with https://"));
	}
}

static void test_http_rules(void **state)
{
	static const char *const origins_good[] = {"*", "https://a.example", "http://localhost:3000, https://b.example",
	                                           "http://[::1]:80", "http://[::1]"};
	static const char *const origins_bad[] = {"a.example", "https://", "https://a/", "https://a:0", "https://a:x",
	                                          "https://a,,https://b", "://a", "https://a b", "null"};
	static const char *const rates_bad[] = {"600", "600/", "/60", "0/60", "600/0", "6/6/6", "a/b", "600/86401", "-1/5"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(origins_good); i++)
		assert_taken("CORS_ORIGINS", origins_good[i]);
	for (size_t i = 0; i < ARRAY_LENGTH(origins_bad); i++) {
		setenv("CORS_ORIGINS", origins_bad[i], 1);
		if (load())
			fail_msg("taken: %s", origins_bad[i]);
		assert_non_null(strstr(problem.ptr, "CORS_ORIGINS is \""));
	}
	unsetenv("CORS_ORIGINS");
	assert_taken("RATE_LIMIT", "600/60");
	for (size_t i = 0; i < ARRAY_LENGTH(rates_bad); i++) {
		setenv("RATE_LIMIT", rates_bad[i], 1);
		if (load())
			fail_msg("taken: %s", rates_bad[i]);
	}
	unsetenv("RATE_LIMIT");
	assert_taken("TRUSTED_PROXIES", "10.0.0.0/8, ::1,192.168.1.1");
	assert_refused("TRUSTED_PROXIES", "10.0.0.0/33",
	               "TRUSTED_PROXIES is \"10.0.0.0/33\": allowed are addresses (10.0.0.1) and networks (10.0.0.0/8), "
	               "comma-separated");
	assert_refused("TLS_CERTIFICATE_FILE", "/c.pem",
	               "TLS_KEY_FILE is not set: TLS_CERTIFICATE_FILE needs the file of its private key there");
	assert_refused("TLS_KEY_FILE", "/k.pem",
	               "TLS_CERTIFICATE_FILE is not set: TLS_KEY_FILE needs the file of its certificate there");
	assert_refused("METRICS_PORT", "8001", "METRICS_PORT is \"8001\": allowed are 0 and ports other than PORT");
}

static void test_store_and_redis_rules(void **state)
{
	(void)state;
	setenv("DB_HOST", "a,b", 1);
	setenv("JWT_SECRET", LONG_SECRET, 1);
	assert_taken("DB_REPLICAS", "a:1,[::1]:5432");
	setenv("JWT_SECRET", LONG_SECRET, 1);
	setenv("DB_PORT", "1,2,3", 1);
	assert_false(load());
	setenv("DB_PORT", "5432,5433", 1);
	assert_true(load());
	assert_true(config_uses_postgres(config));
	unsetenv("DB_PORT");
	unsetenv("DB_HOST");
	assert_refused("DB_REPLICAS", "a:1", "DB_REPLICAS is set, but no database: set DB_HOST or DATABASE_URL too");
	assert_taken("REDIS_URL", "rediss://u:p@h:1/0");
	assert_true(config_uses_redis(config));
	assert_refused("REDIS_URL", "http://h",
	               "REDIS_URL is ********: allowed are addresses that begin with redis:// or rediss://");
	assert_refused("REDIS_CLUSTER", "a", "REDIS_CLUSTER is \"a\": allowed are host:port, comma-separated");
	setenv("REDIS_CLUSTER", "a:1", 1);
	assert_true(load());
	setenv("REDIS_SENTINELS", "a:1", 1);
	assert_false(load());
}

static void test_typos(void **state)
{
	(void)state;
	setenv("REDIS_HOSTS", "r", 1);
	setenv("DB_HOSTNAME", "d", 1);
	setenv("LOG_LEVLE", "debug", 1);
	setenv("HOME", "/", 1);
	setenv("PATH", "/", 1);
	setenv("HOSTNAME", "me", 1);
	setenv("REDIS_SERVICE_HOST", "10.0.0.1", 1);
	setenv("REDIS_PORT_6379_TCP", "tcp://", 1);
	setenv("DB_PASSWORD_FILE", "", 1);
	assert_true(load());
	assert_string_equal(warnings.ptr,
	                    "REDIS_HOSTS is set in the environment, but is no setting: did you mean REDIS_HOST?\n"
	                    "DB_HOSTNAME is set in the environment, but is no setting: did you mean DB_HOST?\n"
	                    "LOG_LEVLE is set in the environment, but is no setting: did you mean LOG_LEVEL?\n");
}

static void test_table(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 1 << 20);
	config_print_markdown(&out);
	config_print_help(&out);
	assert_false(out.failed);
	buf_char(&out, '\0');
	for (size_t i = 0; i < SETTING_COUNT; i++) {
		assert_non_null(strstr(out.ptr, settings[i].help));
		assert_true(settings[i].type == SETTING_CHOICE ? settings[i].choices != NULL : settings[i].choices == NULL);
	}
	buf_finish(&out);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_defaults), TEST(test_integers), TEST(test_booleans_and_choices), TEST(test_texts),
		TEST(test_secrets_leave_the_environment), TEST(test_masks), TEST(test_files), TEST(test_jwt_rules),
		TEST(test_http_rules), TEST(test_store_and_redis_rules), TEST(test_typos), TEST(test_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
