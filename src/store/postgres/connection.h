/* One connection to PostgreSQL and the peers that connections are made to.
 *
 * Sessions (postgres.h) own connections; a connection belongs to its session's thread. Every wait is a poll() bounded by
 * the call's deadline, the question for a host's address included. A connection that fell silent, broke or turned out to
 * lead to a demoted server is `lost`: it is closed at the end of the turn and made anew when needed. */
#ifndef EVENTLY_STORE_POSTGRES_CONNECTION_H
#define EVENTLY_STORE_POSTGRES_CONNECTION_H

#include <libpq-fe.h>
#include <stdatomic.h>

#include "base/resolver.h"
#include "store/backend.h"

enum { PG_USERS_KNOWN = 256 };
enum { PG_SHAPES_MAX = 64 }; /* lists whose plans one connection keeps */
enum { PG_HOSTS_MAX = 8, PG_REPLICAS_MAX = 6, PG_KEYWORDS_MAX = 48 };

/* What the settings say about one way to the database: libpq's keywords and the hosts to try. Never changed once made. */
struct pg_address {
	const struct pg_address *before; /* what the settings said before the last reload; NULL: nothing */
	const char *keywords[PG_KEYWORDS_MAX], *values[PG_KEYWORDS_MAX]; /* without host, hostaddr and port */
	size_t keyword_count;
	const char *hosts[PG_HOSTS_MAX], *ports[PG_HOSTS_MAX];
	size_t host_count;
	const char *user, *name;   /* for words to people */
	const char *sslmode;
	bool from_url, tls_from_url; /* which setting to speak of */
};

/* The primary (one of several hosts) or one replica, shared by all threads. */
struct pg_peer {
	struct breaker breaker;
	_Atomic(const struct pg_address *) address; /* replaced on reload; what it was stays until the store is closed */
	bool replica;
	atomic_uint host_last;             /* the host that worked last is tried first */
	atomic_uint_fast64_t left_alone_until_ns; /* a lagging replica */
};

struct pg_connection {
	struct postgres_session *session;
	struct pg_peer *peer;
	struct resolver resolvers[PG_HOSTS_MAX]; /* of the hosts of `located`: libpq itself would ask without a bound */
	const struct pg_address *located;
	PGconn *pg;               /* NULL when closed */
	const struct pg_address *address;  /* that pg was made with */
	const struct pg_address *settings; /* what the settings said then: address, or what address was before of */
	const char *host, *port;  /* of pg, for words to people */
	int64_t history;          /* names server and timeline; 0 when unknown (a replica) */
	uint64_t prepared;        /* one bit for each prepared statement */
	uint64_t shapes[PG_SHAPES_MAX]; /* hashes of the SQL prepared as s0, s1, …; 0: none */
	uint64_t deadline_ns;     /* of the call that runs */
	bool listens_changes, listens_seen;
	bool hint_changes, hint_seen; /* notifications that came and were not yet asked for */
	/* What this connection's last batch of writes left behind: if nobody else has written since, the next may count on it. */
	struct {
		uint64_t seq;         /* of the last change; 0: not known */
		int64_t id;           /* the last that the sequence gave; 0: not known */
		bool usable;          /* nobody else wrote lately */
	} foreseen;
	bool generic;             /* plans are made once, not for each call's values */
	bool alone;               /* no other instance held a lease when it was asked last */
	bool quiet;               /* the last commit notified nobody, being alone */
	uint64_t users_known[PG_USERS_KNOWN]; /* hashes of users that were filled lately; 0: none */
	uint64_t users_known_ns;  /* since when */
	bool relay_locked;
	bool lost;                /* to be closed: broken, silent or demoted */
	bool silent;              /* lost because no answer came in time */
	bool data_error;          /* the last error lay in the data sent (SQLSTATE classes 22 and 23) */
	bool unreplicated;        /* in this turn a COMMIT was told to wait for its synchronous standby no longer */
};

/* Connects within the deadline and DB_CONNECT_TIMEOUT_MS: to all hosts at once, 100 ms apart, the first that may be used
 * wins (after RFC 8305). Keeps the session's problem when it fails. */
MUST_CHECK enum store_result connection_open(struct pg_connection *connection);
void connection_close(struct pg_connection *connection); /* closed already is fine; it may be opened again */
/* Closes it when the settings lead to another server, database or user by now. A new password alone is for the next
 * connection: PostgreSQL asks for it only once. */
void connection_follow_settings(struct pg_connection *connection);
void connection_finish(struct pg_connection *connection);

/* Waits until a result can be fetched without blocking and everything is sent. Marks the connection lost otherwise. */
MUST_CHECK enum store_result connection_wait(struct pg_connection *connection);
/* Takes up what came in without waiting; notes notifications. False when the connection broke. */
bool connection_consume(struct pg_connection *connection);
/* Asked after a COMMIT that succeeded: STORE_UNAVAILABLE when its wait for the synchronous standby was cut short, so that
 * it is durable on this server only. */
MUST_CHECK enum store_result connection_replicated(struct pg_connection *connection);

#endif
