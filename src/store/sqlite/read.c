/* Reading events by id, all of them, and the catalog's row. */
#include "base/clock.h"
#include "store/sqlite/sqlite.h"

/* ---- rows ---- */

static struct str text_of(sqlite3_stmt *statement, int column)
{
	const unsigned char *text = sqlite3_column_text(statement, column);

	if (text == NULL)
		return STR_NONE;
	return (struct str){(const char *)text, (size_t)sqlite3_column_bytes(statement, column)};
}

/* A row of EVENT_COLUMNS; its texts are valid until the statement steps on. */
static void read_event(sqlite3_stmt *statement, struct event *event)
{
	*event = (struct event){
		.id = sqlite3_column_int64(statement, 0),
		.title = text_of(statement, 1),
		.venue = text_of(statement, 2),
		.description = text_of(statement, 3),
		.event_date_us = sqlite3_column_int64(statement, 4),
		.price_cents = sqlite3_column_int64(statement, 5),
		.capacity = sqlite3_column_int(statement, 6),
		.status = (enum event_status)sqlite3_column_int(statement, 7),
		.created_at_us = sqlite3_column_int64(statement, 8),
		.updated_at_us = sqlite3_column_int64(statement, 9),
		.created_by = sqlite3_column_int64(statement, 10),
		.version = sqlite3_column_int64(statement, 11),
	};
}

enum store_result sqlite_event(struct sqlite_session *session, int64_t id, struct arena *arena, struct event *event)
{
	sqlite3_stmt *statement;
	struct event found;
	bool row;

	*event = (struct event){0};
	enum store_result result = sqlite_statement(session, EVENT, &statement);
	if (result != STORE_OK)
		return result;
	sqlite3_bind_int64(statement, 1, id);
	result = sqlite_step(session, statement, &row);
	if (result != STORE_OK || !row)
		return result;
	read_event(statement, &found);
	if (!event_copy(event, &found, arena))
		result = sqlite_no_memory(session);
	sqlite3_reset(statement);
	return result;
}

enum store_result sqlite_catalog(struct sqlite_session *session, struct catalog *catalog)
{
	sqlite3_stmt *statement;
	bool row;
	enum store_result result = sqlite_statement(session, CATALOG, &statement);

	if (result != STORE_OK)
		return result;
	result = sqlite_step(session, statement, &row);
	if (result != STORE_OK)
		return result;
	if (!row)
		return store_fail(&session->base, STORE_INTERNAL, "the catalog has lost its row");
	catalog->seq = (uint64_t)sqlite3_column_int64(statement, 0);
	for (int status = 0; status < EVENT_STATUS_COUNT; status++)
		catalog->events[status] = sqlite3_column_int64(statement, 1 + status);
	catalog->users_version = (uint64_t)sqlite3_column_int64(statement, 5);
	catalog->pruned_seq = (uint64_t)sqlite3_column_int64(statement, 6);
	catalog->relay_seq = (uint64_t)sqlite3_column_int64(statement, 7);
	sqlite3_reset(statement);
	return STORE_OK;
}

/* ---- calls ---- */

enum store_result sqlite_get_many(struct store_session *base, const int64_t *ids, size_t count, bool from_primary,
                                  struct arena *arena, struct event *events, uint64_t *as_of)
{
	struct sqlite_session *session = sqlite_session(base);
	struct catalog catalog = {0};

	(void)from_primary; /* there is only one */
	enum store_result result = sqlite_read_begin(session);
	if (result == STORE_OK)
		result = sqlite_catalog(session, &catalog);
	for (size_t i = 0; i < count && result == STORE_OK; i++)
		result = sqlite_event(session, ids[i], arena, &events[i]);
	result = sqlite_read_end(session, result);
	if (result == STORE_OK)
		*as_of = catalog.seq;
	return result;
}

enum store_result sqlite_each(struct store_session *base, store_each_fn *each, void *context, uint64_t *as_of)
{
	struct sqlite_session *session = sqlite_session(base);
	struct catalog catalog = {0};
	sqlite3_stmt *statement;
	int64_t total = 0;
	bool row;

	enum store_result result = sqlite_read_begin(session);
	if (result == STORE_OK)
		result = sqlite_catalog(session, &catalog);
	if (result == STORE_OK)
		result = sqlite_statement(session, EVENTS_ALL, &statement);
	for (int status = 0; status < EVENT_STATUS_COUNT && result == STORE_OK; status++)
		total += catalog.events[status];
	while (result == STORE_OK) {
		struct event event;
		result = sqlite_step(session, statement, &row);
		if (result != STORE_OK || !row)
			break;
		read_event(statement, &event);
		if (clock_monotonic_ns() >= base->deadline_ns) { /* the callback's time counts, too */
			result = store_fail(base, STORE_DEADLINE, "the deadline passed while events were read");
			break;
		}
		if (!each(context, &event, total)) {
			sqlite3_reset(statement);
			break;
		}
	}
	result = sqlite_read_end(session, result);
	if (result == STORE_OK)
		*as_of = catalog.seq;
	return result;
}

enum store_result sqlite_head(struct store_session *base, struct store_head *head)
{
	struct sqlite_session *session = sqlite_session(base);
	struct catalog catalog = {0};

	enum store_result result = sqlite_read_begin(session);
	if (result == STORE_OK)
		result = sqlite_catalog(session, &catalog);
	result = sqlite_read_end(session, result);
	if (result == STORE_OK)
		*head = (struct store_head){.seq = catalog.seq, .users_version = catalog.users_version, .history = 0};
	return result;
}
