/* Following the log within one process: leases cost nothing, hints come through a condition variable, and the relay's
 * lock is a pointer. */
#include <time.h>

#include "base/clock.h"
#include "store/sqlite/sqlite.h"

/* ---- leases: this process is the only instance ---- */

enum store_result sqlite_lease_renew(struct store_session *session, struct str instance_id, int lease_ms,
                                     uint64_t seen_seq)
{
	(void)session, (void)instance_id, (void)lease_ms, (void)seen_seq;
	return STORE_OK;
}

enum store_result sqlite_lease_seen(struct store_session *session, struct str instance_id, uint64_t seen_seq)
{
	(void)session, (void)instance_id, (void)seen_seq;
	return STORE_OK;
}

enum store_result sqlite_lease_drop(struct store_session *session, struct str instance_id)
{
	(void)session, (void)instance_id;
	return STORE_OK;
}

enum store_result sqlite_lease_wait(struct store_session *session, struct str instance_id, uint64_t seq)
{
	(void)session, (void)instance_id, (void)seq;
	return STORE_OK;
}

/* ---- hints ---- */

enum store_result sqlite_listen(struct store_session *base, int timeout_ms, bool *hinted)
{
	struct sqlite_store *store = sqlite_store(base);
	struct sqlite_session *session = sqlite_session(base);
	uint64_t until_ns = clock_monotonic_ns() + (uint64_t)(timeout_ms > 0 ? timeout_ms : 0) * CLOCK_MS;
	int error = 0;

	if (until_ns > base->deadline_ns)
		until_ns = base->deadline_ns;
	struct timespec until = {.tv_sec = (time_t)(until_ns / CLOCK_SECOND), .tv_nsec = (long)(until_ns % CLOCK_SECOND)};
	pthread_mutex_lock(&store->lock);
	while (session->commits_seen == store->commits && !session->interrupted && error == 0)
		error = pthread_cond_timedwait(&store->hint, &store->lock, &until);
	*hinted = session->commits_seen != store->commits;
	session->commits_seen = store->commits;
	session->interrupted = false;
	pthread_mutex_unlock(&store->lock);
	return STORE_OK;
}

void sqlite_interrupt(struct store_session *base)
{
	struct sqlite_store *store = sqlite_store(base);

	pthread_mutex_lock(&store->lock);
	sqlite_session(base)->interrupted = true;
	pthread_cond_broadcast(&store->hint);
	pthread_mutex_unlock(&store->lock);
}

/* ---- the relay's books ---- */

enum store_result sqlite_relay_lock(struct store_session *base)
{
	struct sqlite_store *store = sqlite_store(base);
	struct sqlite_session *session = sqlite_session(base);

	pthread_mutex_lock(&store->lock);
	if (store->relay == NULL)
		store->relay = session;
	bool mine = store->relay == session;
	pthread_mutex_unlock(&store->lock);
	return mine ? STORE_OK : store_fail(base, STORE_IN_USE, "another session relays");
}

void sqlite_relay_unlock(struct sqlite_session *session)
{
	struct sqlite_store *store = sqlite_store(&session->base);

	pthread_mutex_lock(&store->lock);
	if (store->relay == session)
		store->relay = NULL;
	pthread_mutex_unlock(&store->lock);
}

enum store_result sqlite_relay_position(struct store_session *base, uint64_t *seq)
{
	struct sqlite_session *session = sqlite_session(base);
	struct catalog catalog = {0};

	enum store_result result = sqlite_read_begin(session);
	if (result == STORE_OK)
		result = sqlite_catalog(session, &catalog);
	result = sqlite_read_end(session, result);
	if (result == STORE_OK)
		*seq = catalog.relay_seq;
	return result;
}

enum store_result sqlite_relay_advance(struct store_session *base, uint64_t seq)
{
	struct sqlite_session *session = sqlite_session(base);
	sqlite3_stmt *statement;

	enum store_result result = sqlite_write_begin(session);
	if (result != STORE_OK)
		return result;
	result = sqlite_statement(session, RELAY_ADVANCE, &statement);
	if (result == STORE_OK) {
		sqlite3_bind_int64(statement, 1, (int64_t)seq);
		result = sqlite_run(session, statement);
	}
	return sqlite_write_end(session, result);
}
