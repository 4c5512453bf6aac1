/* Completion for bash, zsh and fish, from the table of commands. */
#include "cli/command.h"

#include <stdio.h>

/* "a b" for "a|b" */
static void print_words(struct buf *out, const char *choices)
{
	for (; *choices != '\0'; choices++)
		buf_char(out, *choices == '|' ? ' ' : *choices);
}

static void print_bash(struct buf *out)
{
	buf_lit(out, "_evently() {\n"
	             "\tlocal word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
	             "\tlocal command=${COMP_WORDS[1]} words= files=\n"
	             "\tCOMPREPLY=()\n"
	             "\tif [ \"$COMP_CWORD\" -eq 1 ]; then\n\t\twords='");
	for (size_t i = 0; i < command_count; i++)
		buf_printf(out, "%s ", commands[i].name);
	buf_lit(out, "--help --version'\n\telse\n\t\tcase \"$command $before\" in\n");
	for (size_t i = 0; i < command_count; i++) {
		for (size_t j = 0; j < CLI_OPTIONS_MAX && commands[i].options[j].name != NULL; j++) {
			const struct cli_option *option = &commands[i].options[j];
			if (option->value == NULL)
				continue;
			buf_printf(out, "\t\t'%s %s') ", commands[i].name, option->name);
			if (option->choices != NULL) {
				buf_lit(out, "words='");
				print_words(out, option->choices);
				buf_lit(out, "'");
			} else {
				buf_printf(out, "files=%s", strcmp(option->value, "FILE") == 0 ? "1" : "");
			}
			buf_lit(out, " ;;\n");
		}
	}
	buf_lit(out, "\t\t*) case $command in\n");
	for (size_t i = 0; i < command_count; i++) {
		buf_printf(out, "\t\t\t%s) words='", commands[i].name);
		if (commands[i].words != NULL)
			print_words(out, commands[i].words);
		for (size_t j = 0; j < CLI_OPTIONS_MAX && commands[i].options[j].name != NULL; j++)
			buf_printf(out, " %s", commands[i].options[j].name);
		buf_printf(out, " --help' files=%s ;;\n", commands[i].takes_file ? "1" : "");
	}
	buf_lit(out, "\t\t\tesac ;;\n\t\tesac\n\tfi\n"
	             "\tCOMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
	             "\tif [ -n \"$files\" ]; then\n"
	             "\t\tcompopt -o filenames 2>/dev/null\n"
	             "\t\tCOMPREPLY+=($(compgen -f -- \"$word\"))\n\tfi\n}\n"
	             "complete -F _evently evently\n");
}

/* Text inside single quotes of zsh and fish, with what _arguments would take for its own escaped. */
static void print_quoted(struct buf *out, const char *text, bool zsh)
{
	buf_char(out, '\'');
	for (; *text != '\0'; text++) {
		if (*text == '\'')
			buf_str(out, zsh ? STR("'\\''") : STR("\\'"));
		else if (zsh && (*text == '[' || *text == ']' || *text == ':'))
			buf_printf(out, "\\%c", *text);
		else
			buf_char(out, *text);
	}
	buf_char(out, '\'');
}

static void print_zsh_option(struct buf *out, const struct cli_option *option)
{
	buf_printf(out, " \\\n\t\t\t%s'['", option->name);
	print_quoted(out, option->help, true);
	buf_lit(out, "']'");
	if (option->value == NULL)
		return;
	buf_printf(out, "':%s:", option->value);
	if (option->choices != NULL) {
		buf_char(out, '(');
		print_words(out, option->choices);
		buf_char(out, ')');
	} else if (strcmp(option->value, "FILE") == 0) {
		buf_lit(out, "_files");
	}
	buf_char(out, '\'');
}

static void print_zsh(struct buf *out)
{
	buf_lit(out, "#compdef evently\n_evently() {\n\tlocal -a commands\n\tcommands=(\n");
	for (size_t i = 0; i < command_count; i++) {
		buf_printf(out, "\t\t%s':'", commands[i].name);
		print_quoted(out, commands[i].summary, true);
		buf_char(out, '\n');
	}
	buf_lit(out, "\t)\n\tif (( CURRENT == 2 )); then\n\t\t_describe command commands\n\t\treturn\n\tfi\n"
	             "\tlocal command=$words[2]\n\tshift words\n\t(( CURRENT-- ))\n\tcase $command in\n");
	for (size_t i = 0; i < command_count; i++) {
		buf_printf(out, "\t\t%s) _arguments", commands[i].name);
		for (size_t j = 0; j < CLI_OPTIONS_MAX && commands[i].options[j].name != NULL; j++)
			print_zsh_option(out, &commands[i].options[j]);
		for (size_t j = 0; j < common_option_count; j++)
			print_zsh_option(out, &common_options[j]);
		if (commands[i].words != NULL) {
			buf_lit(out, " \\\n\t\t\t'1:word:(");
			print_words(out, commands[i].words);
			buf_lit(out, ")'");
		} else if (commands[i].takes_file) {
			buf_lit(out, " \\\n\t\t\t'1:file:_files'");
		}
		buf_lit(out, " ;;\n");
	}
	buf_lit(out, "\tesac\n}\nif [ \"$funcstack[1]\" = _evently ]; then\n\t_evently \"$@\"\nelse\n\tcompdef _evently evently\nfi\n");
}

static void print_fish(struct buf *out)
{
	buf_lit(out, "complete -c evently -f\n");
	for (size_t i = 0; i < command_count; i++) {
		buf_printf(out, "complete -c evently -n __fish_use_subcommand -a %s -d ", commands[i].name);
		print_quoted(out, commands[i].summary, false);
		buf_char(out, '\n');
	}
	for (size_t i = 0; i < command_count; i++) {
		char seen[96];
		snprintf(seen, sizeof seen, "complete -c evently -n '__fish_seen_subcommand_from %s'", commands[i].name);
		for (size_t j = 0; j < CLI_OPTIONS_MAX && commands[i].options[j].name != NULL; j++) {
			const struct cli_option *option = &commands[i].options[j];
			buf_printf(out, "%s -l %s", seen, option->name + 2);
			if (option->choices != NULL) {
				buf_lit(out, " -x -a '");
				print_words(out, option->choices);
				buf_char(out, '\'');
			} else if (option->value != NULL) {
				buf_str(out, strcmp(option->value, "FILE") == 0 ? STR(" -r -F") : STR(" -x"));
			}
			buf_lit(out, " -d ");
			print_quoted(out, option->help, false);
			buf_char(out, '\n');
		}
		if (commands[i].words != NULL) {
			buf_printf(out, "%s -a '", seen);
			print_words(out, commands[i].words);
			buf_lit(out, "'\n");
		}
		if (commands[i].takes_file)
			buf_printf(out, "%s -F\n", seen);
	}
	buf_lit(out, "complete -c evently -l help -d 'Say what the command does.'\n");
}

void completion_print(struct buf *out, const char *shell)
{
	if (strcmp(shell, "bash") == 0)
		print_bash(out);
	else if (strcmp(shell, "zsh") == 0)
		print_zsh(out);
	else
		print_fish(out);
}

int command_completion(struct cli *cli)
{
	struct buf out;

	buf_init(&out, CLI_OUTPUT_BYTES_MAX);
	completion_print(&out, cli->arguments[0]);
	cli_put(&out);
	return CLI_OK;
}
