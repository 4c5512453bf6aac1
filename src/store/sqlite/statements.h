/* The embedded store's SQL that is always the same; list.c and changes.c put the rest together from fixed pieces. */
#ifndef EVENTLY_STORE_SQLITE_STATEMENTS_H
#define EVENTLY_STORE_SQLITE_STATEMENTS_H

#define EVENT_COLUMNS \
	"id, title, venue, description, event_date, price_cents, capacity, status, created_at, updated_at, created_by, version"
#define CHANGE_COLUMNS "seq, event_id, kind, version, actor_id, request_id, occurred_at, before, after"

#define STATEMENTS(X) \
	X(BEGIN_READ, "BEGIN") \
	X(BEGIN_WRITE, "BEGIN IMMEDIATE") \
	X(COMMIT, "COMMIT") \
	X(ROLLBACK, "ROLLBACK") \
	X(SAVEPOINT, "SAVEPOINT one") \
	X(SAVEPOINT_KEEP, "RELEASE one") \
	X(SAVEPOINT_UNDO, "ROLLBACK TO one") \
	X(CATALOG, "SELECT seq, drafts, published, cancelled, completed, users_version, pruned_seq, relay_seq FROM catalog") \
	X(CATALOG_SEQ, "UPDATE catalog SET seq = ?1") \
	X(EVENT, "SELECT " EVENT_COLUMNS " FROM events WHERE id = ?1") \
	X(EVENTS_ALL, "SELECT " EVENT_COLUMNS " FROM events ORDER BY id") \
	X(EVENT_INSERT, "INSERT INTO events (title, venue, description, event_date, price_cents, capacity, status, " \
		"created_at, updated_at, created_by, version) VALUES (?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)") \
	X(EVENT_UPDATE, "UPDATE events SET title = ?2, venue = ?3, description = ?4, event_date = ?5, price_cents = ?6, " \
		"capacity = ?7, status = ?8, created_at = ?9, updated_at = ?10, created_by = ?11, version = ?12 WHERE id = ?1") \
	X(EVENT_DELETE, "DELETE FROM events WHERE id = ?1") \
	/* ?1 is now; each sum takes what is left of the next larger span. */ \
	X(UPCOMING_TOTAL, "SELECT (SELECT count(*) FROM events WHERE status = 1 AND event_date > ?1 " \
		"AND event_date < ((?1 >> 32) + 1) << 32) + coalesce(sum(events), 0) FROM (" \
		"SELECT events FROM published_spans WHERE shift = 32 AND span > ?1 >> 32 AND span < ((?1 >> 38) + 1) << 6 " \
		"UNION ALL " \
		"SELECT events FROM published_spans WHERE shift = 38 AND span > ?1 >> 38 AND span < ((?1 >> 44) + 1) << 6 " \
		"UNION ALL " \
		"SELECT events FROM published_spans WHERE shift = 44 AND span > ?1 >> 44 AND span < ((?1 >> 50) + 1) << 6 " \
		"UNION ALL " \
		"SELECT events FROM published_spans WHERE shift = 50 AND span > ?1 >> 50)") \
	X(CHANGE_INSERT, "INSERT INTO changes (" CHANGE_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)") \
	X(CHANGES_AFTER, "SELECT " CHANGE_COLUMNS " FROM changes WHERE seq > ?1 ORDER BY seq LIMIT ?2") \
	X(CHANGES_BY_EVENT, "SELECT " CHANGE_COLUMNS " FROM changes ORDER BY event_id, seq") \
	X(CHANGE_SEQS, "SELECT seq FROM changes ORDER BY seq") \
	X(CHANGE_NOT_BEFORE, "SELECT seq FROM changes WHERE seq > ?1 AND occurred_at >= ?2 ORDER BY seq LIMIT 1") \
	X(PRUNE_MARK, "UPDATE catalog SET pruned_seq = ?1") \
	X(PRUNE, "DELETE FROM changes WHERE seq <= ?1") \
	X(EVENTS_WITHOUT_CHANGE, "SELECT id FROM events AS e WHERE NOT EXISTS " \
		"(SELECT 1 FROM changes WHERE event_id = e.id)") \
	X(STATUS_COUNTS, "SELECT status, count(*) FROM events GROUP BY status") \
	X(SPAN_FAULTS, "WITH counted (shift, span, events) AS (" \
		"SELECT column1, event_date >> column1, count(*) FROM events, (VALUES (32), (38), (44), (50)) " \
		"WHERE status = 1 GROUP BY 1, 2) " \
		"SELECT * FROM (SELECT * FROM counted EXCEPT SELECT shift, span, events FROM published_spans) UNION ALL " \
		"SELECT * FROM (SELECT shift, span, events FROM published_spans EXCEPT SELECT * FROM counted)") \
	X(KEY_FIND, "SELECT body_hash, answer FROM idempotency WHERE user_id = ?1 AND key = ?2 AND created_at > ?3") \
	X(KEY_KEEP, "INSERT OR REPLACE INTO idempotency (user_id, key, body_hash, created_at, answer) " \
		"VALUES (?1, ?2, ?3, ?4, ?5)") \
	X(KEYS_FORGET, "DELETE FROM idempotency WHERE rowid IN " \
		"(SELECT rowid FROM idempotency WHERE created_at <= ?1 LIMIT ?2)") \
	X(USER, "SELECT id, email, role, is_active, updated_at FROM users WHERE id = ?1") \
	X(USER_MEET, "INSERT INTO users (id, email, role, is_active, updated_at) VALUES (?1, ?2, ?3, 1, ?4) " \
		"ON CONFLICT DO UPDATE SET email = coalesce(excluded.email, email), role = coalesce(excluded.role, role), " \
		"updated_at = excluded.updated_at " \
		"WHERE coalesce(excluded.email, email) IS NOT email OR coalesce(excluded.role, role) IS NOT role") \
	X(USER_SET_ACTIVE, "INSERT INTO users (id, is_active, updated_at) VALUES (?1, ?2, ?3) " \
		"ON CONFLICT DO UPDATE SET is_active = excluded.is_active, updated_at = excluded.updated_at " \
		"WHERE is_active <> excluded.is_active") \
	X(USERS_INACTIVE, "SELECT id FROM users WHERE is_active = 0 ORDER BY id") \
	X(USERS_VERSION_GROW, "UPDATE catalog SET users_version = users_version + 1") \
	X(RELAY_ADVANCE, "UPDATE catalog SET relay_seq = max(relay_seq, ?1)") \
	X(MIGRATIONS_MADE, "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'schema_migrations'") \
	X(MIGRATIONS, "SELECT number, name, checksum, applied_at FROM schema_migrations ORDER BY number") \
	X(MIGRATION_INSERT, "INSERT INTO schema_migrations (number, name, checksum, applied_at) VALUES (?1, ?2, ?3, ?4)") \
	X(MIGRATION_DELETE, "DELETE FROM schema_migrations WHERE number = ?1")

#endif
