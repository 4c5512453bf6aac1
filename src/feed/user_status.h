/* Hears on Redis who is shut out or let in again, from services that know users better than this one does.
 *
 * The channel evently:users:status carries {"type":"UserDeactivated"|"UserActivated","user_id":7}. Every instance hears it
 * and writes it down in the store (the first one changes something), which tells those that did not hear. One thread.
 * Pub/Sub forgets: what is said while nobody listens is not made up for. */
#ifndef EVENTLY_FEED_USER_STATUS_H
#define EVENTLY_FEED_USER_STATUS_H

#include "feed/follower.h"
#include "redis/options.h"
#include "store/store.h"

struct user_status;

struct user_status_options {
	struct store *store;
	struct follower *follower;
	const struct redis_options *redis;
};

/* NULL: no memory or thread. */
MUST_CHECK struct user_status *user_status_start(const struct user_status_options *options);
/* Joins the thread. NULL is fine. */
void user_status_stop(struct user_status *status);

#endif
