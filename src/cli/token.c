/* evently token */
#include "cli/command.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "auth/secret.h"
#include "auth/token.h"
#include "base/clock.h"

enum { MINUTES_MAX = 525600 };

struct wish {
	int64_t user_id, minutes;
	const char *email;
	enum role role;
};

static bool read_wish(const struct cli *cli, struct wish *wish)
{
	const char *minutes = cli_value(cli, "--minutes", NULL);

	wish->role = strcmp(cli_value(cli, "--role", "user"), "admin") == 0 ? ROLE_ADMIN : ROLE_USER;
	wish->email = cli_value(cli, "--email", wish->role == ROLE_ADMIN ? "admin@localhost" : "user@localhost");
	wish->minutes = cli->config->jwt_expiry_minutes;
	if (wish->email[0] == '\0' || strlen(wish->email) > PRINCIPAL_EMAIL_BYTES_MAX) {
		cli_fail("--email is \"%s\": allowed are 1 to %d bytes", wish->email, PRINCIPAL_EMAIL_BYTES_MAX);
		return false;
	}
	return cli_number("--user-id", cli_value(cli, "--user-id", "1"), 1, INT64_MAX, &wish->user_id) &&
	       (minutes == NULL || cli_number("--minutes", minutes, 1, MINUTES_MAX, &wish->minutes));
}

static int mint(const struct keys *keys, const struct wish *wish)
{
	struct buf token;

	buf_init(&token, TOKEN_BYTES_MAX);
	int64_t now_s = clock_wall_us() / 1000000;
	if (!token_mint(&token, keys, wish->user_id, str_from(wish->email), wish->role, now_s, wish->minutes) ||
	    token.failed) {
		buf_finish(&token);
		return cli_fail("no token could be made: --email must be UTF-8 without control characters");
	}
	buf_char(&token, '\n');
	cli_put(&token);
	fflush(stdout);
	if (isatty(STDOUT_FILENO) && isatty(STDERR_FILENO))
		fprintf(stderr, "(%s, user %" PRId64 ", valid for %" PRId64 " minutes)\n",
		        wish->role == ROLE_ADMIN ? "admin" : "user", wish->user_id, wish->minutes);
	return CLI_OK;
}

bool cli_load_keys(const struct config *config, struct keys **keys, struct buf *problem)
{
	struct secret generated = {0};

	if (secret_is_generated(config) && !secret_load_or_create(&generated, config->data_dir, problem))
		return false;
	bool ok = keys_load(keys, config, generated.len > 0 ? secret_view(&generated) : STR_NONE, problem);
	secret_wipe(&generated);
	return ok;
}

int command_token(struct cli *cli)
{
	struct keys *keys = NULL;
	struct buf problem;
	struct wish wish;

	if (!read_wish(cli, &wish))
		return CLI_USAGE;
	if (strncmp(cli->config->jwt_algorithm, "HS", 2) != 0)
		return cli_fail("with JWT_ALGORITHM %s tokens come from the issuer that holds the private key",
		                cli->config->jwt_algorithm);
	buf_init(&problem, 4096);
	bool ok = cli_load_keys(cli->config, &keys, &problem);
	int exit_code = ok ? mint(keys, &wish) : cli_fail("%.*s", STR_ARG(buf_view(&problem)));
	keys_unref(keys);
	buf_finish(&problem);
	return exit_code;
}
