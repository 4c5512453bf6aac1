/* Following the log with many instances: the head, leases (design: an instance answers from its cache only while it holds
 * one), notifications, and the relay's books. */
#include "store/postgres/postgres.h"

#include <errno.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "store/postgres/error.h"
#include "store/postgres/statement.h"

enum { WAIT_FIRST_MS = 5, WAIT_MAX_MS = 50 };

#define RELAY_LOCK_KEY INT64_C(7310582316281425)

/* ---- the head ---- */

static enum store_result read_head(struct pg_connection *connection, struct store_head *head)
{
	PGresult *result = NULL;

	enum store_result outcome = statement_learn_history(connection);
	if (outcome == STORE_OK)
		outcome = statement_run(connection, SQL_HEAD, NULL, &result);
	if (outcome != STORE_OK)
		return outcome;
	if (PQntuples(result) == 1)
		*head = (struct store_head){
			.seq = (uint64_t)cell_i64(result, 0, 0),
			.users_version = (uint64_t)cell_i64(result, 0, 2),
			.history = (uint64_t)connection->history,
		};
	else
		outcome = store_fail(&connection->session->base, STORE_SCHEMA, "The table `catalog` is empty");
	PQclear(result);
	return outcome;
}

enum store_result postgres_head(struct store_session *session, struct store_head *head)
{
	struct turn turn = turn_begin(session, TURN_PRIMARY);

	while (turn_next(&turn))
		turn.result = read_head(turn.connection, head);
	return turn.result;
}

/* ---- leases ---- */

enum store_result postgres_lease_renew(struct store_session *session, struct str instance_id, int lease_ms,
                                       uint64_t seen_seq)
{
	struct turn turn = turn_begin(session, TURN_PRIMARY);
	struct params params = {0};

	params_text(&params, instance_id);
	params_i64(&params, (int64_t)seen_seq);
	params_i64(&params, lease_ms);
	while (turn_next(&turn))
		turn.result = statement_do(turn.connection, SQL_LEASE_RENEW, &params);
	return turn.result;
}

/* Losing this in a crash of the server only makes writers wait longer, so the commit need not reach the disk first. */
static enum store_result record_seen(struct pg_connection *connection, const struct params *params)
{
	static const enum statement USED[] = {SQL_COMMIT_LAZILY, SQL_LEASE_SEEN, SQL_SEEN_NOTIFY};
	struct pipeline pipeline;

	enum store_result outcome = pipeline_begin(&pipeline, connection, USED, ARRAY_LENGTH(USED));
	if (outcome != STORE_OK)
		return outcome;
	pipeline_add(&pipeline, SQL_COMMIT_LAZILY, NULL);
	pipeline_add(&pipeline, SQL_LEASE_SEEN, params);
	pipeline_add(&pipeline, SQL_SEEN_NOTIFY, NULL);
	pipeline_send(&pipeline);
	return pipeline_end(&pipeline);
}

enum store_result postgres_lease_seen(struct store_session *session, struct str instance_id, uint64_t seen_seq)
{
	struct turn turn = turn_begin(session, TURN_PRIMARY);
	struct params params = {0};

	params_text(&params, instance_id);
	params_i64(&params, (int64_t)seen_seq);
	while (turn_next(&turn))
		turn.result = record_seen(turn.connection, &params);
	return turn.result;
}

static enum store_result drop_lease(struct pg_connection *connection, const struct params *params)
{
	static const enum statement USED[] = {SQL_LEASE_DROP, SQL_SEEN_NOTIFY};
	struct pipeline pipeline;

	enum store_result outcome = pipeline_begin(&pipeline, connection, USED, ARRAY_LENGTH(USED));
	if (outcome != STORE_OK)
		return outcome;
	pipeline_add(&pipeline, SQL_LEASE_DROP, params);
	pipeline_add(&pipeline, SQL_SEEN_NOTIFY, NULL);
	pipeline_send(&pipeline);
	return pipeline_end(&pipeline);
}

enum store_result postgres_lease_drop(struct store_session *session, struct str instance_id)
{
	struct turn turn = turn_begin(session, TURN_PRIMARY);
	struct params params = {0};

	params_text(&params, instance_id);
	while (turn_next(&turn))
		turn.result = drop_lease(turn.connection, &params);
	return turn.result;
}

/* ---- waiting ---- */

void lease_params(struct params *params, struct str instance_id, uint64_t seq, const struct postgres_store *store)
{
	params_text(params, instance_id);
	params_i64(params, (int64_t)seq);
	params_i64(params, store->lease_ms);
}

bool lease_answer(struct pg_connection *connection, const PGresult *result, bool *waiting)
{
	if (PQntuples(result) != 1)
		return false;
	*waiting = cell_bool(result, 0, 0);
	connection->alone = !*waiting && !cell_bool(result, 0, 1);
	return true;
}

/* Waits for input of the connection or the session's wake_fd, up to timeout_ms; takes up what came. */
static enum store_result wait_for_hint(struct pg_connection *connection, int wake_fd, int timeout_ms)
{
	struct pollfd fds[] = {{PQsocket(connection->pg), POLLIN, 0}, {wake_fd, POLLIN, 0}};

	int ready = poll(fds, wake_fd >= 0 ? 2 : 1, timeout_ms);
	if (ready < 0 && errno != EINTR)
		return error_of_connection(connection);
	if (ready > 0 && fds[0].revents != 0 && !connection_consume(connection))
		return error_of_connection(connection);
	return STORE_OK;
}

static enum store_result still_waited_for(struct pg_connection *connection, const struct params *params, bool *waiting)
{
	PGresult *result = NULL;

	enum store_result outcome = statement_run(connection, SQL_LEASE_WAITED_FOR, params, &result);
	if (outcome != STORE_OK)
		return outcome;
	*waiting = false;
	if (!lease_answer(connection, result, waiting))
		outcome = store_fail(&connection->session->base, STORE_INTERNAL, "PostgreSQL does not say who holds a lease");
	PQclear(result);
	return outcome;
}

/* Listening comes before the first look, so that no notification falls in between. `waiting`: that look was together with the
 * commit. */
static enum store_result wait_until_seen(struct pg_connection *connection, const struct params *params, bool waiting)
{
	int pause_ms = WAIT_FIRST_MS;
	enum store_result outcome = STORE_OK;

	if (!waiting || !connection->listens_seen)
		outcome = still_waited_for(connection, params, &waiting);
	while (outcome == STORE_OK && waiting) {
		/* The commit notified nobody, because nobody else was there a moment ago. */
		if (connection->quiet) {
			outcome = statement_do(connection, SQL_CHANGES_NOTIFY, NULL);
			connection->quiet = outcome != STORE_OK;
		}
		if (outcome == STORE_OK && !connection->listens_seen) {
			outcome = statement_do(connection, SQL_LISTEN_SEEN, NULL);
			connection->listens_seen = outcome == STORE_OK;
			connection->hint_seen = true; /* look again at once */
		}
		int left_ms = clock_left_ms(connection->deadline_ns);
		if (outcome == STORE_OK && left_ms == 0)
			return store_fail(&connection->session->base, STORE_DEADLINE, "Other instances have not seen the write in time");
		if (outcome == STORE_OK && !connection->hint_seen)
			outcome = wait_for_hint(connection, -1, left_ms < pause_ms ? left_ms : pause_ms);
		if (pause_ms < WAIT_MAX_MS)
			pause_ms *= 2;
		connection->hint_seen = false;
		if (outcome == STORE_OK)
			outcome = still_waited_for(connection, params, &waiting);
	}
	return outcome;
}

/* A lease was asked for before it was given, and the log is read after: so whoever holds a lease a whole lease from now
 * has read what was committed before now. Without the database, that time has to pass. */
enum store_result postgres_lease_wait(struct store_session *session, struct str instance_id, uint64_t seq)
{
	struct postgres_session *own = postgres_session(session);
	int lease_ms = own->store->lease_ms;
	uint64_t over_ns = clock_boottime_ns() + (uint64_t)lease_ms * CLOCK_MS;
	struct turn turn = turn_begin(session, TURN_PRIMARY);
	struct params params = {0};

	bool asked = own->lease_asked.seq == seq;
	if (asked && !own->lease_asked.waiting)
		return STORE_OK;
	if (instance_id.len <= sizeof own->instance_id) {
		memcpy(own->instance_id, instance_id.ptr, instance_id.len);
		own->instance_id_bytes = instance_id.len;
	}
	lease_params(&params, instance_id, seq, own->store);
	while (turn_next(&turn))
		turn.result = wait_until_seen(turn.connection, &params, asked);
	if (turn.result == STORE_OK)
		return STORE_OK;
	uint64_t now_ns = clock_boottime_ns();
	uint64_t left_ns = over_ns > now_ns ? over_ns - now_ns : 0;
	if (session->deadline_ns < clock_monotonic_ns() + left_ns)
		return turn.result;
	struct timespec rest = {(time_t)(left_ns / CLOCK_SECOND), (long)(left_ns % CLOCK_SECOND)};
	while (nanosleep(&rest, &rest) != 0 && errno == EINTR)
		;
	return STORE_OK;
}

static enum store_result listen_once(struct turn *turn, int timeout_ms, bool *hinted)
{
	struct pg_connection *connection = turn->connection;
	struct postgres_session *session = turn->session;
	uint64_t wakes;
	enum store_result outcome = STORE_OK;

	if (!connection->listens_changes) {
		outcome = statement_do(connection, SQL_LISTEN_CHANGES, NULL);
		if (outcome != STORE_OK)
			return outcome;
		connection->listens_changes = true;
		connection->hint_changes = true; /* whatever came before was not heard */
	}
	int left_ms = clock_left_ms(connection->deadline_ns);
	if (!connection->hint_changes)
		outcome = wait_for_hint(connection, session->wake_fd, timeout_ms < left_ms ? timeout_ms : left_ms);
	*hinted = connection->hint_changes;
	connection->hint_changes = false;
	(void)!read(session->wake_fd, &wakes, sizeof wakes); /* does not block; nothing to read is fine */
	return outcome;
}

enum store_result postgres_listen(struct store_session *session, int timeout_ms, bool *hinted)
{
	struct turn turn = turn_begin(session, TURN_PRIMARY);

	*hinted = false;
	while (turn_next(&turn))
		turn.result = listen_once(&turn, timeout_ms, hinted);
	return turn.result;
}

void postgres_interrupt(struct store_session *session)
{
	uint64_t one = 1;
	(void)!write(postgres_session(session)->wake_fd, &one, sizeof one); /* full means that it is woken anyway */
}

/* ---- the relay's books ---- */

static enum store_result lock_relay(struct pg_connection *connection)
{
	struct params params = {0};
	PGresult *result = NULL;

	if (connection->relay_locked)
		return statement_do(connection, SQL_PING, NULL);
	params_i64(&params, RELAY_LOCK_KEY);
	enum store_result outcome = statement_run(connection, SQL_RELAY_LOCK, &params, &result);
	if (outcome != STORE_OK)
		return outcome;
	connection->relay_locked = cell_bool(result, 0, 0);
	PQclear(result);
	/* A holder that hangs, or is cut off, loses its session on the server and with it the lock. */
	if (connection->relay_locked)
		return statement_do(connection, SQL_RELAY_GUARD, NULL);
	return store_fail(&connection->session->base, STORE_IN_USE, "Another instance relays");
}

enum store_result postgres_relay_lock(struct store_session *session)
{
	struct turn turn = turn_begin(session, TURN_PRIMARY);

	while (turn_next(&turn))
		turn.result = lock_relay(turn.connection);
	return turn.result;
}

enum store_result postgres_relay_position(struct store_session *session, uint64_t *seq)
{
	struct turn turn = turn_begin(session, TURN_PRIMARY);
	PGresult *result = NULL;

	while (turn_next(&turn)) {
		turn.result = statement_run(turn.connection, SQL_RELAY_POSITION, NULL, &result);
		if (turn.result == STORE_OK) {
			*seq = (uint64_t)cell_i64(result, 0, 0);
			PQclear(result);
		}
	}
	return turn.result;
}

/* The lock goes with its connection: on a new one it has to be taken again before anything is recorded. */
enum store_result postgres_relay_advance(struct store_session *session, uint64_t seq)
{
	struct turn turn = turn_begin(session, TURN_ONCE);
	struct params params = {0};

	params_i64(&params, (int64_t)seq);
	while (turn_next(&turn)) {
		if (turn.connection->relay_locked)
			turn.result = statement_do(turn.connection, SQL_RELAY_ADVANCE, &params);
		else
			turn.result = store_fail(session, STORE_IN_USE, "The relay's lock was lost with its connection");
	}
	return turn.result;
}
