/* evently openapi, evently routes, evently version, evently serve: the commands that only pass on. */
#include "cli/command.h"

#include <stdio.h>

#include "api/assets.h"
#include "api/routes.h"
#include "cli/cli.h"
#include "version.h"

int command_openapi(struct cli *cli)
{
	(void)cli;
	fwrite(openapi_json, 1, openapi_json_bytes, stdout);
	return CLI_OK;
}

int command_routes(struct cli *cli)
{
	struct buf text;

	(void)cli;
	buf_init(&text, CLI_OUTPUT_BYTES_MAX);
	routes_print(&text);
	cli_put(&text);
	return CLI_OK;
}

int command_version(struct cli *cli)
{
	(void)cli;
	puts("evently " EVENTLY_VERSION);
	return CLI_OK;
}

int command_serve(struct cli *cli)
{
	return serve_main(cli->config, cli_value(cli, "--user", NULL));
}
