/* The store: the catalogue, its change log and what belongs to them, in the words of the domain.
 *
 * Two implementations stand behind this contract, store/sqlite (embedded, one process) and store/postgres (production),
 * and one test suite (tests/contract) holds both to it. SQL lives only there.
 *
 * A `struct store` is shared by all threads. Each thread that calls it opens a `struct store_session` of its own (one
 * database connection, opened when it is first needed); a session is used by one thread at a time. No call outlives the
 * session's deadline, and none blocks without one. Whatever is read comes with `as_of`: the seq of the last change in
 * the snapshot that was read (design: everything is checked against the change log). Results live in the caller's arena.
 */
#ifndef EVENTLY_STORE_STORE_H
#define EVENTLY_STORE_STORE_H

#include "base/arena.h"
#include "base/breaker.h"
#include "events/change.h"
#include "events/event.h"
#include "events/patch.h"
#include "events/query.h"

struct config;
struct store;
struct store_session;

/* What became of a call. The category decides the answer: api/ maps it to a status, lanes to a retry. */
enum store_result {
	STORE_OK,
	STORE_UNAVAILABLE,   /* no connection, refused, breaker open, going down: 503, nothing was done */
	STORE_DEADLINE,      /* the session's deadline passed: 504, nothing was done */
	STORE_FULL,          /* disk or quota full: 503, nothing was done */
	STORE_OUT_OF_MEMORY, /* ours: 503 */
	STORE_SCHEMA,        /* schema missing, older or newer than this program: says `evently migrate upgrade` */
	STORE_DENIED,        /* wrong password, missing rights */
	STORE_PRUNED,        /* the change log was pruned beyond `after`: 410 */
	STORE_NOT_FOUND,     /* no such thing, where a call looks for one */
	STORE_IN_USE,        /* somebody else holds it (the data folder's lock, the relay's lock) */
	STORE_INTERNAL,      /* a bug or damage: 500, details are in the log */
	STORE_RESULT_COUNT
};
const char *store_result_name(enum store_result result);

/* ---- life ---- */

/* Which database the settings name: decides embedded or PostgreSQL. `problem` gets one sentence for people when the
 * result is not STORE_OK. PostgreSQL is not contacted here (P6); SQLite's file is opened, its folder made and locked
 * when `exclusive` (one process serves or changes it at a time). */
MUST_CHECK enum store_result store_open(struct store **store, const struct config *config, bool exclusive,
                                        struct buf *problem);
/* Rotation: connections that are made from now on are made as `config` says. False: one line in `problem`, and nothing
 * has changed. By one thread, while others use sessions. */
MUST_CHECK bool store_reconfigure(struct store *store, const struct config *config, struct buf *problem);
void store_close(struct store *store); /* NULL is fine; every session must be closed before */

MUST_CHECK struct store_session *store_session_open(struct store *store); /* NULL without memory */
void store_session_close(struct store_session *session);
/* Monotonic; bounds every following call of the session. */
void store_session_deadline(struct store_session *session, uint64_t deadline_ns);
/* For the following get_many and list: a replica may answer only with as_of ≥ seq, else the primary is asked. */
void store_session_min_as_of(struct store_session *session, uint64_t seq);
/* Whether a replica has answered the last get_many or list that was STORE_OK. It may have what the primary does not show yet:
 * a commit that waits for a synchronous replica is there first. */
bool store_session_by_replica(const struct store_session *session);
/* What the last failed call met, one line for log and `evently check`; never a secret. */
const char *store_session_problem(const struct store_session *session);

/* True when several processes may use the database at once, so that leases and waiting are needed (PostgreSQL). */
bool store_is_shared(const struct store *store);
/* "sqlite" or "postgresql". */
const char *store_kind(const struct store *store);
/* For /health: closed, half-open or open breaker of the primary. */
enum breaker_state store_breaker_state(struct store *store);

/* ---- reading ---- */

/* The events of ids[0..count), events[i].id == 0 where there is none. count ≤ STORE_GET_MAX. */
enum { STORE_GET_MAX = 256 };
MUST_CHECK enum store_result store_get_many(struct store_session *session, const int64_t *ids, size_t count,
                                            bool from_primary, struct arena *arena, struct event *events,
                                            uint64_t *as_of);
/* A page of the query at now_us. */
MUST_CHECK enum store_result store_list(struct store_session *session, const struct query *query, int64_t now_us,
                                        bool from_primary, struct arena *arena, struct query_page *page,
                                        uint64_t *as_of);
/* Up to `limit` changes with seq > after, in order. *head is the last seq there is. STORE_PRUNED when after lies before
 * what prune has removed. */
MUST_CHECK enum store_result store_changes_after(struct store_session *session, uint64_t after, size_t limit,
                                                 struct arena *arena, struct change **changes, size_t *count,
                                                 uint64_t *head);
/* The log with filters, oldest first, seq > after. */
struct store_audit_filter {
	bool has_actor, has_event, has_kind, has_from, has_to;
	int64_t actor_id, event_id;
	enum change_kind kind;
	int64_t from_us, to_us; /* occurred_at, inclusive */
};
MUST_CHECK enum store_result store_audit(struct store_session *session, const struct store_audit_filter *filter,
                                         uint64_t after, size_t limit, struct arena *arena, struct change **changes,
                                         size_t *count, uint64_t *as_of);
/* All events in id order from one snapshot: calls `each` (return false to stop: still STORE_OK) with events valid only
 * during the call. `total` is known before the first call. For exports; the session is busy meanwhile. */
typedef bool store_each_fn(void *context, const struct event *event, int64_t total);
MUST_CHECK enum store_result store_each(struct store_session *session, store_each_fn *each, void *context,
                                        uint64_t *as_of);

/* ---- writing ---- */

enum write_kind { WRITE_CREATE, WRITE_UPDATE, WRITE_DELETE };

enum write_outcome {
	WRITE_PENDING,       /* not decided: the batch failed before this write (the batch's result says why) */
	WRITE_APPLIED,
	WRITE_UNCHANGED,     /* an update that changes nothing: no new version */
	WRITE_REPLAYED,      /* Idempotency-Key seen before with the same body: the first answer is in `answer` */
	WRITE_KEY_REUSED,    /* Idempotency-Key seen before with another body: 422 */
	WRITE_NOT_FOUND,     /* 404 */
	WRITE_PRECONDITION,  /* If-Match does not hold: 412 */
	WRITE_FAILED,        /* this write alone failed, others of the batch may have succeeded: 500 */
};

/* One write of a batch. In: the upper part. Out: the lower. */
struct store_write {
	enum write_kind kind;
	int64_t event_id;            /* for update and delete */
	const struct patch *patch;   /* for create and update */
	struct str if_match;         /* header value, absent if none: compared with the event's ETag inside the write */
	struct str idempotency_key;  /* absent if none; creations only */
	uint64_t body_hash;          /* hash_content of the request body, for the key */
	int64_t actor_id;
	struct str actor_email, actor_role; /* fill `users` when the actor is not there yet */
	struct str request_id;

	enum write_outcome outcome;
	uint64_t as_of;              /* of what decided the outcome */
	struct change change;        /* WRITE_APPLIED: as logged; texts in the arena */
	struct event event;          /* as it is now (APPLIED of create/update, UNCHANGED) */
	struct str answer;           /* event_json as answered first: APPLIED creations and REPLAYED */
};

/* Whether the outcome says that an earlier write has happened, maybe one that was never answered: that answer is this one. */
bool store_write_repeats(const struct store_write *write);

/* Applies the writes in order, in one transaction: event rows, changes, catalog, users and idempotency records commit
 * together. A write that cannot be applied fails alone, unless `all_or_nothing`, where the first one that is not
 * APPLIED or UNCHANGED rolls everything back (its outcome stands; the others are WRITE_PENDING). now_us dates all of
 * them. When STORE_OK comes back the transaction is durable. A COMMIT whose answer was lost is looked up; only when that
 * cannot be found out before the deadline is STORE_UNAVAILABLE given for writes that may have happened. */
enum { STORE_APPLY_MAX = 100000 };
MUST_CHECK enum store_result store_apply(struct store_session *session, struct store_write *writes, size_t count,
                                         bool all_or_nothing, int64_t now_us, struct arena *arena);

/* ---- users ---- */

struct store_user {
	int64_t id;
	struct str email, role; /* absent when never seen */
	bool is_active;
	int64_t updated_at_us;
};
/* STORE_NOT_FOUND when the user was never seen. */
MUST_CHECK enum store_result store_user_get(struct store_session *session, int64_t id, struct arena *arena,
                                            struct store_user *user);
/* Makes the user if need be. */
MUST_CHECK enum store_result store_user_set_active(struct store_session *session, int64_t id, bool is_active,
                                                   int64_t now_us, struct arena *arena, struct store_user *user);
/* The ids of all users that are shut out, ascending, and a number that grows with every status change. */
MUST_CHECK enum store_result store_users_inactive(struct store_session *session, struct arena *arena, int64_t **ids,
                                                  size_t *count, uint64_t *version);

/* ---- following the change log (several instances; the embedded store answers at once) ---- */

struct store_head {
	uint64_t seq;           /* of the last change */
	uint64_t users_version; /* grows with every change of a user's status */
	uint64_t history;       /* names the server's timeline: another value means a failover happened */
};
MUST_CHECK enum store_result store_head(struct store_session *session, struct store_head *head);
/* Renews this instance's row so that writers wait for it for lease_ms from now; records what it has applied. */
MUST_CHECK enum store_result store_lease_renew(struct store_session *session, struct str instance_id, int lease_ms,
                                               uint64_t seen_seq);
/* Records seen_seq without renewing, and wakes writers that wait. */
MUST_CHECK enum store_result store_lease_seen(struct store_session *session, struct str instance_id, uint64_t seen_seq);
/* Gives the lease up (graceful stop): writers no longer wait for this instance. */
MUST_CHECK enum store_result store_lease_drop(struct store_session *session, struct str instance_id);
/* Waits until every other instance that holds a lease has seen `seq`, or its lease is over. */
MUST_CHECK enum store_result store_lease_wait(struct store_session *session, struct str instance_id, uint64_t seq);
/* Waits up to timeout_ms for a hint that something was committed (NOTIFY) or for store_interrupt. *hinted says which. */
MUST_CHECK enum store_result store_listen(struct store_session *session, int timeout_ms, bool *hinted);
/* Wakes a thread that is inside store_listen of this session. Any thread. */
void store_interrupt(struct store_session *session);

/* ---- the relay's books ---- */

/* STORE_IN_USE when another process relays. Held until the session closes or its connection breaks, which it does when
 * the holder was silent for a second: ask again more often than that, which keeps it and says whether it is still held. */
MUST_CHECK enum store_result store_relay_lock(struct store_session *session);
MUST_CHECK enum store_result store_relay_position(struct store_session *session, uint64_t *seq);
MUST_CHECK enum store_result store_relay_advance(struct store_session *session, uint64_t seq);

/* ---- keeping house ---- */

/* Removes idempotency records older than 24 h and rows of instances long gone, some at a time. */
MUST_CHECK enum store_result store_housekeeping(struct store_session *session, int64_t now_us);
/* Removes changes that occurred before `before_us` and leaves the marker that STORE_PRUNED speaks of. Never removes the
 * newest change. *removed counts them. */
MUST_CHECK enum store_result store_audit_prune(struct store_session *session, int64_t before_us, uint64_t *removed);
/* True sums of what `catalog` says, and the number of changes that do not follow from the one before: for
 * `evently audit verify`. Each finding is one line of `report`. */
MUST_CHECK enum store_result store_audit_verify(struct store_session *session, struct buf *report, uint64_t *changes,
                                                uint64_t *faults);

/* ---- migrations (store/migrate.c runs them over the files of migrations/) ---- */

struct store_migration {
	int number;
	const char *name;
	bool applied;
	int64_t applied_at_us;
	bool checksum_differs; /* applied from another text than this program has */
};
/* All that this program knows, and those applied that it does not (name NULL). */
MUST_CHECK enum store_result store_migrations(struct store_session *session, struct arena *arena,
                                              struct store_migration **migrations, size_t *count);
/* Up to `target` (0: the newest), or down to it. Says each step through `report` (one line each). Safe to run from ten
 * processes at once. */
MUST_CHECK enum store_result store_migrate_up(struct store_session *session, int target, struct buf *report);
MUST_CHECK enum store_result store_migrate_down(struct store_session *session, int target, struct buf *report);
/* STORE_OK when the schema is exactly this program's, STORE_SCHEMA with a problem text when not. */
MUST_CHECK enum store_result store_schema_check(struct store_session *session);

#endif
