#include "store/postgres/connection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/postgres/address.h"
#include "store/postgres/error.h"
#include "store/postgres/postgres.h"

enum {
	NAME_PATIENCE_MS = 300, /* for a name server, where there are other hosts to try */
	STAGGER_MS = 100,      /* between the starts of attempts to several hosts */
	SLICE_MS = 100,        /* how often a silent wait looks whether others gave the server up */
	PATIENCE_MS = 250,     /* a wait shorter than this is not given up for the breaker's sake */
	WORDS_BYTES = 384,
	ADDRESSES_MAX = 4,     /* of one host */
	ADDRESSES_BYTES = ADDRESSES_MAX * (INET6_ADDRSTRLEN + 1),
	NAMES_BYTES = 1200,
};

/* Attempts of one connection_open. */
struct attempt {
	PGconn *pg; /* NULL: not started or over */
	unsigned host;
	PostgresPollingStatusType wants;
};

struct race {
	struct pg_connection *connection;
	const struct pg_address *address;
	struct attempt attempts[PG_HOSTS_MAX];
	size_t started, running;
	uint64_t deadline_ns, next_start_ns;
	unsigned first_host;
	enum store_result result; /* of the most telling failure */
	char words[WORDS_BYTES];
};

/* A COMMIT that waits for its synchronous standby and is cancelled succeeds all the same, with a warning. It is known by
 * the function that it comes from, since its words are translated. (PostgreSQL 15, src/backend/replication/syncrep.c) */
static void take_notice(void *context, const PGresult *notice)
{
	struct pg_connection *connection = context;
	const char *function = PQresultErrorField(notice, PG_DIAG_SOURCE_FUNCTION);
	const char *message = PQresultErrorField(notice, PG_DIAG_MESSAGE_PRIMARY);

	if (function != NULL && strcmp(function, "SyncRepWaitForLSN") == 0)
		connection->unreplicated = true;
	log_debug("store", "PostgreSQL says: %s", message != NULL ? message : "");
}

/* A server that answers and refuses says more than one that is not there. */
static void note_failure(struct race *race, unsigned host, const char *message)
{
	char words[WORDS_BYTES];
	enum store_result result = error_of_connecting(race->connection->peer, race->address->hosts[host],
	                                               race->address->ports[host], message, words, sizeof words);

	if (race->words[0] == '\0' || (result != STORE_UNAVAILABLE && race->result == STORE_UNAVAILABLE)) {
		memcpy(race->words, words, sizeof words);
		race->result = result;
	}
}

static void attempt_failed(struct race *race, struct attempt *attempt)
{
	note_failure(race, attempt->host, PQerrorMessage(attempt->pg));
	PQfinish(attempt->pg);
	attempt->pg = NULL;
	race->running--;
	race->next_start_ns = 0; /* the next host need not wait */
}

/* A host's addresses as libpq takes them: "a1,a2" in hostaddr, and the name as often in host. */
struct located {
	char names[NAMES_BYTES], addresses[ADDRESSES_BYTES];
};

static void print_addresses(const struct addrinfo *found, const char *host, struct located *located)
{
	size_t named = 0, written = 0;

	for (unsigned count = 0; found != NULL && count < ADDRESSES_MAX; found = found->ai_next) {
		char text[INET6_ADDRSTRLEN];
		if (getnameinfo(found->ai_addr, found->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) != 0
		    || named + strlen(host) + 2 > sizeof located->names)
			continue;
		const char *comma = count > 0 ? "," : "";
		named += (size_t)snprintf(located->names + named, sizeof located->names - named, "%s%s", comma, host);
		written += (size_t)snprintf(located->addresses + written, sizeof located->addresses - written, "%s%s", comma, text);
		count++;
	}
}

static void forget_questions(struct pg_connection *connection)
{
	for (size_t i = 0; i < PG_HOSTS_MAX; i++)
		resolver_finish(&connection->resolvers[i]);
}

/* False when the host's name leads nowhere. Paths of sockets need no address. */
static bool locate(struct race *race, unsigned host, struct located *located)
{
	struct pg_connection *connection = race->connection;
	const struct pg_address *address = race->address;
	const char *name = address->hosts[host], *why;
	uint64_t deadline_ns = race->deadline_ns, patience_ns = clock_monotonic_ns() + NAME_PATIENCE_MS * CLOCK_MS;
	struct addrinfo *found;
	char message[WORDS_BYTES];

	*located = (struct located){0};
	if (name[0] == '/')
		return true;
	if (address->host_count > 1 && patience_ns < deadline_ns)
		deadline_ns = patience_ns; /* the others shall have their turn */
	if (connection->located != address) { /* open questions are about other hosts */
		forget_questions(connection);
		connection->located = address;
	}
	if (resolver_find(&connection->resolvers[host], name, (unsigned)atoi(address->ports[host]), deadline_ns, &found,
	                  &why) != RESOLVER_DONE) {
		snprintf(message, sizeof message, "could not translate host name: %s", why);
		note_failure(race, host, message);
		return false;
	}
	print_addresses(found, name, located);
	freeaddrinfo(found);
	return true;
}

static enum store_result attempt_start(struct race *race)
{
	const struct pg_address *address = race->address;
	const char *keywords[PG_KEYWORDS_MAX + 4], *values[PG_KEYWORDS_MAX + 4];
	size_t count = address->keyword_count;
	struct attempt *attempt = &race->attempts[race->started];
	struct located located;

	memcpy(keywords, address->keywords, count * sizeof *keywords);
	memcpy(values, address->values, count * sizeof *values);
	attempt->host = (race->first_host + (unsigned)race->started) % (unsigned)address->host_count;
	race->started++;
	if (!locate(race, attempt->host, &located))
		return STORE_OK;
	keywords[count] = "host";
	values[count++] = located.names[0] != '\0' ? located.names : address->hosts[attempt->host];
	if (located.addresses[0] != '\0') {
		keywords[count] = "hostaddr";
		values[count++] = located.addresses;
	}
	keywords[count] = "port";
	values[count++] = address->ports[attempt->host];
	keywords[count] = values[count] = NULL;
	race->next_start_ns = clock_monotonic_ns() + STAGGER_MS * CLOCK_MS;
	attempt->pg = PQconnectStartParams(keywords, values, 0);
	if (attempt->pg == NULL)
		return STORE_OUT_OF_MEMORY;
	race->running++;
	attempt->wants = PGRES_POLLING_WRITING;
	/* The SQLSTATE of a refusal is only to be had from the verbose message. */
	PQsetErrorVerbosity(attempt->pg, PQERRORS_VERBOSE);
	PQsetNoticeReceiver(attempt->pg, take_notice, race->connection);
	if (PQstatus(attempt->pg) == CONNECTION_BAD)
		attempt_failed(race, attempt);
	return STORE_OK;
}

/* Waits for any attempt; advances those that are ready. The winner's PGconn, or NULL. */
static PGconn *race_step(struct race *race, unsigned *host)
{
	struct pollfd fds[PG_HOSTS_MAX];
	struct attempt *of[PG_HOSTS_MAX];
	nfds_t count = 0;

	for (size_t i = 0; i < race->started; i++) {
		struct attempt *attempt = &race->attempts[i];
		if (attempt->pg == NULL)
			continue;
		of[count] = attempt;
		fds[count++] = (struct pollfd){PQsocket(attempt->pg),
		                               attempt->wants == PGRES_POLLING_READING ? POLLIN : POLLOUT, 0};
	}
	int wait_ms = clock_left_ms(race->deadline_ns);
	if (race->started < race->address->host_count && clock_left_ms(race->next_start_ns) < wait_ms)
		wait_ms = clock_left_ms(race->next_start_ns) + 1;
	if (poll(fds, count, wait_ms) <= 0)
		return NULL;
	for (nfds_t i = 0; i < count; i++) {
		if (fds[i].revents == 0)
			continue;
		of[i]->wants = PQconnectPoll(of[i]->pg);
		if (of[i]->wants == PGRES_POLLING_OK) {
			PGconn *winner = of[i]->pg;
			of[i]->pg = NULL;
			*host = of[i]->host;
			return winner;
		}
		if (of[i]->wants == PGRES_POLLING_FAILED)
			attempt_failed(race, of[i]);
	}
	return NULL;
}

static PGconn *run_race(struct race *race, unsigned *host)
{
	PGconn *winner = NULL;

	while (winner == NULL && clock_left_ms(race->deadline_ns) > 0) {
		if (race->started < race->address->host_count
		    && (race->running == 0 || clock_monotonic_ns() >= race->next_start_ns)) {
			if (attempt_start(race) != STORE_OK) {
				race->result = STORE_OUT_OF_MEMORY;
				break;
			}
			continue;
		}
		if (race->running == 0)
			break;
		winner = race_step(race, host);
	}
	for (size_t i = 0; i < race->started; i++)
		PQfinish(race->attempts[i].pg);
	return winner;
}

/* Names the server and its timeline. pg_control_checkpoint() learns of a promotion only at the next checkpoint, the name
 * of the WAL file at once. (PostgreSQL 15 manual, 9.27) */
static enum store_result learn_history(struct pg_connection *connection)
{
	if (connection->peer->replica)
		return STORE_OK;
	if (PQsendQueryParams(connection->pg, "SELECT evently_history()", 0, NULL, NULL, NULL, NULL, 0) == 0)
		return error_of_connection(connection);
	enum store_result result = connection_wait(connection);
	if (result != STORE_OK)
		return result;
	PGresult *answer = PQgetResult(connection->pg);
	if (PQresultStatus(answer) == PGRES_TUPLES_OK && PQntuples(answer) == 1)
		(void)str_to_i64(str_from(PQgetvalue(answer, 0, 0)), &connection->history);
	PQclear(answer); /* no such function: the schema is not there yet, which other calls will say */
	while (connection_wait(connection) == STORE_OK && (answer = PQgetResult(connection->pg)) != NULL)
		PQclear(answer);
	if (connection->history != 0)
		atomic_store(&connection->session->store->history, connection->history);
	return connection->lost ? STORE_UNAVAILABLE : STORE_OK;
}

static enum store_result check_server(struct pg_connection *connection)
{
	struct store_session *session = &connection->session->base;
	const char *encoding = PQparameterStatus(connection->pg, "server_encoding");

	if (PQserverVersion(connection->pg) < 140000)
		return store_fail(session, STORE_DENIED, "PostgreSQL at %s:%s is version %d: 14 or newer is needed, 15 is tested",
		                  connection->host, connection->port, PQserverVersion(connection->pg) / 10000);
	if (encoding == NULL || strcmp(encoding, "UTF8") != 0)
		return store_fail(session, STORE_DENIED, "Database \"%s\" at %s:%s is encoded in %s: make it anew with "
		                  "createdb -E UTF8 -T template0", connection->address->name, connection->host,
		                  connection->port, encoding != NULL ? encoding : "an unknown way");
	return learn_history(connection);
}

/* Tries all hosts of one address. NULL: the race says why. */
static PGconn *try_address(struct race *race, const struct pg_address *address, unsigned *host)
{
	struct pg_peer *peer = race->connection->peer;

	race->address = address;
	race->first_host = atomic_load(&peer->host_last);
	race->result = STORE_UNAVAILABLE;
	PGconn *pg = run_race(race, host);
	if (pg == NULL && race->words[0] == '\0')
		snprintf(race->words, sizeof race->words, "PostgreSQL at %s:%s did not answer in time: look at %s, and at "
		         "firewalls in between; DB_CONNECT_TIMEOUT_MS is %d", address->hosts[0], address->ports[0],
		         peer->replica ? "DB_REPLICAS" : address->from_url ? "DATABASE_URL" : "DB_HOST and DB_PORT",
		         atomic_load(&race->connection->session->store->connect_timeout_ms));
	return pg;
}

/* While a password is being rotated the server may still know only the one before, so that is tried too. */
static PGconn *try_addresses(struct race *race, const struct pg_address *address, unsigned *host)
{
	PGconn *pg = try_address(race, address, host);

	if (pg != NULL || race->result != STORE_DENIED || address->before == NULL)
		return pg;
	struct race again = {.connection = race->connection, .deadline_ns = race->deadline_ns};
	pg = try_address(&again, address->before, host);
	if (pg != NULL)
		race->address = again.address;
	return pg;
}

enum store_result connection_open(struct pg_connection *connection)
{
	struct postgres_session *session = connection->session;
	struct pg_peer *peer = connection->peer;
	uint64_t limit_ns = clock_monotonic_ns() + (uint64_t)atomic_load(&session->store->connect_timeout_ms) * CLOCK_MS;
	struct race race = {
		.connection = connection,
		.deadline_ns = connection->deadline_ns < limit_ns ? connection->deadline_ns : limit_ns,
	};
	const struct pg_address *settings = atomic_load(&peer->address);
	unsigned host = 0;

	CHECK(connection->pg == NULL);
	PGconn *pg = try_addresses(&race, settings, &host);
	if (pg == NULL)
		return store_fail(&session->base, race.result, "%s", race.words);
	connection->pg = pg;
	connection->address = race.address;
	connection->settings = settings;
	connection->host = race.address->hosts[host];
	connection->port = race.address->ports[host];
	atomic_store(&peer->host_last, host);
	PQsetErrorVerbosity(pg, PQERRORS_DEFAULT);
	enum store_result result = PQsetnonblocking(pg, 1) == 0 ? check_server(connection) : error_of_connection(connection);
	if (result != STORE_OK)
		connection_close(connection);
	return result;
}

void connection_follow_settings(struct pg_connection *connection)
{
	const struct pg_address *address = atomic_load(&connection->peer->address);

	/* One that was made by the way before, because the server did not know the new one yet, goes on likewise. */
	if (connection->pg != NULL && connection->settings != address &&
	    !address_same_place(connection->address, address))
		connection_close(connection);
}

void connection_close(struct pg_connection *connection)
{
	PQfinish(connection->pg);
	connection->pg = NULL;
	connection->prepared = 0;
	memset(connection->shapes, 0, sizeof connection->shapes);
	connection->history = 0;
	connection->listens_changes = connection->listens_seen = false;
	connection->hint_changes = connection->hint_seen = false;
	memset(&connection->foreseen, 0, sizeof connection->foreseen);
	memset(connection->users_known, 0, sizeof connection->users_known);
	connection->generic = connection->alone = connection->quiet = false;
	connection->relay_locked = false;
	connection->lost = connection->silent = connection->data_error = connection->unreplicated = false;
}

void connection_finish(struct pg_connection *connection)
{
	connection_close(connection);
	forget_questions(connection);
}

bool connection_consume(struct pg_connection *connection)
{
	PGnotify *notification;

	if (PQconsumeInput(connection->pg) == 0)
		return false;
	while ((notification = PQnotifies(connection->pg)) != NULL) {
		if (strcmp(notification->relname, "evently_seen") == 0)
			connection->hint_seen = true;
		else
			connection->hint_changes = true;
		PQfreemem(notification);
	}
	return true;
}

enum store_result connection_replicated(struct pg_connection *connection)
{
	if (!connection->unreplicated)
		return STORE_OK;
	return store_fail(&connection->session->base, STORE_UNAVAILABLE, "PostgreSQL at %s:%s was told to wait no longer for its "
	                  "synchronous standby, so whether that has a write is not known", connection->host, connection->port);
}

/* Nothing came for a while: go on waiting? Others may have found out meanwhile that the server is gone. */
static enum store_result silence(struct pg_connection *connection, uint64_t since_ns)
{
	struct store_session *session = &connection->session->base;
	bool patient = clock_monotonic_ns() - since_ns < PATIENCE_MS * CLOCK_MS;

	if (clock_left_ms(connection->deadline_ns) == 0) {
		connection->lost = true;
		connection->silent = !patient;
		return store_fail(session, STORE_DEADLINE, "PostgreSQL at %s:%s did not answer in time", connection->host,
		                  connection->port);
	}
	if (!patient && breaker_state(&connection->peer->breaker) == BREAKER_OPEN) {
		connection->lost = connection->silent = true;
		return store_fail(session, STORE_UNAVAILABLE, "PostgreSQL at %s:%s does not answer", connection->host,
		                  connection->port);
	}
	return STORE_OK;
}

enum store_result connection_wait(struct pg_connection *connection)
{
	uint64_t since_ns = 0;

	for (;;) {
		int unsent = PQflush(connection->pg);
		if (unsent < 0)
			return error_of_connection(connection);
		if (unsent == 0 && PQisBusy(connection->pg) == 0)
			return STORE_OK;
		struct pollfd fd = {PQsocket(connection->pg), (short)(POLLIN | (unsent > 0 ? POLLOUT : 0)), 0};
		int left_ms = clock_left_ms(connection->deadline_ns);
		int ready = poll(&fd, 1, left_ms < SLICE_MS ? left_ms : SLICE_MS);
		if (ready < 0 && errno != EINTR)
			return error_of_connection(connection);
		if (ready <= 0) {
			if (since_ns == 0)
				since_ns = clock_monotonic_ns() - SLICE_MS * CLOCK_MS;
			enum store_result result = silence(connection, since_ns);
			if (result != STORE_OK)
				return result;
			continue;
		}
		since_ns = 0;
		if ((fd.revents & ~POLLOUT) != 0 && !connection_consume(connection))
			return error_of_connection(connection);
	}
}
