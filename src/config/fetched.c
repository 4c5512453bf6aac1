#include "config/fetched.h"

#include <stdlib.h>

#include "config/environment.h"
#include "config/zero.h"

enum { ATTEMPTS_AT_START = 5, ATTEMPTS_LATER = 2, LINE_BYTES_MAX = 2048 };

/* One answer of Zero, by setting; NULL: it has no such field. */
struct answer {
	char *texts[SETTING_COUNT];
	struct buf *problem, *warnings;
};

static struct answer kept;
static bool is_kept;

static void answer_wipe(struct answer *answer)
{
	for (size_t i = 0; i < SETTING_COUNT; i++) {
		wipe_text(answer->texts[i]);
		answer->texts[i] = NULL;
	}
}

void fetched_forget(void)
{
	answer_wipe(&kept);
	is_kept = false;
}

/* "DB_HOST" is "db-host" at Zero. */
static bool is_zero_name(const char *setting, struct str name)
{
	if (strlen(setting) != name.len)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		char c = setting[i];
		if (c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		if ((c == '_' ? '-' : c) != name.ptr[i])
			return false;
	}
	return true;
}

static void print_zero_name(struct buf *out, const char *setting)
{
	for (; *setting != '\0'; setting++)
		buf_char(out, *setting == '_' ? '-' : (char)(*setting - 'A' + 'a'));
}

static bool take_field(void *context, struct str name, struct str value)
{
	struct answer *answer = context;

	for (size_t i = 0; i < SETTING_COUNT; i++) {
		if (!is_zero_name(settings[i].name, name))
			continue;
		if (value.len == 0)
			return true;
		if (answer->texts[i] != NULL) {
			buf_printf(answer->problem, "Zero has the field ");
			print_zero_name(answer->problem, settings[i].name);
			buf_lit(answer->problem, " twice: remove one of them");
			return false;
		}
		answer->texts[i] = strndup(value.ptr, value.len);
		if (answer->texts[i] == NULL)
			buf_lit(answer->problem, "out of memory");
		return answer->texts[i] != NULL;
	}
	buf_printf(answer->warnings, "Zero's field \"%.*s\" is not a setting\n", STR_ARG(name));
	return true;
}

/* A secret that vanished is more likely an accident than a wish. */
static bool lost_none(const struct answer *answer, struct buf *problem)
{
	for (size_t i = 0; is_kept && i < SETTING_COUNT; i++) {
		if (!settings[i].secret || kept.texts[i] == NULL || answer->texts[i] != NULL)
			continue;
		buf_lit(problem, "Zero no longer has the field ");
		print_zero_name(problem, settings[i].name);
		return false;
	}
	return true;
}

static bool ask(const struct config_memory *memory, struct buf *problem, struct buf *warnings)
{
	const char *url = memory->texts[SETTING_zero_url], *ca_file = memory->texts[SETTING_zero_ca_file];
	struct answer answer = {.problem = problem, .warnings = warnings};
	struct zero_request request = {
		.url = url != NULL ? url : settings[SETTING_zero_url].fallback,
		.token = memory->texts[SETTING_zero_token],
		.ca_file = ca_file != NULL ? ca_file : "",
		.attempts = is_kept ? ATTEMPTS_LATER : ATTEMPTS_AT_START,
	};

	if (!zero_fetch(&request, take_field, &answer, problem) || !lost_none(&answer, problem)) {
		answer_wipe(&answer);
		return false;
	}
	answer_wipe(&kept);
	memcpy(kept.texts, answer.texts, sizeof kept.texts);
	is_kept = true;
	return true;
}

bool fetched_take(struct config_memory *memory, struct buf *problem, struct buf *warnings)
{
	struct buf line;

	if (memory->texts[SETTING_zero_token] == NULL)
		return true;
	buf_init(&line, LINE_BYTES_MAX);
	bool asked = ask(memory, &line, warnings);
	if (!asked)
		buf_printf(is_kept ? warnings : problem, is_kept ? "%.*s: what it said before is used\n" : "%.*s", STR_ARG(buf_view(&line)));
	buf_finish(&line);
	for (size_t i = 0; is_kept && i < SETTING_COUNT; i++) {
		if (memory->texts[i] != NULL || kept.texts[i] == NULL)
			continue;
		memory->texts[i] = strdup(kept.texts[i]);
		memory->sources[i] = SOURCE_ZERO;
		if (memory->texts[i] == NULL) {
			buf_lit(problem, "out of memory");
			return false;
		}
	}
	return asked || is_kept;
}
