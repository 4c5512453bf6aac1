/* Users: filled from tokens at their first write (apply.c), shut out by admins. */
#include "store/postgres/postgres.h"

#include "store/postgres/statement.h"

static enum store_result take_user(struct pg_connection *connection, const PGresult *result, struct arena *arena,
                                   struct store_user *user)
{
	if (PQntuples(result) == 0)
		return store_fail(&connection->session->base, STORE_NOT_FOUND, "There is no such user");
	*user = (struct store_user){
		.id = cell_i64(result, 0, 0),
		.email = arena_str(arena, cell_text(result, 0, 1)),
		.role = arena_str(arena, cell_text(result, 0, 2)),
		.is_active = cell_bool(result, 0, 3),
		.updated_at_us = cell_time(result, 0, 4),
	};
	return arena->failed ? read_out_of_memory(connection) : STORE_OK;
}

enum store_result postgres_user_get(struct store_session *session, int64_t id, struct arena *arena,
                                    struct store_user *user)
{
	struct turn turn = turn_begin(session, TURN_PRIMARY);
	struct params params = {0};
	PGresult *result = NULL;

	params_i64(&params, id);
	while (turn_next(&turn)) {
		turn.result = statement_run(turn.connection, SQL_USER_GET, &params, &result);
		if (turn.result == STORE_OK) {
			turn.result = take_user(turn.connection, result, arena, user);
			PQclear(result);
		}
	}
	return turn.result;
}

/* The catalog's row first, as every writer: no two transactions then wait for each other. */
static enum store_result set_active(struct pg_connection *connection, int64_t id, bool is_active, int64_t now_us,
                                    struct arena *arena, struct store_user *user)
{
	static const enum statement USED[] = {SQL_USERS_LOCK, SQL_USER_SET, SQL_USER_GET, SQL_CHANGES_NOTIFY};
	struct params change = {0}, which = {0};
	struct pipeline pipeline;

	enum store_result outcome = pipeline_begin(&pipeline, connection, USED, ARRAY_LENGTH(USED));
	if (outcome != STORE_OK)
		return outcome;
	params_i64(&change, id);
	params_bool(&change, is_active);
	params_time(&change, now_us);
	params_i64(&which, id);
	pipeline_add(&pipeline, SQL_USERS_LOCK, NULL);
	pipeline_add(&pipeline, SQL_USER_SET, &change);
	pipeline_add(&pipeline, SQL_USER_GET, &which);
	pipeline_add(&pipeline, SQL_CHANGES_NOTIFY, NULL);
	pipeline_send(&pipeline);
	PQclear(pipeline_result(&pipeline));
	PQclear(pipeline_result(&pipeline));
	PGresult *result = pipeline_result(&pipeline);
	if (result != NULL)
		outcome = take_user(connection, result, arena, user);
	PQclear(result);
	enum store_result ended = pipeline_end(&pipeline);
	if (ended == STORE_OK)
		ended = connection_replicated(connection);
	return ended != STORE_OK ? ended : outcome;
}

enum store_result postgres_user_set_active(struct store_session *session, int64_t id, bool is_active, int64_t now_us,
                                           struct arena *arena, struct store_user *user)
{
	struct turn turn = turn_begin(session, TURN_PRIMARY);

	while (turn_next(&turn))
		turn.result = set_active(turn.connection, id, is_active, now_us, arena, user);
	return turn.result;
}

static enum store_result take_inactive(struct pg_connection *connection, const PGresult *result, struct arena *arena,
                                       int64_t **ids, size_t *count, uint64_t *version)
{
	int rows = PQntuples(result);

	if (rows == 0)
		return store_fail(&connection->session->base, STORE_SCHEMA, "The table `catalog` is empty");
	*version = (uint64_t)cell_i64(result, 0, 0);
	*count = 0;
	*ids = arena_array(arena, int64_t, (size_t)rows);
	if (*ids == NULL)
		return read_out_of_memory(connection);
	for (int row = 0; row < rows; row++)
		if (!cell_null(result, row, 1))
			(*ids)[(*count)++] = cell_i64(result, row, 1);
	return STORE_OK;
}

enum store_result postgres_users_inactive(struct store_session *session, struct arena *arena, int64_t **ids,
                                          size_t *count, uint64_t *version)
{
	struct turn turn = turn_begin(session, TURN_PRIMARY);
	PGresult *result = NULL;

	while (turn_next(&turn)) {
		turn.result = statement_run(turn.connection, SQL_USERS_INACTIVE, NULL, &result);
		if (turn.result == STORE_OK) {
			turn.result = take_inactive(turn.connection, result, arena, ids, count, version);
			PQclear(result);
		}
	}
	return turn.result;
}
