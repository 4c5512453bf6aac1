/* What the user sees: standard output for results, one line on standard error for what went wrong. */
#include "cli/command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

static void print_line(const char *kind, const char *format, va_list arguments)
{
	fflush(stdout);
	fprintf(stderr, "evently: %s", kind);
	vfprintf(stderr, format, arguments);
}

int cli_fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	print_line("", format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	return CLI_FAILED;
}

int cli_misuse(const struct command *command, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	print_line("", format, arguments);
	va_end(arguments);
	if (command != NULL)
		fprintf(stderr, " (see evently %s --help)\n", command->name);
	else
		fputs(" (see evently --help)\n", stderr);
	return CLI_USAGE;
}

void cli_warn(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	print_line("warning: ", format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
}

static bool incomplete;

void cli_put(struct buf *text)
{
	if (text->failed)
		incomplete = true;
	else if (text->len > 0)
		fwrite(text->ptr, 1, text->len, stdout);
	buf_finish(text);
}

int cli_close_output(int exit_code)
{
	if (incomplete) {
		fputs("evently: not enough memory for the output\n", stderr);
		return CLI_FAILED;
	}
	if (fflush(stdout) == 0 && ferror(stdout) == 0)
		return exit_code;
	fprintf(stderr, "evently: standard output cannot be written: %s\n", strerror(errno));
	return exit_code == CLI_OK ? CLI_FAILED : exit_code;
}
