#include "feed/outlet.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"

enum {
	BREAKER_SERIES = 7, /* of METRIC_BREAKER */
	FAILURES_MAX = 1,
	BACKOFF_MS = 100,
	BACKOFF_MS_MAX = 1000, /* the relay waits for Redis and does nothing else: it may ask more often than the caches */
	MESSAGE_BYTES_MAX = 1 << 20,
	TRANSACTION_BYTES_MAX = 8 << 20,
	ARENA_BYTES_MAX = 64 << 20,
	PROBLEM_BYTES_MAX = 512,
	NUMBER_BYTES = 32,
};

struct outlet {
	const char *aside; /* the key of a stream that tells of what never happened */
	struct breaker breaker;
	struct redis *redis;
	char entries_max[NUMBER_BYTES];
	struct arena arena; /* replies of the last exchange */
	struct buf message;
	size_t added, bytes;
	bool failed; /* a message could not be made */
	char problem[PROBLEM_BYTES_MAX];
};

static const char *const channels[CHANGE_KIND_COUNT] = {
	[CHANGE_CREATED] = "evently:events:created",
	[CHANGE_UPDATED] = "evently:events:updated",
	[CHANGE_DELETED] = "evently:events:deleted",
};

/* ---- life ---- */

struct outlet *outlet_create(const struct redis_options *options, uint64_t entries_max)
{
	struct outlet *outlet = calloc(1, sizeof *outlet);
	struct redis_options own = *options;

	if (outlet == NULL)
		return NULL;
	/* The settings' timeout is a cache's; a batch that is to be on Redis' disk before it is answered takes longer. */
	if (own.timeout_ms < OUTLET_TIMEOUT_MS)
		own.timeout_ms = OUTLET_TIMEOUT_MS;
	own.home_key = OUTLET_STREAM;
	/* In a cluster a key can be renamed within its slot only: the braces put it there. */
	outlet->aside = own.cluster != NULL && own.cluster[0] != '\0' ? "{" OUTLET_STREAM "}:forked" : OUTLET_STREAM ":forked";
	breaker_init(&outlet->breaker, "redis of the relay", BREAKER_SERIES, FAILURES_MAX, BACKOFF_MS, BACKOFF_MS_MAX);
	arena_init(&outlet->arena, ARENA_BYTES_MAX);
	buf_init(&outlet->message, MESSAGE_BYTES_MAX);
	snprintf(outlet->entries_max, sizeof outlet->entries_max, "%llu", (unsigned long long)entries_max);
	outlet->redis = redis_create(&own, &outlet->breaker);
	if (outlet->redis != NULL)
		return outlet;
	outlet_destroy(outlet);
	return NULL;
}

void outlet_destroy(struct outlet *outlet)
{
	if (outlet == NULL)
		return;
	redis_destroy(outlet->redis);
	arena_finish(&outlet->arena);
	buf_finish(&outlet->message);
	breaker_finish(&outlet->breaker);
	free(outlet);
}

const char *outlet_problem(const struct outlet *outlet)
{
	return outlet->problem;
}

/* ---- exchanges ---- */

static enum outlet_result run_while(struct outlet *outlet, struct redis_reply ***replies, void (*meanwhile)(void *),
                                    void *context)
{
	arena_reset(&outlet->arena);
	uint64_t deadline_ns = clock_monotonic_ns() + OUTLET_TIMEOUT_MS * CLOCK_MS;
	enum redis_result result = redis_run_while(outlet->redis, deadline_ns, &outlet->arena, replies, meanwhile, context);
	if (result == REDIS_DONE)
		return OUTLET_DONE;
	if (redis_problem(outlet->redis)[0] != '\0') /* an open breaker leaves the last one standing */
		snprintf(outlet->problem, sizeof outlet->problem, "%s", redis_problem(outlet->redis));
	return OUTLET_AWAY;
}

static enum outlet_result run(struct outlet *outlet, struct redis_reply ***replies)
{
	return run_while(outlet, replies, NULL, NULL);
}

static enum outlet_result refuse(struct outlet *outlet, const char *what, const struct redis_reply *reply)
{
	snprintf(outlet->problem, sizeof outlet->problem, "Redis refused %s: %.*s", what,
	         reply->type == REPLY_ERROR ? (int)reply->text.len : 0, reply->type == REPLY_ERROR ? reply->text.ptr : "");
	return OUTLET_REFUSED;
}

enum outlet_result outlet_ping(struct outlet *outlet)
{
	struct redis_reply **replies;

	redis_append(outlet->redis, STR("PING"));
	enum outlet_result result = run(outlet, &replies);
	if (result == OUTLET_DONE && replies[0]->type == REPLY_ERROR)
		return refuse(outlet, "PING", replies[0]);
	return result;
}

/* The value of a name in a flat list of names and values; NULL when it is not there. */
static const struct redis_reply *member(const struct redis_reply *list, struct str name)
{
	for (size_t i = 0; list->type == REPLY_ARRAY && i + 1 < list->count; i += 2) {
		if (str_equal(list->elements[i]->text, name))
			return list->elements[i + 1];
	}
	return NULL;
}

/* Reads the answer to XINFO STREAM. An id is `<seq>-1`, of a gap's marker `<to>-0`. */
static enum outlet_result read_tail(struct outlet *outlet, const struct redis_reply *info, struct outlet_tail *tail)
{
	*tail = (struct outlet_tail){0, STR_NONE};
	if (info->type == REPLY_ERROR)
		return redis_reply_is_error(info, "ERR no such key") ? OUTLET_DONE : refuse(outlet, "XINFO", info);
	const struct redis_reply *last_id = member(info, STR("last-generated-id"));
	struct str rest = last_id != NULL ? last_id->text : STR_NONE, seq;
	if (last_id == NULL || !str_cut(&rest, '-', &seq) || !str_to_u64(seq, UINT64_MAX, &tail->seq))
		return refuse(outlet, "a look at " OUTLET_STREAM, info);
	const struct redis_reply *entry = member(info, STR("last-entry"));
	if (entry == NULL || entry->type != REPLY_ARRAY || entry->count != 2 || !str_equal(entry->elements[0]->text, last_id->text))
		return OUTLET_DONE;
	const struct redis_reply *payload = member(entry->elements[1], STR("payload"));
	const struct redis_reply *type = member(entry->elements[1], STR("type"));
	if (payload != NULL && type != NULL && !str_equal(type->text, STR("ChangesMissing")))
		tail->payload = payload->text;
	return OUTLET_DONE;
}

static void append_look(struct outlet *outlet)
{
	redis_append(outlet->redis, STR("WATCH"), STR(OUTLET_STREAM));
	redis_append(outlet->redis, STR("XINFO"), STR("STREAM"), STR(OUTLET_STREAM));
}

enum outlet_result outlet_look(struct outlet *outlet, struct outlet_tail *tail)
{
	struct redis_reply **replies;

	redis_append(outlet->redis, STR("UNWATCH"));
	append_look(outlet);
	enum outlet_result result = run(outlet, &replies);
	if (result != OUTLET_DONE)
		return result;
	for (size_t i = 0; i < 2; i++) {
		if (replies[i]->type == REPLY_ERROR)
			return refuse(outlet, "WATCH", replies[i]);
	}
	return read_tail(outlet, replies[2], tail);
}

enum outlet_result outlet_set_aside(struct outlet *outlet)
{
	struct redis_reply **replies;

	redis_append(outlet->redis, STR("RENAME"), STR(OUTLET_STREAM), str_from(outlet->aside));
	enum outlet_result result = run(outlet, &replies);
	if (result == OUTLET_DONE && replies[0]->type == REPLY_ERROR)
		return refuse(outlet, "RENAME", replies[0]);
	return result;
}

/* ---- transactions ---- */

void outlet_begin(struct outlet *outlet)
{
	outlet->added = 0;
	outlet->bytes = 0;
	outlet->failed = false;
	redis_append(outlet->redis, STR("MULTI"));
}

static void append_entry(struct outlet *outlet, struct str id, struct str payload, struct str seq, const char *type)
{
	redis_append(outlet->redis, STR("XADD"), STR(OUTLET_STREAM), STR("MAXLEN"), STR("~"), str_from(outlet->entries_max), id,
	             STR("payload"), payload, STR("seq"), seq, STR("type"), str_from(type));
	outlet->added++;
}

bool outlet_add(struct outlet *outlet, const struct change *change, bool to_stream, bool to_channel)
{
	char id[NUMBER_BYTES];

	if (outlet->bytes > TRANSACTION_BYTES_MAX)
		return false;
	buf_clear(&outlet->message);
	change_json_message(&outlet->message, change);
	outlet->failed = outlet->failed || outlet->message.failed;
	struct str payload = buf_view(&outlet->message);
	int digits = snprintf(id, sizeof id, "%llu-1", (unsigned long long)change->seq) - 2;
	if (to_stream) {
		append_entry(outlet, str_from(id), payload, (struct str){id, (size_t)digits}, change_message_type(change->kind));
		outlet->bytes += payload.len;
	}
	if (to_channel) {
		redis_append(outlet->redis, STR("PUBLISH"), str_from(channels[change->kind]), payload);
		outlet->added++;
		outlet->bytes += payload.len;
	}
	return true;
}

void outlet_add_gap(struct outlet *outlet, uint64_t from, uint64_t to)
{
	char id[NUMBER_BYTES];

	buf_clear(&outlet->message);
	buf_printf(&outlet->message, "{\"type\":\"ChangesMissing\",\"from_seq\":%llu,\"to_seq\":%llu}", (unsigned long long)from,
	           (unsigned long long)to);
	outlet->failed = outlet->failed || outlet->message.failed;
	int digits = snprintf(id, sizeof id, "%llu-0", (unsigned long long)to) - 2;
	append_entry(outlet, str_from(id), buf_view(&outlet->message), (struct str){id, (size_t)digits}, "ChangesMissing");
}

/* The answer to EXEC: nil when the watched stream has changed, an error when nothing was run. An entry that the stream
 * has already cannot come through while it is watched, but is no harm either. */
static enum outlet_result read_exec(struct outlet *outlet, const struct redis_reply *exec)
{
	if (exec->type == REPLY_NIL)
		return OUTLET_OVERTAKEN;
	if (exec->type != REPLY_ARRAY || exec->count != outlet->added)
		return refuse(outlet, "EXEC", exec);
	for (size_t i = 0; i < exec->count; i++) {
		const struct redis_reply *reply = exec->elements[i];
		if (redis_reply_is_error(reply, "ERR The ID specified in XADD is equal or smaller"))
			return OUTLET_OVERTAKEN;
		if (reply->type == REPLY_ERROR)
			return refuse(outlet, "a message", reply);
	}
	return OUTLET_DONE;
}

/* Why a transaction was given up says the command that could not be queued, not EXEC. */
static const struct redis_reply *first_error(struct redis_reply **replies, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (replies[i]->type == REPLY_ERROR)
			return replies[i];
	}
	return NULL;
}

enum outlet_result outlet_commit(struct outlet *outlet, struct outlet_tail *tail, void (*meanwhile)(void *), void *context)
{
	struct redis_reply **replies;

	redis_append(outlet->redis, outlet->failed ? STR("DISCARD") : STR("EXEC"));
	append_look(outlet);
	enum outlet_result result = run_while(outlet, &replies, meanwhile, context);
	if (result != OUTLET_DONE)
		return result;
	size_t exec = outlet->added + 1;
	const struct redis_reply *error = first_error(replies, exec);
	if (error != NULL)
		return refuse(outlet, "a message", error);
	if (outlet->failed) {
		snprintf(outlet->problem, sizeof outlet->problem, "a message is larger than %d bytes, or memory is out",
		         MESSAGE_BYTES_MAX);
		return OUTLET_REFUSED;
	}
	result = read_exec(outlet, replies[exec]);
	if (result == OUTLET_DONE && replies[exec + 1]->type == REPLY_ERROR)
		return refuse(outlet, "WATCH", replies[exec + 1]);
	return result == OUTLET_DONE ? read_tail(outlet, replies[exec + 2], tail) : result;
}
