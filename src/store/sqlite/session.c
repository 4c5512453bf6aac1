/* A session of the embedded store: one SQLite connection, its statements and its transactions. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/sqlite/sqlite.h"

enum {
	PROGRESS_STEPS = 1000,        /* of SQLite's machine between two looks at the clock: below 0.1 ms */
	SQL_BYTES_MAX = 16384,
	CHANGE_TEXT_BYTES_MAX = 1 << 20,
	BUSY_PAUSE_MS_MAX = 16,
};

/* Reading through a mapping saves the system call that a page outside SQLite's own cache costs, so that a read among a
 * million events takes 1.25 times what it takes among a thousand, not 1.6 times. The WAL goes back into the database
 * every 16 MB, and is cut back to 64 MB when a long reader made it grow. */
static const char pragmas[] =
	"PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;"
	"PRAGMA mmap_size = 1073741824; PRAGMA wal_autocheckpoint = 4000; PRAGMA journal_size_limit = 67108864;";

/* ---- errors ---- */

static bool is_no_room(int error)
{
	return error == ENOSPC || error == EDQUOT || error == EFBIG;
}

/* What the database's file or its WAL last met; the errno of the thread has been overwritten since. */
static bool met_no_room(sqlite3 *db)
{
	sqlite3_file *wal = NULL;
	int error = 0;

	if (sqlite3_file_control(db, "main", SQLITE_FCNTL_LAST_ERRNO, &error) == SQLITE_OK && is_no_room(error))
		return true;
	if (sqlite3_file_control(db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &wal) != SQLITE_OK || wal == NULL
	    || wal->pMethods == NULL)
		return false;
	return wal->pMethods->xFileControl(wal, SQLITE_FCNTL_LAST_ERRNO, &error) == SQLITE_OK && is_no_room(error);
}

static enum store_result meaning(struct sqlite_session *session, int code)
{
	int error = session->db != NULL ? sqlite3_system_errno(session->db) : 0;

	if (code == SQLITE_IOERR_NOMEM)
		return STORE_OUT_OF_MEMORY;
	switch (code & 0xff) {
	case SQLITE_INTERRUPT: return STORE_DEADLINE;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return clock_monotonic_ns() >= session->base.deadline_ns ? STORE_DEADLINE : STORE_UNAVAILABLE;
	case SQLITE_NOMEM: return STORE_OUT_OF_MEMORY;
	case SQLITE_FULL: return STORE_FULL;
	case SQLITE_PERM:
	case SQLITE_AUTH:
	case SQLITE_READONLY: return STORE_DENIED;
	case SQLITE_CANTOPEN:
		if (error == EACCES || error == EPERM)
			return STORE_DENIED;
		return is_no_room(error) ? STORE_FULL : STORE_UNAVAILABLE;
	case SQLITE_IOERR: return session->db != NULL && met_no_room(session->db) ? STORE_FULL : STORE_INTERNAL;
	case SQLITE_ERROR: /* a prepared statement whose table was migrated away */
		return session->db != NULL && strncmp(sqlite3_errmsg(session->db), "no such ", 8) == 0 ? STORE_SCHEMA
		                                                                                        : STORE_INTERNAL;
	default: return STORE_INTERNAL;
	}
}

enum store_result sqlite_fail(struct sqlite_session *session, int code)
{
	int extended = session->db != NULL ? sqlite3_extended_errcode(session->db) : code;
	enum store_result result = meaning(session, (extended & 0xff) == (code & 0xff) ? extended : code);

	switch (code & 0xff) {
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB: session->damaged = true; break;
	default: break;
	}
	return store_fail(&session->base, result, "%s (SQLite %d)",
	                  session->db != NULL ? sqlite3_errmsg(session->db) : sqlite3_errstr(code), extended);
}

enum store_result sqlite_no_memory(struct sqlite_session *session)
{
	return store_fail(&session->base, STORE_OUT_OF_MEMORY, "no memory for what was read");
}

/* ---- connection ---- */

static int past_deadline(void *context)
{
	const struct sqlite_session *session = context;
	return session->bounded && clock_monotonic_ns() >= session->base.deadline_ns;
}

/* Another process holds the file: wait a little longer each time, until the deadline. */
static int wait_while_busy(void *context, int tries)
{
	const struct sqlite_session *session = context;
	long pause_ms = tries < 4 ? 1L << tries : BUSY_PAUSE_MS_MAX;

	if (clock_monotonic_ns() >= session->base.deadline_ns)
		return 0;
	nanosleep(&(struct timespec){.tv_nsec = pause_ms * 1000000L}, NULL);
	return 1;
}

static void disconnect(struct sqlite_session *session)
{
	for (size_t i = 0; i < STATEMENT_COUNT; i++) {
		sqlite3_finalize(session->statements[i]);
		session->statements[i] = NULL;
	}
	for (size_t i = 0; i < SHAPES_MAX; i++) {
		sqlite3_finalize(session->shapes[i].statement);
		session->shapes[i] = (struct sqlite_shape){0};
	}
	sqlite3_close(session->db);
	session->db = NULL;
	session->damaged = false;
}

static enum store_result connect_file(struct sqlite_session *session)
{
	const struct sqlite_store *store = sqlite_store(&session->base);
	enum store_result result;
	int code = sqlite3_open_v2(store->path, &session->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

	if (code != SQLITE_OK) {
		result = sqlite_fail(session, code);
		goto out;
	}
	sqlite3_extended_result_codes(session->db, 1);
	sqlite3_busy_handler(session->db, wait_while_busy, session);
	sqlite3_progress_handler(session->db, PROGRESS_STEPS, past_deadline, session);
	result = sqlite_execute(session, pragmas);
out:
	if (result != STORE_OK)
		disconnect(session);
	return result;
}

struct store_session *sqlite_session_open(struct store *store)
{
	struct sqlite_session *session = calloc(1, sizeof *session);

	if (session == NULL)
		return NULL;
	session->base.store = store;
	buf_init(&session->before, CHANGE_TEXT_BYTES_MAX);
	buf_init(&session->after, CHANGE_TEXT_BYTES_MAX);
	struct sqlite_store *of = (struct sqlite_store *)store;
	pthread_mutex_lock(&of->lock);
	session->commits_seen = of->commits;
	pthread_mutex_unlock(&of->lock);
	return &session->base;
}

void sqlite_session_close(struct store_session *base)
{
	struct sqlite_session *session = sqlite_session(base);

	sqlite_relay_unlock(session);
	disconnect(session);
	buf_finish(&session->before);
	buf_finish(&session->after);
	free(session);
}

/* ---- statements ---- */

/* A fixed text that cannot be prepared speaks of tables that are not there. */
static enum store_result fail_to_prepare(struct sqlite_session *session, int code)
{
	if (code == SQLITE_ERROR)
		return store_fail(&session->base, STORE_SCHEMA, "the schema is missing or not this program's (%s): "
		                  "run `evently migrate upgrade`", sqlite3_errmsg(session->db));
	return sqlite_fail(session, code);
}

static const char *const statement_texts[STATEMENT_COUNT] = {
#define X(identifier, text) [identifier] = text,
	STATEMENTS(X)
#undef X
};

enum store_result sqlite_statement(struct sqlite_session *session, enum statement which, sqlite3_stmt **statement)
{
	sqlite3_stmt **kept = &session->statements[which];

	if (*kept == NULL) {
		int code = sqlite3_prepare_v3(session->db, statement_texts[which], -1, SQLITE_PREPARE_PERSISTENT, kept, NULL);
		if (code != SQLITE_OK)
			return fail_to_prepare(session, code);
	}
	*statement = *kept;
	return STORE_OK;
}

/* The place of `key`, or the one that was not used for the longest time, emptied for it. */
static struct sqlite_shape *place_of_shape(struct sqlite_session *session, uint32_t key)
{
	struct sqlite_shape *oldest = &session->shapes[0];

	for (size_t i = 0; i < SHAPES_MAX; i++) {
		struct sqlite_shape *shape = &session->shapes[i];
		if (shape->statement != NULL && shape->key == key)
			return shape;
		if (shape->used_at < oldest->used_at)
			oldest = shape;
	}
	sqlite3_finalize(oldest->statement);
	*oldest = (struct sqlite_shape){.key = key};
	return oldest;
}

enum store_result sqlite_shape(struct sqlite_session *session, uint32_t key, sqlite_shape_fn *print,
                               sqlite3_stmt **statement)
{
	struct sqlite_shape *shape = place_of_shape(session, key);

	if (shape->statement == NULL) {
		struct buf sql;
		buf_init(&sql, SQL_BYTES_MAX);
		print(&sql, key);
		CHECK(sql.len < SQL_BYTES_MAX);
		int code = sql.failed ? SQLITE_NOMEM : sqlite3_prepare_v3(session->db, sql.ptr, (int)sql.len,
		                                                          SQLITE_PREPARE_PERSISTENT, &shape->statement, NULL);
		buf_finish(&sql);
		if (code != SQLITE_OK)
			return fail_to_prepare(session, code);
	}
	shape->used_at = ++session->shape_uses;
	*statement = shape->statement;
	return STORE_OK;
}

enum store_result sqlite_step(struct sqlite_session *session, sqlite3_stmt *statement, bool *row)
{
	int code = sqlite3_step(statement);

	*row = code == SQLITE_ROW;
	if (*row)
		return STORE_OK;
	enum store_result result = code == SQLITE_DONE ? STORE_OK : sqlite_fail(session, code);
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement); /* what was bound belongs to the caller */
	return result;
}

enum store_result sqlite_run(struct sqlite_session *session, sqlite3_stmt *statement)
{
	bool row;
	enum store_result result = sqlite_step(session, statement, &row);

	CHECK(!row);
	return result;
}

enum store_result sqlite_execute(struct sqlite_session *session, const char *sql)
{
	int code = sqlite3_exec(session->db, sql, NULL, NULL, NULL);
	return code == SQLITE_OK ? STORE_OK : sqlite_fail(session, code);
}

static enum store_result run_fixed(struct sqlite_session *session, enum statement which)
{
	sqlite3_stmt *statement = NULL;
	enum store_result result = sqlite_statement(session, which, &statement);

	return result == STORE_OK ? sqlite_run(session, statement) : result;
}

/* ---- transactions ---- */

static enum store_result be_ready(struct sqlite_session *session)
{
	if (clock_monotonic_ns() >= session->base.deadline_ns)
		return store_fail(&session->base, STORE_DEADLINE, "the deadline had passed before the call");
	if (session->damaged)
		disconnect(session);
	session->bounded = true;
	return session->db == NULL ? connect_file(session) : STORE_OK;
}

/* Ends whatever transaction is left; must not be kept from it by the deadline. */
static void roll_back(struct sqlite_session *session)
{
	session->bounded = false;
	if (session->db == NULL)
		return;
	for (sqlite3_stmt *open = NULL; (open = sqlite3_next_stmt(session->db, open)) != NULL;) {
		if (sqlite3_stmt_busy(open)) {
			sqlite3_reset(open);
			sqlite3_clear_bindings(open);
		}
	}
	if (sqlite3_get_autocommit(session->db) == 0 && sqlite3_exec(session->db, "ROLLBACK", NULL, NULL, NULL) != SQLITE_OK)
		session->damaged = true; /* a new connection starts clean */
}

enum store_result sqlite_read_begin(struct sqlite_session *session)
{
	enum store_result result = be_ready(session);
	return result == STORE_OK ? run_fixed(session, BEGIN_READ) : result;
}

enum store_result sqlite_read_end(struct sqlite_session *session, enum store_result result)
{
	if (result == STORE_OK)
		result = run_fixed(session, COMMIT);
	roll_back(session);
	return result;
}

static struct timespec timespec_of(uint64_t ns)
{
	return (struct timespec){.tv_sec = (time_t)(ns / CLOCK_SECOND), .tv_nsec = (long)(ns % CLOCK_SECOND)};
}

static enum store_result take_writer_lock(struct sqlite_session *session)
{
	struct sqlite_store *store = sqlite_store(&session->base);
	struct timespec until = timespec_of(session->base.deadline_ns);
	int error = 0;

	pthread_mutex_lock(&store->lock);
	while (store->writing && error == 0)
		error = pthread_cond_timedwait(&store->writer_left, &store->lock, &until);
	if (!store->writing)
		session->writing = store->writing = true;
	pthread_mutex_unlock(&store->lock);
	if (!session->writing)
		return store_fail(&session->base, STORE_DEADLINE, "the deadline passed while another session was writing");
	return STORE_OK;
}

static void give_writer_lock(struct sqlite_session *session)
{
	struct sqlite_store *store = sqlite_store(&session->base);

	if (!session->writing)
		return;
	session->writing = false;
	pthread_mutex_lock(&store->lock);
	store->writing = false;
	pthread_cond_signal(&store->writer_left);
	pthread_mutex_unlock(&store->lock);
}

enum store_result sqlite_write_begin(struct sqlite_session *session)
{
	enum store_result result = be_ready(session);

	if (result == STORE_OK)
		result = take_writer_lock(session);
	if (result == STORE_OK)
		result = run_fixed(session, BEGIN_WRITE);
	if (result != STORE_OK)
		sqlite_write_undo(session);
	return result;
}

enum store_result sqlite_write_end(struct sqlite_session *session, enum store_result result)
{
	session->bounded = false; /* a commit that has begun is seen through, so that its outcome is known */
	if (result == STORE_OK)
		result = run_fixed(session, COMMIT);
	sqlite_write_undo(session);
	return result;
}

void sqlite_write_undo(struct sqlite_session *session)
{
	roll_back(session);
	give_writer_lock(session);
}

void sqlite_hint(struct sqlite_session *session)
{
	struct sqlite_store *store = sqlite_store(&session->base);

	pthread_mutex_lock(&store->lock);
	store->commits++;
	pthread_cond_broadcast(&store->hint);
	pthread_mutex_unlock(&store->lock);
}
