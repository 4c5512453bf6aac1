#include "store/postgres/error.h"

#include <ctype.h>
#include <stdio.h>

enum { STATE_BYTES = 6 };

struct state_meaning {
	const char *prefix; /* of the SQLSTATE */
	enum store_result result;
	bool lost;          /* the connection is of no use any more */
	bool data;
};

/* First match wins. (PostgreSQL 15, Appendix A) */
static const struct state_meaning MEANINGS[] = {
	{"08", STORE_UNAVAILABLE, true, false},
	{"25006", STORE_UNAVAILABLE, true, false}, /* read-only: the server was demoted */
	{"25P03", STORE_UNAVAILABLE, true, false}, /* idle in transaction for too long */
	{"57P", STORE_UNAVAILABLE, true, false},   /* shutting down, crashed, starting, database dropped */
	{"26000", STORE_UNAVAILABLE, true, false}, /* prepared statement unknown: a pooler is in between, or DISCARD */
	{"0A000", STORE_UNAVAILABLE, true, false}, /* cached plan's result type changed: a migration ran */
	{"53100", STORE_FULL, false, false},
	{"53", STORE_UNAVAILABLE, false, false},
	{"57014", STORE_DEADLINE, false, false},
	{"55P03", STORE_DEADLINE, false, false},   /* somebody else holds the lock */
	{"40", STORE_UNAVAILABLE, false, false},   /* deadlock with somebody else's transaction */
	{"28", STORE_DENIED, false, false},
	{"3D000", STORE_DENIED, false, false},
	{"42501", STORE_DENIED, false, false},
	{"42P01", STORE_SCHEMA, false, false},
	{"42703", STORE_SCHEMA, false, false},
	{"42883", STORE_SCHEMA, false, false},
	{"3F000", STORE_SCHEMA, false, false},
	{"22", STORE_INTERNAL, false, true},
	{"23", STORE_INTERNAL, false, true},
};

static const struct state_meaning *meaning_of(const char *state)
{
	for (size_t i = 0; i < ARRAY_LENGTH(MEANINGS); i++)
		if (strncmp(state, MEANINGS[i].prefix, strlen(MEANINGS[i].prefix)) == 0)
			return &MEANINGS[i];
	return NULL;
}

enum store_result error_of_result(struct pg_connection *connection, PGresult *result)
{
	const char *state = result != NULL ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
	if (state == NULL) {
		PQclear(result);
		return error_of_connection(connection);
	}
	const struct state_meaning *meaning = meaning_of(state);
	enum store_result outcome = meaning != NULL ? meaning->result : STORE_INTERNAL;
	const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	if (message == NULL)
		message = "";
	connection->data_error = meaning != NULL && meaning->data;
	if (meaning != NULL && meaning->lost)
		connection->lost = true;

	struct store_session *session = &connection->session->base;
	const char *hint = "";
	if (outcome == STORE_SCHEMA)
		hint = ": the schema is missing or old, run `evently migrate upgrade`";
	else if (strcmp(state, "42501") == 0 && strstr(message, "schema") != NULL)
		hint = ": make this user the owner of the database, or GRANT CREATE, USAGE ON SCHEMA public to it";
	else if (strcmp(state, "42501") == 0)
		hint = ": grant the right to this user, or run the service as the owner of its tables";
	else if (outcome == STORE_FULL)
		hint = ": make room on the database server's disk";
	else if (strcmp(state, "53300") == 0)
		hint = ": raise max_connections on the server, or run fewer instances";
	(void)store_fail(session, outcome, "PostgreSQL at %s:%s: %s%s (SQLSTATE %s)", connection->host, connection->port,
	                 message, hint, state);
	PQclear(result);
	return outcome;
}

enum store_result error_of_connection(struct pg_connection *connection)
{
	const char *message = connection->pg != NULL ? PQerrorMessage(connection->pg) : "not connected";
	size_t length = strcspn(message, "\n");

	connection->lost = true;
	return store_fail(&connection->session->base, STORE_UNAVAILABLE, "The connection to PostgreSQL at %s:%s broke: %.*s",
	                  connection->host, connection->port, (int)length, message);
}

/* Verbose messages read "…: FATAL:  28P01: password authentication …": the SQLSTATE is found by its shape, since the
 * words before it are translated. */
static bool find_state(const char *message, char state[STATE_BYTES], const char **rest)
{
	for (const char *at = message; (at = strstr(at, ":  ")) != NULL; at++) {
		const char *code = at + 3;
		size_t i = 0;
		while (i < 5 && (isupper((unsigned char)code[i]) || isdigit((unsigned char)code[i])))
			i++;
		if (i != 5 || code[5] != ':')
			continue;
		memcpy(state, code, 5);
		state[5] = '\0';
		*rest = code + 6 + strspn(code + 6, " ");
		return true;
	}
	return false;
}

static const char *setting(const struct pg_peer *peer, const char *name)
{
	if (peer->replica)
		return "DB_REPLICAS";
	return atomic_load(&peer->address)->from_url ? "DATABASE_URL" : name;
}

/* The server answered and refused. */
static enum store_result refused_by_server(const struct pg_peer *peer, const char *host, const char *port,
                                           const char *state, const char *message, char *words, size_t words_bytes)
{
	const struct pg_address *address = atomic_load(&peer->address);
	int length = (int)strcspn(message, "\n");
	const char *login = address->from_url ? "DATABASE_URL" : "DB_USER and DB_PASSWORD";

	if (strcmp(state, "28P01") == 0) {
		snprintf(words, words_bytes, "PostgreSQL at %s:%s refuses the password of user \"%s\": look at %s", host, port,
		         address->user, login);
		return STORE_DENIED;
	}
	if (strstr(message, "no encryption") != NULL) {
		snprintf(words, words_bytes, "PostgreSQL at %s:%s does not let \"%s\" in without TLS: set %s to require or more",
		         host, port, address->user, address->tls_from_url ? "sslmode in DATABASE_URL" : "DB_SSLMODE");
		return STORE_DENIED;
	}
	if (strncmp(state, "28", 2) == 0) {
		snprintf(words, words_bytes, "PostgreSQL at %s:%s does not let user \"%s\" in (%.*s): look at %s, at whether the "
		         "role exists, and at pg_hba.conf on the server", host, port, address->user, length, message, login);
		return STORE_DENIED;
	}
	if (strcmp(state, "3D000") == 0) {
		snprintf(words, words_bytes, "PostgreSQL at %s:%s has no database \"%s\": create it (createdb -O %s %s), or look "
		         "at %s", host, port, address->name, address->user, address->name, setting(peer, "DB_NAME"));
		return STORE_DENIED;
	}
	if (strcmp(state, "42501") == 0) {
		snprintf(words, words_bytes, "User \"%s\" may not connect to database \"%s\" at %s:%s: GRANT CONNECT ON DATABASE "
		         "%s TO %s", address->user, address->name, host, port, address->name, address->user);
		return STORE_DENIED;
	}
	const struct state_meaning *meaning = meaning_of(state);
	snprintf(words, words_bytes, "PostgreSQL at %s:%s: %.*s (SQLSTATE %s)%s", host, port, length, message, state,
	         strcmp(state, "53300") == 0 ? ": raise max_connections on the server, or run fewer instances" : "");
	return meaning != NULL ? meaning->result : STORE_UNAVAILABLE;
}

enum store_result error_of_connecting(const struct pg_peer *peer, const char *host, const char *port,
                                      const char *message, char *words, size_t words_bytes)
{
	const struct pg_address *address = atomic_load(&peer->address);
	char state[STATE_BYTES];
	const char *rest;

	if (find_state(message, state, &rest))
		return refused_by_server(peer, host, port, state, rest, words, words_bytes);
	const char *tls = address->tls_from_url ? "sslmode in DATABASE_URL" : "DB_SSLMODE";
	const char *ca = address->tls_from_url ? "sslrootcert in DATABASE_URL" : "DB_CA_FILE";
	/* libpq puts "connection to server at … failed: " in front; the host is named here already. */
	const char *tail = strstr(message, "failed: ");
	tail = tail != NULL ? tail + strlen("failed: ") : message;
	int length = (int)strcspn(tail, "\n");

	if (strstr(message, "Connection refused") != NULL) {
		snprintf(words, words_bytes, "Nothing listens at %s:%s (connection refused): is PostgreSQL running there? Look "
		         "at %s", host, port, peer->replica ? "DB_REPLICAS" : address->from_url ? "DATABASE_URL" : "DB_HOST and DB_PORT");
	} else if (strstr(message, "could not translate host name") != NULL) {
		const char *why = strrchr(message, ':');
		snprintf(words, words_bytes, "The host name \"%s\" is not known (%s): look at %s", host,
		         why != NULL ? why + 2 : message, setting(peer, "DB_HOST"));
	} else if (strstr(message, "does not support SSL") != NULL) {
		snprintf(words, words_bytes, "PostgreSQL at %s:%s does not offer TLS, but %s is %s: turn ssl on there, or ask for "
		         "less", host, port, tls, address->sslmode);
		return STORE_DENIED;
	} else if (strstr(message, "does not match host name") != NULL) {
		snprintf(words, words_bytes, "PostgreSQL at %s:%s shows a certificate of another name (%.*s): use the name in the "
		         "certificate as host, or %s=verify-ca", host, port, length, tail, tls);
		return STORE_DENIED;
	} else if (strstr(message, "certificate verify failed") != NULL || strstr(message, "root certificate file") != NULL) {
		snprintf(words, words_bytes, "The certificate of PostgreSQL at %s:%s cannot be verified (%.*s): look at %s", host,
		         port, length, tail, ca);
		return STORE_DENIED;
	} else if (strstr(message, "no password supplied") != NULL) {
		snprintf(words, words_bytes, "PostgreSQL at %s:%s wants a password for user \"%s\" and none is set: set %s", host,
		         port, address->user, address->from_url ? "it in DATABASE_URL" : "DB_PASSWORD");
		return STORE_DENIED;
	} else if (strstr(message, "not in hot standby") != NULL) {
		snprintf(words, words_bytes, "PostgreSQL at %s:%s is no standby: remove it from DB_REPLICAS", host, port);
	} else if (strstr(message, "read-only") != NULL || strstr(message, "hot standby") != NULL) {
		snprintf(words, words_bytes, "PostgreSQL at %s:%s is a standby or read-only: name the primary's host too in %s",
		         host, port, setting(peer, "DB_HOST"));
	} else {
		snprintf(words, words_bytes, "PostgreSQL at %s:%s cannot be reached: %.*s", host, port, length, tail);
	}
	return STORE_UNAVAILABLE;
}
