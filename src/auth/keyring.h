/* The service's keys over time: made at start, replaced on reload with a time of grace for those before, and fetched
 * from JWT_JWKS_URL where that is set.
 *
 * Used by the thread that loads the settings (serve.c); the authenticator and the fetching thread take the keys from
 * there. With JWT_JWKS_URL the issuer decides how long an old key is good: its set is taken as it is. */
#ifndef EVENTLY_AUTH_KEYRING_H
#define EVENTLY_AUTH_KEYRING_H

#include "auth/authenticator.h"
#include "auth/jwks_fetch.h"
#include "auth/keys.h"

struct keyring {
	struct keys *keys; /* of the settings; one reference is ours */
	struct authenticator *authenticator;
	struct jwks_fetch *jwks; /* NULL without JWT_JWKS_URL */
	uint64_t due_ns;         /* when keyring_expire is to be called (monotonic); UINT64_MAX: never */
};

enum { KEYRING_FETCH_WAIT_MS = 3000 };

/* Loads the keys, makes the authenticator, and begins to fetch; waits at most KEYRING_FETCH_WAIT_MS for the issuer, whose
 * absence is no failure. `generated_secret` as for keys_load. False: one line in `problem`. */
MUST_CHECK bool keyring_open(struct keyring *keyring, const struct config *config, struct str generated_secret,
                             struct buf *problem);
void keyring_close(struct keyring *keyring); /* what was not opened is fine */

/* Rotation: replaced keys stay good for JWT_GRACE_SECONDS more; keys that are as they were change nothing. False: one
 * line in `problem`, and all stays as it was. */
MUST_CHECK bool keyring_reload(struct keyring *keyring, const struct config *config, struct str generated_secret,
                               struct buf *problem);
/* To be called at due_ns: a time of grace is over, and tokens that were verified with its keys are forgotten. */
void keyring_expire(struct keyring *keyring);

#endif
