/* evently openapi, evently version, evently serve: the commands that only pass on. */
#include "cli/command.h"

#include <stdio.h>

#include "api/assets.h"
#include "cli/cli.h"
#include "version.h"

int command_openapi(struct cli *cli)
{
	(void)cli;
	fwrite(openapi_json, 1, openapi_json_bytes, stdout);
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
	return serve_main(cli->config);
}
