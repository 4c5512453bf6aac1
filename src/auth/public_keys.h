/* Public keys from a text: PEM blocks (RFC 7468 section 13) or a JWK Set (RFC 7517 section 5).
 *
 * Only what the configured algorithm can use is taken. Of a JWK Set, keys for something else (another kty, curve, use,
 * alg or key_ops) are passed over; private and symmetric keys are refused with the whole text, since a key that is
 * published is lost. Pure; any thread. */
#ifndef EVENTLY_AUTH_PUBLIC_KEYS_H
#define EVENTLY_AUTH_PUBLIC_KEYS_H

#include "auth/key.h"

enum public_keys_mode {
	PUBLIC_KEYS_STRICT,  /* an operator's file: an unsound key refuses the text */
	PUBLIC_KEYS_TOLERANT /* an issuer's answer: an unsound key is passed over (RFC 7517 section 5) */
};

/* Appends to items[*count], up to items[count_max]. False: `problem` gets the end of a sentence about the text ("holds
 * …"); what was appended before stays, and is the caller's to finish. A text without a fitting key is a problem. */
MUST_CHECK bool public_keys_read(struct str text, const struct algorithm *algorithm, enum public_keys_mode mode,
                                 struct key *items, size_t *count, size_t count_max, struct buf *problem);

#endif
