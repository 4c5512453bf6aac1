/* The settings: read once at start (and on SIGHUP), from one table, then passed around read-only.
 *
 * Order of truth: environment, then NAME_FILE's content, then Zero, then the default. Every entry of SETTINGS gives
 * name, type, default, bounds, whether it is secret, and a sentence; `evently config`, `--help` and docs/configuration.md
 * are printed from it. */
#ifndef EVENTLY_CONFIG_CONFIG_H
#define EVENTLY_CONFIG_CONFIG_H

#include "base/buf.h"
#include "base/check.h"
#include "base/str.h"

enum setting_type { SETTING_TEXT, SETTING_INTEGER, SETTING_BOOLEAN, SETTING_CHOICE };
enum setting_source { SOURCE_DEFAULT, SOURCE_ZERO, SOURCE_FILE, SOURCE_ENVIRONMENT };

/* X(member, "NAME", type, "default", min or 0, max or 0 (bytes for text), "choices|split|so" or NULL, secret, reloadable, "group", "what it does, with its unit")
 * `member` is the name of the struct config member: const char * for TEXT and CHOICE ("" when empty), int64_t for
 * INTEGER, bool for BOOLEAN. */
#include "config/settings.h"

struct config {
#define SETTING_MEMBER_TEXT const char *
#define SETTING_MEMBER_CHOICE const char *
#define SETTING_MEMBER_INTEGER int64_t
#define SETTING_MEMBER_BOOLEAN bool
#define X(member, name, type, fallback, min, max, choices, secret, reloadable, group, help) SETTING_MEMBER_##type member;
	SETTINGS(X)
#undef X
	struct config_memory *memory; /* owns the texts, sources and raw values */
};

/* Reads everything. False: `problem` holds one line that names the setting, what it was (masked when secret) and what
 * is allowed. Unknown environment names that look like ours with a typo are not errors, but are warned of in `warnings`
 * (one a line). Secrets are wiped from the environment. */
MUST_CHECK bool config_load(struct config **config, struct buf *problem, struct buf *warnings);
void config_free(struct config *config); /* wipes secrets; NULL is fine */

/* `evently config`: every setting, its value (secrets masked) and source. */
void config_print(struct buf *out, const struct config *config);
/* The table as Markdown (docs/configuration.md) and as plain text (--help). */
void config_print_markdown(struct buf *out);
void config_print_help(struct buf *out);

/* PostgreSQL is configured (DATABASE_URL or DB_HOST); Redis is configured (REDIS_URL, REDIS_HOST, …). */
bool config_uses_postgres(const struct config *config);
bool config_uses_redis(const struct config *config);

#endif
