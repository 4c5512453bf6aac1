/* The hub: hands the change feed to Server-Sent Events subscribers.
 *
 * The follower publishes each change once, in seq order; it is rendered once for users and once for admins into a ring
 * that all subscribers share. A subscriber is a place in the log, no more: what it has not been sent is read from the ring,
 * or, when it begins further back, from the store by a task. One that falls behind the ring is cut off with a reason, so
 * it never costs the others anything. Subscribers' reads run on HTTP threads, publishing on the follower's. */
#ifndef EVENTLY_FEED_HUB_H
#define EVENTLY_FEED_HUB_H

#include "events/change.h"
#include "http/answer.h"
#include "lanes/task.h"

struct hub;

enum { HUB_SUBSCRIBERS_MAX = 20000 };

/* `ring_bytes_max` bounds the rendered changes kept for live subscribers. NULL: no memory or thread. */
MUST_CHECK struct hub *hub_start(size_t ring_bytes_max);
/* The task lane that reads older changes; before the first subscriber. */
void hub_set_lane(struct hub *hub, struct task_lane *lane);
/* The log's head at start: changes up to it are only in the store. */
void hub_begin(struct hub *hub, uint64_t head_seq);
/* In seq order. */
void hub_publish(struct hub *hub, const struct change *change);
/* Ends all streams whose user `is_out` says so (context first). */
void hub_cut_users(struct hub *hub, bool (*is_out)(void *context, int64_t user_id), void *context);

/* A stream for an answer: changes after `since` (UINT64_MAX: only new ones) that a viewer of `visible` sees. NULL: no
 * memory, too many subscribers, or the hub has not begun or is closed. */
MUST_CHECK struct answer_stream *hub_subscribe(struct hub *hub, uint64_t since, unsigned visible, int64_t user_id,
                                               int64_t expires_at_s);
/* Ends every stream with a comment that says so; no new ones. Before the HTTP server is stopped. */
void hub_close(struct hub *hub);
/* After the HTTP server and the task lane were stopped. */
void hub_stop(struct hub *hub);
size_t hub_subscribers(struct hub *hub);

#endif
