/* The Zero secrets manager as a source of settings (contract.md section 6). Called at start and on reload, by the thread
 * that loads the settings.
 *
 * One GraphQL query over HTTPS, as Zero's public clients ask it; every text of the answer is wiped once it is used. */
#ifndef EVENTLY_CONFIG_ZERO_H
#define EVENTLY_CONFIG_ZERO_H

#include "base/buf.h"
#include "base/check.h"
#include "base/str.h"

enum { ZERO_ANSWER_BYTES_MAX = 1 << 20, ZERO_TIMEOUT_MS = 5000, ZERO_PAUSE_MS = 250 };

/* One field of the picked secret: `name` as Zero has it ("db-host"). Both are valid during the call only and wiped
 * after it; the value holds no NUL. Returning false stops the fetch, which then fails; the callee has written `problem`. */
typedef bool zero_field_fn(void *context, struct str name, struct str value);

struct zero_request {
	const char *url, *token;
	const char *ca_file; /* "" trusts the system's CAs */
	unsigned attempts;   /* while Zero is not reached or is in trouble itself; each ZERO_TIMEOUT_MS, with growing pauses */
};

/* Asks Zero and yields every field. False: `problem` holds one line, without the token: refused, not reached, or no such
 * secret. SIGTERM and SIGINT, where they are blocked, end the waiting. */
MUST_CHECK bool zero_fetch(const struct zero_request *request, zero_field_fn *field, void *context, struct buf *problem);

#endif
