/* Where other threads leave connections for the worker that owns them.
 *
 * A lane that has done a request's job, or whoever wakes a stream, posts the connection; its worker takes all that were
 * posted, oldest first. No lock: a list that anybody pushes to and the worker takes whole. Who posts to an empty one wakes
 * the worker, so that a batch of answers costs one wake-up. */
#ifndef EVENTLY_HTTP_MAILBOX_H
#define EVENTLY_HTTP_MAILBOX_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/check.h"

struct connection;

struct mailbox {
	_Atomic(struct connection *) newest; /* linked by connection->next_posted */
	int wake_fd;                         /* an eventfd, watched edge-triggered and never read: each write is an event */
};

/* False without descriptors. */
MUST_CHECK bool mailbox_init(struct mailbox *mailbox);
void mailbox_finish(struct mailbox *mailbox);
/* Any thread, once for each time that the connection was parked. It must not be touched afterwards. */
void mailbox_post(struct connection *connection);
/* Makes the worker look at what else is wanted of it. Any thread. */
void mailbox_wake(struct mailbox *mailbox);
/* The oldest posted connection, linked to the next; NULL for none. Worker. */
struct connection *mailbox_take(struct mailbox *mailbox);

#endif
