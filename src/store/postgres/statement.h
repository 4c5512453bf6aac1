/* The statements: every fixed one in a table, prepared on a connection when it is first needed; parameters and results
 * travel in binary. Values never become SQL text. */
#ifndef EVENTLY_STORE_POSTGRES_STATEMENT_H
#define EVENTLY_STORE_POSTGRES_STATEMENT_H

#include "store/postgres/connection.h"
#include "store/postgres/params.h"

#define EVENT_COLUMNS \
	"e.id, e.title, e.venue, e.description, e.event_date, e.price, e.capacity, e.status, e.created_at, e.updated_at, " \
	"e.created_by, e.version"
#define CHANGE_COLUMNS \
	"g.seq, g.kind, g.event_id, g.version, g.actor_id, g.request_id, g.occurred_at, g.before, g.after"

/* Where the columns above begin: the catalog's seq and history come first in every read. */
enum { COLUMN_SEQ, COLUMN_HISTORY, COLUMN_FIRST };

#define WORDS_INTO \
	"INSERT INTO event_words (event_id, words) SELECT n.id, coalesce(n.words, array_to_tsvector(evently_words(n.content))) " \
	"FROM unnest($1::bigint[], $2::tsvector[], $3::text[]) n(id, words, content)"

#define KEYS_INTO \
	"INSERT INTO idempotency (user_id, key, body_hash, answer, created_at) SELECT n.user_id, n.key, n.body_hash, n.answer, " \
	"$5::timestamptz FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[]) n(user_id, key, body_hash, answer)"

#define STATEMENTS(X) \
	X(GET_MANY, "SELECT c.seq, c.history, " EVENT_COLUMNS " FROM catalog c LEFT JOIN events e ON e.id = ANY($1::bigint[])") \
	X(CHANGES_AFTER, "SELECT c.seq, c.history, c.pruned_seq, " CHANGE_COLUMNS " FROM catalog c LEFT JOIN LATERAL (" \
	  "SELECT * FROM changes WHERE seq > $1::bigint ORDER BY seq LIMIT $2::bigint) g ON true ORDER BY g.seq") \
	X(EACH_BEGIN, "SELECT seq, history, draft + published + cancelled + completed, " \
	  "set_config('idle_in_transaction_session_timeout', '0', true) FROM catalog") \
	X(EACH_PAGE, "SELECT 0::bigint, 0::bigint, " EVENT_COLUMNS " FROM events e WHERE e.id > $1::bigint ORDER BY e.id LIMIT 500") \
	X(BEGIN, "BEGIN") \
	X(BEGIN_SNAPSHOT, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY") \
	X(COMMIT, "COMMIT") \
	X(ROLLBACK, "ROLLBACK") \
	X(LIMIT_TIME, "SELECT set_config('lock_timeout', $1::text, true), set_config('statement_timeout', $1::text, true)") \
	X(CATALOG_LOCK, "SELECT seq, history FROM catalog FOR UPDATE") \
	X(WRITE_FIND, "SELECT write_id FROM changes WHERE seq = $1::bigint") \
	X(KEYS_FIND, "SELECT i.user_id, i.key, i.body_hash, i.answer FROM unnest($1::bigint[], $2::text[]) k(user_id, key) " \
	  "JOIN idempotency i ON i.user_id = k.user_id AND i.key = k.key COLLATE \"C\" WHERE i.created_at > $3::timestamptz") \
	X(EVENTS_FIND, "SELECT 0::bigint, 0::bigint, " EVENT_COLUMNS " FROM events e WHERE e.id = ANY($1::bigint[])") \
	X(CATALOG_EXPECT, "SELECT evently_expect(seq = $1::bigint) FROM catalog FOR UPDATE") \
	X(IDS_EXPECT, "SELECT evently_expect(min(n) = $1::bigint AND max(n) = $1::bigint + $2::bigint - 1) " \
	  "FROM (SELECT nextval('events_id_seq') AS n FROM generate_series(1, $2::bigint)) s") \
	X(PLAN_ONCE, "SET plan_cache_mode = force_generic_plan") \
	X(IDS_TAKE, "SELECT nextval('events_id_seq') FROM generate_series(1, $1::bigint)") \
	X(USERS_FILL, "INSERT INTO users AS u (id, email, role, updated_at) SELECT n.id, n.email, n.role, $4::timestamptz " \
	  "FROM unnest($1::bigint[], $2::text[], $3::text[]) n(id, email, role) WHERE NOT EXISTS (SELECT 1 FROM users k " \
	  "WHERE k.id = n.id AND coalesce(n.email, k.email) IS NOT DISTINCT FROM k.email AND coalesce(n.role, k.role) " \
	  "IS NOT DISTINCT FROM k.role) ON CONFLICT (id) DO UPDATE SET email = coalesce(excluded.email, u.email), " \
	  "role = coalesce(excluded.role, u.role), updated_at = excluded.updated_at") \
	X(EVENTS_INSERT, "INSERT INTO events (id, title, venue, description, event_date, price, capacity, status, created_at, " \
	  "updated_at, created_by, version) SELECT n.id, n.title, n.venue, n.description, n.event_date, n.cents * 0.01, " \
	  "n.capacity, n.status, n.created_at, n.updated_at, n.created_by, n.version FROM unnest($1::bigint[], $2::text[], " \
	  "$3::text[], $4::text[], $5::timestamptz[], $6::bigint[], $7::integer[], $8::text[], $9::timestamptz[], " \
	  "$10::timestamptz[], $11::bigint[], $12::bigint[]) n(id, title, venue, description, event_date, cents, capacity, " \
	  "status, created_at, updated_at, created_by, version)") \
	X(EVENTS_UPDATE, "UPDATE events e SET title = n.title, venue = n.venue, description = n.description, event_date = " \
	  "n.event_date, price = n.cents * 0.01, capacity = n.capacity, status = n.status, created_at = n.created_at, " \
	  "updated_at = n.updated_at, created_by = n.created_by, version = n.version FROM unnest($1::bigint[], $2::text[], " \
	  "$3::text[], $4::text[], $5::timestamptz[], $6::bigint[], $7::integer[], $8::text[], $9::timestamptz[], " \
	  "$10::timestamptz[], $11::bigint[], $12::bigint[]) n(id, title, venue, description, event_date, cents, capacity, " \
	  "status, created_at, updated_at, created_by, version) WHERE e.id = n.id") \
	X(EVENTS_DELETE, "DELETE FROM events WHERE id = ANY($1::bigint[])") \
	X(WORDS_INSERT, WORDS_INTO) \
	X(WORDS_PUT, WORDS_INTO " ON CONFLICT (event_id) DO UPDATE SET words = excluded.words") \
	X(WORDS_DELETE, "DELETE FROM event_words WHERE event_id = ANY($1::bigint[])") \
	X(CHANGES_INSERT, "INSERT INTO changes (seq, event_id, kind, version, actor_id, request_id, occurred_at, before, " \
	  "after, write_id) SELECT n.seq, n.event_id, n.kind, n.version, n.actor_id, n.request_id, $9::timestamptz, " \
	  "n.before::json, n.after::json, $10::bigint FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], " \
	  "$5::bigint[], $6::text[], $7::text[], $8::text[]) n(seq, event_id, kind, version, actor_id, request_id, before, " \
	  "after)") \
	X(DAYS_ADD, "INSERT INTO event_days AS d (status, day, events) SELECT n.status, '1970-01-01'::date + n.day, n.events " \
	  "FROM unnest($1::text[], $2::integer[], $3::bigint[]) n(status, day, events) " \
	  "ON CONFLICT (status, day) DO UPDATE SET events = d.events + excluded.events") \
	X(KEYS_INSERT, KEYS_INTO) \
	X(KEYS_PUT, KEYS_INTO " ON CONFLICT (user_id, key) DO UPDATE SET body_hash = excluded.body_hash, " \
	  "answer = excluded.answer, created_at = excluded.created_at") \
	X(CATALOG_ADVANCE, "UPDATE catalog SET seq = $1::bigint, draft = draft + $2::bigint, published = published + " \
	  "$3::bigint, cancelled = cancelled + $4::bigint, completed = completed + $5::bigint, history_since = CASE WHEN " \
	  "history = $6::bigint THEN history_since ELSE clock_timestamp() END, history = $6::bigint") \
	X(CHANGES_NOTIFY, "SELECT pg_notify('evently_changes', '')") \
	X(USER_GET, "SELECT id, email, role, is_active, updated_at FROM users WHERE id = $1::bigint") \
	X(USER_SET, "WITH changed AS (INSERT INTO users AS u (id, is_active, updated_at) VALUES ($1::bigint, $2::boolean, " \
	  "$3::timestamptz) ON CONFLICT (id) DO UPDATE SET is_active = excluded.is_active, updated_at = excluded.updated_at " \
	  "WHERE u.is_active <> excluded.is_active RETURNING 1) " \
	  "UPDATE catalog SET users_version = users_version + 1 WHERE EXISTS (SELECT 1 FROM changed)") \
	X(USERS_INACTIVE, "SELECT c.users_version, u.id FROM catalog c LEFT JOIN users u ON NOT u.is_active ORDER BY u.id") \
	X(HISTORY, "SELECT evently_history()") \
	X(HEAD, "SELECT seq, history, users_version FROM catalog") \
	X(LEASE_RENEW, "INSERT INTO instances AS i (id, seen_seq, lease_until) VALUES ($1::text, $2::bigint, " \
	  "clock_timestamp() + $3::bigint * interval '1 millisecond') ON CONFLICT (id) DO UPDATE SET seen_seq = " \
	  "excluded.seen_seq, lease_until = clock_timestamp() + $3::bigint * interval '1 millisecond'") \
	X(COMMIT_LAZILY, "SELECT set_config('synchronous_commit', 'off', true)") \
	X(LEASE_SEEN, "UPDATE instances SET seen_seq = $2::bigint WHERE id = $1::text") \
	X(SEEN_NOTIFY, "SELECT pg_notify('evently_seen', '')") \
	X(LEASE_DROP, "DELETE FROM instances WHERE id = $1::text") \
	X(LEASE_WAITED_FOR, "SELECT coalesce(min(seen_seq) < $2::bigint, false) OR (SELECT history_since + $3::bigint * " \
	  "interval '1 millisecond' > clock_timestamp() FROM catalog), count(*) > 0 FROM instances " \
	  "WHERE id <> $1::text AND lease_until > clock_timestamp()") \
	X(LISTEN_CHANGES, "LISTEN evently_changes") \
	X(LISTEN_SEEN, "LISTEN evently_seen") \
	X(RELAY_LOCK, "SELECT pg_try_advisory_lock($1::bigint)") \
	X(RELAY_GUARD, "SELECT set_config('idle_session_timeout', '1000ms', false), set_config('tcp_user_timeout', '1000ms', " \
	  "false)") \
	X(UNLOCK_ALL, "SELECT pg_advisory_unlock_all()") \
	X(PING, "SELECT true") \
	X(RELAY_POSITION, "SELECT position_seq FROM relay") \
	X(RELAY_ADVANCE, "UPDATE relay SET position_seq = $1::bigint WHERE position_seq < $1::bigint") \
	X(KEYS_EXPIRE, "DELETE FROM idempotency WHERE (user_id, key) IN (SELECT user_id, key FROM idempotency WHERE " \
	  "created_at < $1::timestamptz ORDER BY created_at LIMIT 10000)") \
	X(INSTANCES_EXPIRE, "DELETE FROM instances WHERE lease_until < clock_timestamp() - interval '1 hour'") \
	X(PRUNE_ALLOW, "SELECT set_config('evently.prune', 'on', true)") \
	X(PRUNE_BOUND, "SELECT least(c.seq - 1, c.pruned_seq + 10000, (SELECT g.seq - 1 FROM changes g WHERE g.seq > " \
	  "c.pruned_seq AND g.occurred_at >= $1::timestamptz ORDER BY g.seq LIMIT 1)), c.pruned_seq FROM catalog c") \
	X(PRUNE_DELETE, "DELETE FROM changes WHERE seq <= $1::bigint") \
	X(PRUNE_MARK, "UPDATE catalog SET pruned_seq = greatest(pruned_seq, $1::bigint)") \
	X(USERS_LOCK, "SELECT 1 FROM catalog FOR UPDATE")

enum statement {
#define X(name, sql) SQL_##name,
	STATEMENTS(X)
#undef X
	STATEMENT_COUNT
};

/* One statement, its whole result. *result is the caller's to PQclear when STORE_OK. */
MUST_CHECK enum store_result statement_run(struct pg_connection *connection, enum statement statement,
                                           const struct params *params, PGresult **result);
/* The same with SQL put together of fixed pieces (never of input). */
MUST_CHECK enum store_result statement_run_text(struct pg_connection *connection, const char *sql,
                                                const struct params *params, PGresult **result);
/* The same for SQL that comes again and again: its plan is kept on the connection, as one of a bounded number. */
MUST_CHECK enum store_result statement_run_shape(struct pg_connection *connection, const char *sql,
                                                 const struct params *params, PGresult **result);
/* Several statements of a migration's text, in the simple protocol. */
MUST_CHECK enum store_result statement_run_script(struct pg_connection *connection, const char *sql);
/* As statement_run, and nobody looks at the result. */
MUST_CHECK enum store_result statement_do(struct pg_connection *connection, enum statement statement,
                                          const struct params *params);

/* connection->history, asked for when the connection is older than the schema. */
MUST_CHECK enum store_result statement_learn_history(struct pg_connection *connection);

/* Several statements in one round trip (libpq's pipeline mode). Outside an explicit transaction they commit together.
 *
 *   pipeline_begin, pipeline_add…, pipeline_send, pipeline_result (once for each added, in order), pipeline_end
 *
 * After a failed result the rest is not there: pipeline_end takes up what is left and gives the first failure. */
struct pipeline {
	struct pg_connection *connection;
	enum store_result result; /* the first failure */
	size_t added, taken;
};
MUST_CHECK enum store_result pipeline_begin(struct pipeline *pipeline, struct pg_connection *connection,
                                            const enum statement *statements, size_t count);
void pipeline_add(struct pipeline *pipeline, enum statement statement, const struct params *params);
void pipeline_send(struct pipeline *pipeline);
/* NULL after a failure. The caller clears it. */
PGresult *pipeline_result(struct pipeline *pipeline);
MUST_CHECK enum store_result pipeline_end(struct pipeline *pipeline);

#endif
