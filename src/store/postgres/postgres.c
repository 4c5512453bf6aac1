/* Opening and closing the PostgreSQL store and its sessions, and the table of its functions. */
#include "store/postgres/postgres.h"

#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/config.h"
#include "store/postgres/address.h"
#include "store/postgres/migrations.h"
#include "store/postgres/statement.h"

enum {
	FAILURES_MAX = 2,     /* in a row, before the breaker opens */
	BACKOFF_MS = 100,
	BACKOFF_MS_MAX = 1000, /* so that a server that is back is found within 2 s */
	FAREWELL_MS = 200,
	SERIES_PRIMARY = 0,   /* of METRIC_BREAKER; 1 is Redis */
	SERIES_REPLICAS = 2,
};

static const char *const REPLICA_NAMES[PG_REPLICAS_MAX] = {
	"replica 1", "replica 2", "replica 3", "replica 4", "replica 5", "replica 6",
};

static void close_store(struct store *base)
{
	struct postgres_store *store = (struct postgres_store *)base;

	breaker_finish(&store->primary.breaker);
	for (size_t i = 0; i < PG_REPLICAS_MAX; i++)
		breaker_finish(&store->replicas[i].breaker);
	address_forget(store);
	free(store);
}

static struct store_session *open_session(struct store *base)
{
	struct postgres_store *store = (struct postgres_store *)base;
	struct postgres_session *session = calloc(1, sizeof *session);

	if (session == NULL)
		return NULL;
	session->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (session->wake_fd < 0) {
		free(session);
		return NULL;
	}
	session->store = store;
	session->primary = (struct pg_connection){.session = session, .peer = &store->primary};
	session->replica = (struct pg_connection){.session = session, .peer = &store->replicas[0]};
	return &session->base;
}

static void close_session(struct store_session *base)
{
	struct postgres_session *session = postgres_session(base);
	struct pg_connection *primary = &session->primary;

	/* The server would notice the closing a little later; whoever takes over need not wait for that. */
	primary->deadline_ns = clock_monotonic_ns() + FAREWELL_MS * CLOCK_MS;
	if (primary->relay_locked && statement_do(primary, SQL_UNLOCK_ALL, NULL) != STORE_OK)
		log_debug("store", "%s", store_session_problem(base));
	connection_finish(primary);
	connection_finish(&session->replica);
	close(session->wake_fd);
	free(session);
}

static bool reconfigure(struct store *base, const struct config *config, struct buf *problem)
{
	struct postgres_store *store = (struct postgres_store *)base;

	if (!address_read(store, config, problem))
		return false;
	atomic_store(&store->connect_timeout_ms, (int)config->db_connect_timeout_ms);
	return true;
}

static enum breaker_state primary_breaker_state(struct store *base)
{
	return breaker_state(&((struct postgres_store *)base)->primary.breaker);
}

static const struct store_backend BACKEND = {
	.kind = "postgresql",
	.shared = true,
	.close = close_store,
	.reconfigure = reconfigure,
	.session_open = open_session,
	.session_close = close_session,
	.breaker_state = primary_breaker_state,
	.get_many = postgres_get_many,
	.list = postgres_list,
	.changes_after = postgres_changes_after,
	.audit = postgres_audit,
	.each = postgres_each,
	.apply = postgres_apply,
	.user_get = postgres_user_get,
	.user_set_active = postgres_user_set_active,
	.users_inactive = postgres_users_inactive,
	.head = postgres_head,
	.lease_renew = postgres_lease_renew,
	.lease_seen = postgres_lease_seen,
	.lease_drop = postgres_lease_drop,
	.lease_wait = postgres_lease_wait,
	.listen = postgres_listen,
	.interrupt = postgres_interrupt,
	.relay_lock = postgres_relay_lock,
	.relay_position = postgres_relay_position,
	.relay_advance = postgres_relay_advance,
	.housekeeping = postgres_housekeeping,
	.audit_prune = postgres_audit_prune,
	.audit_verify = postgres_audit_verify,
	.migrations = postgres_migrations,
	.migrate_up = postgres_migrate_up,
	.migrate_down = postgres_migrate_down,
	.schema_check = postgres_schema_check,
};

enum store_result postgres_store_open(struct store **store, const struct config *config, struct buf *problem)
{
	struct postgres_store *made = calloc(1, sizeof *made);

	if (made == NULL) {
		buf_lit(problem, "Out of memory");
		return STORE_OUT_OF_MEMORY;
	}
	made->base.backend = &BACKEND;
	made->connect_timeout_ms = (int)config->db_connect_timeout_ms;
	made->request_timeout_ms = (int)config->request_timeout_ms;
	made->lease_ms = (int)config->lease_ms;
	if (!address_read(made, config, problem)) {
		free(made);
		return STORE_DENIED;
	}
	breaker_init(&made->primary.breaker, "postgres", SERIES_PRIMARY, FAILURES_MAX, BACKOFF_MS, BACKOFF_MS_MAX);
	for (size_t i = 0; i < PG_REPLICAS_MAX; i++) {
		made->replicas[i].replica = true;
		breaker_init(&made->replicas[i].breaker, REPLICA_NAMES[i], SERIES_REPLICAS + (unsigned)i, FAILURES_MAX, BACKOFF_MS,
		             BACKOFF_MS_MAX);
	}
	*store = &made->base;
	return STORE_OK;
}
