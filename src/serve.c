#include "cli/cli.h"

#include <stdio.h>

int serve_main(const struct config *config)
{
	(void)config;
	fputs("evently: this build cannot serve yet\n", stderr);
	return 1;
}
