/* A command as data, its run, and what all commands use.
 *
 * Dispatch, --help, completion and the man page come from the one table `commands`. */
#ifndef EVENTLY_CLI_COMMAND_H
#define EVENTLY_CLI_COMMAND_H

#include "base/buf.h"
#include "base/check.h"
#include "config/config.h"
#include "store/store.h"

enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };
enum { CLI_OPTIONS_MAX = 8, CLI_ARGUMENTS_MAX = 2, CLI_OUTPUT_BYTES_MAX = 1 << 20 };

struct cli;

struct cli_option {
	const char *name;    /* "--user-id" */
	const char *value;   /* what follows it ("ID"), or NULL for a flag */
	const char *choices; /* "ndjson|csv", or NULL */
	const char *help;    /* one line */
};

struct command {
	const char *name;
	const char *arguments; /* "FILE", or "" */
	const char *words;     /* what the first argument may be, "a|b", or NULL */
	const char *summary;   /* one line */
	const char *details;   /* paragraphs, separated by an empty line */
	const char *example;   /* one command line */
	unsigned arguments_min, arguments_max;
	bool takes_file;       /* for completion */
	bool needs_config;
	int (*run)(struct cli *cli);
	struct cli_option options[CLI_OPTIONS_MAX]; /* ends at the first without a name */
};

extern const struct command commands[];
extern const size_t command_count;
/* Understood by every command. */
extern const struct cli_option common_options[];
extern const size_t common_option_count;

/* One run of a command. */
struct cli {
	const struct command *command;
	const char *values[CLI_OPTIONS_MAX]; /* of command->options; "" for a flag; NULL when not given */
	const char *arguments[CLI_ARGUMENTS_MAX];
	unsigned argument_count;
	bool wants_help;
	struct config *config;               /* when the command needs it */
};

const struct command *command_find(const char *name);

/* Loads the settings into cli->config and prints warnings. False: a line was printed. */
MUST_CHECK bool cli_load_config(struct cli *cli);

/* ---- arguments.c ---- */

/* Reads what follows the command's name. False: a line was printed, exit with CLI_USAGE. */
MUST_CHECK bool cli_parse(struct cli *cli, int argc, char **argv);
/* The option's value, or `fallback`; for flags see cli_flag. `name` must be one of the command's. */
const char *cli_value(const struct cli *cli, const char *name, const char *fallback);
bool cli_flag(const struct cli *cli, const char *name);
/* A number within bounds; false: a line was printed. `text` is the option's value. */
MUST_CHECK bool cli_number(const char *what, const char *text, int64_t min, int64_t max, int64_t *number);

/* ---- output.c ---- */

/* "evently: …" on standard error, and CLI_FAILED. */
int cli_fail(const char *format, ...) PRINTF_LIKE(1, 2);
/* The same with a hint at --help, and CLI_USAGE. */
int cli_misuse(const struct command *command, const char *format, ...) PRINTF_LIKE(2, 3);
void cli_warn(const char *format, ...) PRINTF_LIKE(1, 2);
/* Writes the text to standard output and frees the buffer. */
void cli_put(struct buf *text);
/* CLI_OK, or CLI_FAILED with a line when standard output could not be written. */
int cli_close_output(int exit_code);

/* ---- help.c, manual.c, completion.c ---- */

void help_print(struct buf *out);
void help_print_command(struct buf *out, const struct command *command);
/* "evently token [--user-id ID] …" */
void help_print_usage(struct buf *out, const struct command *command);
void manual_print(struct buf *out);
void completion_print(struct buf *out, const char *shell);

/* ---- database.c ---- */

/* A store with one session, as a command uses it. */
struct database {
	struct store *store;
	struct store_session *session;
};

enum database_use {
	DATABASE_LOOK,    /* as it is, whatever its schema is; the embedded store may be in use by a service */
	DATABASE_READ,    /* the same, and the schema must be right */
	DATABASE_WRITE,   /* alone with the embedded store, which is set up when it is new; the schema must be right */
	DATABASE_MIGRATE, /* alone with the embedded store, whatever its schema is */
};
/* False: `line` says why and how to mend it. Every call then ends within `seconds`. */
MUST_CHECK bool database_try(struct database *database, const struct config *config, enum database_use use,
                             int seconds, struct buf *line);
/* The same; false: the line was printed. */
MUST_CHECK bool database_open(struct database *database, const struct config *config, enum database_use use,
                              int seconds);
void database_close(struct database *database);
/* Waits until every service that runs shows what was written as change `seq` (promise P1); a command that has said
 * "created" must hold to that as an answered request does. 0 is nothing. */
void database_settle(const struct database *database, uint64_t seq);
/* Prints what failed and how to mend it; gives CLI_FAILED. */
int database_fail(const struct database *database, const struct config *config, const char *doing,
                  enum store_result result);
/* How to mend it, a sentence, or "". */
const char *database_remedy(const struct config *config, enum store_result result);

/* ---- token.c ---- */

struct keys;
/* The keys of the settings, with the generated secret where that is used. False: `problem` holds one line. */
MUST_CHECK bool cli_load_keys(const struct config *config, struct keys **keys, struct buf *problem);

/* ---- the commands, one file each ---- */

int command_serve(struct cli *cli);
int command_migrate(struct cli *cli);
int command_token(struct cli *cli);
int command_config(struct cli *cli);
int command_check(struct cli *cli);
int command_import(struct cli *cli);
int command_export(struct cli *cli);
int command_demo(struct cli *cli);
int command_audit(struct cli *cli);
int command_openapi(struct cli *cli);
int command_routes(struct cli *cli);
int command_completion(struct cli *cli);
int command_man(struct cli *cli);
int command_version(struct cli *cli);
int command_help(struct cli *cli);

#endif
