/* What follows a command's name: options (--name VALUE, --name=VALUE), arguments, and -- before arguments. */
#include "cli/command.h"

#include <inttypes.h>

#include "config/nearest.h"

static const struct cli_option *find_option(const struct command *command, struct str name, size_t *index)
{
	for (size_t i = 0; i < CLI_OPTIONS_MAX && command->options[i].name != NULL; i++) {
		if (str_equal(str_from(command->options[i].name), name)) {
			*index = i;
			return &command->options[i];
		}
	}
	return NULL;
}

static bool refuse_option(const struct command *command, struct str name)
{
	const char *names[CLI_OPTIONS_MAX + 1];
	char text[NEAREST_BYTES_MAX + 1];
	const char *meant = NULL;
	size_t count = 0;

	for (size_t i = 0; i < CLI_OPTIONS_MAX && command->options[i].name != NULL; i++)
		names[count++] = command->options[i].name;
	names[count++] = "--help";
	if (name.len <= NEAREST_BYTES_MAX) {
		memcpy(text, name.ptr, name.len);
		text[name.len] = '\0';
		meant = nearest_name(text, names, count);
	}
	if (meant != NULL)
		cli_misuse(command, "%s has no option %.*s: did you mean %s?", command->name, STR_ARG(name), meant);
	else
		cli_misuse(command, "%s has no option %.*s", command->name, STR_ARG(name));
	return false;
}

static bool is_choice(const char *choices, const char *text)
{
	struct str rest = str_from(choices), choice;

	while (str_cut(&rest, '|', &choice))
		if (str_equal(choice, str_from(text)))
			return true;
	return false;
}

/* "a, b" for "a|b" */
static void list_choices(char *out, size_t size, const char *choices)
{
	size_t len = 0;

	for (; *choices != '\0' && len + 3 < size; choices++) {
		out[len++] = *choices == '|' ? ',' : *choices;
		if (*choices == '|')
			out[len++] = ' ';
	}
	out[len] = '\0';
}

static bool check_choice(const struct command *command, const char *what, const char *choices, const char *text)
{
	char list[128];

	if (choices == NULL || is_choice(choices, text))
		return true;
	list_choices(list, sizeof list, choices);
	cli_misuse(command, "%s is \"%s\": allowed are %s", what, text, list);
	return false;
}

/* Reads the option at argv[*i], and its value, which may be the next word. */
static bool take_option(struct cli *cli, int argc, char **argv, int *i)
{
	struct str rest = str_from(argv[*i]), name;
	size_t index = 0;

	if (strcmp(argv[*i], "-h") == 0 || strcmp(argv[*i], "--help") == 0) {
		cli->wants_help = true;
		return true;
	}
	(void)!str_cut(&rest, '=', &name);
	const struct cli_option *option = find_option(cli->command, name, &index);
	if (option == NULL)
		return refuse_option(cli->command, name);
	if (cli->values[index] != NULL) {
		cli_misuse(cli->command, "%s is given twice", option->name);
		return false;
	}
	if (option->value == NULL) {
		if (rest.ptr != NULL) {
			cli_misuse(cli->command, "%s takes no value", option->name);
			return false;
		}
		cli->values[index] = "";
		return true;
	}
	if (rest.ptr == NULL && *i + 1 >= argc) {
		cli_misuse(cli->command, "%s needs a value: %s", option->name, option->value);
		return false;
	}
	cli->values[index] = rest.ptr != NULL ? rest.ptr : argv[++*i];
	return check_choice(cli->command, option->name, option->choices, cli->values[index]);
}

static bool take_argument(struct cli *cli, const char *text)
{
	if (cli->argument_count == cli->command->arguments_max) {
		cli_misuse(cli->command, "%s takes no further argument \"%s\"", cli->command->name, text);
		return false;
	}
	if (cli->argument_count == 0 && !check_choice(cli->command, cli->command->name, cli->command->words, text))
		return false;
	cli->arguments[cli->argument_count++] = text;
	return true;
}

bool cli_parse(struct cli *cli, int argc, char **argv)
{
	bool options = true;

	for (int i = 0; i < argc; i++) {
		if (options && strcmp(argv[i], "--") == 0)
			options = false;
		else if (options && argv[i][0] == '-' && argv[i][1] != '\0') {
			if (!take_option(cli, argc, argv, &i))
				return false;
		} else if (!take_argument(cli, argv[i]))
			return false;
	}
	if (!cli->wants_help && cli->argument_count < cli->command->arguments_min) {
		cli_misuse(cli->command, "%s needs %s", cli->command->name, cli->command->arguments);
		return false;
	}
	return true;
}

const char *cli_value(const struct cli *cli, const char *name, const char *fallback)
{
	size_t index = 0;

	CHECK(find_option(cli->command, str_from(name), &index) != NULL);
	return cli->values[index] != NULL ? cli->values[index] : fallback;
}

bool cli_flag(const struct cli *cli, const char *name)
{
	return cli_value(cli, name, NULL) != NULL;
}

bool cli_number(const char *what, const char *text, int64_t min, int64_t max, int64_t *number)
{
	if (str_to_i64(str_from(text), number) && *number >= min && *number <= max)
		return true;
	cli_fail("%s is \"%s\": allowed are %" PRId64 " to %" PRId64, what, text, min, max);
	return false;
}
