/* The keys that tokens are checked with: an immutable set, counted by reference, made from the settings.
 *
 * HS*: one secret or several (JWT_SECRET, newest first). RS256, PS256, ES256, EdDSA: public keys of JWT_PUBLIC_KEYS
 * (PEM or JWKS, RFC 7517). `kid` only selects among them. */
#ifndef EVENTLY_AUTH_KEYS_H
#define EVENTLY_AUTH_KEYS_H

#include "base/buf.h"
#include "base/check.h"
#include "base/str.h"

struct config;
struct keys;

/* For the embedded store without JWT_SECRET, `generated_secret` (absent otherwise) is used. False: `problem` says
 * why, one line. The new set has one reference. */
MUST_CHECK bool keys_load(struct keys **keys, const struct config *config, struct str generated_secret,
                          struct buf *problem);
struct keys *keys_ref(struct keys *keys);
void keys_unref(struct keys *keys); /* the last one wipes and frees; NULL is fine */

#endif
