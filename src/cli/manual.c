/* The man page, in troff's man macros (man(7)). man/evently.1 is what this prints. */
#include "cli/command.h"

#include "config/setting.h"
#include "version.h"

/* Text with what troff would take for its own escaped. */
static void print_text(struct buf *out, struct str text)
{
	if (text.len > 0 && (text.ptr[0] == '.' || text.ptr[0] == '\''))
		buf_lit(out, "\\&");
	for (size_t i = 0; i < text.len; i++) {
		switch (text.ptr[i]) {
		case '\\': buf_lit(out, "\\e"); break;
		case '-': buf_lit(out, "\\-"); break;
		case '~': buf_lit(out, "\\(ti"); break;
		case '^': buf_lit(out, "\\(ha"); break;
		case '`':
		case '\'': buf_lit(out, "\\(aq"); break;
		default: buf_char(out, text.ptr[i]); break;
		}
	}
}

static void print_line(struct buf *out, const char *before, const char *text)
{
	buf_str(out, str_from(before));
	print_text(out, str_from(text));
	buf_char(out, '\n');
}

static void print_paragraphs(struct buf *out, const char *text)
{
	struct str rest = str_from(text), line;

	while (str_cut(&rest, '\n', &line)) {
		if (line.len == 0) {
			buf_lit(out, ".IP\n");
			continue;
		}
		print_text(out, line);
		buf_char(out, '\n');
	}
}

static void print_command(struct buf *out, const struct command *command)
{
	struct buf usage;

	buf_init(&usage, 4096);
	help_print_usage(&usage, command);
	buf_lit(out, ".TP\n.B ");
	print_text(out, buf_view(&usage));
	buf_char(out, '\n');
	buf_finish(&usage);
	print_line(out, "", command->summary);
	print_paragraphs(out, command->details);
	if (command->options[0].name == NULL)
		return;
	buf_lit(out, ".RS\n");
	for (size_t i = 0; i < CLI_OPTIONS_MAX && command->options[i].name != NULL; i++) {
		const struct cli_option *option = &command->options[i];
		buf_lit(out, ".TP\n.B ");
		print_text(out, str_from(option->name));
		if (option->value != NULL) {
			buf_lit(out, " \\fI");
			print_text(out, str_from(option->value));
			buf_lit(out, "\\fR");
		}
		buf_char(out, '\n');
		print_line(out, "", option->help);
	}
	buf_lit(out, ".RE\n");
}

static void print_settings(struct buf *out)
{
	const char *group = "";

	for (size_t i = 0; i < SETTING_COUNT; i++) {
		const struct setting *setting = &settings[i];
		if (strcmp(group, setting->group) != 0)
			print_line(out, ".SS ", setting->group);
		group = setting->group;
		print_line(out, ".TP\n.B ", setting->name);
		print_text(out, str_from(setting->help));
		if (setting->fallback[0] != '\0') {
			buf_lit(out, " Default: ");
			print_text(out, str_from(setting->fallback));
			buf_char(out, '.');
		}
		buf_char(out, '\n');
	}
}

void manual_print(struct buf *out)
{
	buf_lit(out, ".\\\" Printed by `evently man` from src/cli/commands.c and src/config/settings.h.\n"
	             ".TH EVENTLY 1 \"\" \"evently " EVENTLY_VERSION "\" \"User commands\"\n"
	             ".SH NAME\nevently \\- a catalogue of events over HTTP\n"
	             ".SH SYNOPSIS\n.B evently\n.I COMMAND\n[\\fIOPTION\\fR...]\n"
	             ".SH DESCRIPTION\n"
	             "The events service keeps a catalogue of events and answers for it over HTTP: users list and read,\n"
	             "admins create, change and delete, and every change is logged, streamed and published.\n"
	             "It stores in PostgreSQL or, without any setting, in an embedded store.\n"
	             ".SH COMMANDS\n");
	for (size_t i = 0; i < command_count; i++)
		print_command(out, &commands[i]);
	buf_lit(out, ".PP\nEvery command says with\n.B \\-\\-help\nwhat it does.\n"
	             ".SH EXIT STATUS\n"
	             ".TP\n.B 0\nDone.\n"
	             ".TP\n.B 1\nFailed; one line on standard error says why and what to do.\n"
	             ".TP\n.B 2\nUsed wrongly.\n"
	             ".SH ENVIRONMENT\n"
	             "Each setting may also be in a file that \\fINAME\\fB_FILE\\fR names. A variable that is empty counts as\n"
	             "not set.\n");
	print_settings(out);
	buf_lit(out, ".SH FILES\n"
	             ".TP\n.I DATA_DIR\nThe embedded store, and\n.IR jwt\\-secret ,\nthe secret that it has made.\n"
	             ".SH SIGNALS\n"
	             ".TP\n.B SIGTERM, SIGINT\nserve lets open requests finish and ends.\n"
	             ".TP\n.B SIGHUP\nserve reads settings, keys and certificates again.\n"
	             ".SH EXAMPLES\n");
	for (size_t i = 0; i < command_count; i++) {
		print_line(out, ".TP\n", commands[i].summary);
		print_line(out, ".B ", commands[i].example);
	}
}

int command_man(struct cli *cli)
{
	struct buf out;

	(void)cli;
	buf_init(&out, CLI_OUTPUT_BYTES_MAX);
	manual_print(&out);
	cli_put(&out);
	return CLI_OK;
}
