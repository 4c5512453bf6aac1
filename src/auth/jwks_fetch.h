/* The issuer's keys from JWT_JWKS_URL, kept fresh by a thread of its own.
 *
 * It fetches at start, then every interval, and when a token names a key that is not known, but never sooner than a gap
 * after its last attempt, since anybody can send such tokens. What it gets becomes the authenticator's key set, together
 * with the keys of JWT_PUBLIC_KEYS. An answer that fails, is late, too large or holds nothing sound changes nothing: the
 * keys that were known serve on, however long the issuer is away, and it tries again with growing pauses.
 *
 *   token with an unknown kid → authenticator → jwks_fetch_ask → (this thread) GET → authenticator_set_keys */
#ifndef EVENTLY_AUTH_JWKS_FETCH_H
#define EVENTLY_AUTH_JWKS_FETCH_H

#include "auth/authenticator.h"

struct config;
struct jwks_fetch;

struct jwks_fetch_timing {
	unsigned interval_ms;  /* between successful fetches */
	unsigned gap_ms;       /* the least time between two attempts for unknown keys */
	unsigned retry_ms;     /* pause after the first failure; doubles with each further one */
	unsigned retry_ms_max;
	unsigned timeout_ms;   /* of one fetch, connecting included */
};

extern const struct jwks_fetch_timing jwks_fetch_timing_usual;

enum { JWKS_FETCH_BYTES_MAX = 1 << 20 };

/* Whether JWT_JWKS_URL is set and JWT_ALGORITHM is one with public keys. */
bool jwks_fetch_wanted(const struct config *config);

/* Copies what it needs of `config`, for which it is wanted. `authenticator` is used until jwks_fetch_stop, and asks
 * for a refresh by itself. NULL without memory or thread. */
MUST_CHECK struct jwks_fetch *jwks_fetch_start(const struct config *config, const struct jwks_fetch_timing *timing,
                                               struct authenticator *authenticator);
/* Ends a transfer that is under way, and joins the thread (within about a second). NULL is fine. */
void jwks_fetch_stop(struct jwks_fetch *fetch);

/* On reload, instead of authenticator_set_keys: takes the new settings, and with them sets the keys from what was
 * fetched last (if the address is still the same), then fetches. False without memory: the old ones stay. */
MUST_CHECK bool jwks_fetch_set_config(struct jwks_fetch *fetch, const struct config *config);

/* An unknown key was seen. Any thread; never waits for the network. */
void jwks_fetch_ask(struct jwks_fetch *fetch);
/* Whether keys have ever been fetched; waits for it up to timeout_ms. */
MUST_CHECK bool jwks_fetch_wait(struct jwks_fetch *fetch, unsigned timeout_ms);

#endif
