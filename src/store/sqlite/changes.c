/* The change log: reading it in order, with filters, and cutting off its old end. */
#include "store/sqlite/sqlite.h"

enum { CHANGES_FIRST = 16, PRUNE_CHANGES = 5000 };

/* The bits of an audit's shape, besides SHAPE_AUDIT. */
enum { AUDIT_ACTOR = 1, AUDIT_EVENT = 2, AUDIT_KIND = 4, AUDIT_FROM = 8, AUDIT_TO = 16 };

/* ---- rows ---- */

static struct str text_of(sqlite3_stmt *statement, int column)
{
	const unsigned char *text = sqlite3_column_text(statement, column);

	if (text == NULL)
		return STR_NONE;
	return (struct str){(const char *)text, (size_t)sqlite3_column_bytes(statement, column)};
}

static enum store_result read_side(struct sqlite_session *session, uint64_t seq, struct str json, struct arena *arena,
                                   bool *has, struct event *event)
{
	*has = json.ptr != NULL;
	if (!*has || event_from_stored(event, json, arena))
		return STORE_OK;
	if (arena->failed)
		return sqlite_no_memory(session);
	return store_fail(&session->base, STORE_INTERNAL, "change %llu holds no event", (unsigned long long)seq);
}

enum store_result sqlite_read_change(struct sqlite_session *session, sqlite3_stmt *statement, struct arena *arena,
                                     struct change *change)
{
	*change = (struct change){
		.seq = (uint64_t)sqlite3_column_int64(statement, 0),
		.event_id = sqlite3_column_int64(statement, 1),
		.kind = (enum change_kind)sqlite3_column_int(statement, 2),
		.version = sqlite3_column_int64(statement, 3),
		.actor_id = sqlite3_column_int64(statement, 4),
		.request_id = arena_str(arena, text_of(statement, 5)),
		.occurred_at_us = sqlite3_column_int64(statement, 6),
	};
	if (arena->failed)
		return sqlite_no_memory(session);
	enum store_result result = read_side(session, change->seq, text_of(statement, 7), arena, &change->has_before,
	                                     &change->before);
	if (result != STORE_OK)
		return result;
	return read_side(session, change->seq, text_of(statement, 8), arena, &change->has_after, &change->after);
}

/* Room for one more in a list of the arena. */
static bool make_room(struct arena *arena, struct change **changes, size_t count, size_t *capacity)
{
	if (count < *capacity)
		return true;
	struct change *larger = arena_array(arena, struct change, *capacity * 2);
	if (larger == NULL)
		return false;
	memcpy(larger, *changes, count * sizeof *larger);
	*changes = larger;
	*capacity *= 2;
	return true;
}

/* All rows of the statement. */
static enum store_result read_changes(struct sqlite_session *session, sqlite3_stmt *statement, struct arena *arena,
                                      struct change **changes, size_t *count)
{
	size_t capacity = CHANGES_FIRST;
	bool row = true;
	enum store_result result = STORE_OK;

	*count = 0;
	*changes = arena_array(arena, struct change, capacity);
	if (*changes == NULL)
		return sqlite_no_memory(session);
	for (;;) {
		result = sqlite_step(session, statement, &row);
		if (result != STORE_OK || !row)
			return result;
		if (!make_room(arena, changes, *count, &capacity))
			return sqlite_no_memory(session);
		result = sqlite_read_change(session, statement, arena, &(*changes)[*count]);
		if (result != STORE_OK)
			return result;
		(*count)++;
	}
}

static int64_t bound_of(uint64_t number)
{
	return number > INT64_MAX ? INT64_MAX : (int64_t)number;
}

/* ---- reading ---- */

static enum store_result read_after(struct sqlite_session *session, uint64_t after, size_t limit, struct arena *arena,
                                    struct change **changes, size_t *count, const struct catalog *catalog)
{
	sqlite3_stmt *statement;

	if (after < catalog->pruned_seq)
		return store_fail(&session->base, STORE_PRUNED, "changes up to %llu were pruned",
		                  (unsigned long long)catalog->pruned_seq);
	enum store_result result = sqlite_statement(session, CHANGES_AFTER, &statement);
	if (result != STORE_OK)
		return result;
	sqlite3_bind_int64(statement, 1, bound_of(after));
	sqlite3_bind_int64(statement, 2, bound_of(limit));
	return read_changes(session, statement, arena, changes, count);
}

enum store_result sqlite_changes_after(struct store_session *base, uint64_t after, size_t limit, struct arena *arena,
                                       struct change **changes, size_t *count, uint64_t *head)
{
	struct sqlite_session *session = sqlite_session(base);
	struct catalog catalog = {0};

	enum store_result result = sqlite_read_begin(session);
	if (result == STORE_OK)
		result = sqlite_catalog(session, &catalog);
	if (result == STORE_OK)
		result = read_after(session, after, limit, arena, changes, count, &catalog);
	result = sqlite_read_end(session, result);
	if (result == STORE_OK)
		*head = catalog.seq;
	return result;
}

static void print_audit(struct buf *sql, uint32_t key)
{
	buf_lit(sql, "SELECT " CHANGE_COLUMNS " FROM changes WHERE seq > ?1");
	if ((key & AUDIT_ACTOR) != 0)
		buf_lit(sql, " AND actor_id = ?2");
	if ((key & AUDIT_EVENT) != 0)
		buf_lit(sql, " AND event_id = ?3");
	if ((key & AUDIT_KIND) != 0)
		buf_lit(sql, " AND kind = ?4");
	if ((key & AUDIT_FROM) != 0)
		buf_lit(sql, " AND occurred_at >= ?5");
	if ((key & AUDIT_TO) != 0)
		buf_lit(sql, " AND occurred_at <= ?6");
	buf_lit(sql, " ORDER BY seq LIMIT ?7");
}

static enum store_result read_audit(struct sqlite_session *session, const struct store_audit_filter *filter,
                                    uint64_t after, size_t limit, struct arena *arena, struct change **changes,
                                    size_t *count)
{
	sqlite3_stmt *statement;
	uint32_t key = SHAPE_AUDIT;

	key |= filter->has_actor ? AUDIT_ACTOR : 0;
	key |= filter->has_event ? AUDIT_EVENT : 0;
	key |= filter->has_kind ? AUDIT_KIND : 0;
	key |= filter->has_from ? AUDIT_FROM : 0;
	key |= filter->has_to ? AUDIT_TO : 0;
	enum store_result result = sqlite_shape(session, key, print_audit, &statement);
	if (result != STORE_OK)
		return result;
	sqlite3_bind_int64(statement, 1, bound_of(after));
	sqlite3_bind_int64(statement, 2, filter->actor_id);
	sqlite3_bind_int64(statement, 3, filter->event_id);
	sqlite3_bind_int(statement, 4, (int)filter->kind);
	sqlite3_bind_int64(statement, 5, filter->from_us);
	sqlite3_bind_int64(statement, 6, filter->to_us);
	sqlite3_bind_int64(statement, 7, bound_of(limit));
	return read_changes(session, statement, arena, changes, count);
}

enum store_result sqlite_audit(struct store_session *base, const struct store_audit_filter *filter, uint64_t after,
                               size_t limit, struct arena *arena, struct change **changes, size_t *count,
                               uint64_t *as_of)
{
	struct sqlite_session *session = sqlite_session(base);
	struct catalog catalog = {0};

	enum store_result result = sqlite_read_begin(session);
	if (result == STORE_OK)
		result = sqlite_catalog(session, &catalog);
	if (result == STORE_OK)
		result = read_audit(session, filter, after, limit, arena, changes, count);
	result = sqlite_read_end(session, result);
	if (result == STORE_OK)
		*as_of = catalog.seq;
	return result;
}

/* ---- pruning ---- */

/* Removes up to PRUNE_CHANGES of the oldest changes: the marker moves first, which is what lets the trigger let them go.
 * Only a beginning of the log in which all is older than before_us goes, so that what is left has no holes. */
static enum store_result prune_some(struct sqlite_session *session, int64_t before_us, uint64_t *removed, bool *done)
{
	struct catalog catalog = {0};
	sqlite3_stmt *statement;
	bool row;

	enum store_result result = sqlite_catalog(session, &catalog);
	if (result == STORE_OK)
		result = sqlite_statement(session, CHANGE_NOT_BEFORE, &statement);
	if (result != STORE_OK)
		return result;
	sqlite3_bind_int64(statement, 1, (int64_t)catalog.pruned_seq);
	sqlite3_bind_int64(statement, 2, before_us);
	result = sqlite_step(session, statement, &row);
	if (result != STORE_OK)
		return result;
	uint64_t kept = row ? (uint64_t)sqlite3_column_int64(statement, 0) : catalog.seq;
	sqlite3_reset(statement);
	uint64_t upto = kept == 0 ? 0 : kept - 1;
	*done = upto <= catalog.pruned_seq + PRUNE_CHANGES;
	if (!*done)
		upto = catalog.pruned_seq + PRUNE_CHANGES;
	if (upto <= catalog.pruned_seq)
		return STORE_OK;
	result = sqlite_statement(session, PRUNE_MARK, &statement);
	if (result != STORE_OK)
		return result;
	sqlite3_bind_int64(statement, 1, (int64_t)upto);
	result = sqlite_run(session, statement);
	if (result == STORE_OK)
		result = sqlite_statement(session, PRUNE, &statement);
	if (result != STORE_OK)
		return result;
	sqlite3_bind_int64(statement, 1, (int64_t)upto);
	result = sqlite_run(session, statement);
	if (result == STORE_OK)
		*removed += (uint64_t)sqlite3_changes(session->db);
	return result;
}

enum store_result sqlite_audit_prune(struct store_session *base, int64_t before_us, uint64_t *removed)
{
	struct sqlite_session *session = sqlite_session(base);
	enum store_result result = STORE_OK;
	bool done = false;

	*removed = 0;
	while (!done && result == STORE_OK) {
		uint64_t some = 0;
		result = sqlite_write_begin(session);
		if (result != STORE_OK)
			break;
		result = sqlite_write_end(session, prune_some(session, before_us, &some, &done));
		*removed += result == STORE_OK ? some : 0;
	}
	return result;
}
