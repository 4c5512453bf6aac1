/* What the files of the embedded store share: the store, its sessions, statements and transactions.
 *
 * One file evently.db in DATA_DIR, in WAL mode: readers never wait, and one writer at a time. The sessions of this
 * process queue for writing at a lock of the store, so that nobody polls the database's own lock; other processes (a
 * backup, the sqlite3 shell) are met by the busy handler. A call runs on the session's own thread, opens one transaction,
 * and ends it before it returns. */
#ifndef EVENTLY_STORE_SQLITE_H
#define EVENTLY_STORE_SQLITE_H

#include <pthread.h>
#include <sqlite3.h>

#include "store/backend.h"

/* Statements with a fixed text; each session prepares one when it first needs it. X(identifier, "text") */
#include "store/sqlite/statements.h"

enum statement {
#define X(identifier, text) identifier,
	STATEMENTS(X)
#undef X
	STATEMENT_COUNT
};

enum { SHAPES_MAX = 64 };

/* A statement whose text was put together for one shape of query. */
struct sqlite_shape {
	uint32_t key;
	uint64_t used_at; /* by the session's count of uses: the least goes first */
	sqlite3_stmt *statement;
};

struct sqlite_store {
	struct store base;
	char *path; /* of evently.db */
	char *lock_path;
	int lock_fd;    /* DATA_DIR/lock */
	bool exclusive; /* lock_fd is locked as long as the store is open */

	pthread_mutex_t migrating; /* held by the session that migrates */
	pthread_mutex_t lock;
	pthread_cond_t writer_left; /* monotonic, as is the next */
	pthread_cond_t hint;
	/* under lock */
	bool writing;
	uint64_t commits; /* that a listener wants to hear of */
	struct sqlite_session *relay; /* who holds the relay's lock */
};

struct sqlite_session {
	struct store_session base;
	sqlite3 *db;    /* NULL until it is needed, and after damage */
	bool bounded;   /* the deadline interrupts what runs */
	bool writing;   /* this session holds the store's writer lock */
	bool damaged;   /* met an I/O error: open anew at the next call */
	sqlite3_stmt *statements[STATEMENT_COUNT];
	struct sqlite_shape shapes[SHAPES_MAX];
	uint64_t shape_uses;
	struct buf before, after; /* JSON texts on their way into a change */
	/* under the store's lock */
	uint64_t commits_seen;
	bool interrupted;
};

static inline struct sqlite_store *sqlite_store(struct store_session *session)
{
	return (struct sqlite_store *)session->store;
}

static inline struct sqlite_session *sqlite_session(struct store_session *session)
{
	return (struct sqlite_session *)session;
}

/* ---- session.c: connection, statements, transactions, errors ---- */

struct store_session *sqlite_session_open(struct store *store);
void sqlite_session_close(struct store_session *session);

/* Keeps the problem of a failed SQLite call (its result code) and gives what it means. */
enum store_result sqlite_fail(struct sqlite_session *session, int code);
/* The arena was full. */
enum store_result sqlite_no_memory(struct sqlite_session *session);

/* One snapshot for all that is read until sqlite_read_end, which gives `result` back. */
MUST_CHECK enum store_result sqlite_read_begin(struct sqlite_session *session);
enum store_result sqlite_read_end(struct sqlite_session *session, enum store_result result);
/* The one writer. sqlite_write_end commits when result is STORE_OK, else rolls back, and gives what became of it. */
MUST_CHECK enum store_result sqlite_write_begin(struct sqlite_session *session);
MUST_CHECK enum store_result sqlite_write_end(struct sqlite_session *session, enum store_result result);
/* Undoes the transaction, for a reason that is no failure. */
void sqlite_write_undo(struct sqlite_session *session);
/* Wakes the listeners: what they follow was changed. */
void sqlite_hint(struct sqlite_session *session);

/* The statement, reset and without bindings. */
MUST_CHECK enum store_result sqlite_statement(struct sqlite_session *session, enum statement which,
                                              sqlite3_stmt **statement);
/* The statement for `key`; `print` writes its text when it is not at hand. */
typedef void sqlite_shape_fn(struct buf *sql, uint32_t key);
MUST_CHECK enum store_result sqlite_shape(struct sqlite_session *session, uint32_t key, sqlite_shape_fn *print,
                                          sqlite3_stmt **statement);
/* Runs a statement that gives no row, and resets it. */
MUST_CHECK enum store_result sqlite_run(struct sqlite_session *session, sqlite3_stmt *statement);
/* Steps: *row says whether there is one. Resets the statement when there is none, or at failure. */
MUST_CHECK enum store_result sqlite_step(struct sqlite_session *session, sqlite3_stmt *statement, bool *row);
/* Runs several statements given as a text. */
MUST_CHECK enum store_result sqlite_execute(struct sqlite_session *session, const char *sql);

/* Binding cannot fail but for memory; a statement that lacks a binding is met by the table's own checks. */
static inline void sqlite_bind_str(sqlite3_stmt *statement, int index, struct str text)
{
	if (text.ptr == NULL)
		sqlite3_bind_null(statement, index);
	else
		sqlite3_bind_text64(statement, index, text.ptr, text.len, SQLITE_STATIC, SQLITE_UTF8);
}

/* ---- read.c ---- */

/* The catalog's row, as of the transaction. */
struct catalog {
	uint64_t seq;
	int64_t events[EVENT_STATUS_COUNT];
	uint64_t users_version, pruned_seq, relay_seq;
};
MUST_CHECK enum store_result sqlite_catalog(struct sqlite_session *session, struct catalog *catalog);
/* The event with this id, id 0 when there is none; texts in the arena. */
MUST_CHECK enum store_result sqlite_event(struct sqlite_session *session, int64_t id, struct arena *arena,
                                          struct event *event);

enum store_result sqlite_get_many(struct store_session *, const int64_t *, size_t, bool, struct arena *,
                                  struct event *, uint64_t *);
enum store_result sqlite_each(struct store_session *, store_each_fn *, void *, uint64_t *);
enum store_result sqlite_head(struct store_session *, struct store_head *);

/* ---- list.c ---- */

enum store_result sqlite_list(struct store_session *, const struct query *, int64_t, bool, struct arena *,
                              struct query_page *, uint64_t *);

/* ---- changes.c, verify.c ---- */

enum { SHAPE_AUDIT = 1u << 31 }; /* marks the keys of changes.c among the shapes */

enum store_result sqlite_changes_after(struct store_session *, uint64_t, size_t, struct arena *, struct change **,
                                       size_t *, uint64_t *);
enum store_result sqlite_audit(struct store_session *, const struct store_audit_filter *, uint64_t, size_t,
                               struct arena *, struct change **, size_t *, uint64_t *);
enum store_result sqlite_audit_prune(struct store_session *, int64_t, uint64_t *);
enum store_result sqlite_audit_verify(struct store_session *, struct buf *, uint64_t *, uint64_t *);
/* Reads a row of CHANGE_COLUMNS. */
MUST_CHECK enum store_result sqlite_read_change(struct sqlite_session *session, sqlite3_stmt *statement,
                                                struct arena *arena, struct change *change);

/* ---- write.c, idempotency.c ---- */

enum store_result sqlite_apply(struct store_session *, struct store_write *, size_t, bool, int64_t, struct arena *);
/* Looks the write's key up. *outcome is WRITE_REPLAYED (with the answer) or WRITE_KEY_REUSED, or stays as it is when
 * the key is new. */
MUST_CHECK enum store_result sqlite_key_find(struct sqlite_session *session, struct store_write *write, int64_t now_us,
                                             struct arena *arena, enum write_outcome *outcome);
MUST_CHECK enum store_result sqlite_key_keep(struct sqlite_session *session, const struct store_write *write,
                                             int64_t now_us);
enum store_result sqlite_housekeeping(struct store_session *, int64_t);

/* ---- users.c ---- */

enum store_result sqlite_user_get(struct store_session *, int64_t, struct arena *, struct store_user *);
enum store_result sqlite_user_set_active(struct store_session *, int64_t, bool, int64_t, struct arena *,
                                         struct store_user *);
enum store_result sqlite_users_inactive(struct store_session *, struct arena *, int64_t **, size_t *, uint64_t *);
/* Makes the user or brings email and role up to date. */
MUST_CHECK enum store_result sqlite_user_meet(struct sqlite_session *session, int64_t id, struct str email,
                                              struct str role, int64_t now_us);

/* ---- follow.c ---- */

enum store_result sqlite_lease_renew(struct store_session *, struct str, int, uint64_t);
enum store_result sqlite_lease_seen(struct store_session *, struct str, uint64_t);
enum store_result sqlite_lease_drop(struct store_session *, struct str);
enum store_result sqlite_lease_wait(struct store_session *, struct str, uint64_t);
enum store_result sqlite_listen(struct store_session *, int, bool *);
void sqlite_interrupt(struct store_session *);
enum store_result sqlite_relay_lock(struct store_session *);
void sqlite_relay_unlock(struct sqlite_session *session);
enum store_result sqlite_relay_position(struct store_session *, uint64_t *);
enum store_result sqlite_relay_advance(struct store_session *, uint64_t);

/* ---- migrations.c ---- */

enum store_result sqlite_migrations(struct store_session *, struct arena *, struct store_migration **, size_t *);
enum store_result sqlite_migrate_up(struct store_session *, int, struct buf *);
enum store_result sqlite_migrate_down(struct store_session *, int, struct buf *);
enum store_result sqlite_schema_check(struct store_session *);

#endif
