#include "cli/cli.h"

#include <stdio.h>

#include "base/log.h"
#include "base/privilege.h"
#include "cli/command.h"
#include "config/environment.h"
#include "config/fetched.h"
#include "config/nearest.h"

static int refuse_command(const char *name)
{
	const char *names[32];
	size_t count = 0;

	for (; count < command_count && count < ARRAY_LENGTH(names); count++)
		names[count] = commands[count].name;
	const char *meant = nearest_name(name, names, count);
	if (meant != NULL)
		return cli_misuse(NULL, "there is no command \"%s\": did you mean %s?", name, meant);
	return cli_misuse(NULL, "there is no command \"%s\"", name);
}

bool cli_load_config(struct cli *cli)
{
	struct buf problem, warnings;

	buf_init(&problem, 4096);
	buf_init(&warnings, 65536);
	bool ok = config_load(&cli->config, &problem, &warnings);
	struct str rest = buf_view(&warnings), line;
	while (warnings.len > 0 && str_cut(&rest, '\n', &line))
		if (line.len > 0)
			cli_warn("%.*s", STR_ARG(line));
	if (!ok)
		cli_fail("%.*s", STR_ARG(buf_view(&problem)));
	buf_finish(&problem);
	buf_finish(&warnings);
	return ok;
}

static int run(struct cli *cli, int argc, char **argv)
{
	if (!cli_parse(cli, argc, argv))
		return CLI_USAGE;
	if (cli->wants_help) {
		struct buf out;
		buf_init(&out, CLI_OUTPUT_BYTES_MAX);
		help_print_command(&out, cli->command);
		cli_put(&out);
		return CLI_OK;
	}
	/* Commands say themselves what went wrong; only the service logs. */
	if (cli->command->run != command_serve)
		log_set_level(LOG_ERROR);
	privilege_harden();
	if (cli->command->needs_config && !cli_load_config(cli))
		return CLI_FAILED;
	int exit_code = cli->command->run(cli);
	config_free(cli->config);
	fetched_forget();
	environment_forget();
	return exit_code;
}

int cli_main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : NULL;
	struct cli cli = {0};

	if (name == NULL) {
		struct buf out;
		buf_init(&out, CLI_OUTPUT_BYTES_MAX);
		help_print(&out);
		fwrite(out.ptr, 1, out.len, stderr);
		buf_finish(&out);
		return CLI_USAGE;
	}
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
		name = "help";
	else if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
		name = "version";
	cli.command = command_find(name);
	if (cli.command == NULL)
		return refuse_command(name);
	return cli_close_output(run(&cli, argc - 2, argv + 2));
}
