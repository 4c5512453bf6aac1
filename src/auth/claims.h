/* The claims of a verified token (RFC 7519 section 4, contract.md section 4): from the payload's JSON to a principal.
 * Called only after the signature was found good. Pure; any thread. */
#ifndef EVENTLY_AUTH_CLAIMS_H
#define EVENTLY_AUTH_CLAIMS_H

#include <jansson.h>

#include "auth/token.h"

/* `issuer` and `audience` are required when they are not empty. */
MUST_CHECK enum token_result claims_read(const json_t *claims, struct str issuer, struct str audience, int64_t now_s,
                                         struct principal *principal);
/* At most PRINCIPAL_EMAIL_BYTES_MAX bytes of UTF-8 without control characters. */
MUST_CHECK bool claims_email_allowed(struct str email);
/* "user" or "admin"; absent for ROLE_NONE. */
struct str claims_role_name(enum role role);

#endif
