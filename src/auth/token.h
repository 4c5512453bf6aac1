/* Tokens: compact JWS (RFC 7515, 7519) checked as RFC 8725 asks, and minted for `evently token`.
 *
 * The algorithm comes from the configuration. Keys are an immutable set that is replaced as a whole (rotation);
 * token_verify is pure: the same token, keys and time give the same answer. Any thread. */
#ifndef EVENTLY_AUTH_TOKEN_H
#define EVENTLY_AUTH_TOKEN_H

#include "auth/keys.h"
#include "auth/principal.h"
#include "base/buf.h"

enum token_result {
	TOKEN_OK,
	TOKEN_MALFORMED,      /* not three parts of strict base64url JSON, duplicate members, unknown crit, … */
	TOKEN_WRONG_ALGORITHM,
	TOKEN_UNKNOWN_KEY,    /* kid selects none of ours */
	TOKEN_BAD_SIGNATURE,
	TOKEN_EXPIRED,
	TOKEN_NOT_YET,        /* nbf or iat lies in the future beyond the leeway */
	TOKEN_WRONG_ISSUER,
	TOKEN_WRONG_AUDIENCE,
	TOKEN_WRONG_TYPE,     /* `type` is present and not "access" */
	TOKEN_BAD_CLAIMS,     /* user_id, role or exp missing or of another type */
	TOKEN_USER_INACTIVE,  /* is_active false in the token, or by the service's own record */
	TOKEN_RESULT_COUNT
};
/* A short sentence for the problem's detail; never the token's own bytes. */
const char *token_result_text(enum token_result result);

enum { TOKEN_BYTES_MAX = 8192, TOKEN_LEEWAY_S = 30 };

MUST_CHECK enum token_result token_verify(struct str token, const struct keys *keys, int64_t now_s,
                                          struct principal *principal);
/* Mints a token with HS*; false when the keys hold no secret. */
MUST_CHECK bool token_mint(struct buf *out, const struct keys *keys, int64_t user_id, struct str email,
                           enum role role, int64_t now_s, int64_t minutes);

#endif
