#include "store/postgres/statement.h"

#include <stdio.h>

#include "base/hash.h"
#include "store/postgres/error.h"
#include "store/postgres/postgres.h"

static const char *const TEXTS[] = {
#define X(name, sql) sql,
	STATEMENTS(X)
#undef X
};
_Static_assert(STATEMENT_COUNT <= 64, "the set of prepared statements is one word");

static const struct params NO_PARAMS;

/* The names of prepared statements: e0, e1, … */
static const char *name_of(enum statement statement, char name[8])
{
	snprintf(name, 8, "e%u", (unsigned)statement);
	return name;
}

/* The results of one statement up to their end. The first is given, or its failure. */
static enum store_result take_results(struct pg_connection *connection, PGresult **result)
{
	enum store_result outcome = STORE_OK;
	PGresult *first = NULL, *next;

	for (;;) {
		enum store_result waited = connection_wait(connection);
		if (waited != STORE_OK) {
			PQclear(first);
			return outcome != STORE_OK ? outcome : waited;
		}
		if ((next = PQgetResult(connection->pg)) == NULL)
			break;
		ExecStatusType status = PQresultStatus(next);
		if (outcome == STORE_OK && status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
			outcome = error_of_result(connection, next);
		else if (outcome == STORE_OK && first == NULL)
			first = next;
		else
			PQclear(next);
	}
	if (outcome == STORE_OK && first == NULL)
		return error_of_connection(connection);
	if (outcome != STORE_OK) {
		PQclear(first);
		return outcome;
	}
	*result = first;
	return STORE_OK;
}

static enum store_result prepare(struct pg_connection *connection, enum statement statement)
{
	char name[8];
	PGresult *result = NULL;

	if (connection->prepared & (UINT64_C(1) << statement))
		return STORE_OK;
	if (PQsendPrepare(connection->pg, name_of(statement, name), TEXTS[statement], 0, NULL) == 0)
		return error_of_connection(connection);
	enum store_result outcome = take_results(connection, &result);
	if (outcome != STORE_OK)
		return outcome;
	PQclear(result);
	connection->prepared |= UINT64_C(1) << statement;
	return STORE_OK;
}

static bool send_prepared(struct pg_connection *connection, enum statement statement, const struct params *params)
{
	char name[8];

	if (params == NULL)
		params = &NO_PARAMS;
	return PQsendQueryPrepared(connection->pg, name_of(statement, name), params->count, params->values, params->lengths,
	                           params->formats, 1) != 0;
}

enum store_result statement_run(struct pg_connection *connection, enum statement statement,
                                const struct params *params, PGresult **result)
{
	enum store_result outcome = prepare(connection, statement);
	if (outcome != STORE_OK)
		return outcome;
	if (!send_prepared(connection, statement, params))
		return error_of_connection(connection);
	return take_results(connection, result);
}

enum store_result statement_run_text(struct pg_connection *connection, const char *sql, const struct params *params,
                                     PGresult **result)
{
	if (PQsendQueryParams(connection->pg, sql, params->count, NULL, params->values, params->lengths, params->formats, 1)
	    == 0)
		return error_of_connection(connection);
	return take_results(connection, result);
}

enum store_result statement_run_shape(struct pg_connection *connection, const char *sql, const struct params *params,
                                      PGresult **result)
{
	uint64_t hash = hash_content(str_from(sql)) | 1;
	unsigned slot = (unsigned)((hash >> 8) % PG_SHAPES_MAX);
	char name[8], deallocate[24];

	snprintf(name, sizeof name, "s%u", slot);
	if (connection->shapes[slot] != hash) {
		PGresult *made = NULL;
		snprintf(deallocate, sizeof deallocate, "DEALLOCATE %s", name);
		if (connection->shapes[slot] != 0) {
			enum store_result freed = statement_run_script(connection, deallocate);
			if (freed != STORE_OK)
				return freed;
		}
		connection->shapes[slot] = 0;
		if (PQsendPrepare(connection->pg, name, sql, 0, NULL) == 0)
			return error_of_connection(connection);
		enum store_result outcome = take_results(connection, &made);
		if (outcome != STORE_OK)
			return outcome;
		PQclear(made);
		connection->shapes[slot] = hash;
	}
	if (PQsendQueryPrepared(connection->pg, name, params->count, params->values, params->lengths, params->formats, 1) == 0)
		return error_of_connection(connection);
	return take_results(connection, result);
}

enum store_result statement_run_script(struct pg_connection *connection, const char *sql)
{
	PGresult *result = NULL;

	if (PQsendQuery(connection->pg, sql) == 0)
		return error_of_connection(connection);
	enum store_result outcome = take_results(connection, &result);
	if (outcome == STORE_OK)
		PQclear(result);
	return outcome;
}

enum store_result statement_do(struct pg_connection *connection, enum statement statement, const struct params *params)
{
	PGresult *result = NULL;

	enum store_result outcome = statement_run(connection, statement, params, &result);
	if (outcome == STORE_OK)
		PQclear(result);
	return outcome;
}

enum store_result statement_learn_history(struct pg_connection *connection)
{
	PGresult *result = NULL;

	if (connection->history != 0)
		return STORE_OK;
	enum store_result outcome = statement_run(connection, SQL_HISTORY, NULL, &result);
	if (outcome != STORE_OK)
		return outcome;
	connection->history = cell_i64(result, 0, 0);
	atomic_store(&connection->session->store->history, connection->history);
	PQclear(result);
	return STORE_OK;
}

/* ---- pipelines ---- */

enum store_result pipeline_begin(struct pipeline *pipeline, struct pg_connection *connection,
                                 const enum statement *statements, size_t count)
{
	*pipeline = (struct pipeline){.connection = connection};
	for (size_t i = 0; i < count; i++) {
		enum store_result outcome = prepare(connection, statements[i]);
		if (outcome != STORE_OK)
			return outcome;
	}
	return PQenterPipelineMode(connection->pg) == 1 ? STORE_OK : error_of_connection(connection);
}

void pipeline_add(struct pipeline *pipeline, enum statement statement, const struct params *params)
{
	CHECK(pipeline->connection->prepared & (UINT64_C(1) << statement));
	if (pipeline->result != STORE_OK)
		return;
	if (!send_prepared(pipeline->connection, statement, params))
		pipeline->result = error_of_connection(pipeline->connection);
	pipeline->added++;
}

void pipeline_send(struct pipeline *pipeline)
{
	if (pipeline->result == STORE_OK && PQpipelineSync(pipeline->connection->pg) != 1)
		pipeline->result = error_of_connection(pipeline->connection);
}

/* The next result, NULL between statements. False when the connection is gone. */
static bool next_result(struct pipeline *pipeline, PGresult **result)
{
	enum store_result waited = connection_wait(pipeline->connection);
	if (waited != STORE_OK) {
		if (pipeline->result == STORE_OK)
			pipeline->result = waited;
		return false;
	}
	*result = PQgetResult(pipeline->connection->pg);
	return true;
}

PGresult *pipeline_result(struct pipeline *pipeline)
{
	PGresult *result = NULL, *end = NULL;

	if (pipeline->result != STORE_OK)
		return NULL;
	CHECK(pipeline->taken < pipeline->added);
	if (!next_result(pipeline, &result))
		return NULL;
	pipeline->taken++;
	ExecStatusType status = PQresultStatus(result);
	if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
		pipeline->result = error_of_result(pipeline->connection, result);
		return NULL;
	}
	if (!next_result(pipeline, &end) || end != NULL) {
		if (pipeline->result == STORE_OK)
			pipeline->result = error_of_connection(pipeline->connection);
		PQclear(end);
		PQclear(result);
		return NULL;
	}
	return result;
}

enum store_result pipeline_end(struct pipeline *pipeline)
{
	struct pg_connection *connection = pipeline->connection;
	PGresult *result = NULL;
	bool synced = false;
	unsigned nulls = 0;

	/* NULLs stand between statements; two in a row mean that nothing more will come. */
	while (!connection->lost && !synced && nulls < 2) {
		if (!next_result(pipeline, &result))
			break;
		nulls = result == NULL ? nulls + 1 : 0;
		ExecStatusType status = result != NULL ? PQresultStatus(result) : PGRES_PIPELINE_ABORTED;
		synced = status == PGRES_PIPELINE_SYNC;
		bool failed = status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK && status != PGRES_PIPELINE_ABORTED;
		if (!synced && failed && pipeline->result == STORE_OK)
			pipeline->result = error_of_result(connection, result);
		else
			PQclear(result);
	}
	if (!connection->lost && (!synced || PQexitPipelineMode(connection->pg) != 1)) {
		enum store_result broken = error_of_connection(connection);
		if (pipeline->result == STORE_OK)
			pipeline->result = broken;
	}
	return pipeline->result;
}
