/* evently: the events service. The command line is in cli/, `serve` in serve.c: begin to read there. */
#include "cli/cli.h"

int main(int argc, char **argv)
{
	return cli_main(argc, argv);
}
