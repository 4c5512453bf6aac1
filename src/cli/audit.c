/* evently audit */
#include "cli/command.h"

#include <inttypes.h>

#include "base/clock.h"
#include "events/timestamp.h"

enum { TIMEOUT_S = 3600 };

static int verify(const struct cli *cli)
{
	struct database database;
	uint64_t changes = 0, faults = 0;
	struct buf report;

	if (!database_open(&database, cli->config, DATABASE_READ, TIMEOUT_S))
		return CLI_FAILED;
	buf_init(&report, CLI_OUTPUT_BYTES_MAX);
	enum store_result result = store_audit_verify(database.session, &report, &changes, &faults);
	int exit_code = CLI_OK;
	if (result != STORE_OK) {
		exit_code = database_fail(&database, cli->config, "cannot verify", result);
	} else if (faults > 0) {
		exit_code = CLI_FAILED;
		buf_printf(&report, "%" PRIu64 " changes, %" PRIu64 " faults\n", changes, faults);
	} else {
		buf_printf(&report, "%" PRIu64 " changes, no faults\n", changes);
	}
	cli_put(&report);
	if (faults > 0)
		cli_fail("the log of changes and the catalogue do not agree");
	database_close(&database);
	return exit_code;
}

static int prune(const struct cli *cli, const char *before)
{
	struct database database;
	uint64_t removed = 0;
	struct buf out;
	int64_t before_us;

	if (timestamp_parse(str_from(before), &before_us) != TIMESTAMP_OK)
		return cli_misuse(cli->command, "--before is \"%s\": allowed are a date (2026-01-01) and an RFC 3339 time",
		                  before);
	if (before_us > clock_wall_us())
		return cli_misuse(cli->command, "--before is \"%s\", which is in the future", before);
	if (!database_open(&database, cli->config, DATABASE_WRITE, TIMEOUT_S))
		return CLI_FAILED;
	enum store_result result = store_audit_prune(database.session, before_us, &removed);
	int exit_code = CLI_OK;
	if (result != STORE_OK) {
		exit_code = database_fail(&database, cli->config, "cannot prune", result);
	} else {
		buf_init(&out, 4096);
		buf_printf(&out, "%" PRIu64 " changes before ", removed);
		timestamp_print(&out, before_us);
		buf_lit(&out, " removed\n");
		cli_put(&out);
	}
	database_close(&database);
	return exit_code;
}

int command_audit(struct cli *cli)
{
	const char *before = cli_value(cli, "--before", NULL);

	if (strcmp(cli->arguments[0], "verify") == 0)
		return before == NULL ? verify(cli) : cli_misuse(cli->command, "audit verify takes no --before");
	return before != NULL ? prune(cli, before) : cli_misuse(cli->command, "audit prune needs --before DATE");
}
