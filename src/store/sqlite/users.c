/* Users: filled from the tokens of those who write, and shut out by admins. */
#include "store/sqlite/sqlite.h"

enum { IDS_FIRST = 16 };

enum store_result sqlite_user_meet(struct sqlite_session *session, int64_t id, struct str email, struct str role,
                                   int64_t now_us)
{
	sqlite3_stmt *statement;
	enum store_result result = sqlite_statement(session, USER_MEET, &statement);

	if (result != STORE_OK)
		return result;
	sqlite3_bind_int64(statement, 1, id);
	sqlite_bind_str(statement, 2, email);
	sqlite_bind_str(statement, 3, role);
	sqlite3_bind_int64(statement, 4, now_us);
	return sqlite_run(session, statement);
}

static struct str copy_text(sqlite3_stmt *statement, int column, struct arena *arena)
{
	const unsigned char *text = sqlite3_column_text(statement, column);
	return arena_str(arena, (struct str){(const char *)text, (size_t)sqlite3_column_bytes(statement, column)});
}

static enum store_result read_user(struct sqlite_session *session, int64_t id, struct arena *arena,
                                   struct store_user *user)
{
	sqlite3_stmt *statement;
	bool row;
	enum store_result result = sqlite_statement(session, USER, &statement);

	if (result != STORE_OK)
		return result;
	sqlite3_bind_int64(statement, 1, id);
	result = sqlite_step(session, statement, &row);
	if (result != STORE_OK)
		return result;
	if (!row)
		return store_fail(&session->base, STORE_NOT_FOUND, "user %lld was never seen", (long long)id);
	*user = (struct store_user){
		.id = id,
		.email = copy_text(statement, 1, arena),
		.role = copy_text(statement, 2, arena),
		.is_active = sqlite3_column_int(statement, 3) != 0,
		.updated_at_us = sqlite3_column_int64(statement, 4),
	};
	sqlite3_reset(statement);
	return arena->failed ? sqlite_no_memory(session) : STORE_OK;
}

enum store_result sqlite_user_get(struct store_session *base, int64_t id, struct arena *arena, struct store_user *user)
{
	struct sqlite_session *session = sqlite_session(base);
	enum store_result result = sqlite_read_begin(session);

	if (result == STORE_OK)
		result = read_user(session, id, arena, user);
	return sqlite_read_end(session, result);
}

/* *changed: the user's status is another than before. */
static enum store_result set_active(struct sqlite_session *session, int64_t id, bool is_active, int64_t now_us,
                                    bool *changed)
{
	sqlite3_stmt *statement;
	enum store_result result = sqlite_statement(session, USER_SET_ACTIVE, &statement);

	if (result != STORE_OK)
		return result;
	sqlite3_bind_int64(statement, 1, id);
	sqlite3_bind_int(statement, 2, is_active ? 1 : 0);
	sqlite3_bind_int64(statement, 3, now_us);
	result = sqlite_run(session, statement);
	*changed = result == STORE_OK && sqlite3_changes(session->db) > 0;
	if (!*changed)
		return result;
	result = sqlite_statement(session, USERS_VERSION_GROW, &statement);
	return result == STORE_OK ? sqlite_run(session, statement) : result;
}

enum store_result sqlite_user_set_active(struct store_session *base, int64_t id, bool is_active, int64_t now_us,
                                         struct arena *arena, struct store_user *user)
{
	struct sqlite_session *session = sqlite_session(base);
	bool changed = false;

	enum store_result result = sqlite_write_begin(session);
	if (result != STORE_OK)
		return result;
	result = set_active(session, id, is_active, now_us, &changed);
	if (result == STORE_OK)
		result = read_user(session, id, arena, user);
	result = sqlite_write_end(session, result);
	if (result == STORE_OK && changed)
		sqlite_hint(session);
	return result;
}

static enum store_result read_inactive(struct sqlite_session *session, struct arena *arena, int64_t **ids,
                                       size_t *count)
{
	sqlite3_stmt *statement;
	size_t capacity = IDS_FIRST;
	bool row;
	enum store_result result = sqlite_statement(session, USERS_INACTIVE, &statement);

	*count = 0;
	*ids = arena_array(arena, int64_t, capacity);
	if (result != STORE_OK)
		return result;
	while (*ids != NULL) {
		result = sqlite_step(session, statement, &row);
		if (result != STORE_OK || !row)
			return result;
		if (*count == capacity) {
			int64_t *larger = arena_array(arena, int64_t, capacity * 2);
			if (larger != NULL)
				memcpy(larger, *ids, capacity * sizeof *larger);
			*ids = larger;
			capacity *= 2;
		}
		if (*ids != NULL)
			(*ids)[(*count)++] = sqlite3_column_int64(statement, 0);
	}
	return sqlite_no_memory(session);
}

enum store_result sqlite_users_inactive(struct store_session *base, struct arena *arena, int64_t **ids, size_t *count,
                                        uint64_t *version)
{
	struct sqlite_session *session = sqlite_session(base);
	struct catalog catalog = {0};

	enum store_result result = sqlite_read_begin(session);
	if (result == STORE_OK)
		result = sqlite_catalog(session, &catalog);
	if (result == STORE_OK)
		result = read_inactive(session, arena, ids, count);
	result = sqlite_read_end(session, result);
	if (result == STORE_OK)
		*version = catalog.users_version;
	return result;
}
