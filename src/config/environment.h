/* Reading settings from the environment and from NAME_FILE files, so that secrets do not stay there.
 *
 * A secret is overwritten where it stood (also as /proc/PID/environ shows it) and remembered here, because SIGHUP reads
 * the settings again. One thread at a time. */
#ifndef EVENTLY_CONFIG_ENVIRONMENT_H
#define EVENTLY_CONFIG_ENVIRONMENT_H

#include "base/buf.h"
#include "base/check.h"

enum { SETTING_FILE_BYTES_MAX = 65536 };

/* A copy of the variable, to be freed (wiped first when secret) by the caller; NULL when unset or empty. `name` must
 * live as long as the process. False without memory. */
MUST_CHECK bool environment_take(const char *name, bool secret, char **value);
/* The content of the file that NAME_FILE names, without one final newline; NULL when NAME_FILE is unset or the file is
 * empty. False: `problem` has one line. */
MUST_CHECK bool environment_take_file(const char *name, char **value, struct buf *problem);
/* Wipes what is remembered. */
void environment_forget(void);

/* Overwrites and frees; NULL is fine. */
void wipe_text(char *text);

#endif
