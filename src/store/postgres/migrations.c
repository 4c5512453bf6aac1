/* What store/migrate.c needs of PostgreSQL: the applied rows, one step in a transaction, and an advisory lock. */
#include "store/postgres/migrations.h"

#include <time.h>

#include "base/clock.h"
#include "store/migrate.h"
#include "store/postgres/statement.h"

enum { LOCK_PAUSE_MS = 25 };

#define MIGRATION_LOCK_KEY INT64_C(7310582316281426)

static enum store_result run(struct pg_connection *connection, const char *sql, const struct params *params)
{
	PGresult *result = NULL;
	enum store_result outcome = statement_run_text(connection, sql, params, &result);

	if (outcome == STORE_OK)
		PQclear(result);
	return outcome;
}

static enum store_result read_rows(struct pg_connection *connection, struct arena *arena, struct migration_row **rows,
                                   size_t *count)
{
	struct params none = {0};
	PGresult *result = NULL;

	*count = 0;
	*rows = arena_array(arena, struct migration_row, 1);
	enum store_result outcome = statement_run_text(connection, "SELECT to_regclass('schema_migrations') IS NOT NULL", &none,
	                                               &result);
	if (outcome != STORE_OK)
		return outcome;
	bool there = cell_bool(result, 0, 0);
	PQclear(result);
	if (!there)
		return STORE_OK;
	outcome = statement_run_text(connection, "SELECT number, name, checksum, applied_at FROM schema_migrations "
	                             "ORDER BY number", &none, &result);
	if (outcome != STORE_OK)
		return outcome;
	size_t found = (size_t)PQntuples(result);
	*rows = arena_array(arena, struct migration_row, found + 1);
	for (size_t i = 0; i < found && *rows != NULL; i++)
		(*rows)[(*count)++] = (struct migration_row){
			.number = (int)cell_i64(result, (int)i, 0),
			.name = arena_str(arena, cell_text(result, (int)i, 1)),
			.checksum = (uint64_t)cell_i64(result, (int)i, 2),
			.applied_at_us = cell_time(result, (int)i, 3),
		};
	PQclear(result);
	return arena->failed ? read_out_of_memory(connection) : STORE_OK;
}

static enum store_result applied(struct store_session *session, struct arena *arena, struct migration_row **rows,
                                 size_t *count)
{
	struct turn turn = turn_begin(session, TURN_PRIMARY);

	while (turn_next(&turn))
		turn.result = read_rows(turn.connection, arena, rows, count);
	return turn.result;
}

/* ---- the lock: held by the session's connection ---- */

static enum store_result try_lock(struct store_session *session, bool *locked)
{
	struct turn turn = turn_begin(session, TURN_PRIMARY);
	struct params params = {0};
	PGresult *result = NULL;

	params_i64(&params, MIGRATION_LOCK_KEY);
	while (turn_next(&turn)) {
		turn.result = statement_run_text(turn.connection, "SELECT pg_try_advisory_lock($1::bigint)", &params, &result);
		if (turn.result == STORE_OK) {
			*locked = cell_bool(result, 0, 0);
			PQclear(result);
		}
	}
	return turn.result;
}

static enum store_result lock(struct store_session *session)
{
	bool locked = false;

	for (;;) {
		enum store_result outcome = try_lock(session, &locked);
		if (outcome != STORE_OK || locked)
			return outcome;
		if (clock_left_ms(session->deadline_ns) == 0)
			return store_fail(session, STORE_IN_USE, "another evently is migrating this database");
		nanosleep(&(struct timespec){.tv_nsec = LOCK_PAUSE_MS * 1000000L}, NULL);
	}
}

/* The connection goes too: its prepared statements and its history may be of the schema before. */
static void unlock(struct store_session *session)
{
	connection_close(&postgres_session(session)->primary);
}

/* ---- one step ---- */

static enum store_result book(struct pg_connection *connection, const struct migration *migration, bool up)
{
	struct params params = {0};

	params_i64(&params, migration->number);
	if (!up)
		return run(connection, "DELETE FROM schema_migrations WHERE number = $1::bigint", &params);
	params_text(&params, str_from(migration->name));
	params_i64(&params, (int64_t)migration->checksum);
	return run(connection, "INSERT INTO schema_migrations (number, name, checksum, applied_at) "
	           "VALUES ($1::bigint, $2::text, $3::bigint, clock_timestamp())", &params);
}

/* A step may rewrite a large table: only the caller's deadline bounds it. Locks held by others do, too. */
static enum store_result do_step(struct turn *turn, const struct migration *migration, bool up)
{
	struct pg_connection *connection = turn->connection;

	connection->deadline_ns = turn->session->base.deadline_ns;
	enum store_result outcome = statement_do(connection, SQL_BEGIN, NULL);
	if (outcome == STORE_OK)
		outcome = statement_run_script(connection,
			"SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0; "
			"SET LOCAL lock_timeout = '30s'; SET LOCAL client_min_messages = warning; "
			"CREATE TABLE IF NOT EXISTS schema_migrations (number integer PRIMARY KEY, name text NOT NULL, "
			"checksum bigint NOT NULL, applied_at timestamptz NOT NULL)");
	if (outcome == STORE_OK)
		outcome = statement_run_script(connection, up ? migration->up.ptr : migration->down.ptr);
	if (outcome == STORE_OK)
		outcome = book(connection, migration, up);
	if (outcome == STORE_OK)
		outcome = statement_do(connection, SQL_COMMIT, NULL);
	return outcome;
}

static enum store_result step(struct store_session *session, const struct migration *migration, bool up)
{
	struct turn turn = turn_begin(session, TURN_ONCE);

	while (turn_next(&turn))
		turn.result = do_step(&turn, migration, up);
	return turn.result;
}

static struct migration_backend backend(void)
{
	return (struct migration_backend){
		.known = migrations_of_postgres(),
		.applied = applied,
		.lock = lock,
		.unlock = unlock,
		.step = step,
	};
}

enum store_result postgres_migrations(struct store_session *session, struct arena *arena,
                                      struct store_migration **migrations, size_t *count)
{
	struct migration_backend own = backend();
	return migrate_list(session, &own, arena, migrations, count);
}

enum store_result postgres_migrate_up(struct store_session *session, int target, struct buf *report)
{
	struct migration_backend own = backend();
	return migrate_up(session, &own, target, report);
}

enum store_result postgres_migrate_down(struct store_session *session, int target, struct buf *report)
{
	struct migration_backend own = backend();
	return migrate_down(session, &own, target, report);
}

/* ---- the check ---- */

static enum store_result check_rights(struct turn *turn)
{
	struct params none = {0};
	PGresult *result = NULL;

	enum store_result outcome = statement_run_text(turn->connection,
		"SELECT string_agg(name, ', '), current_user::text FROM unnest(ARRAY['users', 'events', 'catalog', 'changes', "
		"'event_days', 'event_words', 'idempotency', 'instances', 'relay']) name WHERE NOT (has_table_privilege(name, "
		"'SELECT') AND has_table_privilege(name, 'INSERT') AND has_table_privilege(name, 'UPDATE') AND "
		"has_table_privilege(name, 'DELETE'))", &none, &result);
	if (outcome != STORE_OK)
		return outcome;
	struct str lacking = cell_text(result, 0, 0), user = cell_text(result, 0, 1);
	if (lacking.ptr != NULL)
		outcome = store_fail(&turn->session->base, STORE_DENIED, "User \"%.*s\" may not read and write %.*s: GRANT SELECT, "
		                     "INSERT, UPDATE, DELETE on them, and USAGE on the sequence events_id_seq", STR_ARG(user),
		                     STR_ARG(lacking));
	PQclear(result);
	return outcome;
}

enum store_result postgres_schema_check(struct store_session *session)
{
	struct migration_backend own = backend();
	enum store_result outcome = migrate_check(session, &own);

	if (outcome != STORE_OK)
		return outcome;
	struct turn turn = turn_begin(session, TURN_PRIMARY);
	while (turn_next(&turn))
		turn.result = check_rights(&turn);
	return turn.result;
}
