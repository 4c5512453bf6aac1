/* The table of settings as data: one row of SETTINGS each, in the order of the documentation.
 *
 * For the parts of config/ and for the command line, which prints help, completion and the man page from it. */
#ifndef EVENTLY_CONFIG_SETTING_H
#define EVENTLY_CONFIG_SETTING_H

#include "config/config.h"

enum setting_index {
#define X(member, name, type, fallback, min, max, choices, secret, reloadable, group, help) SETTING_##member,
	SETTINGS(X)
#undef X
	SETTING_COUNT
};

struct setting {
	const char *name;
	enum setting_type type;
	const char *fallback; /* the default, as a text */
	int64_t min, max;     /* of the number, or of the text's bytes */
	const char *choices;  /* "one|two", or NULL */
	bool secret;
	bool reloadable;      /* SIGHUP takes a new value over */
	const char *group;
	const char *help;
	size_t offset;        /* of the member in struct config */
};

extern const struct setting settings[SETTING_COUNT];

/* Where the value came from and the text it was read from. Owned by the config. */
struct config_memory {
	char *texts[SETTING_COUNT];
	enum setting_source sources[SETTING_COUNT];
};

/* "8001", "", "true" as the setting was given; for printing use setting_shown. */
const char *config_text(const struct config *config, enum setting_index index);
enum setting_source config_source(const struct config *config, enum setting_index index);

/* The value for people: secrets masked, quotes and control characters made harmless, cut when very long. */
void setting_shown(struct buf *out, const struct setting *setting, const char *text);
/* "0 to 65535", "true or false", "HS256, HS384 …", "1 to 255 bytes". */
void setting_allowed(struct buf *out, const struct setting *setting);

/* Rules between settings and grammars of texts. False: `problem` holds one line. */
MUST_CHECK bool config_check(const struct config *config, struct buf *problem, struct buf *warnings);

/* Lines for environment names that look like a setting with a typo. */
void config_warn_of_typos(struct buf *warnings);

#endif
