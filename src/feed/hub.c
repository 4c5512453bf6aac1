#include "feed/hub.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/metrics.h"
#include "events/event.h"

enum {
	RING_ITEMS = 16384,
	ITEM_BYTES_MAX = 1 << 20,
	REPLAY_CHANGES = 500,          /* read from the store at a time */
	REPLAY_BYTES_MAX = 64 << 20,
	REPLAY_ARENA_BYTES_MAX = 256 << 20,
	HEARTBEAT_S = 15,
	REPLAY_TIMEOUT_S = 10,
};

static const char STOPPING[] = "the service is stopping";

/* One change as it goes over the wire; absent where that audience does not see it. */
struct item {
	struct str for_users, for_admins; /* from malloc; one allocation when they are equal */
};

struct subscriber {
	struct answer_stream stream;
	struct hub *hub;
	struct subscriber *previous, *next;
	struct task replay_task;
	unsigned visible;
	int64_t user_id;
	int64_t expires_at_s;
	/* under the hub's lock */
	uint64_t sent_seq;      /* all up to it was sent, or does not concern this viewer */
	uint64_t heartbeat_ns;  /* monotonic: when silence has lasted long enough */
	bool parked;            /* the connection waits for answer_stream_wake */
	bool replaying;         /* a task reads older changes into `pending` */
	bool live;              /* has caught up with the ring once */
	bool exists;            /* the store has the change that it began behind */
	bool greeted;
	bool ending;            /* after `pending` was sent the stream is over */
	size_t item_offset;     /* bytes sent of the item behind sent_seq */
	struct buf pending;     /* bytes to send before anything else */
	size_t pending_offset;
};

struct hub {
	pthread_mutex_t lock;
	pthread_cond_t tick;
	pthread_t thread; /* sends heartbeats */
	struct task_lane *lane;
	struct subscriber *first;
	size_t subscriber_count;
	bool begun; /* the log's head is known; until then nobody subscribes */
	bool closed;
	/* The ring holds changes first_seq … last_seq. */
	struct item *items;
	size_t bytes, bytes_max;
	uint64_t first_seq, last_seq;
};

static struct item *item_at(struct hub *hub, uint64_t seq)
{
	return &hub->items[seq % RING_ITEMS];
}

/* ---- rendering ---- */

static struct str render(const struct change *change, unsigned visible, int64_t now_us)
{
	struct buf text;
	size_t len;

	buf_init(&text, ITEM_BYTES_MAX);
	buf_lit(&text, "id: ");
	buf_u64(&text, change->seq);
	buf_lit(&text, "\ndata: ");
	bool seen = change_json(&text, change, visible, now_us);
	buf_lit(&text, "\n\n");
	if (!seen || text.failed) {
		buf_finish(&text);
		return STR_NONE;
	}
	char *bytes = buf_take(&text, &len);
	return (struct str){bytes, len};
}

static void drop_oldest(struct hub *hub)
{
	struct item *item = item_at(hub, hub->first_seq);

	hub->bytes -= item->for_users.len + item->for_admins.len;
	free((char *)(uintptr_t)item->for_users.ptr);
	free((char *)(uintptr_t)item->for_admins.ptr);
	*item = (struct item){STR_NONE, STR_NONE};
	hub->first_seq++;
}

static void clear_ring(struct hub *hub, uint64_t head_seq)
{
	while (hub->first_seq <= hub->last_seq && hub->last_seq != 0)
		drop_oldest(hub);
	hub->first_seq = head_seq + 1;
	hub->last_seq = head_seq;
}

/* ---- waking ---- */

static void wake(struct subscriber *subscriber)
{
	if (!subscriber->parked)
		return;
	subscriber->parked = false;
	answer_stream_wake(&subscriber->stream);
}

static struct str item_text(const struct subscriber *subscriber, uint64_t seq)
{
	const struct item *item = item_at(subscriber->hub, seq);

	return (subscriber->visible & EVENT_STATUS_BIT(EVENT_DRAFT)) != 0 ? item->for_admins : item->for_users;
}

/* Sends the rest of an item of which a part was sent. False: it has left the ring. */
static bool finish_item(struct subscriber *subscriber)
{
	if (subscriber->item_offset == 0)
		return true;
	if (subscriber->sent_seq + 1 < subscriber->hub->first_seq)
		return false;
	buf_str(&subscriber->pending, str_skip(item_text(subscriber, subscriber->sent_seq + 1), subscriber->item_offset));
	subscriber->sent_seq++;
	subscriber->item_offset = 0;
	return true;
}

/* Ends a stream after a last word. In the middle of an item that cannot be finished it ends without one: a client drops
 * an event that has no blank line behind it (HTML section 9.2.6), but would take two halves for one. */
static void end(struct subscriber *subscriber, const char *reason)
{
	if (subscriber->ending)
		return;
	subscriber->ending = true;
	if (finish_item(subscriber))
		buf_printf(&subscriber->pending, "event: closed\ndata: {\"reason\":\"%s\"}\n\n", reason);
	wake(subscriber);
}

void hub_begin(struct hub *hub, uint64_t head_seq)
{
	pthread_mutex_lock(&hub->lock);
	for (struct subscriber *each = hub->first; each != NULL; each = each->next)
		end(each, "the change log's history forked; read the catalogue again");
	clear_ring(hub, head_seq);
	hub->begun = true;
	pthread_mutex_unlock(&hub->lock);
}

void hub_publish(struct hub *hub, const struct change *change)
{
	int64_t now_us = clock_wall_us();
	struct item item = {render(change, EVENT_STATUS_NOT_DRAFT, now_us), render(change, EVENT_STATUS_ALL, now_us)};

	pthread_mutex_lock(&hub->lock);
	CHECK(change->seq == hub->last_seq + 1);
	if (hub->last_seq + 1 - hub->first_seq >= RING_ITEMS)
		drop_oldest(hub);
	*item_at(hub, change->seq) = item;
	hub->last_seq = change->seq;
	hub->bytes += item.for_users.len + item.for_admins.len;
	while (hub->bytes > hub->bytes_max && hub->first_seq < hub->last_seq)
		drop_oldest(hub);
	for (struct subscriber *each = hub->first; each != NULL; each = each->next) {
		if (!each->replaying)
			wake(each);
	}
	pthread_mutex_unlock(&hub->lock);
}

void hub_cut_users(struct hub *hub, bool (*is_out)(void *, int64_t), void *context)
{
	pthread_mutex_lock(&hub->lock);
	for (struct subscriber *each = hub->first; each != NULL; each = each->next) {
		if (is_out(context, each->user_id))
			end(each, "the user is shut out");
	}
	pthread_mutex_unlock(&hub->lock);
}

/* ---- replay: changes that are only in the store ---- */

static void render_replayed(struct buf *out, const struct subscriber *subscriber, const struct change *changes,
                            size_t count)
{
	int64_t now_us = clock_wall_us();

	for (size_t i = 0; i < count; i++) {
		struct str text = render(&changes[i], subscriber->visible, now_us);
		buf_str(out, text);
		free((char *)(uintptr_t)text.ptr);
	}
}

/* Under the lock: `pending` belongs to whoever holds it, also while a replay is read. */
static void take_replayed(struct subscriber *subscriber, struct buf *text, uint64_t seq)
{
	if (text->failed) {
		end(subscriber, "older changes cannot be read now; try again");
		return;
	}
	buf_str(&subscriber->pending, buf_view(text));
	if (subscriber->pending.failed) {
		subscriber->ending = true;
		buf_finish(&subscriber->pending);
		return;
	}
	subscriber->sent_seq = seq;
}

/* What is not applied here yet is left for the ring: a reader must not hear of it before the caches show it. */
static size_t applied_of(struct hub *hub, const struct change *changes, size_t count)
{
	pthread_mutex_lock(&hub->lock);
	while (count > 0 && changes[count - 1].seq > hub->last_seq)
		count--;
	pthread_mutex_unlock(&hub->lock);
	return count;
}

static void run_replay(struct task *task, struct store_session *session)
{
	struct subscriber *subscriber = CONTAINER_OF(task, struct subscriber, replay_task);
	struct hub *hub = subscriber->hub;
	struct arena arena;
	struct change *changes;
	size_t count = 0;
	struct buf text;
	uint64_t head;

	buf_init(&text, REPLAY_BYTES_MAX);
	arena_init(&arena, REPLAY_ARENA_BYTES_MAX);
	enum store_result result =
		store_changes_after(session, subscriber->sent_seq, REPLAY_CHANGES, &arena, &changes, &count, &head);
	count = result == STORE_OK ? applied_of(hub, changes, count) : 0;
	render_replayed(&text, subscriber, changes, count);
	pthread_mutex_lock(&hub->lock);
	subscriber->replaying = false;
	subscriber->exists = true;
	if (result == STORE_OK && head < subscriber->sent_seq)
		end(subscriber, "there is no such change: the change log's history forked; read the catalogue again");
	else if (result == STORE_PRUNED)
		end(subscriber, "the change log was pruned beyond the place asked for");
	else if (result != STORE_OK)
		end(subscriber, "older changes cannot be read now; try again");
	else if (count > 0 && !subscriber->ending)
		take_replayed(subscriber, &text, changes[count - 1].seq);
	if (hub->closed)
		end(subscriber, STOPPING);
	wake(subscriber);
	pthread_mutex_unlock(&hub->lock);
	buf_finish(&text);
	arena_finish(&arena);
}

/* ---- what the HTTP thread reads ---- */

static long copy_pending(struct subscriber *subscriber, char *space, size_t bytes_max)
{
	size_t left = subscriber->pending.len - subscriber->pending_offset;
	size_t count = left < bytes_max ? left : bytes_max;

	memcpy(space, subscriber->pending.ptr + subscriber->pending_offset, count);
	subscriber->pending_offset += count;
	if (count == left) {
		buf_finish(&subscriber->pending);
		subscriber->pending_offset = 0;
	}
	return (long)count;
}

static long copy_items(struct subscriber *subscriber, char *space, size_t bytes_max)
{
	struct hub *hub = subscriber->hub;
	size_t copied = 0;

	while (subscriber->sent_seq < hub->last_seq && copied < bytes_max) {
		struct str rest = str_skip(item_text(subscriber, subscriber->sent_seq + 1), subscriber->item_offset);
		size_t count = rest.len < bytes_max - copied ? rest.len : bytes_max - copied;
		if (count > 0)
			memcpy(space + copied, rest.ptr, count);
		copied += count;
		subscriber->item_offset += count;
		if (count == rest.len) {
			subscriber->sent_seq++;
			subscriber->item_offset = 0;
		}
	}
	return (long)copied;
}

static void start_replay(struct subscriber *subscriber)
{
	subscriber->replay_task.run = run_replay;
	subscriber->replay_task.deadline_ns = clock_monotonic_ns() + REPLAY_TIMEOUT_S * CLOCK_SECOND;
	subscriber->replaying = true;
	if (task_submit(subscriber->hub->lane, &subscriber->replay_task))
		return;
	subscriber->replaying = false;
	end(subscriber, "the service is too busy to read older changes; try again");
}

static void park(struct subscriber *subscriber)
{
	subscriber->parked = true;
	answer_stream_park(&subscriber->stream);
}

/* Under the lock: bytes copied, 0 when parked, -1 at the end. */
static long next_bytes(struct subscriber *subscriber, char *space, size_t bytes_max)
{
	struct hub *hub = subscriber->hub;

	if (!subscriber->greeted) {
		subscriber->greeted = true;
		buf_lit(&subscriber->pending, "retry: 1000\n\n");
	}
	if (clock_wall_us() / 1000000 >= subscriber->expires_at_s)
		end(subscriber, "the token has expired");
	if (subscriber->pending.len > 0 && !subscriber->replaying)
		return copy_pending(subscriber, space, bytes_max);
	if (subscriber->ending)
		return -1;
	/* A place beyond what this instance has applied: it lags behind the one that the reader comes from, or there is no
	 * such place. The store knows. */
	bool ahead = subscriber->sent_seq > hub->last_seq && !subscriber->exists;
	if (!subscriber->replaying && (subscriber->sent_seq + 1 < hub->first_seq || ahead)) {
		if (subscriber->live) {
			metrics_count(METRIC_SSE_CUT, 0, 1);
			end(subscriber, "too slow: resume with Last-Event-ID");
			return subscriber->pending.len > 0 ? copy_pending(subscriber, space, bytes_max) : -1;
		}
		start_replay(subscriber);
		if (subscriber->ending)
			return subscriber->pending.len > 0 ? copy_pending(subscriber, space, bytes_max) : -1;
	}
	if (!subscriber->replaying) {
		subscriber->live = true;
		long copied = copy_items(subscriber, space, bytes_max);
		if (copied > 0)
			return copied;
		if (clock_monotonic_ns() >= subscriber->heartbeat_ns) {
			static const char beat[] = ": keep-alive\n\n";
			memcpy(space, beat, sizeof beat - 1);
			return sizeof beat - 1;
		}
	}
	park(subscriber);
	return 0;
}

static long read_bytes(struct answer_stream *stream, char *space, size_t bytes_max)
{
	struct subscriber *subscriber = CONTAINER_OF(stream, struct subscriber, stream);
	struct hub *hub = subscriber->hub;

	pthread_mutex_lock(&hub->lock);
	long copied = next_bytes(subscriber, space, bytes_max);
	if (copied > 0)
		subscriber->heartbeat_ns = clock_monotonic_ns() + HEARTBEAT_S * CLOCK_SECOND;
	pthread_mutex_unlock(&hub->lock);
	return copied;
}

static void close_subscriber(struct answer_stream *stream)
{
	struct subscriber *subscriber = CONTAINER_OF(stream, struct subscriber, stream);
	struct hub *hub = subscriber->hub;

	pthread_mutex_lock(&hub->lock);
	CHECK(!subscriber->replaying);
	if (subscriber->previous != NULL)
		subscriber->previous->next = subscriber->next;
	else
		hub->first = subscriber->next;
	if (subscriber->next != NULL)
		subscriber->next->previous = subscriber->previous;
	metrics_gauge(METRIC_SSE_CLIENTS, 0, (int64_t)--hub->subscriber_count);
	pthread_mutex_unlock(&hub->lock);
	buf_finish(&subscriber->pending);
	free(subscriber);
}

struct answer_stream *hub_subscribe(struct hub *hub, uint64_t since, unsigned visible, int64_t user_id,
                                    int64_t expires_at_s)
{
	struct subscriber *subscriber = calloc(1, sizeof *subscriber);

	if (subscriber == NULL)
		return NULL;
	subscriber->stream.read = read_bytes;
	subscriber->stream.close = close_subscriber;
	subscriber->hub = hub;
	subscriber->visible = visible;
	subscriber->user_id = user_id;
	subscriber->expires_at_s = expires_at_s;
	subscriber->heartbeat_ns = clock_monotonic_ns() + HEARTBEAT_S * CLOCK_SECOND;
	buf_init(&subscriber->pending, REPLAY_BYTES_MAX);
	pthread_mutex_lock(&hub->lock);
	bool admitted = hub->begun && !hub->closed && hub->subscriber_count < HUB_SUBSCRIBERS_MAX;
	if (admitted) {
		subscriber->sent_seq = since == UINT64_MAX ? hub->last_seq : since;
		subscriber->next = hub->first;
		if (hub->first != NULL)
			hub->first->previous = subscriber;
		hub->first = subscriber;
		metrics_gauge(METRIC_SSE_CLIENTS, 0, (int64_t)++hub->subscriber_count);
	}
	pthread_mutex_unlock(&hub->lock);
	if (admitted)
		return &subscriber->stream;
	free(subscriber);
	return NULL;
}

/* ---- life ---- */

static void *beat(void *argument)
{
	struct hub *hub = argument;

	pthread_mutex_lock(&hub->lock);
	while (!hub->closed) {
		struct timespec until;
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec++;
		pthread_cond_timedwait(&hub->tick, &hub->lock, &until);
		uint64_t now_ns = clock_monotonic_ns();
		int64_t now_s = clock_wall_us() / 1000000;
		for (struct subscriber *each = hub->first; each != NULL; each = each->next) {
			if (!each->replaying && (now_ns >= each->heartbeat_ns || now_s >= each->expires_at_s))
				wake(each);
		}
	}
	pthread_mutex_unlock(&hub->lock);
	return NULL;
}

struct hub *hub_start(size_t ring_bytes_max)
{
	struct hub *hub = calloc(1, sizeof *hub);
	pthread_condattr_t attributes;

	if (hub == NULL)
		return NULL;
	hub->bytes_max = ring_bytes_max;
	hub->first_seq = 1;
	hub->items = calloc(RING_ITEMS, sizeof *hub->items);
	if (hub->items == NULL)
		goto fail;
	pthread_mutex_init(&hub->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&hub->tick, &attributes);
	pthread_condattr_destroy(&attributes);
	if (pthread_create(&hub->thread, NULL, beat, hub) == 0)
		return hub;
	pthread_cond_destroy(&hub->tick);
	pthread_mutex_destroy(&hub->lock);
fail:
	free(hub->items);
	free(hub);
	return NULL;
}

void hub_set_lane(struct hub *hub, struct task_lane *lane)
{
	hub->lane = lane;
}

void hub_close(struct hub *hub)
{
	pthread_mutex_lock(&hub->lock);
	hub->closed = true;
	for (struct subscriber *each = hub->first; each != NULL; each = each->next) {
		if (!each->replaying) /* or it ends when that is over */
			end(each, STOPPING);
	}
	pthread_cond_signal(&hub->tick);
	pthread_mutex_unlock(&hub->lock);
	pthread_join(hub->thread, NULL);
}

void hub_stop(struct hub *hub)
{
	if (hub == NULL)
		return;
	CHECK(hub->subscriber_count == 0);
	clear_ring(hub, hub->last_seq);
	free(hub->items);
	pthread_cond_destroy(&hub->tick);
	pthread_mutex_destroy(&hub->lock);
	free(hub);
}

size_t hub_subscribers(struct hub *hub)
{
	pthread_mutex_lock(&hub->lock);
	size_t count = hub->subscriber_count;
	pthread_mutex_unlock(&hub->lock);
	return count;
}
