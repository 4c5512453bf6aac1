/* Environment names that look like a setting with a typo. */
#include "config/setting.h"

#include <unistd.h>

#include "config/nearest.h"

/* Names with these beginnings are meant for us; others are looked at only when they are nearly a setting's name. */
static const char *const prefixes[] = {"DB_", "REDIS_", "JWT_", "CORS_", "CACHE_TTL_", "ZERO_", "RATE_LIMIT", "TLS_"};

/* "REDIS_SERVICE_HOST", "REDIS_PORT_6379_TCP": made by container orchestrators for linked services. */
static bool is_service_link(const char *name)
{
	const char *port = strstr(name, "_PORT_");

	return strstr(name, "_SERVICE_") != NULL || (port != NULL && port[6] >= '0' && port[6] <= '9');
}

static bool has_our_prefix(const char *name)
{
	for (size_t i = 0; i < ARRAY_LENGTH(prefixes); i++)
		if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

static bool is_setting(struct str name)
{
	for (size_t i = 0; i < SETTING_COUNT; i++) {
		struct str known = str_from(settings[i].name);
		if (str_equal(name, known) || (str_starts_with(name, known) &&
		                               str_equal(str_skip(name, known.len), STR("_FILE"))))
			return true;
	}
	return false;
}

static void warn_of(struct buf *warnings, struct str name)
{
	const char *names[SETTING_COUNT];
	char text[NEAREST_BYTES_MAX + 1];
	size_t count = 0;

	/* Names of four letters have too many innocent neighbours (HOME, PATH). */
	if (name.len < 5 || name.len > NEAREST_BYTES_MAX || is_setting(name))
		return;
	memcpy(text, name.ptr, name.len);
	text[name.len] = '\0';
	if (is_service_link(text))
		return;
	bool prefixed = has_our_prefix(text);
	for (size_t i = 0; i < SETTING_COUNT; i++)
		if (prefixed ? strncmp(settings[i].name, text, 3) == 0 : strlen(settings[i].name) >= 6)
			names[count++] = settings[i].name;
	const char *meant = nearest_name(text, names, count);
	if (!prefixed && (meant == NULL || nearest_distance(text, meant) > 2))
		return;
	buf_printf(warnings, "%s is set in the environment, but is no setting", text);
	if (meant != NULL)
		buf_printf(warnings, ": did you mean %s?", meant);
	buf_char(warnings, '\n');
}

void config_warn_of_typos(struct buf *warnings)
{
	for (char **entry = environ; entry != NULL && *entry != NULL; entry++) {
		struct str rest = str_from(*entry), name;
		if (str_cut(&rest, '=', &name))
			warn_of(warnings, name);
	}
}
