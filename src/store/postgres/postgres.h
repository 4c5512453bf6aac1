/* The PostgreSQL store's own structures: the store, a session, and a turn (one call with its retry).
 *
 * store.c → a function of this folder → turn_next (a usable connection: replica or primary) → statement.h → libpq. */
#ifndef EVENTLY_STORE_POSTGRES_POSTGRES_H
#define EVENTLY_STORE_POSTGRES_POSTGRES_H

#include "store/postgres/connection.h"

/* The addresses of one reading of the settings. */
struct pg_ways {
	struct pg_ways *before;    /* of the reading before; kept, since a connection may just be using them */
	struct arena texts;
	struct pg_address primary;
	struct pg_address replicas[PG_REPLICAS_MAX];
	size_t replica_count;
};

struct postgres_store {
	struct store base;
	struct pg_ways *ways;      /* the newest; of the thread that loads the settings */
	struct pg_peer primary;
	struct pg_peer replicas[PG_REPLICAS_MAX];
	atomic_size_t replica_count;
	atomic_uint replica_next;  /* round robin */
	atomic_int_fast64_t history; /* of the primary as last seen: a replica of another history is not believed */
	atomic_int connect_timeout_ms;
	int request_timeout_ms, lease_ms;
};

struct postgres_session {
	struct store_session base;
	struct postgres_store *store;
	struct pg_connection primary, replica;
	int wake_fd;               /* eventfd: store_interrupt wakes store_listen */
	char instance_id[64];      /* as postgres_lease_wait named it last; empty: never */
	size_t instance_id_bytes;
	struct {
		uint64_t seq;          /* of the last write that was asked for in its own pipeline; 0: none */
		bool waiting;          /* another instance had yet to see it, right after its commit */
	} lease_asked;
};

/* One call: gives a usable connection, judges what came back, and repeats once where that is safe.
 *
 *   struct turn turn = turn_begin(session, TURN_READ);
 *   while (turn_next(&turn))
 *           turn.result = …(turn.connection, …);
 *   return turn.result;
 *
 * A read goes to a replica first when there are any; the body sets as_of and history, and a replica whose answer is too
 * old is left for the primary. A call on a connection that turns out to be dead is repeated on a new one, unless once. */
enum turn_kind {
	TURN_READ,    /* replica or primary */
	TURN_PRIMARY, /* primary; safe to repeat */
	TURN_ONCE,    /* primary; never repeated here */
};

struct turn {
	struct postgres_session *session;
	enum turn_kind kind;
	enum { TURN_START, TURN_ON_REPLICA, TURN_ON_PRIMARY, TURN_REPEATED, TURN_DONE } stage;
	struct pg_connection *connection;
	enum store_result result;
	uint64_t as_of;          /* of what was read */
	int64_t history;
	uint64_t started_ns;     /* this attempt */
	bool fresh;              /* the connection was made in this turn */
};

struct turn turn_begin(struct store_session *session, enum turn_kind kind);
bool turn_next(struct turn *turn);

/* Shared by the reads (read.c). */
enum store_result read_out_of_memory(struct pg_connection *connection);
/* `what` could not be decoded, or there was no memory for it. */
enum store_result read_damaged(struct pg_connection *connection, const struct arena *arena, const char *what);
/* Takes as_of and history from the first row. False with turn->result set when the schema is not what it should be. */
MUST_CHECK bool read_snapshot(struct turn *turn, const PGresult *result);

static inline struct postgres_session *postgres_session(struct store_session *session)
{
	return (struct postgres_session *)session;
}

/* The functions behind the backend's table, by file. */
enum store_result postgres_get_many(struct store_session *session, const int64_t *ids, size_t count, bool from_primary,
                                    struct arena *arena, struct event *events, uint64_t *as_of);
enum store_result postgres_list(struct store_session *session, const struct query *query, int64_t now_us,
                                bool from_primary, struct arena *arena, struct query_page *page, uint64_t *as_of);
enum store_result postgres_changes_after(struct store_session *session, uint64_t after, size_t limit,
                                         struct arena *arena, struct change **changes, size_t *count, uint64_t *head);
enum store_result postgres_audit(struct store_session *session, const struct store_audit_filter *filter, uint64_t after,
                                 size_t limit, struct arena *arena, struct change **changes, size_t *count,
                                 uint64_t *as_of);
enum store_result postgres_each(struct store_session *session, store_each_fn *each, void *context, uint64_t *as_of);
enum store_result postgres_apply(struct store_session *session, struct store_write *writes, size_t count,
                                 bool all_or_nothing, int64_t now_us, struct arena *arena);
enum store_result postgres_user_get(struct store_session *session, int64_t id, struct arena *arena,
                                    struct store_user *user);
enum store_result postgres_user_set_active(struct store_session *session, int64_t id, bool is_active, int64_t now_us,
                                           struct arena *arena, struct store_user *user);
enum store_result postgres_users_inactive(struct store_session *session, struct arena *arena, int64_t **ids,
                                          size_t *count, uint64_t *version);
enum store_result postgres_head(struct store_session *session, struct store_head *head);
enum store_result postgres_lease_renew(struct store_session *session, struct str instance_id, int lease_ms,
                                       uint64_t seen_seq);
enum store_result postgres_lease_seen(struct store_session *session, struct str instance_id, uint64_t seen_seq);
enum store_result postgres_lease_drop(struct store_session *session, struct str instance_id);
enum store_result postgres_lease_wait(struct store_session *session, struct str instance_id, uint64_t seq);
/* The question who still has to see a write (SQL_LEASE_WAITED_FOR), and its answer; false when it is none. */
struct params;
void lease_params(struct params *params, struct str instance_id, uint64_t seq, const struct postgres_store *store);
bool lease_answer(struct pg_connection *connection, const PGresult *result, bool *waiting);
enum store_result postgres_listen(struct store_session *session, int timeout_ms, bool *hinted);
void postgres_interrupt(struct store_session *session);
enum store_result postgres_relay_lock(struct store_session *session);
enum store_result postgres_relay_position(struct store_session *session, uint64_t *seq);
enum store_result postgres_relay_advance(struct store_session *session, uint64_t seq);
enum store_result postgres_housekeeping(struct store_session *session, int64_t now_us);
enum store_result postgres_audit_prune(struct store_session *session, int64_t before_us, uint64_t *removed);
enum store_result postgres_audit_verify(struct store_session *session, struct buf *report, uint64_t *changes,
                                        uint64_t *faults);

#endif
