/* Reading events and changes. Every read is one statement that begins at the catalog's row, so that as_of and what was
 * read come from one snapshot. */
#include "store/postgres/postgres.h"

#include <stdlib.h>

#include "base/clock.h"
#include "store/postgres/statement.h"

enum store_result read_out_of_memory(struct pg_connection *connection)
{
	return store_fail(&connection->session->base, STORE_OUT_OF_MEMORY, "Out of memory for what was read");
}

enum store_result read_damaged(struct pg_connection *connection, const struct arena *arena, const char *what)
{
	if (arena->failed)
		return read_out_of_memory(connection);
	return store_fail(&connection->session->base, STORE_INTERNAL, "%s in the database is damaged", what);
}

bool read_snapshot(struct turn *turn, const PGresult *result)
{
	if (PQntuples(result) == 0) {
		/* The row of `catalog` is made by a migration and never deleted. */
		turn->result = store_fail(&turn->session->base, STORE_SCHEMA,
		                          "The table `catalog` is empty: restore the database, or run `evently migrate upgrade`");
		return false;
	}
	turn->as_of = (uint64_t)cell_i64(result, 0, COLUMN_SEQ);
	turn->history = cell_i64(result, 0, COLUMN_HISTORY);
	return true;
}

/* ---- events ---- */

struct wanted {
	int64_t id;
	size_t index;
};

static int compare_wanted(const void *a, const void *b)
{
	int64_t left = ((const struct wanted *)a)->id, right = ((const struct wanted *)b)->id;
	return (left > right) - (left < right);
}

/* Puts each row at every place that asked for its id. */
static enum store_result place_events(struct pg_connection *connection, const PGresult *result, const int64_t *ids,
                                      size_t count, struct arena *arena, struct event *events)
{
	struct wanted wanted[STORE_GET_MAX] = {0};

	for (size_t i = 0; i < count; i++) {
		wanted[i] = (struct wanted){ids[i], i};
		events[i] = (struct event){0};
	}
	qsort(wanted, count, sizeof *wanted, compare_wanted);
	for (int row = 0; row < PQntuples(result); row++) {
		struct event event;
		if (cell_null(result, row, COLUMN_FIRST))
			continue;
		if (!cell_event(result, row, COLUMN_FIRST, arena, &event))
			return read_damaged(connection, arena, "An event");
		struct wanted key = {event.id, 0};
		const struct wanted *found = bsearch(&key, wanted, count, sizeof *wanted, compare_wanted);
		if (found == NULL)
			continue;
		while (found > wanted && found[-1].id == event.id)
			found--;
		for (; found < wanted + count && found->id == event.id; found++)
			events[found->index] = event;
	}
	return STORE_OK;
}

static enum store_result get_many(struct turn *turn, const int64_t *ids, size_t count, struct arena *arena,
                                  struct event *events)
{
	struct pg_connection *connection = turn->connection;
	struct array array;
	struct params params = {0};
	PGresult *result = NULL;

	array_init(&array, ARRAY_I64, 64 + 12 * STORE_GET_MAX);
	for (size_t i = 0; i < count; i++)
		array_i64(&array, ids[i]);
	enum store_result outcome = STORE_OUT_OF_MEMORY;
	if (!array.bytes.failed) {
		params_array(&params, &array);
		outcome = statement_run(connection, SQL_GET_MANY, &params, &result);
	}
	if (outcome == STORE_OK) {
		outcome = read_snapshot(turn, result) ? place_events(connection, result, ids, count, arena, events)
		                                      : turn->result;
		PQclear(result);
	}
	array_finish(&array);
	return outcome;
}

enum store_result postgres_get_many(struct store_session *session, const int64_t *ids, size_t count, bool from_primary,
                                    struct arena *arena, struct event *events, uint64_t *as_of)
{
	struct turn turn = turn_begin(session, from_primary ? TURN_PRIMARY : TURN_READ);

	while (turn_next(&turn))
		turn.result = get_many(&turn, ids, count, arena, events);
	*as_of = turn.as_of;
	return turn.result;
}

/* ---- changes ---- */

/* Reads the rows whose changes begin at `column`; a row without one is the catalog alone. */
static enum store_result take_changes(struct pg_connection *connection, const PGresult *result, int column,
                                      struct arena *arena, struct change **changes, size_t *count)
{
	int rows = PQntuples(result);

	*count = 0;
	*changes = arena_array(arena, struct change, (size_t)rows);
	if (*changes == NULL)
		return read_out_of_memory(connection);
	for (int row = 0; row < rows; row++) {
		if (cell_null(result, row, column))
			continue;
		if (!cell_change(result, row, column, arena, &(*changes)[*count]))
			return read_damaged(connection, arena, "A change");
		(*count)++;
	}
	return STORE_OK;
}

static int64_t clamp_i64(uint64_t value)
{
	return value > INT64_MAX ? INT64_MAX : (int64_t)value;
}

static enum store_result changes_after(struct turn *turn, uint64_t after, size_t limit, struct arena *arena,
                                       struct change **changes, size_t *count)
{
	enum { COLUMN_PRUNED = COLUMN_FIRST, COLUMN_CHANGE };
	struct params params = {0};
	PGresult *result = NULL;

	params_i64(&params, clamp_i64(after));
	params_i64(&params, clamp_i64(limit));
	enum store_result outcome = statement_run(turn->connection, SQL_CHANGES_AFTER, &params, &result);
	if (outcome != STORE_OK)
		return outcome;
	if (!read_snapshot(turn, result))
		outcome = turn->result;
	else if (after < (uint64_t)cell_i64(result, 0, COLUMN_PRUNED))
		outcome = store_fail(&turn->session->base, STORE_PRUNED, "Changes up to %lld were removed",
		                     (long long)cell_i64(result, 0, COLUMN_PRUNED));
	else
		outcome = take_changes(turn->connection, result, COLUMN_CHANGE, arena, changes, count);
	PQclear(result);
	return outcome;
}

enum store_result postgres_changes_after(struct store_session *session, uint64_t after, size_t limit,
                                         struct arena *arena, struct change **changes, size_t *count, uint64_t *head)
{
	struct turn turn = turn_begin(session, TURN_PRIMARY);

	while (turn_next(&turn))
		turn.result = changes_after(&turn, after, limit, arena, changes, count);
	*head = turn.as_of;
	return turn.result;
}

/* ---- the audit ---- */

static void filter_text(struct buf *sql, struct params *params, const struct store_audit_filter *filter)
{
	if (filter->has_actor) {
		params_i64(params, filter->actor_id);
		buf_printf(sql, " AND actor_id = $%d::bigint", params->count);
	}
	if (filter->has_event) {
		params_i64(params, filter->event_id);
		buf_printf(sql, " AND event_id = $%d::bigint", params->count);
	}
	if (filter->has_kind) {
		params_text(params, str_from(change_kind_name(filter->kind)));
		buf_printf(sql, " AND kind = $%d::text", params->count);
	}
	if (filter->has_from) {
		params_time(params, filter->from_us);
		buf_printf(sql, " AND occurred_at >= $%d::timestamptz", params->count);
	}
	if (filter->has_to) {
		params_time(params, filter->to_us);
		buf_printf(sql, " AND occurred_at <= $%d::timestamptz", params->count);
	}
}

static enum store_result audit(struct turn *turn, const struct store_audit_filter *filter, uint64_t after, size_t limit,
                               struct arena *arena, struct change **changes, size_t *count)
{
	struct params params = {0};
	struct buf sql;
	PGresult *result = NULL;

	buf_init(&sql, 2048);
	params_i64(&params, clamp_i64(after));
	params_i64(&params, clamp_i64(limit));
	buf_lit(&sql, "SELECT c.seq, c.history, " CHANGE_COLUMNS " FROM catalog c LEFT JOIN LATERAL ("
	              "SELECT * FROM changes WHERE seq > $1::bigint");
	filter_text(&sql, &params, filter);
	buf_lit(&sql, " ORDER BY seq LIMIT $2::bigint) g ON true ORDER BY g.seq");
	buf_char(&sql, '\0');
	enum store_result outcome = sql.failed ? read_out_of_memory(turn->connection)
	                                       : statement_run_text(turn->connection, sql.ptr, &params, &result);
	if (outcome == STORE_OK) {
		outcome = read_snapshot(turn, result)
			? take_changes(turn->connection, result, COLUMN_FIRST, arena, changes, count) : turn->result;
		PQclear(result);
	}
	buf_finish(&sql);
	return outcome;
}

enum store_result postgres_audit(struct store_session *session, const struct store_audit_filter *filter, uint64_t after,
                                 size_t limit, struct arena *arena, struct change **changes, size_t *count,
                                 uint64_t *as_of)
{
	struct turn turn = turn_begin(session, TURN_PRIMARY);

	while (turn_next(&turn))
		turn.result = audit(&turn, filter, after, limit, arena, changes, count);
	*as_of = turn.as_of;
	return turn.result;
}

/* ---- everything ---- */

enum { PAGE_ARENA_BYTES_MAX = 256 << 20 };

/* Gives each event of one page to the caller; *last is the id to go on behind, *more false at the end. */
static enum store_result each_page(struct turn *turn, store_each_fn *each, void *context, int64_t total,
                                   int64_t *last, bool *more)
{
	struct params params = {0};
	struct arena arena;
	PGresult *result = NULL;

	params_i64(&params, *last);
	enum store_result outcome = statement_run(turn->connection, SQL_EACH_PAGE, &params, &result);
	if (outcome != STORE_OK)
		return outcome;
	arena_init(&arena, PAGE_ARENA_BYTES_MAX);
	*more = PQntuples(result) > 0;
	for (int row = 0; row < PQntuples(result) && *more && outcome == STORE_OK; row++) {
		struct event event;
		if (!cell_event(result, row, COLUMN_FIRST, &arena, &event)) {
			outcome = read_damaged(turn->connection, &arena, "An event");
			break;
		}
		*last = event.id;
		*more = each(context, &event, total);
		if (*more && clock_left_ms(turn->session->base.deadline_ns) == 0)
			outcome = store_fail(&turn->session->base, STORE_DEADLINE, "The time ran out while reading the catalogue");
	}
	arena_finish(&arena);
	PQclear(result);
	return outcome;
}

static enum store_result each_in_snapshot(struct turn *turn, store_each_fn *each, void *context)
{
	PGresult *result = NULL;
	int64_t last = INT64_MIN;
	bool more = true;

	turn->connection->deadline_ns = turn->session->base.deadline_ns; /* the caller's own, however long */
	enum store_result outcome = statement_do(turn->connection, SQL_BEGIN_SNAPSHOT, NULL);
	if (outcome == STORE_OK)
		outcome = statement_run(turn->connection, SQL_EACH_BEGIN, NULL, &result);
	if (outcome != STORE_OK)
		return outcome;
	outcome = read_snapshot(turn, result) ? STORE_OK : turn->result;
	int64_t total = outcome == STORE_OK ? cell_i64(result, 0, COLUMN_FIRST) : 0;
	PQclear(result);
	while (outcome == STORE_OK && more) {
		turn->connection->deadline_ns = turn->session->base.deadline_ns; /* `each` may move it */
		outcome = each_page(turn, each, context, total, &last, &more);
	}
	if (outcome == STORE_OK)
		outcome = statement_do(turn->connection, SQL_ROLLBACK, NULL);
	return outcome;
}

enum store_result postgres_each(struct store_session *session, store_each_fn *each, void *context, uint64_t *as_of)
{
	struct turn turn = turn_begin(session, TURN_ONCE);

	while (turn_next(&turn))
		turn.result = each_in_snapshot(&turn, each, context);
	*as_of = turn.as_of;
	return turn.result;
}
