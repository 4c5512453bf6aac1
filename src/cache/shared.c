#include "cache/shared.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/hash.h"
#include "cache/envelope.h"

#define PREFIX "evently:v1:"

/* What an event's value is about, and the end of its key. */
static struct str event_name(int64_t id, struct arena *arena)
{
	return arena_printf(arena, "event:%" PRId64, id);
}

static struct str event_key(int64_t id, struct arena *arena)
{
	return arena_printf(arena, PREFIX "event:%" PRId64, id);
}

static struct str list_key(struct str query, struct arena *arena)
{
	return arena_printf(arena, PREFIX "list:%016" PRIx64, hash_content(query));
}

/* MGET over words[1…]; on DONE *array has one element for each key. */
static enum redis_result get_many(struct shared *shared, struct str *words, size_t keys, uint64_t deadline_ns,
				  struct arena *arena, struct redis_reply **array)
{
	struct redis_reply **replies;

	words[0] = STR("MGET");
	redis_append_list(shared->redis, words, keys + 1);
	enum redis_result result = redis_run(shared->redis, deadline_ns, arena, &replies);
	if (result != REDIS_DONE)
		return result;
	*array = replies[0];
	bool fits = replies[0]->type == REPLY_ARRAY && replies[0]->count == keys;
	/* An error (no permission, out of memory), or something that no Redis says. */
	return fits ? REDIS_DONE : REDIS_REFUSED;
}

/* Opens one value: is it whole, about what was asked for, of this history and new enough? */
static enum shared_state open_value(const struct shared *shared, const struct redis_reply *reply, struct str name,
				    uint64_t min_as_of, struct envelope *envelope)
{
	if (reply->type == REPLY_NIL)
		return SHARED_MISS;
	if (reply->type != REPLY_TEXT || !envelope_parse(envelope, reply->text, shared->history) || !str_equal(envelope->name, name))
		return SHARED_REJECTED;
	if (envelope->as_of < min_as_of)
		return SHARED_STALE;
	return SHARED_HIT;
}

static void take_event(const struct shared *shared, struct shared_event *event, const struct redis_reply *reply,
		       struct arena *arena)
{
	struct envelope envelope;
	struct str name = event_name(event->id, arena);

	event->state = name.ptr == NULL ? SHARED_MISS : open_value(shared, reply, name, event->min_as_of, &envelope);
	if (event->state != SHARED_HIT)
		return;
	if (!event_from_stored(&event->event, envelope.body, arena) || event->event.id != event->id) {
		event->state = SHARED_REJECTED;
		return;
	}
	event->as_of = envelope.as_of;
	event->created_us = envelope.created_us;
}

enum redis_result shared_get_events(struct shared *shared, struct shared_event *events, size_t count,
				    uint64_t deadline_ns, struct arena *arena)
{
	struct redis_reply *array;

	CHECK(count <= SHARED_BATCH_MAX);
	for (size_t i = 0; i < count; i++)
		events[i].state = SHARED_MISS;
	struct str *words = arena_array(arena, struct str, count + 1);
	if (words == NULL || count == 0)
		return words == NULL ? REDIS_TOO_LARGE : REDIS_DONE;
	for (size_t i = 0; i < count; i++)
		words[i + 1] = event_key(events[i].id, arena);
	if (arena->failed)
		return REDIS_TOO_LARGE;
	enum redis_result result = get_many(shared, words, count, deadline_ns, arena, &array);
	for (size_t i = 0; result == REDIS_DONE && i < count; i++)
		take_event(shared, &events[i], array->elements[i], arena);
	return result;
}

static void take_list(const struct shared *shared, struct shared_list *list, const struct redis_reply *reply)
{
	struct envelope envelope;

	list->state = open_value(shared, reply, list->query, list->min_as_of, &envelope);
	if (list->state != SHARED_HIT)
		return;
	list->as_of = envelope.as_of;
	list->created_us = envelope.created_us;
	list->valid_until_us = envelope.valid_until_us;
	list->body = envelope.body;
}

enum redis_result shared_get_lists(struct shared *shared, struct shared_list *lists, size_t count, uint64_t deadline_ns,
				   struct arena *arena)
{
	struct redis_reply *array;

	CHECK(count <= SHARED_BATCH_MAX);
	for (size_t i = 0; i < count; i++)
		lists[i].state = SHARED_MISS;
	struct str *words = arena_array(arena, struct str, count + 1);
	if (words == NULL || count == 0)
		return words == NULL ? REDIS_TOO_LARGE : REDIS_DONE;
	for (size_t i = 0; i < count; i++)
		words[i + 1] = list_key(lists[i].query, arena);
	if (arena->failed)
		return REDIS_TOO_LARGE;
	enum redis_result result = get_many(shared, words, count, deadline_ns, arena, &array);
	for (size_t i = 0; result == REDIS_DONE && i < count; i++)
		take_list(shared, &lists[i], array->elements[i]);
	return result;
}

/* One SET of the pipeline; `value` is only used while it is copied there. */
static void append_set(struct shared *shared, struct str key, const struct envelope *envelope, struct str ttl_ms,
		       struct buf *value)
{
	buf_clear(value);
	envelope_print(value, envelope);
	if (value->failed || key.ptr == NULL || ttl_ms.ptr == NULL)
		return;
	redis_append(shared->redis, STR("SET"), key, buf_view(value), STR("PX"), ttl_ms);
}

static enum redis_result run_sets(struct shared *shared, uint64_t deadline_ns, struct arena *arena)
{
	struct redis_reply **replies;
	return redis_run(shared->redis, deadline_ns, arena, &replies);
}

enum redis_result shared_set_events(struct shared *shared, const struct shared_event *events, size_t count,
				    uint64_t ttl_ms, uint64_t deadline_ns, struct arena *arena)
{
	struct buf body, value;

	CHECK(count <= SHARED_BATCH_MAX);
	if (ttl_ms == 0 || count == 0)
		return REDIS_DONE;
	buf_init(&body, SHARED_BODY_BYTES_MAX);
	buf_init(&value, SHARED_BODY_BYTES_MAX + 4096);
	struct str ttl = arena_printf(arena, "%" PRIu64, ttl_ms);
	for (size_t i = 0; i < count; i++) {
		buf_clear(&body);
		event_json_stored(&body, &events[i].event);
		struct envelope envelope = {
			.history = shared->history,
			.as_of = events[i].as_of,
			.created_us = clock_wall_us(),
			.name = event_name(events[i].id, arena),
			.body = buf_view(&body),
		};
		if (!body.failed && envelope.name.ptr != NULL)
			append_set(shared, event_key(events[i].id, arena), &envelope, ttl, &value);
	}
	buf_finish(&body);
	buf_finish(&value);
	return run_sets(shared, deadline_ns, arena);
}

enum redis_result shared_set_lists(struct shared *shared, const struct shared_list *lists, size_t count,
				   uint64_t ttl_ms, uint64_t deadline_ns, struct arena *arena)
{
	struct buf value;

	CHECK(count <= SHARED_BATCH_MAX);
	if (ttl_ms == 0 || count == 0)
		return REDIS_DONE;
	buf_init(&value, SHARED_BODY_BYTES_MAX);
	struct str ttl = arena_printf(arena, "%" PRIu64, ttl_ms);
	for (size_t i = 0; i < count; i++) {
		struct envelope envelope = {
			.history = shared->history,
			.as_of = lists[i].as_of,
			.created_us = clock_wall_us(),
			.valid_until_us = lists[i].valid_until_us,
			.name = lists[i].query,
			.body = lists[i].body,
		};
		append_set(shared, list_key(lists[i].query, arena), &envelope, ttl, &value);
	}
	buf_finish(&value);
	return run_sets(shared, deadline_ns, arena);
}
