/* The public functions of store.h: arguments are checked, the call is measured, and the backend does it. */
#include "store/store.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "config/config.h"
#include "store/backend.h"

/* The series of METRIC_STORE_CALLS. (store_listen only waits, so its time says nothing.) */
#define CALLS(X) \
	X(CALL_GET_MANY, "get_many") \
	X(CALL_LIST, "list") \
	X(CALL_CHANGES_AFTER, "changes_after") \
	X(CALL_AUDIT, "audit") \
	X(CALL_EACH, "each") \
	X(CALL_APPLY, "apply") \
	X(CALL_USER_GET, "user_get") \
	X(CALL_USER_SET_ACTIVE, "user_set_active") \
	X(CALL_USERS_INACTIVE, "users_inactive") \
	X(CALL_HEAD, "head") \
	X(CALL_LEASE_RENEW, "lease_renew") \
	X(CALL_LEASE_SEEN, "lease_seen") \
	X(CALL_LEASE_DROP, "lease_drop") \
	X(CALL_LEASE_WAIT, "lease_wait") \
	X(CALL_RELAY_LOCK, "relay_lock") \
	X(CALL_RELAY_POSITION, "relay_position") \
	X(CALL_RELAY_ADVANCE, "relay_advance") \
	X(CALL_HOUSEKEEPING, "housekeeping") \
	X(CALL_AUDIT_PRUNE, "audit_prune") \
	X(CALL_AUDIT_VERIFY, "audit_verify") \
	X(CALL_MIGRATIONS, "migrations") \
	X(CALL_MIGRATE_UP, "migrate_up") \
	X(CALL_MIGRATE_DOWN, "migrate_down") \
	X(CALL_SCHEMA_CHECK, "schema_check")

enum call {
#define X(identifier, name) identifier,
	CALLS(X)
#undef X
	CALL_COUNT
};

static const char *const call_names[CALL_COUNT] = {
#define X(identifier, name) [identifier] = name,
	CALLS(X)
#undef X
};

static const char *const result_names[STORE_RESULT_COUNT] = {
	[STORE_OK] = "ok",
	[STORE_UNAVAILABLE] = "unavailable",
	[STORE_DEADLINE] = "deadline",
	[STORE_FULL] = "full",
	[STORE_OUT_OF_MEMORY] = "out_of_memory",
	[STORE_SCHEMA] = "schema",
	[STORE_DENIED] = "denied",
	[STORE_PRUNED] = "pruned",
	[STORE_NOT_FOUND] = "not_found",
	[STORE_IN_USE] = "in_use",
	[STORE_INTERNAL] = "internal",
};

const char *store_result_name(enum store_result result)
{
	CHECK((unsigned)result < STORE_RESULT_COUNT);
	return result_names[result];
}

enum store_result store_fail(struct store_session *session, enum store_result result, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(session->problem, sizeof session->problem, format, arguments);
	va_end(arguments);
	if (result == STORE_INTERNAL)
		log_error_with_stack("store", NULL, 0, "%s", session->problem);
	return result;
}

/* ---- If-Match ---- */

/* Takes the next entity tag with its quotes (RFC 9110 section 8.8.3) off `rest`. Weak tags come as absent. False at a
 * syntax error. */
static bool next_tag(struct str *rest, struct str *tag)
{
	bool weak = str_starts_with(*rest, STR("W/"));
	size_t start = weak ? 2 : 0;

	if (rest->len <= start || rest->ptr[start] != '"')
		return false;
	const char *close = memchr(rest->ptr + start + 1, '"', rest->len - start - 1);
	if (close == NULL)
		return false;
	size_t end = (size_t)(close - rest->ptr) + 1;
	*tag = weak ? STR_NONE : (struct str){rest->ptr + start, end - start};
	*rest = str_trim(str_skip(*rest, end));
	return rest->len == 0 || rest->ptr[0] == ',';
}

bool store_if_match_holds(struct str if_match, const struct event *event, int64_t now_us)
{
	char own[19];
	struct str rest = str_trim(if_match);

	if (str_equal(rest, STR("*")))
		return true;
	snprintf(own, sizeof own, "\"%016llx\"", (unsigned long long)event_etag(event, now_us));
	bool holds = false;
	while (rest.len > 0) {
		struct str tag;
		if (rest.ptr[0] == ',') { /* empty list elements are allowed: RFC 9110 section 5.6.1.2 */
			rest = str_trim(str_skip(rest, 1));
			continue;
		}
		if (!next_tag(&rest, &tag))
			return false;
		holds = holds || (tag.ptr != NULL && str_equal(tag, str_from(own)));
	}
	return holds;
}

/* ---- life ---- */

enum store_result store_open(struct store **store, const struct config *config, bool exclusive, struct buf *problem)
{
	for (unsigned i = 0; i < CALL_COUNT; i++)
		metrics_label(METRIC_STORE_CALLS, i, call_names[i]);
	for (unsigned i = 0; i < STORE_RESULT_COUNT; i++)
		metrics_label(METRIC_STORE_ERRORS, i, result_names[i]);
	*store = NULL;
	if (config_uses_postgres(config))
		return postgres_store_open(store, config, problem);
	return sqlite_store_open(store, config, exclusive, problem);
}

bool store_reconfigure(struct store *store, const struct config *config, struct buf *problem)
{
	if (config_uses_postgres(config) != store->backend->shared) {
		buf_lit(problem, "DB_HOST and DATABASE_URL: whether the store is PostgreSQL or the embedded one needs a restart");
		return false;
	}
	return store->backend->reconfigure == NULL || store->backend->reconfigure(store, config, problem);
}

void store_close(struct store *store)
{
	if (store != NULL)
		store->backend->close(store);
}

struct store_session *store_session_open(struct store *store)
{
	struct store_session *session = store->backend->session_open(store);

	if (session == NULL)
		return NULL;
	session->store = store;
	session->deadline_ns = UINT64_MAX;
	session->problem[0] = '\0';
	return session;
}

void store_session_close(struct store_session *session)
{
	if (session != NULL)
		session->store->backend->session_close(session);
}

void store_session_deadline(struct store_session *session, uint64_t deadline_ns)
{
	session->deadline_ns = deadline_ns;
}

void store_session_min_as_of(struct store_session *session, uint64_t seq)
{
	session->min_as_of = seq;
}

bool store_session_by_replica(const struct store_session *session)
{
	return session->by_replica;
}

const char *store_session_problem(const struct store_session *session)
{
	return session->problem;
}

bool store_is_shared(const struct store *store)
{
	return store->backend->shared;
}

const char *store_kind(const struct store *store)
{
	return store->backend->kind;
}

enum breaker_state store_breaker_state(struct store *store)
{
	return store->backend->breaker_state(store);
}

/* ---- calls ---- */

static uint64_t begin(struct store_session *session)
{
	session->problem[0] = '\0';
	return clock_monotonic_ns();
}

static enum store_result end(enum call call, uint64_t begun_ns, enum store_result result)
{
	metrics_observe_ns(METRIC_STORE_CALLS, call, clock_monotonic_ns() - begun_ns);
	if (result != STORE_OK && result != STORE_NOT_FOUND)
		metrics_count(METRIC_STORE_ERRORS, result, 1);
	return result;
}

/* Runs one call of the backend's table and measures it; gives its result. */
#define CALL(call, session, function, ...) \
	do { \
		uint64_t begun_ns = begin(session); \
		return end(call, begun_ns, (session)->store->backend->function(session, __VA_ARGS__)); \
	} while (0)

enum store_result store_get_many(struct store_session *session, const int64_t *ids, size_t count, bool from_primary,
                                 struct arena *arena, struct event *events, uint64_t *as_of)
{
	CHECK(count <= STORE_GET_MAX);
	CALL(CALL_GET_MANY, session, get_many, ids, count, from_primary, arena, events, as_of);
}

enum store_result store_list(struct store_session *session, const struct query *query, int64_t now_us,
                             bool from_primary, struct arena *arena, struct query_page *page, uint64_t *as_of)
{
	CHECK(query->size >= 1 && query->size <= QUERY_SIZE_MAX && (query->has_cursor || query->page >= 1));
	CALL(CALL_LIST, session, list, query, now_us, from_primary, arena, page, as_of);
}

enum store_result store_changes_after(struct store_session *session, uint64_t after, size_t limit, struct arena *arena,
                                      struct change **changes, size_t *count, uint64_t *head)
{
	CALL(CALL_CHANGES_AFTER, session, changes_after, after, limit, arena, changes, count, head);
}

enum store_result store_audit(struct store_session *session, const struct store_audit_filter *filter, uint64_t after,
                              size_t limit, struct arena *arena, struct change **changes, size_t *count,
                              uint64_t *as_of)
{
	CALL(CALL_AUDIT, session, audit, filter, after, limit, arena, changes, count, as_of);
}

enum store_result store_each(struct store_session *session, store_each_fn *each, void *context, uint64_t *as_of)
{
	CALL(CALL_EACH, session, each, each, context, as_of);
}

bool store_write_repeats(const struct store_write *write)
{
	return write->outcome == WRITE_REPLAYED || write->outcome == WRITE_UNCHANGED ||
	       (write->outcome == WRITE_NOT_FOUND && write->kind == WRITE_DELETE);
}

enum store_result store_apply(struct store_session *session, struct store_write *writes, size_t count,
                              bool all_or_nothing, int64_t now_us, struct arena *arena)
{
	CHECK(count <= STORE_APPLY_MAX);
	for (size_t i = 0; i < count; i++) {
		CHECK(writes[i].kind == WRITE_DELETE || writes[i].patch != NULL);
		writes[i].outcome = WRITE_PENDING;
		writes[i].change = (struct change){0};
		writes[i].event = (struct event){0};
		writes[i].answer = STR_NONE;
	}
	CALL(CALL_APPLY, session, apply, writes, count, all_or_nothing, now_us, arena);
}

enum store_result store_user_get(struct store_session *session, int64_t id, struct arena *arena,
                                 struct store_user *user)
{
	CALL(CALL_USER_GET, session, user_get, id, arena, user);
}

enum store_result store_user_set_active(struct store_session *session, int64_t id, bool is_active, int64_t now_us,
                                        struct arena *arena, struct store_user *user)
{
	CALL(CALL_USER_SET_ACTIVE, session, user_set_active, id, is_active, now_us, arena, user);
}

enum store_result store_users_inactive(struct store_session *session, struct arena *arena, int64_t **ids,
                                       size_t *count, uint64_t *version)
{
	CALL(CALL_USERS_INACTIVE, session, users_inactive, arena, ids, count, version);
}

enum store_result store_head(struct store_session *session, struct store_head *head)
{
	CALL(CALL_HEAD, session, head, head);
}

enum store_result store_lease_renew(struct store_session *session, struct str instance_id, int lease_ms,
                                    uint64_t seen_seq)
{
	CALL(CALL_LEASE_RENEW, session, lease_renew, instance_id, lease_ms, seen_seq);
}

enum store_result store_lease_seen(struct store_session *session, struct str instance_id, uint64_t seen_seq)
{
	CALL(CALL_LEASE_SEEN, session, lease_seen, instance_id, seen_seq);
}

enum store_result store_lease_drop(struct store_session *session, struct str instance_id)
{
	CALL(CALL_LEASE_DROP, session, lease_drop, instance_id);
}

enum store_result store_lease_wait(struct store_session *session, struct str instance_id, uint64_t seq)
{
	CALL(CALL_LEASE_WAIT, session, lease_wait, instance_id, seq);
}

enum store_result store_listen(struct store_session *session, int timeout_ms, bool *hinted)
{
	session->problem[0] = '\0';
	return session->store->backend->listen(session, timeout_ms, hinted);
}

void store_interrupt(struct store_session *session)
{
	session->store->backend->interrupt(session);
}

enum store_result store_relay_lock(struct store_session *session)
{
	uint64_t begun_ns = begin(session);
	return end(CALL_RELAY_LOCK, begun_ns, session->store->backend->relay_lock(session));
}

enum store_result store_relay_position(struct store_session *session, uint64_t *seq)
{
	CALL(CALL_RELAY_POSITION, session, relay_position, seq);
}

enum store_result store_relay_advance(struct store_session *session, uint64_t seq)
{
	CALL(CALL_RELAY_ADVANCE, session, relay_advance, seq);
}

enum store_result store_housekeeping(struct store_session *session, int64_t now_us)
{
	CALL(CALL_HOUSEKEEPING, session, housekeeping, now_us);
}

enum store_result store_audit_prune(struct store_session *session, int64_t before_us, uint64_t *removed)
{
	CALL(CALL_AUDIT_PRUNE, session, audit_prune, before_us, removed);
}

enum store_result store_audit_verify(struct store_session *session, struct buf *report, uint64_t *changes,
                                     uint64_t *faults)
{
	CALL(CALL_AUDIT_VERIFY, session, audit_verify, report, changes, faults);
}

enum store_result store_migrations(struct store_session *session, struct arena *arena,
                                   struct store_migration **migrations, size_t *count)
{
	CALL(CALL_MIGRATIONS, session, migrations, arena, migrations, count);
}

enum store_result store_migrate_up(struct store_session *session, int target, struct buf *report)
{
	CALL(CALL_MIGRATE_UP, session, migrate_up, target, report);
}

enum store_result store_migrate_down(struct store_session *session, int target, struct buf *report)
{
	CALL(CALL_MIGRATE_DOWN, session, migrate_down, target, report);
}

enum store_result store_schema_check(struct store_session *session)
{
	uint64_t begun_ns = begin(session);
	return end(CALL_SCHEMA_CHECK, begun_ns, session->store->backend->schema_check(session));
}
