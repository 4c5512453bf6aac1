/* The Zero secrets manager as a source of settings (contract.md section 6). Called at start and on reload, by the thread
 * that loads the settings. */
#ifndef EVENTLY_CONFIG_ZERO_H
#define EVENTLY_CONFIG_ZERO_H

#include "base/buf.h"
#include "base/check.h"
#include "base/str.h"

/* One field of the picked secret: `name` as Zero has it ("db-host"). Both are valid during the call only and wiped
 * after it. Returning false stops the fetch, which then fails; the callee has written `problem`. */
typedef bool zero_field_fn(void *context, struct str name, struct str value);

/* Asks Zero and yields every field. `ca_file` may be empty. False: `problem` holds one line, without the token. */
MUST_CHECK bool zero_fetch(const char *url, const char *token, const char *ca_file, zero_field_fn *field,
                           void *context, struct buf *problem);

#endif
