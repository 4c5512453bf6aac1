/* base64url without padding (RFC 4648 section 5, RFC 7515 section 2), strict: one text for each run of bytes.
 *
 * Padding, white space, foreign characters and trailing bits that are not zero are refused, so that a token that was
 * verified cannot be spelt in another way. Pure; any thread. */
#ifndef EVENTLY_AUTH_BASE64URL_H
#define EVENTLY_AUTH_BASE64URL_H

#include "base/buf.h"
#include "base/check.h"
#include "base/str.h"

/* Bytes that a text of `length` characters decodes to, at most. */
#define BASE64URL_BYTES(length) ((length) / 4 * 3 + 2)

/* `bytes` has room for BASE64URL_BYTES(text.len). False when the text is not strict base64url. */
MUST_CHECK bool base64url_decode(struct str text, unsigned char *bytes, size_t *count);
void base64url_encode(struct buf *out, const void *bytes, size_t count);

#endif
