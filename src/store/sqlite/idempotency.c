/* Idempotency keys: the first answer of a creation, kept for a day in the creation's own transaction. */
#include "store/sqlite/sqlite.h"

enum { FORGET_SOME = 10000 };
#define KEPT_US (INT64_C(24) * 3600 * 1000000)

enum store_result sqlite_key_find(struct sqlite_session *session, struct store_write *write, int64_t now_us,
                                  struct arena *arena, enum write_outcome *outcome)
{
	sqlite3_stmt *statement;
	bool row;
	enum store_result result = sqlite_statement(session, KEY_FIND, &statement);

	if (result != STORE_OK)
		return result;
	sqlite3_bind_int64(statement, 1, write->actor_id);
	sqlite_bind_str(statement, 2, write->idempotency_key);
	sqlite3_bind_int64(statement, 3, now_us - KEPT_US);
	result = sqlite_step(session, statement, &row);
	if (result != STORE_OK || !row)
		return result;
	if ((uint64_t)sqlite3_column_int64(statement, 0) == write->body_hash) {
		*outcome = WRITE_REPLAYED;
		const unsigned char *answer = sqlite3_column_text(statement, 1);
		write->answer = arena_str(arena, (struct str){(const char *)answer, (size_t)sqlite3_column_bytes(statement, 1)});
		if (write->answer.ptr == NULL)
			result = sqlite_no_memory(session);
	} else {
		*outcome = WRITE_KEY_REUSED;
	}
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return result;
}

enum store_result sqlite_key_keep(struct sqlite_session *session, const struct store_write *write, int64_t now_us)
{
	sqlite3_stmt *statement;
	enum store_result result = sqlite_statement(session, KEY_KEEP, &statement);

	if (result != STORE_OK)
		return result;
	sqlite3_bind_int64(statement, 1, write->actor_id);
	sqlite_bind_str(statement, 2, write->idempotency_key);
	sqlite3_bind_int64(statement, 3, (int64_t)write->body_hash);
	sqlite3_bind_int64(statement, 4, now_us);
	sqlite_bind_str(statement, 5, write->answer);
	return sqlite_run(session, statement);
}

enum store_result sqlite_housekeeping(struct store_session *base, int64_t now_us)
{
	struct sqlite_session *session = sqlite_session(base);
	sqlite3_stmt *statement;

	enum store_result result = sqlite_write_begin(session);
	if (result != STORE_OK)
		return result;
	result = sqlite_statement(session, KEYS_FORGET, &statement);
	if (result == STORE_OK) {
		sqlite3_bind_int64(statement, 1, now_us - KEPT_US);
		sqlite3_bind_int64(statement, 2, FORGET_SOME);
		result = sqlite_run(session, statement);
	}
	return sqlite_write_end(session, result);
}
