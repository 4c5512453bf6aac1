#include "store/postgres/carry.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/hash.h"
#include "store/postgres/words.h"

#define DAY_US INT64_C(86400000000)
#define USERS_KNOWN_NS (60 * CLOCK_SECOND)

enum { CARRY_BYTES_MAX = 1 << 30 }; /* PostgreSQL takes no larger value */

/* Every array of the structure with its type, so that init, finish and the check are one loop. */
struct carry_array {
	struct array *array;
	enum array_type type;
};
enum { CARRY_ARRAYS = 2 * CARRY_EVENT_ARRAYS + 1 + 2 * 3 + 3 + 8 + 3 + 4 };

static void list_arrays(struct carry *carry, struct carry_array list[CARRY_ARRAYS])
{
	static const enum array_type EVENT_TYPES[CARRY_EVENT_ARRAYS] = {
		ARRAY_I64, ARRAY_TEXT, ARRAY_TEXT, ARRAY_TEXT, ARRAY_TIME, ARRAY_I64,
		ARRAY_I32, ARRAY_TEXT, ARRAY_TIME, ARRAY_TIME, ARRAY_I64, ARRAY_I64,
	};
	static const enum array_type CHANGE_TYPES[8] = {
		ARRAY_I64, ARRAY_I64, ARRAY_TEXT, ARRAY_I64, ARRAY_I64, ARRAY_TEXT, ARRAY_TEXT, ARRAY_TEXT,
	};
	const struct carry_array others[] = {
		{&carry->deleted, ARRAY_I64},
		{&carry->worded.ids, ARRAY_I64}, {&carry->worded.words, ARRAY_WORDS}, {&carry->worded.contents, ARRAY_TEXT},
		{&carry->reworded.ids, ARRAY_I64}, {&carry->reworded.words, ARRAY_WORDS}, {&carry->reworded.contents, ARRAY_TEXT},
		{&carry->users, ARRAY_I64}, {&carry->emails, ARRAY_TEXT}, {&carry->roles, ARRAY_TEXT},
		{&carry->day_statuses, ARRAY_TEXT}, {&carry->days, ARRAY_I32}, {&carry->day_counts, ARRAY_I64},
		{&carry->key_users, ARRAY_I64}, {&carry->key_texts, ARRAY_TEXT}, {&carry->key_hashes, ARRAY_I64},
		{&carry->key_answers, ARRAY_TEXT},
	};
	size_t count = 0;

	for (size_t i = 0; i < CARRY_EVENT_ARRAYS; i++) {
		list[count++] = (struct carry_array){&carry->inserted.columns[i], EVENT_TYPES[i]};
		list[count++] = (struct carry_array){&carry->updated.columns[i], EVENT_TYPES[i]};
	}
	for (size_t i = 0; i < ARRAY_LENGTH(CHANGE_TYPES); i++)
		list[count++] = (struct carry_array){&carry->changes[i], CHANGE_TYPES[i]};
	for (size_t i = 0; i < ARRAY_LENGTH(others); i++)
		list[count++] = others[i];
	CHECK(count == CARRY_ARRAYS);
}

/* ---- filling ---- */

static void add_id_or_null(struct array *array, int64_t id)
{
	if (id != 0)
		array_i64(array, id);
	else
		array_null(array);
}

static void add_event(struct carry_events *events, const struct event *event)
{
	struct array *column = events->columns;

	array_i64(column++, event->id);
	array_text(column++, event->title);
	array_text(column++, event->venue);
	array_text(column++, event->description);
	array_time(column++, event->event_date_us);
	array_i64(column++, event->price_cents);
	array_i32(column++, event->capacity);
	array_text(column++, str_from(event_status_name(event->status)));
	array_time(column++, event->created_at_us);
	array_time(column++, event->updated_at_us);
	add_id_or_null(column++, event->created_by);
	array_i64(column, event->version);
}

static void add_words(struct carry_words *to, const struct event *event, struct arena *arena)
{
	const struct str texts[] = {event->title, event->venue, event->description};
	struct buf *content = &to->contents.bytes;

	array_i64(&to->ids, event->id);
	size_t begin = array_text_begin(&to->words);
	if (words_of_ascii(texts, ARRAY_LENGTH(texts), arena, &to->words.bytes)) {
		array_text_end(&to->words, begin);
		array_null(&to->contents);
		return;
	}
	array_text_undo(&to->words, begin);
	array_null(&to->words);
	begin = array_text_begin(&to->contents);
	for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
		buf_str(content, texts[i]);
		buf_char(content, ' ');
	}
	array_text_end(&to->contents, begin);
}

static void add_stored(struct array *array, bool has, const struct event *event)
{
	if (!has) {
		array_null(array);
		return;
	}
	size_t begin = array_text_begin(array);
	event_json_stored(&array->bytes, event);
	array_text_end(array, begin);
}

static void add_change(struct carry *carry, const struct change *change)
{
	struct array *column = carry->changes;

	array_i64(column++, (int64_t)change->seq);
	array_i64(column++, change->event_id);
	array_text(column++, str_from(change_kind_name(change->kind)));
	array_i64(column++, change->version);
	array_i64(column++, change->actor_id);
	array_text(column++, change->request_id);
	add_stored(column++, change->has_before, &change->before);
	add_stored(column, change->has_after, &change->after);
}

/* ---- counts ---- */

struct day_count {
	enum event_status status;
	int32_t day; /* since 1970 */
	int64_t events;
};

static int compare_days(const void *a, const void *b)
{
	const struct day_count *left = a, *right = b;

	if (left->status != right->status)
		return left->status < right->status ? -1 : 1;
	return (left->day > right->day) - (left->day < right->day);
}

static struct day_count day_of(const struct event *event, int64_t events)
{
	int64_t us = event->event_date_us;
	return (struct day_count){event->status, (int32_t)(us / DAY_US - (us % DAY_US < 0 ? 1 : 0)), events};
}

static bool add_counts(struct carry *carry)
{
	const struct plan *plan = carry->plan;
	struct day_count *counts = arena_array(plan->arena, struct day_count, 2 * plan->event_count + 1);
	size_t count = 0;

	if (counts == NULL)
		return false;
	for (size_t i = 0; i < plan->event_count; i++) {
		const struct plan_event *event = &plan->events[i];
		if (!event->touched)
			continue;
		if (event->existed)
			counts[count++] = day_of(&event->was, -1);
		if (event->exists)
			counts[count++] = day_of(&event->is, 1);
	}
	qsort(counts, count, sizeof *counts, compare_days);
	for (size_t i = 0; i < count;) {
		struct day_count sum = counts[i];
		for (i++; i < count && compare_days(&sum, &counts[i]) == 0; i++)
			sum.events += counts[i].events;
		carry->status_counts[sum.status] += sum.events;
		if (sum.events == 0)
			continue;
		array_text(&carry->day_statuses, str_from(event_status_name(sum.status)));
		array_i32(&carry->days, sum.day);
		array_i64(&carry->day_counts, sum.events);
	}
	return true;
}

/* ---- users: each once, with an address if any of his writes brings one ---- */

struct actor {
	int64_t id;
	struct str email, role;
};

static int compare_actors(const void *a, const void *b)
{
	const struct actor *left = a, *right = b;

	if (left->id != right->id)
		return left->id < right->id ? -1 : 1;
	return (left->email.ptr == NULL) - (right->email.ptr == NULL);
}

static uint64_t hash_of(const struct actor *actor)
{
	uint64_t parts[] = {hash_keyed_u64((uint64_t)actor->id), hash_keyed(actor->email), hash_keyed(actor->role)};

	return hash_keyed((struct str){(const char *)parts, sizeof parts}) | 1;
}

static bool add_users(struct carry *carry)
{
	const struct plan *plan = carry->plan;
	struct actor *actors = arena_array(plan->arena, struct actor, plan->count);
	size_t count = 0;

	carry->user_hashes = arena_array(plan->arena, uint64_t, plan->count);
	if (actors == NULL || carry->user_hashes == NULL)
		return false;
	for (size_t i = 0; i < plan->count; i++) {
		const struct store_write *write = &plan->writes[i];
		if (write->outcome == WRITE_APPLIED && write->actor_id != 0)
			actors[count++] = (struct actor){write->actor_id, write->actor_email, write->actor_role};
	}
	qsort(actors, count, sizeof *actors, compare_actors);
	for (size_t i = 0; i < count; i++) {
		if (i > 0 && actors[i].id == actors[i - 1].id)
			continue;
		carry->user_hashes[carry->users.count] = hash_of(&actors[i]);
		array_i64(&carry->users, actors[i].id);
		array_text(&carry->emails, actors[i].email);
		array_text(&carry->roles, actors[i].role);
	}
	return true;
}

bool carry_init(struct carry *carry, struct plan *plan, int64_t write_id)
{
	struct carry_array arrays[CARRY_ARRAYS];
	bool whole = true;

	*carry = (struct carry){.plan = plan, .write_id = write_id, .first_seq = plan->seq - plan->applied + 1};
	list_arrays(carry, arrays);
	for (size_t i = 0; i < CARRY_ARRAYS; i++)
		array_init(arrays[i].array, arrays[i].type, CARRY_BYTES_MAX);
	for (size_t i = 0; i < plan->event_count; i++) {
		const struct plan_event *event = &plan->events[i];
		if (!event->touched)
			continue;
		if (event->exists)
			add_event(event->existed ? &carry->updated : &carry->inserted, &event->is);
		else if (event->existed)
			array_i64(&carry->deleted, event->id);
		if (event->exists && event->reworded)
			add_words(event->existed ? &carry->reworded : &carry->worded, &event->is, plan->arena);
	}
	for (size_t i = 0; i < plan->count; i++)
		if (plan->writes[i].outcome == WRITE_APPLIED)
			add_change(carry, &plan->writes[i].change);
	for (size_t i = 0; i < plan->key_count; i++) {
		if (!plan->keys[i].fresh)
			continue;
		array_i64(&carry->key_users, plan->keys[i].user_id);
		array_text(&carry->key_texts, plan->keys[i].key);
		array_i64(&carry->key_hashes, (int64_t)plan->keys[i].body_hash);
		array_text(&carry->key_answers, plan->keys[i].answer);
	}
	whole = add_counts(carry) && add_users(carry);
	for (size_t i = 0; i < CARRY_ARRAYS; i++)
		whole = whole && !arrays[i].array->bytes.failed;
	return whole;
}

void carry_finish(struct carry *carry)
{
	struct carry_array arrays[CARRY_ARRAYS];

	list_arrays(carry, arrays);
	for (size_t i = 0; i < CARRY_ARRAYS; i++)
		array_finish(arrays[i].array);
}

/* ---- sending ---- */

/* The arrays as parameters in their order, unless there is nothing in them. */
static bool arrays_as_params(struct params *params, struct array *arrays, size_t count)
{
	*params = (struct params){0};
	for (size_t i = 0; i < count; i++)
		params_array(params, &arrays[i]);
	return arrays[0].count > 0;
}

static void send_words(struct carry_words *words, struct pipeline *pipeline, enum statement statement)
{
	struct params params;

	if (!arrays_as_params(&params, &words->ids, 1))
		return;
	params_array(&params, &words->words);
	params_array(&params, &words->contents);
	pipeline_add(pipeline, statement, &params);
}

static void send_events(struct carry *carry, struct pipeline *pipeline)
{
	struct params params;

	if (arrays_as_params(&params, carry->inserted.columns, CARRY_EVENT_ARRAYS))
		pipeline_add(pipeline, SQL_EVENTS_INSERT, &params);
	if (arrays_as_params(&params, carry->updated.columns, CARRY_EVENT_ARRAYS))
		pipeline_add(pipeline, SQL_EVENTS_UPDATE, &params);
	if (arrays_as_params(&params, &carry->deleted, 1)) {
		pipeline_add(pipeline, SQL_EVENTS_DELETE, &params);
		pipeline_add(pipeline, SQL_WORDS_DELETE, &params);
	}
	send_words(&carry->worded, pipeline, SQL_WORDS_INSERT);
	send_words(&carry->reworded, pipeline, SQL_WORDS_PUT);
}

static void send_changes(struct carry *carry, struct pipeline *pipeline)
{
	struct params params;

	(void)arrays_as_params(&params, carry->changes, ARRAY_LENGTH(carry->changes));
	params_time(&params, carry->plan->now_us);
	params_i64(&params, carry->write_id);
	pipeline_add(pipeline, SQL_CHANGES_INSERT, &params);
	if (carry->days.count > 0) {
		params = (struct params){0};
		params_array(&params, &carry->day_statuses);
		params_array(&params, &carry->days);
		params_array(&params, &carry->day_counts);
		pipeline_add(pipeline, SQL_DAYS_ADD, &params);
	}
	if (carry->key_users.count > 0) {
		params = (struct params){0};
		params_array(&params, &carry->key_users);
		params_array(&params, &carry->key_texts);
		params_array(&params, &carry->key_hashes);
		params_array(&params, &carry->key_answers);
		params_time(&params, carry->plan->now_us);
		pipeline_add(pipeline, carry->keys_unread ? SQL_KEYS_INSERT : SQL_KEYS_PUT, &params);
	}
}

/* Whether all of them are known to be in `users` as they are here. Somebody else may have changed that: it is asked for anew
 * now and then. */
static bool users_are_filled(const struct carry *carry, struct pg_connection *connection)
{
	uint64_t now_ns = clock_monotonic_ns();

	if (now_ns - connection->users_known_ns > USERS_KNOWN_NS) {
		memset(connection->users_known, 0, sizeof connection->users_known);
		connection->users_known_ns = now_ns;
	}
	for (uint32_t i = 0; i < carry->users.count; i++)
		if (connection->users_known[carry->user_hashes[i] % PG_USERS_KNOWN] != carry->user_hashes[i])
			return false;
	return true;
}

void carry_committed(const struct carry *carry, struct pg_connection *connection)
{
	for (uint32_t i = 0; i < carry->users.count; i++)
		connection->users_known[carry->user_hashes[i] % PG_USERS_KNOWN] = carry->user_hashes[i];
}

size_t carry_send(struct carry *carry, struct pipeline *pipeline, int64_t history)
{
	size_t before = pipeline->added;
	struct params params = {0};

	if (!users_are_filled(carry, pipeline->connection)) {
		params_array(&params, &carry->users);
		params_array(&params, &carry->emails);
		params_array(&params, &carry->roles);
		params_time(&params, carry->plan->now_us);
		pipeline_add(pipeline, SQL_USERS_FILL, &params);
	}
	send_events(carry, pipeline);
	send_changes(carry, pipeline);
	params = (struct params){0};
	params_i64(&params, (int64_t)carry->plan->seq);
	for (unsigned status = 0; status < EVENT_STATUS_COUNT; status++)
		params_i64(&params, carry->status_counts[status]);
	params_i64(&params, history);
	pipeline_add(pipeline, SQL_CATALOG_ADVANCE, &params);
	if (!pipeline->connection->alone)
		pipeline_add(pipeline, SQL_CHANGES_NOTIFY, NULL);
	return pipeline->added - before;
}
