/* Applying a batch of writes: one transaction, each write in a savepoint of its own.
 *
 * For each write: the key is looked up, the event read, If-Match compared, the patch put on, row and change written. The
 * catalog's seq is written once, at the end; counts and full text follow the rows by triggers. */
#include "store/sqlite/sqlite.h"

enum { ANSWER_BYTES_MAX = 1 << 20 };

/* A batch on its way. */
struct batch {
	struct sqlite_session *session;
	struct arena *arena;
	int64_t now_us;
	uint64_t seq;              /* of the last change so far */
	bool written;              /* there is something to commit */
	bool has_actor;            /* the actor below was met in this batch */
	int64_t actor_id;
	struct str actor_email, actor_role;
};

/* ---- rows ---- */

static void bind_event(sqlite3_stmt *statement, const struct event *event)
{
	sqlite_bind_str(statement, 2, event->title);
	sqlite_bind_str(statement, 3, event->venue);
	sqlite_bind_str(statement, 4, event->description);
	sqlite3_bind_int64(statement, 5, event->event_date_us);
	sqlite3_bind_int64(statement, 6, event->price_cents);
	sqlite3_bind_int64(statement, 7, event->capacity);
	sqlite3_bind_int(statement, 8, (int)event->status);
	sqlite3_bind_int64(statement, 9, event->created_at_us);
	sqlite3_bind_int64(statement, 10, event->updated_at_us);
	if (event->created_by != 0)
		sqlite3_bind_int64(statement, 11, event->created_by);
	else
		sqlite3_bind_null(statement, 11);
	sqlite3_bind_int64(statement, 12, event->version);
}

static enum store_result insert_event(struct batch *batch, struct event *event)
{
	sqlite3_stmt *statement;
	enum store_result result = sqlite_statement(batch->session, EVENT_INSERT, &statement);

	if (result != STORE_OK)
		return result;
	bind_event(statement, event);
	result = sqlite_run(batch->session, statement);
	event->id = sqlite3_last_insert_rowid(batch->session->db);
	return result;
}

static enum store_result update_event(struct batch *batch, const struct event *event)
{
	sqlite3_stmt *statement;
	enum store_result result = sqlite_statement(batch->session, EVENT_UPDATE, &statement);

	if (result != STORE_OK)
		return result;
	sqlite3_bind_int64(statement, 1, event->id);
	bind_event(statement, event);
	return sqlite_run(batch->session, statement);
}

static enum store_result delete_event(struct batch *batch, int64_t id)
{
	sqlite3_stmt *statement;
	enum store_result result = sqlite_statement(batch->session, EVENT_DELETE, &statement);

	if (result != STORE_OK)
		return result;
	sqlite3_bind_int64(statement, 1, id);
	return sqlite_run(batch->session, statement);
}

static struct str print_side(struct buf *out, bool has, const struct event *event)
{
	buf_clear(out);
	if (!has)
		return STR_NONE;
	event_json_stored(out, event);
	return buf_view(out);
}

static enum store_result insert_change(struct batch *batch, const struct change *change)
{
	struct sqlite_session *session = batch->session;
	struct str before = print_side(&session->before, change->has_before, &change->before);
	struct str after = print_side(&session->after, change->has_after, &change->after);
	sqlite3_stmt *statement;

	if (session->before.failed || session->after.failed)
		return sqlite_no_memory(session);
	enum store_result result = sqlite_statement(session, CHANGE_INSERT, &statement);
	if (result != STORE_OK)
		return result;
	sqlite3_bind_int64(statement, 1, (int64_t)change->seq);
	sqlite3_bind_int64(statement, 2, change->event_id);
	sqlite3_bind_int(statement, 3, (int)change->kind);
	sqlite3_bind_int64(statement, 4, change->version);
	sqlite3_bind_int64(statement, 5, change->actor_id);
	sqlite_bind_str(statement, 6, change->request_id);
	sqlite3_bind_int64(statement, 7, change->occurred_at_us);
	sqlite_bind_str(statement, 8, before);
	sqlite_bind_str(statement, 9, after);
	return sqlite_run(session, statement);
}

static enum store_result meet_actor(struct batch *batch, const struct store_write *write)
{
	if (write->actor_id == 0)
		return STORE_OK;
	if (batch->has_actor && batch->actor_id == write->actor_id && str_equal(batch->actor_email, write->actor_email)
	    && str_equal(batch->actor_role, write->actor_role))
		return STORE_OK;
	enum store_result result = sqlite_user_meet(batch->session, write->actor_id, write->actor_email, write->actor_role,
	                                            batch->now_us);
	if (result == STORE_OK) {
		batch->has_actor = true;
		batch->actor_id = write->actor_id;
		batch->actor_email = write->actor_email;
		batch->actor_role = write->actor_role;
	}
	return result;
}

/* ---- one write ---- */

/* The actor comes first: what is written refers to it. */
static enum store_result begin_change(struct batch *batch, struct store_write *write, enum change_kind kind)
{
	write->change = (struct change){
		.seq = batch->seq + 1,
		.kind = kind,
		.occurred_at_us = batch->now_us,
		.actor_id = write->actor_id,
		.request_id = arena_str(batch->arena, write->request_id),
	};
	return batch->arena->failed ? sqlite_no_memory(batch->session) : meet_actor(batch, write);
}

static void finish_change(struct change *change, int64_t event_id, int64_t version, const struct event *before,
                          const struct event *after)
{
	change->event_id = event_id;
	change->version = version;
	change->has_before = before != NULL;
	change->has_after = after != NULL;
	if (before != NULL)
		change->before = *before;
	if (after != NULL)
		change->after = *after;
}

static enum store_result print_answer(struct batch *batch, struct store_write *write)
{
	struct buf json;

	buf_init(&json, ANSWER_BYTES_MAX);
	event_json(&json, &write->event, batch->now_us);
	write->answer = json.failed ? STR_NONE : arena_str(batch->arena, buf_view(&json));
	buf_finish(&json);
	return write->answer.ptr != NULL ? STORE_OK : sqlite_no_memory(batch->session);
}

static enum store_result create(struct batch *batch, struct store_write *write, enum write_outcome *outcome)
{
	struct event made;
	enum store_result result;

	if (write->idempotency_key.ptr != NULL) {
		result = sqlite_key_find(batch->session, write, batch->now_us, batch->arena, outcome);
		if (result != STORE_OK || *outcome != WRITE_APPLIED)
			return result;
	}
	(void)!patch_apply(write->patch, NULL, write->actor_id, batch->now_us, &made);
	result = begin_change(batch, write, CHANGE_CREATED);
	if (result != STORE_OK)
		return result;
	if (!event_copy(&write->event, &made, batch->arena))
		return sqlite_no_memory(batch->session);
	result = insert_event(batch, &write->event);
	if (result != STORE_OK)
		return result;
	finish_change(&write->change, write->event.id, 1, NULL, &write->event);
	result = print_answer(batch, write);
	if (result == STORE_OK && write->idempotency_key.ptr != NULL)
		result = sqlite_key_keep(batch->session, write, batch->now_us);
	return result;
}

static enum store_result update(struct batch *batch, struct store_write *write, const struct event *before,
                                enum write_outcome *outcome)
{
	struct event after;

	if (!patch_apply(write->patch, before, write->actor_id, batch->now_us, &after)) {
		write->event = *before;
		*outcome = WRITE_UNCHANGED;
		return STORE_OK;
	}
	enum store_result result = begin_change(batch, write, CHANGE_UPDATED);
	if (result != STORE_OK)
		return result;
	if (!event_copy(&write->event, &after, batch->arena))
		return sqlite_no_memory(batch->session);
	finish_change(&write->change, before->id, after.version, before, &write->event);
	return update_event(batch, &write->event);
}

static enum store_result change_event(struct batch *batch, struct store_write *write, enum write_outcome *outcome)
{
	struct event before;

	enum store_result result = sqlite_event(batch->session, write->event_id, batch->arena, &before);
	if (result != STORE_OK)
		return result;
	if (before.id == 0)
		*outcome = WRITE_NOT_FOUND;
	else if (write->if_match.ptr != NULL && !store_if_match_holds(write->if_match, &before, batch->now_us))
		*outcome = WRITE_PRECONDITION;
	if (*outcome != WRITE_APPLIED)
		return STORE_OK;
	if (write->kind == WRITE_UPDATE)
		return update(batch, write, &before, outcome);
	result = begin_change(batch, write, CHANGE_DELETED);
	finish_change(&write->change, before.id, before.version + 1, &before, NULL);
	return result == STORE_OK ? delete_event(batch, before.id) : result;
}

/* Row, change and all that belongs to them; *outcome is what came of it when the result is STORE_OK. */
static enum store_result apply_one(struct batch *batch, struct store_write *write, enum write_outcome *outcome)
{
	*outcome = WRITE_APPLIED;
	enum store_result result = write->kind == WRITE_CREATE ? create(batch, write, outcome)
	                                                       : change_event(batch, write, outcome);
	if (result != STORE_OK || *outcome != WRITE_APPLIED)
		return result;
	return insert_change(batch, &write->change);
}

static void forget_result(struct store_write *write)
{
	write->change = (struct change){0};
	write->event = (struct event){0};
	write->answer = STR_NONE;
}

/* ---- the batch ---- */

static enum store_result run_fixed(struct sqlite_session *session, enum statement which)
{
	sqlite3_stmt *statement;
	enum store_result result = sqlite_statement(session, which, &statement);

	return result == STORE_OK ? sqlite_run(session, statement) : result;
}

/* A row that the schema's checks refuse concerns its own write only. */
static bool fails_alone(struct sqlite_session *session)
{
	int code = sqlite3_errcode(session->db) & 0xff;
	return (code == SQLITE_CONSTRAINT || code == SQLITE_TOOBIG) && sqlite3_get_autocommit(session->db) == 0;
}

/* In a savepoint, so that whatever is not applied leaves nothing behind. */
static enum store_result apply_apart(struct batch *batch, struct store_write *write)
{
	struct sqlite_session *session = batch->session;
	enum write_outcome outcome;

	enum store_result result = run_fixed(session, SAVEPOINT);
	if (result != STORE_OK)
		return result;
	result = apply_one(batch, write, &outcome);
	if (result == STORE_INTERNAL && fails_alone(session)) {
		outcome = WRITE_FAILED;
		result = STORE_OK;
	}
	if (result != STORE_OK)
		return result;
	if (outcome != WRITE_APPLIED) {
		batch->has_actor = false; /* may be undone as well */
		result = run_fixed(session, SAVEPOINT_UNDO);
	}
	if (outcome == WRITE_FAILED)
		forget_result(write);
	if (result == STORE_OK)
		result = run_fixed(session, SAVEPOINT_KEEP);
	write->outcome = outcome;
	batch->written = batch->written || outcome == WRITE_APPLIED;
	batch->seq += outcome == WRITE_APPLIED ? 1 : 0;
	write->as_of = batch->seq;
	return result;
}

static enum store_result keep_seq(struct batch *batch)
{
	sqlite3_stmt *statement;
	enum store_result result = sqlite_statement(batch->session, CATALOG_SEQ, &statement);

	if (result != STORE_OK)
		return result;
	sqlite3_bind_int64(statement, 1, (int64_t)batch->seq);
	return sqlite_run(batch->session, statement);
}

/* *refused: the write that stopped an all_or_nothing batch, else count. */
static enum store_result apply_all(struct batch *batch, struct store_write *writes, size_t count, bool all_or_nothing,
                                   size_t *refused)
{
	struct catalog catalog = {0};
	enum store_result result = sqlite_catalog(batch->session, &catalog);

	*refused = count;
	batch->seq = catalog.seq;
	for (size_t i = 0; i < count && result == STORE_OK && *refused == count; i++) {
		result = apply_apart(batch, &writes[i]);
		if (all_or_nothing && writes[i].outcome != WRITE_APPLIED && writes[i].outcome != WRITE_UNCHANGED)
			*refused = i;
	}
	if (result == STORE_OK && batch->written && *refused == count)
		result = keep_seq(batch);
	return result;
}

static void take_back(struct store_write *writes, size_t count, size_t except)
{
	for (size_t i = 0; i < count; i++) {
		if (i == except)
			continue;
		forget_result(&writes[i]);
		writes[i].outcome = WRITE_PENDING;
	}
}

enum store_result sqlite_apply(struct store_session *base, struct store_write *writes, size_t count,
                               bool all_or_nothing, int64_t now_us, struct arena *arena)
{
	struct sqlite_session *session = sqlite_session(base);
	struct batch batch = {.session = session, .arena = arena, .now_us = now_us};
	size_t refused = count;

	enum store_result result = sqlite_write_begin(session);
	if (result != STORE_OK)
		return result;
	result = apply_all(&batch, writes, count, all_or_nothing, &refused);
	if (result == STORE_OK && (refused < count || !batch.written))
		sqlite_write_undo(session); /* nothing to keep */
	else
		result = sqlite_write_end(session, result);
	if (result != STORE_OK)
		take_back(writes, count, count);
	else if (refused < count)
		take_back(writes, count, refused);
	else if (batch.written)
		sqlite_hint(session);
	return result;
}
