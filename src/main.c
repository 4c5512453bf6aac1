/* evently: the events service. The command line is in cli/, `serve` in serve.c: begin to read there. */
#include "cli/cli.h"

#include <stdio.h>

int main(int argc, char **argv)
{
#ifdef __x86_64__
	/* The HTTP parser is built for it (meson.build). */
	if (!__builtin_cpu_supports("sse4.2")) {
		fprintf(stderr, "evently: this processor lacks SSE4.2, which every x86-64 processor since 2009 has\n");
		return 1;
	}
#endif
	return cli_main(argc, argv);
}
