#include "config/config.h"

#include <stdlib.h>

#include "config/environment.h"
#include "config/fetched.h"
#include "config/setting.h"

const struct setting settings[SETTING_COUNT] = {
#define X(member_, name_, type_, fallback_, min_, max_, choices_, secret_, reloadable_, group_, help_) \
	{.name = name_, .type = SETTING_##type_, .fallback = fallback_, .min = min_, .max = max_, .choices = choices_, \
	 .secret = secret_, .reloadable = reloadable_, .group = group_, .help = help_, \
	 .offset = offsetof(struct config, member_)},
	SETTINGS(X)
#undef X
};

const char *config_text(const struct config *config, enum setting_index index)
{
	return config->memory->texts[index];
}

enum setting_source config_source(const struct config *config, enum setting_index index)
{
	return config->memory->sources[index];
}

/* Environment and files, before anything else is asked. */
static bool gather(struct config_memory *memory, struct buf *problem, struct buf *warnings)
{
	/* All secrets leave the environment, also when an earlier setting is bad. */
	for (size_t i = 0; i < SETTING_COUNT; i++) {
		if (!environment_take(settings[i].name, settings[i].secret, &memory->texts[i])) {
			buf_lit(problem, "out of memory");
			return false;
		}
		if (memory->texts[i] != NULL)
			memory->sources[i] = SOURCE_ENVIRONMENT;
	}
	for (size_t i = 0; i < SETTING_COUNT; i++) {
		char *from_file;
		if (!environment_take_file(settings[i].name, &from_file, problem))
			return false;
		if (from_file == NULL)
			continue;
		if (memory->texts[i] != NULL) {
			buf_printf(warnings, "%s and %s_FILE are both set: %s_FILE is not used\n", settings[i].name,
			           settings[i].name, settings[i].name);
			wipe_text(from_file);
			continue;
		}
		memory->texts[i] = from_file;
		memory->sources[i] = SOURCE_FILE;
	}
	return true;
}

static bool fill_defaults(struct config_memory *memory)
{
	for (size_t i = 0; i < SETTING_COUNT; i++) {
		if (memory->texts[i] == NULL)
			memory->texts[i] = strdup(settings[i].fallback);
		if (memory->texts[i] == NULL)
			return false;
	}
	return true;
}

static bool is_text(const struct setting *setting, const char *text)
{
	size_t len = strlen(text);

	if ((int64_t)len < setting->min || (int64_t)len > setting->max)
		return false;
	for (const char *c = text; !setting->secret && *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return false;
	return true;
}

static bool is_boolean(const char *text, bool *value)
{
	static const char *const words[] = {"true", "1", "yes", "on", "false", "0", "no", "off"};

	for (size_t i = 0; i < ARRAY_LENGTH(words); i++) {
		if (str_equal_caseless(str_from(text), str_from(words[i]))) {
			*value = i < ARRAY_LENGTH(words) / 2;
			return true;
		}
	}
	return false;
}

/* Writes the choice as the table spells it ("INFO" is info). */
static bool is_choice(const struct setting *setting, char *text)
{
	struct str rest = str_from(setting->choices), choice;

	while (str_cut(&rest, '|', &choice)) {
		if (str_equal_caseless(choice, str_from(text))) {
			memcpy(text, choice.ptr, choice.len);
			return true;
		}
	}
	return false;
}

static bool parse(struct config *config, const struct setting *setting, char *text)
{
	void *member = (char *)config + setting->offset;
	int64_t number;
	bool truth;

	switch (setting->type) {
	case SETTING_TEXT:
		*(const char **)member = text;
		return is_text(setting, text);
	case SETTING_CHOICE:
		*(const char **)member = text;
		return is_choice(setting, text);
	case SETTING_INTEGER:
		if (!str_to_i64(str_from(text), &number) || number < setting->min || number > setting->max)
			return false;
		*(int64_t *)member = number;
		return true;
	case SETTING_BOOLEAN:
		if (!is_boolean(text, &truth))
			return false;
		*(bool *)member = truth;
		return true;
	}
	return false;
}

static bool parse_all(struct config *config, struct buf *problem)
{
	for (size_t i = 0; i < SETTING_COUNT; i++) {
		char *text = config->memory->texts[i];
		if (parse(config, &settings[i], text))
			continue;
		buf_printf(problem, "%s is ", settings[i].name);
		setting_shown(problem, &settings[i], text);
		buf_lit(problem, ": allowed are ");
		setting_allowed(problem, &settings[i]);
		if (strncmp(text, "tcp://", 6) == 0)
			buf_lit(problem, " (Kubernetes sets such a value for a service of that name; "
			                 "enableServiceLinks: false in the pod turns it off)");
		return false;
	}
	return true;
}

bool config_load(struct config **config, struct buf *problem, struct buf *warnings)
{
	struct config *loaded = calloc(1, sizeof *loaded);

	*config = NULL;
	if (loaded != NULL)
		loaded->memory = calloc(1, sizeof *loaded->memory);
	if (loaded == NULL || loaded->memory == NULL) {
		buf_lit(problem, "out of memory");
		goto fail;
	}
	config_warn_of_typos(warnings);
	if (!gather(loaded->memory, problem, warnings) || !fetched_take(loaded->memory, problem, warnings))
		goto fail;
	if (!fill_defaults(loaded->memory)) {
		buf_lit(problem, "out of memory");
		goto fail;
	}
	if (!parse_all(loaded, problem) || !config_check(loaded, problem, warnings))
		goto fail;
	*config = loaded;
	return true;
fail:
	config_free(loaded);
	return false;
}

void config_free(struct config *config)
{
	if (config == NULL)
		return;
	for (size_t i = 0; config->memory != NULL && i < SETTING_COUNT; i++)
		wipe_text(config->memory->texts[i]);
	free(config->memory);
	free(config);
}

bool config_uses_postgres(const struct config *config)
{
	return config->database_url[0] != '\0' || config->db_host[0] != '\0';
}

bool config_uses_redis(const struct config *config)
{
	return config->redis_url[0] != '\0' || config->redis_host[0] != '\0' || config->redis_cluster[0] != '\0' ||
	       config->redis_sentinels[0] != '\0';
}
