/* What store/migrate.c needs of the embedded store: the applied rows, one step, and a lock against other processes. */
#include <sys/file.h>
#include <time.h>

#include "base/clock.h"
#include "store/migrate.h"
#include "store/sqlite/sqlite.h"

enum { LOCK_PAUSE_MS = 10 };

static enum store_result table_is_there(struct sqlite_session *session, bool *there)
{
	sqlite3_stmt *statement;
	enum store_result result = sqlite_statement(session, MIGRATIONS_MADE, &statement);

	if (result != STORE_OK)
		return result;
	result = sqlite_step(session, statement, there);
	sqlite3_reset(statement);
	return result;
}

static enum store_result read_rows(struct sqlite_session *session, struct arena *arena, struct migration_row **rows,
                                   size_t *count)
{
	sqlite3_stmt *statement;
	bool row;

	*count = 0;
	*rows = arena_array(arena, struct migration_row, MIGRATIONS_MAX);
	if (*rows == NULL)
		return sqlite_no_memory(session);
	enum store_result result = table_is_there(session, &row);
	if (result != STORE_OK || !row)
		return result;
	result = sqlite_statement(session, MIGRATIONS, &statement);
	while (result == STORE_OK && *count < MIGRATIONS_MAX) {
		result = sqlite_step(session, statement, &row);
		if (result != STORE_OK || !row)
			return result;
		const char *name = (const char *)sqlite3_column_text(statement, 1);
		(*rows)[(*count)++] = (struct migration_row){
			.number = sqlite3_column_int(statement, 0),
			.name = arena_str(arena, str_from(name)),
			.checksum = (uint64_t)sqlite3_column_int64(statement, 2),
			.applied_at_us = sqlite3_column_int64(statement, 3),
		};
		if (arena->failed)
			result = sqlite_no_memory(session);
	}
	return result;
}

static enum store_result applied(struct store_session *base, struct arena *arena, struct migration_row **rows,
                                 size_t *count)
{
	struct sqlite_session *session = sqlite_session(base);
	enum store_result result = sqlite_read_begin(session);

	if (result == STORE_OK)
		result = read_rows(session, arena, rows, count);
	return sqlite_read_end(session, result);
}

/* One migrator in this process, and, unless the store was opened exclusively, one among the processes. */
static bool try_lock(struct sqlite_store *store)
{
	if (pthread_mutex_trylock(&store->migrating) != 0)
		return false;
	if (store->exclusive || flock(store->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return true;
	pthread_mutex_unlock(&store->migrating);
	return false;
}

static enum store_result lock_folder(struct store_session *base)
{
	struct sqlite_store *store = sqlite_store(base);

	while (!try_lock(store)) {
		if (clock_monotonic_ns() >= base->deadline_ns)
			return store_fail(base, STORE_IN_USE, "another evently holds %s", store->lock_path);
		nanosleep(&(struct timespec){.tv_nsec = LOCK_PAUSE_MS * 1000000L}, NULL);
	}
	return STORE_OK;
}

static void unlock_folder(struct store_session *base)
{
	struct sqlite_store *store = sqlite_store(base);

	if (!store->exclusive)
		(void)flock(store->lock_fd, LOCK_UN);
	pthread_mutex_unlock(&store->migrating);
}

static enum store_result book(struct sqlite_session *session, const struct migration *migration, bool up)
{
	sqlite3_stmt *statement;
	enum store_result result = sqlite_statement(session, up ? MIGRATION_INSERT : MIGRATION_DELETE, &statement);

	if (result != STORE_OK)
		return result;
	sqlite3_bind_int(statement, 1, migration->number);
	if (up) {
		sqlite_bind_str(statement, 2, str_from(migration->name));
		sqlite3_bind_int64(statement, 3, (int64_t)migration->checksum);
		sqlite3_bind_int64(statement, 4, clock_wall_us());
	}
	return sqlite_run(session, statement);
}

static enum store_result step(struct store_session *base, const struct migration *migration, bool up)
{
	struct sqlite_session *session = sqlite_session(base);
	enum store_result result = sqlite_write_begin(session);

	if (result != STORE_OK)
		return result;
	result = sqlite_execute(session, "CREATE TABLE IF NOT EXISTS schema_migrations (number INTEGER PRIMARY KEY, "
	                                 "name TEXT NOT NULL, checksum INTEGER NOT NULL, applied_at INTEGER NOT NULL) STRICT");
	if (result == STORE_OK)
		result = sqlite_execute(session, up ? migration->up.ptr : migration->down.ptr);
	if (result == STORE_OK)
		result = book(session, migration, up);
	return sqlite_write_end(session, result);
}

static struct migration_backend backend(void)
{
	return (struct migration_backend){
		.known = migrations_of_sqlite(),
		.applied = applied,
		.lock = lock_folder,
		.unlock = unlock_folder,
		.step = step,
	};
}

enum store_result sqlite_migrations(struct store_session *session, struct arena *arena,
                                    struct store_migration **migrations, size_t *count)
{
	struct migration_backend own = backend();
	return migrate_list(session, &own, arena, migrations, count);
}

enum store_result sqlite_migrate_up(struct store_session *session, int target, struct buf *report)
{
	struct migration_backend own = backend();
	return migrate_up(session, &own, target, report);
}

enum store_result sqlite_migrate_down(struct store_session *session, int target, struct buf *report)
{
	struct migration_backend own = backend();
	return migrate_down(session, &own, target, report);
}

enum store_result sqlite_schema_check(struct store_session *session)
{
	struct migration_backend own = backend();
	return migrate_check(session, &own);
}
