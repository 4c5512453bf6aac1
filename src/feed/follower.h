/* The follower: reads the change log and keeps this instance's caches true (design, section 2).
 *
 * One thread. It applies every change in seq order to both caches and hands it to the hub. With several instances it
 * also holds the lease, in the order that P1 needs: note the clock, renew (committed), read and apply all changes in a
 * new snapshot, and only then count the lease from the clock that was noted. Writers of this instance hand their changes
 * over directly (follower_committed) and do not wait for the thread. */
#ifndef EVENTLY_FEED_FOLLOWER_H
#define EVENTLY_FEED_FOLLOWER_H

#include "auth/authenticator.h"
#include "cache/freshness.h"
#include "cache/lists.h"
#include "cache/local.h"
#include "feed/hub.h"
#include "feed/relay.h"
#include "store/store.h"

struct follower;

struct follower_options {
	struct store *store;
	struct freshness *freshness;
	struct local_cache *local;
	struct list_cache *lists;
	struct hub *hub;
	struct relay *relay; /* NULL without Redis */
	struct authenticator *authenticator;
	int lease_ms;
	/* Once, on the follower's thread, when the database was first heard of: warms the caches. */
	void (*first_contact)(void *context, struct store_session *session);
	void *context;
};

MUST_CHECK struct follower *follower_start(const struct follower_options *options);
/* The write lane, after a commit: applies the writes' changes here, and waits until no other instance can answer from
 * before them, or before the earlier writes that they repeat. Uses the caller's session. */
void follower_committed(struct follower *follower, struct store_session *session, const struct store_write *writes,
                        size_t count);
/* After a commit whose changes are not at hand (import): waits until everything up to seq is applied here and seen
 * elsewhere, at most until the deadline. False: not yet. */
MUST_CHECK bool follower_wait(struct follower *follower, struct store_session *session, uint64_t seq, uint64_t deadline_ns);
/* A user's status was changed here: reads the list of users that are shut out, at once. */
void follower_users_changed(struct follower *follower, struct store_session *session);
/* Gives the lease up and joins the thread. */
void follower_stop(struct follower *follower);

#endif
