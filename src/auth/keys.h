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
/* The same with the JWK Set that JWT_JWKS_URL answered with: its fitting keys, then those of the file. keys_load alone
 * gives a set without them, which finds every token's key unknown until the first fetch. */
MUST_CHECK bool keys_load_fetched(struct keys **keys, const struct config *config, struct str jwks,
                                  struct buf *problem);
struct keys *keys_ref(struct keys *keys);
void keys_unref(struct keys *keys); /* the last one wipes and frees; NULL is fine */

/* Rotation: `newer`, which nobody else knows yet, also takes what `older` takes, until the monotonic time. `older` must
 * be of the same algorithm (else nothing happens: an algorithm that was given up is given up at once); what it keeps
 * itself goes on until its own time. */
void keys_accept_older(struct keys *newer, struct keys *older, uint64_t until_ns);
/* When the next set of older keys ends after now_ns (verified tokens are then to be forgotten), or UINT64_MAX. */
uint64_t keys_next_end_ns(const struct keys *keys, uint64_t now_ns);
/* Made from the same settings and the same file content. */
bool keys_same(const struct keys *one, const struct keys *other);

/* What token.c asks of a set. */
enum keys_verdict { KEYS_VERIFIED, KEYS_REFUSED, KEYS_UNKNOWN };

struct str keys_algorithm(const struct keys *keys);
struct str keys_issuer(const struct keys *keys);   /* empty: none is asked for */
struct str keys_audience(const struct keys *keys); /* empty: none is asked for */
/* Tries the keys that `kid` (absent when the token has none) may mean, newest first. A key without a kid may be meant
 * by any. KEYS_UNKNOWN: no key has this kid, and none without one fits. */
MUST_CHECK enum keys_verdict keys_verify(const struct keys *keys, struct str kid, struct str signed_text,
                                         struct str signature);
/* The signature (RFC 7515 section 3.1) by the newest secret, as base64url; false when the set holds no secret. */
MUST_CHECK bool keys_sign(struct buf *out, const struct keys *keys, struct str text);

#endif
