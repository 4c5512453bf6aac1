/* The table of commands: the one place that dispatch, --help, completion and the man page come from. */
#include "cli/command.h"

#define FORMAT(text) {"--format", "FORMAT", "ndjson|csv", text}

const struct cli_option common_options[] = {
	{"--help", NULL, NULL, "Say what the command does."},
};
const size_t common_option_count = ARRAY_LENGTH(common_options);

const struct command commands[] = {
	{
		.name = "serve",
		.arguments = "",
		.summary = "Run the service.",
		.details = "Listens on HOST and PORT until SIGTERM or SIGINT, then lets open requests finish. SIGHUP reads the "
		           "settings and certificates again. Without DB_HOST or DATABASE_URL the catalogue lives in the "
		           "embedded store in DATA_DIR, and nothing else is needed.",
		.example = "PORT=8001 evently serve",
		.needs_config = true,
		.run = command_serve,
		.options = {{"--user", "NAME", NULL, "Become this user once the ports are bound; to be started as root. Files of "
		             "secrets that SIGHUP is to read again, and DATA_DIR, must be that user's."}},
	},
	{
		.name = "migrate",
		.arguments = "upgrade|downgrade|current|history [N]",
		.words = "upgrade|downgrade|current|history",
		.summary = "Bring the database's schema up to date, or look at it.",
		.details = "upgrade brings it to the newest version, or to N. downgrade goes back by one version, or to N; what "
		           "only the newer version stores is lost, and with 0 everything, which --yes must confirm. current "
		           "says the version, history lists all.\n\n"
		           "Several instances may run it at once: one of them does the work.",
		.example = "evently migrate upgrade",
		.arguments_min = 1,
		.arguments_max = 2,
		.needs_config = true,
		.run = command_migrate,
		.options = {{"--yes", NULL, NULL, "Do not ask before everything is removed."}},
	},
	{
		.name = "token",
		.arguments = "",
		.summary = "Make a token to call the service with.",
		.details = "Signs with the newest JWT_SECRET, or with the secret that the embedded store has made, and prints "
		           "the token alone. With public keys (RS256, PS256, ES256, EdDSA) tokens come from their issuer.",
		.example = "curl -H \"Authorization: Bearer $(evently token --role admin)\" http://127.0.0.1:8001/api/v1/events/",
		.needs_config = true,
		.run = command_token,
		.options = {{"--user-id", "ID", NULL, "The user's number (1)."},
		            {"--email", "EMAIL", NULL, "The user's email (user@localhost, or admin@localhost)."},
		            {"--role", "ROLE", "user|admin", "What the user may do (user)."},
		            {"--minutes", "MINUTES", NULL, "How long it is valid (JWT_EXPIRY_MINUTES)."}},
	},
	{
		.name = "config",
		.arguments = "",
		.summary = "Show every setting, where it comes from, with secrets masked.",
		.details = "Settings are read from the environment, from the file that NAME_FILE names, from the secrets "
		           "manager Zero, or are defaults, in this order.",
		.example = "evently config",
		.run = command_config,
		.options = {{"--markdown", NULL, NULL, "Print what settings there are, as Markdown."}},
	},
	{
		.name = "check",
		.arguments = "",
		.summary = "Say whether settings, keys, database, schema and Redis are right, and how to mend them.",
		.details = "With --live or --ready it asks the service that runs on HOST and PORT instead, for the health check "
		           "of a container: exit code 0 when it answers, or is ready to.",
		.example = "evently check",
		.needs_config = true,
		.run = command_check,
		.options = {{"--live", NULL, NULL, "Ask whether the running service is alive."},
		            {"--ready", NULL, NULL, "Ask whether the running service is ready for requests."}},
	},
	{
		.name = "import",
		.arguments = "FILE",
		.summary = "Create events from a file of NDJSON or CSV.",
		.details = "FILE is .ndjson, .jsonl or .csv, or - for standard input (NDJSON, unless --format says otherwise). A "
		           "line has the fields of an event: title, venue and event_date, and perhaps description, capacity, "
		           "price and status; CSV names them in its first line. What an export holds besides (id, version and so on) "
		           "is ignored: every line makes a new event. Up to 100,000 lines.\n\n"
		           "All or nothing: when a line is bad, nothing is created, and the bad lines are named. With --partial "
		           "the good lines are created all the same. The exit code is 1 when any line was bad.",
		.example = "evently import events.csv",
		.arguments_min = 1,
		.arguments_max = 1,
		.takes_file = true,
		.needs_config = true,
		.run = command_import,
		.options = {FORMAT("What the file holds (by its name)."),
		            {"--partial", NULL, NULL, "Create the good lines, although others are bad."},
		            {"--user-id", "ID", NULL, "The user who creates them (1)."},
		            {"--email", "EMAIL", NULL, "That user's email (admin@localhost)."}},
	},
	{
		.name = "export",
		.arguments = "",
		.summary = "Write all events, as they are at one moment, as NDJSON or CSV.",
		.details = "To standard output, or to a file that gets its name only when it is complete.",
		.example = "evently export --output events.csv",
		.needs_config = true,
		.run = command_export,
		.options = {FORMAT("What to write (by the file's name, else ndjson)."),
		            {"--output", "FILE", NULL, "Where to write it (standard output)."}},
	},
	{
		.name = "demo",
		.arguments = "",
		.summary = "Fill an empty catalogue with events to try the service with.",
		.details = "About sixty, past and future, in every status, dated from today. A catalogue that holds anything "
		           "is left alone.",
		.example = "evently demo",
		.needs_config = true,
		.run = command_demo,
		.options = {{"--if-empty", NULL, NULL, "A catalogue that holds anything is no failure."}},
	},
	{
		.name = "audit",
		.arguments = "verify|prune",
		.words = "verify|prune",
		.summary = "Verify the log of changes against the catalogue, or shorten it.",
		.details = "verify reads all changes and says where one does not follow from the one before, or the catalogue "
		           "is not their sum; the exit code is then 1. prune removes the changes before a date; the events "
		           "stay as they are.",
		.example = "evently audit prune --before 2026-01-01",
		.arguments_min = 1,
		.arguments_max = 1,
		.needs_config = true,
		.run = command_audit,
		.options = {{"--before", "DATE", NULL, "For prune: remove what changed before (RFC 3339, or a date alone: UTC)."}},
	},
	{
		.name = "routes",
		.arguments = "",
		.summary = "print every route: method, path, who may",
		.details = "The table that requests are dispatched by, a line each.",
		.example = "evently routes",
		.run = command_routes,
	},
	{
		.name = "openapi",
		.arguments = "",
		.summary = "Print the interface's description (OpenAPI 3.1).",
		.details = "The document that the service gives at /openapi.json.",
		.example = "evently openapi > openapi.json",
		.run = command_openapi,
	},
	{
		.name = "completion",
		.arguments = "bash|zsh|fish",
		.words = "bash|zsh|fish",
		.summary = "Print the completion of this command line for a shell.",
		.details = "bash: eval \"$(evently completion bash)\" in ~/.bashrc. zsh: evently completion zsh > _evently in a "
		           "folder of $fpath. fish: evently completion fish > ~/.config/fish/completions/evently.fish",
		.example = "eval \"$(evently completion bash)\"",
		.arguments_min = 1,
		.arguments_max = 1,
		.run = command_completion,
	},
	{
		.name = "man",
		.arguments = "",
		.summary = "Print the man page.",
		.details = "In troff: evently man | man -l -",
		.example = "evently man | man -l -",
		.run = command_man,
	},
	{
		.name = "version",
		.arguments = "",
		.summary = "Print the version.",
		.details = "As one line, name and number.",
		.example = "evently version",
		.run = command_version,
	},
	{
		.name = "help",
		.arguments = "[COMMAND]",
		.summary = "Say what a command does; or list the commands, and the settings.",
		.details = "evently help settings lists the settings.",
		.example = "evently help import",
		.arguments_max = 1,
		.run = command_help,
	},
};
const size_t command_count = ARRAY_LENGTH(commands);

const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < command_count; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}
