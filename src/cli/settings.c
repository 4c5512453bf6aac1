/* evently config */
#include "cli/command.h"

int command_config(struct cli *cli)
{
	struct buf out;

	buf_init(&out, CLI_OUTPUT_BYTES_MAX);
	if (cli_flag(cli, "--markdown")) {
		config_print_markdown(&out);
		cli_put(&out);
		return CLI_OK;
	}
	if (!cli_load_config(cli))
		return CLI_FAILED;
	config_print(&out, cli->config);
	cli_put(&out);
	return CLI_OK;
}
