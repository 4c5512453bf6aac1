/* A turn: connect when needed, ask the breaker, judge the outcome, repeat once where that is safe. See postgres.h. */
#include "store/postgres/postgres.h"

#include "base/clock.h"
#include "base/log.h"

enum {
	LAGGING_PAUSE_MS = 100,    /* a replica that was behind is left alone for so long */
	REPLICA_PATIENCE_MS = 500, /* the longest a silent replica may hold a read up before the primary is asked */
};

struct turn turn_begin(struct store_session *session, enum turn_kind kind)
{
	session->by_replica = false;
	return (struct turn){.session = postgres_session(session), .kind = kind};
}

static uint64_t deadline_of(const struct postgres_session *session)
{
	if (session->base.deadline_ns != UINT64_MAX)
		return session->base.deadline_ns;
	return clock_monotonic_ns() + (uint64_t)session->store->request_timeout_ms * CLOCK_MS;
}

/* Makes the connection usable for this attempt, or says why not. The breaker was asked and is told of a failure. */
static bool take(struct turn *turn, struct pg_connection *connection, uint64_t deadline_ns)
{
	turn->connection = connection;
	turn->started_ns = clock_monotonic_ns();
	connection_follow_settings(connection);
	turn->fresh = connection->pg == NULL;
	turn->as_of = 0;
	turn->history = 0;
	connection->deadline_ns = deadline_ns;
	connection->data_error = connection->unreplicated = false;
	if (!turn->fresh)
		return true;
	turn->result = connection_open(connection);
	if (turn->result == STORE_OK)
		return true;
	/* A server that refuses us is there: the breaker is about servers that are not. A wrong setting still must not
	 * be hammered, so only an answer to somebody's own short deadline is not held against it. */
	breaker_report(&connection->peer->breaker, false);
	return false;
}

/* Tells the breaker how the attempt went and closes what is of no use. Returns whether the connection was lost. */
static bool give_back(struct turn *turn)
{
	struct pg_connection *connection = turn->connection;
	bool lost = connection->lost;

	if (connection->pg != NULL && !lost && PQtransactionStatus(connection->pg) != PQTRANS_IDLE)
		lost = true; /* an open transaction or unread results: cheaper to make anew than to reason about */
	if (lost)
		connection_close(connection);
	return lost;
}

static void report(struct turn *turn, bool lost, bool silent)
{
	/* A call that had hardly any time says nothing about the server. */
	if (turn->result == STORE_DEADLINE && lost && !silent)
		return;
	breaker_report(&turn->connection->peer->breaker, !lost);
}

static bool replica_start(struct turn *turn)
{
	struct postgres_session *session = turn->session;
	struct postgres_store *store = session->store;

	size_t count = atomic_load(&store->replica_count);
	if (turn->kind != TURN_READ || count == 0)
		return false;
	uint64_t now_ns = clock_monotonic_ns();
	struct pg_connection *connection = &session->replica;
	unsigned first = atomic_fetch_add(&store->replica_next, 1);
	for (size_t i = 0; i < count; i++) {
		struct pg_peer *peer = &store->replicas[(first + i) % count];
		/* A session stays with the replica that it is connected to while that one is good. */
		if (connection->pg != NULL && i == 0 && (size_t)(connection->peer - store->replicas) < count)
			peer = connection->peer;
		if (atomic_load(&peer->left_alone_until_ns) > now_ns || !breaker_allow(&peer->breaker))
			continue;
		if (connection->pg != NULL && connection->peer != peer)
			connection_close(connection);
		connection->peer = peer;
		uint64_t deadline_ns = deadline_of(session), patience_ns = now_ns + REPLICA_PATIENCE_MS * CLOCK_MS;
		if (take(turn, connection, deadline_ns < patience_ns ? deadline_ns : patience_ns))
			return true;
	}
	return false;
}

/* Is the replica's answer the one to give? */
static bool replica_end(struct turn *turn)
{
	struct postgres_session *session = turn->session;
	struct pg_peer *peer = turn->connection->peer;
	bool silent = turn->connection->silent;
	bool lost = give_back(turn);

	report(turn, lost, silent);
	if (turn->result != STORE_OK)
		return false;
	int64_t history = atomic_load(&session->store->history);
	if (turn->as_of >= session->base.min_as_of && (history == 0 || turn->history == history))
		return true;
	atomic_store(&peer->left_alone_until_ns, clock_monotonic_ns() + LAGGING_PAUSE_MS * CLOCK_MS);
	return false;
}

static bool primary_start(struct turn *turn)
{
	struct postgres_session *session = turn->session;
	struct pg_peer *peer = &session->store->primary;
	uint64_t deadline_ns = deadline_of(session);

	turn->stage = TURN_ON_PRIMARY;
	if (clock_left_ms(deadline_ns) == 0) {
		turn->result = store_fail(&session->base, STORE_DEADLINE, "No time was left to ask PostgreSQL");
	} else if (!breaker_allow(&peer->breaker)) {
		turn->result = STORE_UNAVAILABLE;
		if (session->base.problem[0] == '\0')
			(void)store_fail(&session->base, STORE_UNAVAILABLE, "PostgreSQL failed lately and is left alone for a moment");
	} else if (take(turn, &session->primary, deadline_ns)) {
		return true;
	}
	turn->stage = TURN_DONE;
	return false;
}

/* A connection that had been idle may have died long ago: that says nothing about the server, so ask once more. */
static bool primary_repeat(struct turn *turn)
{
	struct pg_connection *connection = turn->connection;
	enum store_result before = turn->result;
	bool silent = connection->silent;
	bool lost = give_back(turn);

	if (before == STORE_OK || !lost || silent || turn->fresh || turn->kind == TURN_ONCE
	    || turn->stage == TURN_REPEATED || clock_left_ms(connection->deadline_ns) == 0) {
		report(turn, lost && before != STORE_OK, silent);
		return false;
	}
	turn->stage = TURN_REPEATED;
	return take(turn, connection, deadline_of(turn->session));
}

bool turn_next(struct turn *turn)
{
	switch (turn->stage) {
	case TURN_START:
		if (replica_start(turn)) {
			turn->stage = TURN_ON_REPLICA;
			return true;
		}
		return primary_start(turn);
	case TURN_ON_REPLICA:
		if (!replica_end(turn))
			return primary_start(turn);
		turn->session->base.by_replica = true;
		break;
	case TURN_ON_PRIMARY:
	case TURN_REPEATED:
		if (primary_repeat(turn))
			return true;
		break;
	case TURN_DONE:
		break;
	}
	turn->stage = TURN_DONE;
	return false;
}
