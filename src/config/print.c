/* The settings for people: `evently config`, --help, docs/configuration.md, and the pieces of messages. */
#include "config/setting.h"

#include <inttypes.h>

enum { SHOWN_BYTES_MAX = 100, NAME_COLUMN = 28, VALUE_COLUMN = 34, HELP_WIDTH = 79, HELP_INDENT = 6 };

static void print_escaped(struct buf *out, const char *text)
{
	size_t shown = 0;

	for (; shown < SHOWN_BYTES_MAX && text[shown] != '\0'; shown++) {
		unsigned char c = (unsigned char)text[shown];
		if (c < ' ' || c == 0x7f)
			buf_printf(out, "\\x%02x", c);
		else if (c == '"' || c == '\\')
			buf_printf(out, "\\%c", c);
		else
			buf_char(out, (char)c);
	}
	if (text[shown] != '\0')
		buf_lit(out, "…");
}

void setting_shown(struct buf *out, const struct setting *setting, const char *text)
{
	if (setting->secret) {
		buf_str(out, text[0] == '\0' ? STR("not set") : STR("********"));
		return;
	}
	buf_char(out, '"');
	print_escaped(out, text);
	buf_char(out, '"');
}

void setting_allowed(struct buf *out, const struct setting *setting)
{
	struct str rest, choice;

	switch (setting->type) {
	case SETTING_BOOLEAN:
		buf_lit(out, "true, false, 1, 0, yes, no, on, off");
		break;
	case SETTING_CHOICE:
		rest = str_from(setting->choices);
		for (bool first = true; str_cut(&rest, '|', &choice); first = false)
			buf_printf(out, "%s%.*s", first ? "" : ", ", STR_ARG(choice));
		break;
	case SETTING_INTEGER:
		buf_printf(out, "%" PRId64 " to %" PRId64, setting->min, setting->max);
		break;
	case SETTING_TEXT:
		buf_printf(out, "%" PRId64 " to %" PRId64 " bytes%s", setting->min, setting->max,
		           setting->secret ? "" : " without control characters");
		break;
	}
}

static bool begins_group(size_t i)
{
	return i == 0 || strcmp(settings[i].group, settings[i - 1].group) != 0;
}

static void print_source(struct buf *out, const struct setting *setting, enum setting_source source)
{
	switch (source) {
	case SOURCE_DEFAULT: buf_lit(out, "default"); break;
	case SOURCE_ZERO: buf_lit(out, "Zero"); break;
	case SOURCE_FILE: buf_printf(out, "%s_FILE", setting->name); break;
	case SOURCE_ENVIRONMENT: buf_lit(out, "environment"); break;
	}
}

static void pad_to(struct buf *out, size_t line_start, size_t column)
{
	do
		buf_char(out, ' ');
	while (!out->failed && out->len - line_start < column);
}

void config_print(struct buf *out, const struct config *config)
{
	for (size_t i = 0; i < SETTING_COUNT; i++) {
		if (begins_group(i))
			buf_printf(out, "%s%s\n", i > 0 ? "\n" : "", settings[i].group);
		size_t line_start = out->len;
		buf_printf(out, "  %s", settings[i].name);
		pad_to(out, line_start, NAME_COLUMN + 2);
		const char *text = config_text(config, (enum setting_index)i);
		if (text[0] == '\0')
			buf_lit(out, "-");
		else if (settings[i].secret)
			setting_shown(out, &settings[i], text);
		else
			print_escaped(out, text);
		pad_to(out, line_start, NAME_COLUMN + VALUE_COLUMN);
		print_source(out, &settings[i], config_source(config, (enum setting_index)i));
		buf_char(out, '\n');
	}
}

/* A cell of a Markdown table: the only character that ends it is escaped. */
static void print_cell(struct buf *out, struct str text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] == '|')
			buf_char(out, '\\');
		buf_char(out, text.ptr[i]);
	}
}

static void print_markdown_row(struct buf *out, const struct setting *setting)
{
	buf_printf(out, "| `%s` | ", setting->name);
	if (setting->fallback[0] != '\0')
		buf_printf(out, "`%s`", setting->fallback);
	buf_lit(out, " | ");
	if (setting->type == SETTING_TEXT)
		buf_printf(out, "text, %s%" PRId64 " bytes", setting->min > 0 ? "not empty, up to " : "up to ", setting->max);
	else if (setting->type == SETTING_BOOLEAN)
		buf_lit(out, "true or false");
	else
		setting_allowed(out, setting);
	buf_lit(out, " | ");
	print_cell(out, str_from(setting->help));
	if (setting->secret)
		buf_lit(out, " Secret.");
	buf_printf(out, " | %s |\n", setting->reloadable ? "yes" : "no");
}

void config_print_markdown(struct buf *out)
{
	buf_lit(out,
	        "# Settings\n\n"
	        "Printed by `evently config --markdown` from the table in `src/config/settings.h`.\n\n"
	        "A setting is read from the environment variable `NAME`, else from the file that `NAME_FILE` names, else\n"
	        "from the secrets manager Zero (as `db-host` for `DB_HOST`), else it has its default. An empty variable or\n"
	        "file counts as not set. A bad value stops the start with one line that says what is allowed. Secrets are\n"
	        "masked wherever they are shown, and wiped from the environment once they are read. `SIGHUP` reads all of\n"
	        "them again; the last column says which then take effect without a restart.\n");
	for (size_t i = 0; i < SETTING_COUNT; i++) {
		if (begins_group(i))
			buf_printf(out, "\n## %s\n\n| name | default | allowed | meaning | reloads |\n| --- | --- | --- | --- | --- |\n",
			           settings[i].group);
		print_markdown_row(out, &settings[i]);
	}
}

/* Words of `text`, broken at HELP_WIDTH, each line indented. */
static void print_wrapped(struct buf *out, const char *text)
{
	struct str rest = str_from(text), word;
	size_t column = 0;

	while (str_cut(&rest, ' ', &word)) {
		if (column > 0 && column + 1 + word.len > HELP_WIDTH) {
			buf_char(out, '\n');
			column = 0;
		}
		if (column == 0)
			column = HELP_INDENT - 1;
		buf_printf(out, "%*s", column == HELP_INDENT - 1 ? HELP_INDENT : 1, "");
		buf_str(out, word);
		column += 1 + word.len;
	}
	buf_char(out, '\n');
}

void config_print_help(struct buf *out)
{
	for (size_t i = 0; i < SETTING_COUNT; i++) {
		if (begins_group(i))
			buf_printf(out, "%s%s:\n", i > 0 ? "\n" : "", settings[i].group);
		buf_printf(out, "  %s", settings[i].name);
		if (settings[i].fallback[0] != '\0')
			buf_printf(out, " (%s)", settings[i].fallback);
		buf_char(out, '\n');
		print_wrapped(out, settings[i].help);
	}
}
