/* From the Authorization header to a principal, fast: verified tokens are remembered until they expire.
 *
 * Each HTTP thread has a bounded table of its own (no lock on the hot path); a generation number, raised when keys or a
 * user's status change, empties all of them at once. A table is indexed by a keyed hash and compares whole tokens. */
#ifndef EVENTLY_AUTH_AUTHENTICATOR_H
#define EVENTLY_AUTH_AUTHENTICATOR_H

#include "auth/keys.h"
#include "auth/token.h"

struct authenticator;

MUST_CHECK struct authenticator *authenticator_create(struct keys *keys); /* takes its own reference; NULL without memory */
void authenticator_destroy(struct authenticator *authenticator);

/* `header`: the value of Authorization, absent when there was none. On TOKEN_OK *principal points into this thread's
 * table and is valid until the next call on this thread. *missing is set when no bearer token was sent at all
 * (the result is then TOKEN_MALFORMED). Any thread. */
MUST_CHECK enum token_result authenticator_check(struct authenticator *authenticator, struct str header,
                                                 const struct principal **principal, bool *missing);

/* Rotation: takes a reference to the new set. Old tokens are verified anew. Any thread. */
void authenticator_set_keys(struct authenticator *authenticator, struct keys *keys);
/* The users that are shut out, ascending; copied. False without memory (the old list stays). Any thread. */
MUST_CHECK bool authenticator_set_inactive(struct authenticator *authenticator, const int64_t *user_ids, size_t count);
/* Any thread; `authenticator` is a struct authenticator *. */
bool authenticator_is_inactive(void *authenticator, int64_t user_id);
/* `told` is called after each authenticator_set_inactive, on its thread: for what was let in before. Set it once, before
 * threads ask. */
void authenticator_on_inactive(struct authenticator *authenticator, void (*told)(void *context), void *context);
/* `ask` is called, from any thread and without waiting, for a token whose key is unknown; NULL ends that, and no call
 * is under way when this returns. Any thread. */
void authenticator_on_unknown_key(struct authenticator *authenticator, void (*ask)(void *context), void *context);

#endif
