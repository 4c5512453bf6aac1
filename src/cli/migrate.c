/* evently migrate */
#include "cli/command.h"

#include "base/arena.h"
#include "events/timestamp.h"

enum { TIMEOUT_S = 3600, MEMORY_BYTES_MAX = 8 << 20, NUMBER_MAX = 9999 };

struct versions {
	struct store_migration *items;
	size_t count;
	int applied, newest, before; /* numbers: the last applied, the newest known, the applied one before the last */
};

static enum store_result look(const struct database *database, struct arena *arena, struct versions *versions)
{
	*versions = (struct versions){0};
	enum store_result result = store_migrations(database->session, arena, &versions->items, &versions->count);
	for (size_t i = 0; result == STORE_OK && i < versions->count; i++) {
		const struct store_migration *item = &versions->items[i];
		if (item->name != NULL && item->number > versions->newest)
			versions->newest = item->number;
		if (!item->applied)
			continue;
		if (item->number > versions->applied) {
			versions->before = versions->applied;
			versions->applied = item->number;
		}
	}
	return result;
}

static void print_current(const struct versions *versions)
{
	struct buf out;

	buf_init(&out, CLI_OUTPUT_BYTES_MAX);
	if (versions->applied == versions->newest)
		buf_printf(&out, "version %d, up to date\n", versions->applied);
	else if (versions->applied > versions->newest)
		buf_printf(&out, "version %d, newer than this program, which knows %d\n", versions->applied,
		           versions->newest);
	else
		buf_printf(&out, "version %d of %d: run evently migrate upgrade\n", versions->applied, versions->newest);
	cli_put(&out);
}

static void print_history(const struct versions *versions)
{
	struct buf out;

	buf_init(&out, CLI_OUTPUT_BYTES_MAX);
	for (size_t i = 0; i < versions->count; i++) {
		const struct store_migration *item = &versions->items[i];
		buf_printf(&out, "%4d  %-32s  ", item->number, item->name != NULL ? item->name : "(unknown to this program)");
		if (item->applied)
			timestamp_print(&out, item->applied_at_us);
		else
			buf_lit(&out, "not applied");
		if (item->checksum_differs)
			buf_lit(&out, "  applied from another text than this program has");
		buf_char(&out, '\n');
	}
	cli_put(&out);
}

/* Nothing was ever written. */
static bool is_untouched(const struct database *database)
{
	struct store_head head;

	return store_head(database->session, &head) == STORE_OK && head.seq == 0;
}

/* The version that upgrade or downgrade goes to, which is `number`, or the usual one when that is negative. False: a line
 * was printed. */
static bool read_target(const struct cli *cli, const struct database *database, const struct versions *versions, bool up,
                        int64_t number, int *target)
{
	if (number < 0)
		number = up ? 0 : versions->before;
	*target = (int)number;
	if (up && number > versions->newest) {
		cli_fail("there is no version %d: the newest that this program knows is %d", *target, versions->newest);
		return false;
	}
	if (!up && number > versions->applied) {
		cli_fail("version %d is not below the present one, %d: did you mean evently migrate upgrade %d?", *target,
		         versions->applied, *target);
		return false;
	}
	if (!up && number == 0 && versions->applied > 0 && !cli_flag(cli, "--yes") && !is_untouched(database)) {
		cli_fail("this removes every event and the whole log of changes: add --yes if you mean it");
		return false;
	}
	return true;
}

static int move(const struct cli *cli, const struct database *database, const struct versions *versions, bool up,
                int64_t number)
{
	struct buf report;
	int target;

	if (!read_target(cli, database, versions, up, number, &target))
		return CLI_FAILED;
	buf_init(&report, CLI_OUTPUT_BYTES_MAX);
	enum store_result result = up ? store_migrate_up(database->session, target, &report)
	                              : store_migrate_down(database->session, target, &report);
	bool quiet = report.len == 0;
	cli_put(&report);
	if (result != STORE_OK)
		return database_fail(database, cli->config, up ? "cannot upgrade" : "cannot downgrade", result);
	if (quiet)
		print_current(versions);
	return CLI_OK;
}

int command_migrate(struct cli *cli)
{
	const char *word = cli->arguments[0];
	bool up = strcmp(word, "upgrade") == 0, down = strcmp(word, "downgrade") == 0;
	struct database database;
	struct versions versions;
	struct arena arena;
	int exit_code = CLI_OK;
	int64_t number = -1; /* none was given */

	if (!up && !down && cli->argument_count > 1)
		return cli_misuse(cli->command, "migrate %s takes no number", word);
	if (cli->argument_count > 1 && !cli_number("the version N", cli->arguments[1], up ? 1 : 0, NUMBER_MAX, &number))
		return CLI_USAGE;
	if (!database_open(&database, cli->config, up || down ? DATABASE_MIGRATE : DATABASE_LOOK, TIMEOUT_S))
		return CLI_FAILED;
	arena_init(&arena, MEMORY_BYTES_MAX);
	enum store_result result = look(&database, &arena, &versions);
	if (result != STORE_OK)
		exit_code = database_fail(&database, cli->config, "cannot read the schema's version", result);
	else if (up || down)
		exit_code = move(cli, &database, &versions, up, number);
	else if (strcmp(word, "current") == 0)
		print_current(&versions);
	else
		print_history(&versions);
	arena_finish(&arena);
	database_close(&database);
	return exit_code;
}
