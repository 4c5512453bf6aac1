/* evently check: each part that the service needs is tried, and a line says how it is. */
#include "cli/command.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "auth/jwks_fetch.h"
#include "auth/keys.h"
#include "base/clock.h"
#include "cli/probe.h"
#include "redis/connection.h"

enum { TIMEOUT_S = 10, REDIS_TIMEOUT_S = 3, REDIS_MEMORY_BYTES_MAX = 1 << 20 };

static void say(bool ok, const char *what, const char *text, struct str more)
{
	printf("%-6s%-10s%s%.*s\n", ok ? "ok" : "FAIL", what, text, STR_ARG(more));
}

static bool check_keys(const struct config *config)
{
	struct keys *keys = NULL;
	struct buf problem;

	buf_init(&problem, 4096);
	bool ok = cli_load_keys(config, &keys, &problem);
	if (ok)
		say(true, "tokens", config->jwt_algorithm, STR(""));
	else
		say(false, "tokens", "", buf_view(&problem));
	keys_unref(keys);
	buf_finish(&problem);
	return ok;
}

/* The issuer's keys, fetched as the service will do it. */
static bool check_issuer(const struct config *config)
{
	struct buf body, problem;
	struct keys *keys = NULL;
	long status = 0;

	if (!jwks_fetch_wanted(config))
		return true;
	buf_init(&body, JWKS_FETCH_BYTES_MAX);
	buf_init(&problem, 4096);
	bool ok = probe_url(config->jwt_jwks_url, &status, &body, &problem);
	if (ok && (status != 200 || body.failed)) {
		buf_printf(&problem, "JWT_JWKS_URL answers %ld%s", status, body.failed ? ", and more than 1 MiB" : "");
		ok = false;
	}
	ok = ok && keys_load_fetched(&keys, config, buf_view(&body), &problem);
	say(ok, "issuer", ok ? config->jwt_jwks_url : "", buf_view(&problem));
	keys_unref(keys);
	buf_finish(&body);
	buf_finish(&problem);
	return ok;
}

static bool check_readable(const char *name, const char *path)
{
	char text[512];

	if (path[0] == '\0')
		return true;
	bool ok = access(path, R_OK) == 0;
	snprintf(text, sizeof text, "%s %s%s%s", name, path, ok ? "" : ": ", ok ? "" : strerror(errno));
	say(ok, "file", text, STR(""));
	return ok;
}

static bool check_schema(const struct config *config, const struct database *database)
{
	enum store_result result = store_schema_check(database->session);
	bool is_new = !store_is_shared(database->store) && result == STORE_SCHEMA;
	const char *remedy = database_remedy(config, result);
	char text[1024];

	if (result == STORE_OK) {
		say(true, "database", store_kind(database->store), STR(", schema up to date"));
		return true;
	}
	const char *problem = store_session_problem(database->session);
	bool told = remedy[0] == '\0' || strstr(problem, "evently migrate") != NULL;
	snprintf(text, sizeof text, "%s: %s%s%s%s", store_kind(database->store), problem, told ? "" : "; ",
	         told ? "" : remedy, is_new ? " (serve, demo and import do it by themselves)" : "");
	say(is_new, "database", text, STR(""));
	return is_new;
}

static bool check_database(const struct config *config)
{
	struct database database;
	struct buf line;

	buf_init(&line, 4096);
	bool ok = database_try(&database, config, DATABASE_LOOK, TIMEOUT_S, &line);
	if (ok)
		ok = check_schema(config, &database);
	else
		say(false, "database", "", buf_view(&line));
	database_close(&database);
	buf_finish(&line);
	return ok;
}

/* False: one line in `problem`. */
static bool ping_redis(const struct redis_options *options, struct buf *problem)
{
	struct breaker breaker;

	redis_breaker_init(&breaker, 0);
	struct redis *redis = redis_create(options, &breaker);
	bool ok = redis != NULL &&
	          redis_ping(redis, clock_monotonic_ns() + REDIS_TIMEOUT_S * CLOCK_SECOND) == REDIS_DONE;
	if (!ok)
		buf_str(problem, redis != NULL ? str_from(redis_problem(redis)) : STR("out of memory"));
	redis_destroy(redis);
	breaker_finish(&breaker);
	return ok;
}

static bool check_redis(const struct config *config)
{
	struct redis_options options;
	struct arena arena;
	struct buf problem;
	char text[512];

	if (!config_uses_redis(config)) {
		say(true, "redis", "not configured (REDIS_HOST is not set)", STR(""));
		return true;
	}
	arena_init(&arena, REDIS_MEMORY_BYTES_MAX);
	buf_init(&problem, 4096);
	bool ok = redis_options_from_config(&options, config, &arena, &problem) && ping_redis(&options, &problem);
	if (ok)
		snprintf(text, sizeof text, "%s:%u answers%s", options.host, options.port, options.tls ? ", over TLS" : "");
	say(ok, "redis", ok ? text : "", buf_view(&problem));
	buf_finish(&problem);
	arena_finish(&arena);
	return ok;
}

static int check_running(const struct config *config, const char *path)
{
	struct buf body, problem;
	long status = 0;

	buf_init(&body, 4096);
	buf_init(&problem, 4096);
	int exit_code = CLI_OK;
	if (!probe(config, path, &status, &body, &problem))
		exit_code = cli_fail("%.*s", STR_ARG(buf_view(&problem)));
	else if (status != 200)
		exit_code = cli_fail("%s answered %ld: %.*s", path, status, STR_ARG(buf_view(&body)));
	buf_finish(&body);
	buf_finish(&problem);
	return exit_code;
}

int command_check(struct cli *cli)
{
	const struct config *config = cli->config;

	if (cli_flag(cli, "--live") && cli_flag(cli, "--ready"))
		return cli_misuse(cli->command, "--live and --ready are two questions: ask one of them");
	if (cli_flag(cli, "--live") || cli_flag(cli, "--ready"))
		return check_running(config, cli_flag(cli, "--live") ? "/health/live" : "/health/ready");
	say(true, "settings", "every value is allowed", STR(""));
	bool ok = check_keys(config);
	ok &= check_issuer(config);
	ok &= check_readable("TLS_CERTIFICATE_FILE", config->tls_certificate_file);
	ok &= check_readable("TLS_KEY_FILE", config->tls_key_file);
	ok &= check_readable("DB_CA_FILE", config->db_ca_file);
	ok &= check_readable("REDIS_CA_FILE", config->redis_ca_file);
	ok &= check_readable("REDIS_CERTIFICATE_FILE", config->redis_certificate_file);
	ok &= check_readable("REDIS_KEY_FILE", config->redis_key_file);
	ok &= check_database(config);
	ok &= check_redis(config);
	return ok ? CLI_OK : cli_fail("not everything is right: see the lines that begin with FAIL");
}
