/* --help and `evently help`. */
#include "cli/command.h"

enum { WIDTH = 79, OPTION_COLUMN = 24, COMMAND_COLUMN = 14 };

/* Words of `text` up to WIDTH a line, lines after the first begin at `column`. An empty line in it stays one. */
static void print_wrapped(struct buf *out, const char *text, size_t column)
{
	struct str paragraphs = str_from(text), line;
	bool first = true;

	while (str_cut(&paragraphs, '\n', &line)) {
		struct str rest = line, word;
		size_t at = column;
		if (!first)
			buf_printf(out, "\n%*s", line.len > 0 ? (int)column : 0, "");
		first = false;
		for (bool begins = true; str_cut(&rest, ' ', &word); begins = false) {
			/* A code point that is longer than a byte counts as the bytes it has: lines come out short at worst. */
			if (!begins && at + 1 + word.len > WIDTH) {
				buf_printf(out, "\n%*s", (int)column, "");
				at = column;
			} else if (!begins) {
				buf_char(out, ' ');
				at++;
			}
			buf_str(out, word);
			at += word.len;
		}
	}
	buf_char(out, '\n');
}

void help_print_usage(struct buf *out, const struct command *command)
{
	buf_printf(out, "evently %s", command->name);
	if (command->arguments[0] != '\0')
		buf_printf(out, " %s", command->arguments);
	for (size_t i = 0; i < CLI_OPTIONS_MAX && command->options[i].name != NULL; i++) {
		const struct cli_option *option = &command->options[i];
		buf_printf(out, " [%s%s%s]", option->name, option->value != NULL ? " " : "",
		           option->choices != NULL ? option->choices : option->value != NULL ? option->value : "");
	}
}

static void print_option(struct buf *out, const struct cli_option *option)
{
	size_t start = out->len;

	buf_printf(out, "  %s%s%s", option->name, option->value != NULL ? " " : "",
	           option->value != NULL ? option->value : "");
	while (!out->failed && out->len - start < OPTION_COLUMN)
		buf_char(out, ' ');
	print_wrapped(out, option->help, OPTION_COLUMN);
}

void help_print_command(struct buf *out, const struct command *command)
{
	buf_lit(out, "usage: ");
	help_print_usage(out, command);
	buf_printf(out, "\n\n");
	print_wrapped(out, command->summary, 0);
	buf_char(out, '\n');
	print_wrapped(out, command->details, 0);
	buf_lit(out, "\noptions:\n");
	for (size_t i = 0; i < CLI_OPTIONS_MAX && command->options[i].name != NULL; i++)
		print_option(out, &command->options[i]);
	for (size_t i = 0; i < common_option_count; i++)
		print_option(out, &common_options[i]);
	buf_printf(out, "\nexample:\n  %s\n", command->example);
}

void help_print(struct buf *out)
{
	buf_lit(out, "usage: evently COMMAND [OPTION...]\n\n"
	             "The events service: a catalogue of events over HTTP.\n\ncommands:\n");
	for (size_t i = 0; i < command_count; i++) {
		buf_printf(out, "  %-*s", COMMAND_COLUMN - 2, commands[i].name);
		print_wrapped(out, commands[i].summary, COMMAND_COLUMN);
	}
	buf_lit(out, "\n"
	             "evently COMMAND --help says more of one. evently help settings lists the\n"
	             "settings (environment variables), evently config shows their values.\n\n"
	             "To try it, without any setting:\n"
	             "  evently demo && evently serve\n");
}

int command_help(struct cli *cli)
{
	struct buf out;

	buf_init(&out, CLI_OUTPUT_BYTES_MAX);
	if (cli->argument_count == 0) {
		help_print(&out);
	} else if (strcmp(cli->arguments[0], "settings") == 0) {
		config_print_help(&out);
	} else {
		const struct command *command = command_find(cli->arguments[0]);
		if (command == NULL) {
			buf_finish(&out);
			return cli_misuse(NULL, "there is no command \"%s\"", cli->arguments[0]);
		}
		help_print_command(&out, command);
	}
	cli_put(&out);
	return CLI_OK;
}
