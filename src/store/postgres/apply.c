/* Group commit: a batch of writes in one transaction and one or two round trips.
 *
 * Two: the first locks the catalog's row and reads all that the writes are about; plan.c settles them in memory; the second
 * carries everything out with a constant number of statements and commits. Whoever holds the catalog's row is the only
 * writer, so seq is gapless and in the order of commits.
 *
 * One: a batch of creations has nothing to read if nobody else has written since this connection did. Then seq and ids are
 * as it left them, everything is settled beforehand and sent with the expectation in front, which ends the transaction if it
 * does not hold; then, as for any other refusal, the batch begins again with two.
 *
 * A batch that the database refuses for its data is halved until the one bad write fails alone. A COMMIT whose answer was
 * lost is looked up by the batch's write_id, under the catalog's lock: having the lock means that the lost transaction is
 * over, so what is not there then never will be, and the batch may be tried again; what is there counts once a synchronous
 * standby has it too. */
#include "store/postgres/postgres.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/random.h"
#include "store/postgres/carry.h"
#include "store/postgres/error.h"
#include "store/postgres/plan.h"
#include "store/postgres/statement.h"

enum { LOOK_UP_PAUSE_MS = 20, ROUND_BYTES_MAX = 1 << 30 };

struct batch {
	struct store_write *writes;
	size_t count;
	bool all_or_nothing, dry; /* dry: rolled back at the end, to find out what would fail */
	int64_t now_us;
	struct arena *arena;
	struct plan plan;
	int64_t write_id;   /* this batch's, in every change of it */
	uint64_t first_seq; /* of the attempt whose COMMIT was sent */
	bool in_doubt;      /* a COMMIT was sent and its answer has not come */
	bool data_error;    /* the database refused what was written */
	bool refused;       /* of a batch that was, to be looked at closely */
	bool foreseen;      /* sent in one round trip */
};

static const enum statement STATEMENTS_USED[] = {
	SQL_BEGIN, SQL_LIMIT_TIME, SQL_CATALOG_LOCK, SQL_CATALOG_EXPECT, SQL_WRITE_FIND, SQL_KEYS_FIND, SQL_EVENTS_FIND,
	SQL_IDS_TAKE, SQL_IDS_EXPECT,
	SQL_USERS_FILL, SQL_EVENTS_INSERT, SQL_EVENTS_UPDATE, SQL_EVENTS_DELETE, SQL_WORDS_INSERT, SQL_WORDS_PUT, SQL_WORDS_DELETE,
	SQL_CHANGES_INSERT, SQL_DAYS_ADD, SQL_KEYS_INSERT, SQL_KEYS_PUT, SQL_CATALOG_ADVANCE, SQL_CHANGES_NOTIFY, SQL_COMMIT,
	SQL_ROLLBACK, SQL_LEASE_WAITED_FOR,
};

static enum store_result out_of_memory(struct pg_connection *connection)
{
	return store_fail(&connection->session->base, STORE_OUT_OF_MEMORY, "Out of memory for a batch of writes");
}

/* ---- the first round trip ---- */

struct questions {
	struct array event_ids, key_users, key_texts;
};

/* The server gives up by itself after limit_ms. (libpq copies what it is given.) */
static void begin(struct pipeline *pipeline, int limit_ms)
{
	struct params params = {0};
	char limit[16];

	pipeline_add(pipeline, SQL_BEGIN, NULL);
	snprintf(limit, sizeof limit, "%d", limit_ms);
	params_text(&params, str_from(limit));
	pipeline_add(pipeline, SQL_LIMIT_TIME, &params);
}

static bool ask(struct pipeline *pipeline, struct batch *batch, struct questions *questions)
{
	struct plan *plan = &batch->plan;
	struct params params;

	begin(pipeline, clock_left_ms(pipeline->connection->deadline_ns) + 1);
	pipeline_add(pipeline, SQL_CATALOG_LOCK, NULL);
	if (batch->in_doubt) {
		params = (struct params){0};
		params_i64(&params, (int64_t)batch->first_seq);
		pipeline_add(pipeline, SQL_WRITE_FIND, &params);
	}
	if (plan->key_count > 0) {
		for (size_t i = 0; i < plan->key_count; i++) {
			array_i64(&questions->key_users, plan->keys[i].user_id);
			array_text(&questions->key_texts, plan->keys[i].key);
		}
		params = (struct params){0};
		params_array(&params, &questions->key_users);
		params_array(&params, &questions->key_texts);
		params_time(&params, batch->now_us - IDEMPOTENCY_KEPT_US);
		pipeline_add(pipeline, SQL_KEYS_FIND, &params);
	}
	if (plan->event_count > 0) {
		for (size_t i = 0; i < plan->event_count; i++)
			array_i64(&questions->event_ids, plan->events[i].id);
		params = (struct params){0};
		params_array(&params, &questions->event_ids);
		pipeline_add(pipeline, SQL_EVENTS_FIND, &params);
	}
	if (plan->creations > 0) {
		params = (struct params){0};
		params_i64(&params, (int64_t)plan->creations);
		pipeline_add(pipeline, SQL_IDS_TAKE, &params);
	}
	return !questions->event_ids.bytes.failed && !questions->key_users.bytes.failed && !questions->key_texts.bytes.failed;
}

static void take_keys(struct plan *plan, const PGresult *result)
{
	for (int row = 0; row < PQntuples(result); row++) {
		struct plan_key *key = plan_key(plan, cell_i64(result, row, 0), cell_text(result, row, 1));
		if (key == NULL)
			continue;
		key->known = true;
		key->body_hash = (uint64_t)cell_i64(result, row, 2);
		key->answer = arena_str(plan->arena, cell_text(result, row, 3));
	}
}

static enum store_result take_events(struct pg_connection *connection, struct plan *plan, const PGresult *result)
{
	for (int row = 0; row < PQntuples(result); row++) {
		struct event event;
		if (!cell_event(result, row, COLUMN_FIRST, plan->arena, &event))
			return read_damaged(connection, plan->arena, "An event");
		struct plan_event *slot = plan_event(plan, event.id);
		CHECK(slot != NULL);
		slot->existed = slot->exists = true;
		slot->was = slot->is = event;
	}
	return STORE_OK;
}

/* Whether the lost COMMIT is found to have happened. */
static bool take_found(struct pipeline *pipeline, const struct batch *batch)
{
	PGresult *result = pipeline_result(pipeline);
	bool found = result != NULL && PQntuples(result) == 1 && cell_i64(result, 0, 0) == batch->write_id;

	PQclear(result);
	return found;
}

/* Nobody else has written if the catalogue is as this connection left it. */
static void take_seq(struct pg_connection *connection, struct plan *plan, uint64_t seq)
{
	connection->foreseen.usable = connection->foreseen.seq == 0 || connection->foreseen.seq == seq;
	connection->foreseen.seq = seq;
	plan->seq = seq;
}

/* In the order of ask(). */
static enum store_result take_answers(struct pipeline *pipeline, struct batch *batch, bool *found)
{
	struct plan *plan = &batch->plan;
	enum store_result outcome = STORE_OK;

	PQclear(pipeline_result(pipeline));
	PQclear(pipeline_result(pipeline));
	PGresult *result = pipeline_result(pipeline);
	if (result != NULL && PQntuples(result) == 1)
		take_seq(pipeline->connection, plan, (uint64_t)cell_i64(result, 0, 0));
	else if (result != NULL)
		outcome = store_fail(&pipeline->connection->session->base, STORE_SCHEMA, "The table `catalog` is empty");
	PQclear(result);
	if (batch->in_doubt)
		*found = take_found(pipeline, batch);
	if (plan->key_count > 0 && (result = pipeline_result(pipeline)) != NULL) {
		take_keys(plan, result);
		PQclear(result);
	}
	if (plan->event_count > 0 && (result = pipeline_result(pipeline)) != NULL) {
		if (outcome == STORE_OK)
			outcome = take_events(pipeline->connection, plan, result);
		PQclear(result);
	}
	if (plan->creations > 0 && (result = pipeline_result(pipeline)) != NULL) {
		for (int row = 0; row < PQntuples(result) && (size_t)row < plan->creations; row++)
			pipeline->connection->foreseen.id = plan->new_ids[row] = cell_i64(result, row, 0);
		PQclear(result);
	}
	enum store_result ended = pipeline_end(pipeline);
	return ended != STORE_OK ? ended : outcome;
}

static enum store_result first_round(struct pg_connection *connection, struct batch *batch, bool *found)
{
	struct questions questions;
	struct pipeline pipeline;

	enum store_result outcome = pipeline_begin(&pipeline, connection, STATEMENTS_USED, ARRAY_LENGTH(STATEMENTS_USED));
	if (outcome != STORE_OK)
		return outcome;
	array_init(&questions.event_ids, ARRAY_I64, ROUND_BYTES_MAX);
	array_init(&questions.key_users, ARRAY_I64, ROUND_BYTES_MAX);
	array_init(&questions.key_texts, ARRAY_TEXT, ROUND_BYTES_MAX);
	bool asked = ask(&pipeline, batch, &questions);
	pipeline_send(&pipeline);
	outcome = take_answers(&pipeline, batch, found);
	if (outcome == STORE_OK && !asked)
		outcome = out_of_memory(connection);
	array_finish(&questions.event_ids);
	array_finish(&questions.key_users);
	array_finish(&questions.key_texts);
	return outcome;
}

/* ---- the second ---- */

/* COMMIT of a transaction that cannot commit answers ROLLBACK, without an error. */
static bool committed(const PGresult *result)
{
	return result != NULL && strcmp(PQcmdStatus((PGresult *)result), "COMMIT") == 0;
}

/* A COMMIT is believed when the server is ready for the next question after it. One whose main process died gives the wait
 * for the standby up and goes; what stands in its buffer may still come, with the COMMIT in it. */
static enum store_result judge(struct pg_connection *connection, struct batch *batch, bool committed, enum store_result ended)
{
	if (ended != STORE_OK) {
		/* An error that the server reported before it said COMMIT means that it did not commit. */
		batch->in_doubt = batch->in_doubt && (committed || connection->lost);
		return ended;
	}
	if (committed)
		ended = connection_replicated(connection);
	else if (!batch->dry)
		ended = store_fail(&connection->session->base, STORE_INTERNAL, "PostgreSQL rolled a batch back without a word");
	batch->in_doubt = committed && ended != STORE_OK;
	return ended;
}

/* In front of a batch that is sent in one go: gives the number of statements. Somebody else may hold a lock. The server shall
 * say so well before this side loses patience, which would leave a COMMIT on its way in doubt. */
static size_t send_expectation(struct pipeline *pipeline, const struct batch *batch)
{
	size_t before = pipeline->added;
	struct params params = {0};

	begin(pipeline, clock_left_ms(pipeline->connection->deadline_ns) / 2 + 1);
	params_i64(&params, (int64_t)pipeline->connection->foreseen.seq);
	pipeline_add(pipeline, SQL_CATALOG_EXPECT, &params);
	params = (struct params){0};
	params_i64(&params, pipeline->connection->foreseen.id + 1);
	params_i64(&params, (int64_t)batch->plan.creations_done);
	pipeline_add(pipeline, SQL_IDS_EXPECT, &params);
	return pipeline->added - before;
}

/* Behind the COMMIT: whether another instance has yet to see it. Spares postgres_lease_wait its question. */
static bool send_lease_question(struct pipeline *pipeline, const struct batch *batch)
{
	const struct postgres_session *session = pipeline->connection->session;
	struct params params = {0};

	if (session->instance_id_bytes == 0 || batch->dry)
		return false;
	lease_params(&params, (struct str){session->instance_id, session->instance_id_bytes}, batch->plan.seq, session->store);
	pipeline_add(pipeline, SQL_LEASE_WAITED_FOR, &params);
	return true;
}

static void take_lease_answer(struct pipeline *pipeline, const struct batch *batch)
{
	bool waiting = false;
	PGresult *result = pipeline_result(pipeline);

	if (result != NULL && lease_answer(pipeline->connection, result, &waiting)) {
		pipeline->connection->session->lease_asked.seq = batch->plan.seq;
		pipeline->connection->session->lease_asked.waiting = waiting;
	}
	PQclear(result);
}

/* What is left behind for the next batch. */
static void note_commit(struct pg_connection *connection, const struct batch *batch, const struct carry *carry, bool quiet)
{
	connection->quiet = quiet;
	connection->foreseen.seq = batch->plan.seq;
	if (batch->foreseen)
		connection->foreseen.id += (int64_t)batch->plan.creations_done;
	carry_committed(carry, connection);
}

/* Sends everything and takes the answers. True when the server said COMMIT. */
static bool carry_out(struct pipeline *pipeline, struct batch *batch, struct carry *carry)
{
	struct pg_connection *connection = pipeline->connection;
	uint64_t now_ns = clock_monotonic_ns();
	bool quiet = connection->alone;

	size_t statements = batch->foreseen ? send_expectation(pipeline, batch) : 0;
	carry->keys_unread = batch->foreseen;
	statements += carry_send(carry, pipeline, connection->history);
	pipeline_add(pipeline, batch->dry ? SQL_ROLLBACK : SQL_COMMIT, NULL);
	bool asked = send_lease_question(pipeline, batch);
	batch->first_seq = carry->first_seq;
	batch->in_doubt = !batch->dry;
	/* Leaves a part of the time for looking the COMMIT up, should its answer not come. */
	if (connection->deadline_ns > now_ns)
		connection->deadline_ns -= (connection->deadline_ns - now_ns) / 4;
	pipeline_send(pipeline);
	for (size_t i = 0; i < statements; i++)
		PQclear(pipeline_result(pipeline));
	PGresult *end = pipeline_result(pipeline);
	bool done = committed(end);
	PQclear(end);
	if (done)
		note_commit(connection, batch, carry, quiet);
	if (asked)
		take_lease_answer(pipeline, batch);
	return done;
}

static enum store_result second_round(struct pg_connection *connection, struct batch *batch)
{
	struct pipeline pipeline;
	struct carry carry;
	uint64_t deadline_ns = connection->deadline_ns;

	enum store_result outcome = carry_init(&carry, &batch->plan, batch->write_id) ? STORE_OK : out_of_memory(connection);
	if (outcome == STORE_OK)
		outcome = pipeline_begin(&pipeline, connection, STATEMENTS_USED, ARRAY_LENGTH(STATEMENTS_USED));
	if (outcome != STORE_OK) {
		carry_finish(&carry);
		return outcome;
	}
	bool done = carry_out(&pipeline, batch, &carry);
	outcome = pipeline_end(&pipeline);
	carry_finish(&carry);
	if (!done && !connection->lost)
		connection->deadline_ns = deadline_ns;
	return judge(connection, batch, done, outcome);
}

static void forget_outcomes(struct batch *batch, size_t keep)
{
	for (size_t i = 0; i < batch->count; i++) {
		struct store_write *write = &batch->writes[i];
		if (i == keep)
			continue;
		write->outcome = WRITE_PENDING;
		write->change = (struct change){0};
		write->event = (struct event){0};
		write->answer = STR_NONE;
	}
}

/* The transaction is given up, the connection stays usable. */
static void roll_back(struct pg_connection *connection)
{
	if (!connection->lost && connection->pg != NULL && PQtransactionStatus(connection->pg) != PQTRANS_IDLE
	    && statement_do(connection, SQL_ROLLBACK, NULL) != STORE_OK)
		connection->lost = true;
}

/* Commits the lock of the catalog's row alone, which waits until a synchronous standby has all that is visible here. A
 * session that was ended while it waited for the standby, or a restart, leaves a commit on the primary only: told to a
 * client then, it would be lost with the primary (P2). */
static enum store_result commit_waiting(struct pg_connection *connection)
{
	enum store_result outcome = statement_do(connection, SQL_COMMIT, NULL);
	return outcome == STORE_OK ? connection_replicated(connection) : outcome;
}

static bool repeats(const struct batch *batch)
{
	size_t at = 0;

	while (at < batch->count && !store_write_repeats(&batch->writes[at]))
		at++;
	return at < batch->count;
}

static enum store_result run_in_transaction(struct pg_connection *connection, struct batch *batch)
{
	struct plan *plan = &batch->plan;
	bool found = false;

	struct plan before = *plan;
	bool looked_up = batch->in_doubt;
	if (!plan_init(plan, batch->writes, batch->count, batch->all_or_nothing, batch->now_us, batch->arena))
		return out_of_memory(connection);
	enum store_result outcome = first_round(connection, batch, &found);
	if (outcome != STORE_OK) {
		if (looked_up)
			*plan = before; /* its outcomes may yet turn out to be true */
		return outcome;
	}
	if (found) {
		*plan = before;
		outcome = commit_waiting(connection);
		batch->in_doubt = outcome != STORE_OK;
		return outcome;
	}
	batch->in_doubt = false;
	forget_outcomes(batch, SIZE_MAX);
	if (!plan_add_creations(plan) || !plan_decide(plan))
		return out_of_memory(connection);
	if (!plan->refused && plan->applied == 0 && !batch->dry && repeats(batch))
		return commit_waiting(connection);
	if (plan->refused || plan->applied == 0) {
		roll_back(connection);
		return STORE_OK;
	}
	return second_round(connection, batch);
}

/* ---- in one round trip ---- */

static bool may_be_foreseen(const struct pg_connection *connection, const struct batch *batch)
{
	if (!connection->foreseen.usable || connection->foreseen.id == 0 || batch->in_doubt || batch->all_or_nothing
	    || batch->dry || batch->refused)
		return false;
	for (size_t i = 0; i < batch->count; i++)
		if (batch->writes[i].kind != WRITE_CREATE)
			return false;
	return true;
}

/* *over: nothing more is to be done, however it ended. Otherwise the batch is as if it had not been tried. */
static enum store_result run_foreseen(struct pg_connection *connection, struct batch *batch, bool *over)
{
	struct plan *plan = &batch->plan;

	*over = true;
	if (!plan_init(plan, batch->writes, batch->count, false, batch->now_us, batch->arena))
		return out_of_memory(connection);
	plan->seq = connection->foreseen.seq;
	for (size_t i = 0; i < plan->creations; i++)
		plan->new_ids[i] = connection->foreseen.id + 1 + (int64_t)i;
	forget_outcomes(batch, SIZE_MAX);
	if (!plan_add_creations(plan) || !plan_decide(plan))
		return out_of_memory(connection);
	batch->foreseen = true;
	enum store_result outcome = second_round(connection, batch);
	batch->foreseen = false;
	*over = outcome == STORE_OK || connection->lost || batch->in_doubt;
	if (!*over) {
		/* Somebody else wrote, or something of it is refused, perhaps a key that is there already. */
		connection->foreseen.usable = false;
		memset(connection->users_known, 0, sizeof connection->users_known);
		roll_back(connection);
	}
	return outcome;
}

static enum store_result run_in_either_way(struct pg_connection *connection, struct batch *batch)
{
	if (may_be_foreseen(connection, batch)) {
		bool over;
		enum store_result outcome = run_foreseen(connection, batch, &over);
		if (over)
			return outcome;
		if (connection->lost)
			return STORE_UNAVAILABLE;
		connection->data_error = false;
	}
	return run_in_transaction(connection, batch);
}

static enum store_result run_batch(struct pg_connection *connection, struct batch *batch)
{
	enum store_result outcome = statement_learn_history(connection);
	if (outcome == STORE_OK && !connection->generic) {
		outcome = statement_do(connection, SQL_PLAN_ONCE, NULL);
		connection->generic = outcome == STORE_OK;
	}
	if (outcome != STORE_OK)
		return outcome;
	batch->data_error = false;
	outcome = run_in_either_way(connection, batch);
	batch->data_error = outcome != STORE_OK && connection->data_error;
	if (outcome != STORE_OK)
		roll_back(connection);
	return outcome;
}

/* One batch in one transaction, with its COMMIT looked up until the deadline if need be. */
static enum store_result commit_batch(struct store_session *session, struct batch *batch)
{
	batch->write_id = (int64_t)random_u64();
	batch->in_doubt = false;
	for (;;) {
		struct turn turn = turn_begin(session, TURN_PRIMARY);
		while (turn_next(&turn))
			turn.result = run_batch(turn.connection, batch);
		if (turn.result == STORE_OK) {
			if (batch->plan.refused) {
				size_t at = 0;
				while (batch->writes[at].outcome == WRITE_APPLIED || batch->writes[at].outcome == WRITE_UNCHANGED)
					at++;
				forget_outcomes(batch, at);
			}
			return STORE_OK;
		}
		if (!batch->in_doubt) {
			forget_outcomes(batch, SIZE_MAX);
			return turn.result;
		}
		if (session->deadline_ns == UINT64_MAX || clock_left_ms(session->deadline_ns) <= LOOK_UP_PAUSE_MS)
			break;
		nanosleep(&(struct timespec){.tv_nsec = LOOK_UP_PAUSE_MS * 1000000L}, NULL);
	}
	forget_outcomes(batch, SIZE_MAX);
	return store_fail(session, STORE_UNAVAILABLE, "The connection broke during a COMMIT, and whether it happened could "
	                  "not be found out in time");
}

/* ---- one bad write ---- */

/* Halves the batch until the write that the database refuses stands alone. */
static enum store_result commit_halves(struct store_session *session, struct batch *batch)
{
	enum store_result outcome = commit_batch(session, batch);
	if (outcome == STORE_OK || !batch->data_error)
		return outcome;
	if (batch->count == 1) {
		batch->writes[0].outcome = WRITE_FAILED;
		return STORE_OK;
	}
	batch->refused = true;
	struct batch first = *batch, second = *batch;
	first.count = batch->count / 2;
	second.writes += first.count;
	second.count -= first.count;
	outcome = commit_halves(session, &first);
	return outcome == STORE_OK ? commit_halves(session, &second) : outcome;
}

/* All or nothing, and the database refused: the first write that it refuses is the last of the shortest beginning of the
 * batch that fails. */
static enum store_result find_refused(struct store_session *session, struct batch *batch)
{
	size_t good = 0, bad = batch->count;

	while (bad - good > 1) {
		struct batch trial = *batch;
		trial.count = good + (bad - good) / 2;
		trial.dry = true;
		enum store_result outcome = commit_batch(session, &trial);
		if (outcome != STORE_OK && !trial.data_error)
			return outcome;
		if (outcome == STORE_OK)
			good = trial.count;
		else
			bad = trial.count;
	}
	forget_outcomes(batch, SIZE_MAX);
	batch->writes[bad - 1].outcome = WRITE_FAILED;
	return STORE_OK;
}

enum store_result postgres_apply(struct store_session *session, struct store_write *writes, size_t count,
                                 bool all_or_nothing, int64_t now_us, struct arena *arena)
{
	struct batch batch = {.writes = writes, .count = count, .all_or_nothing = all_or_nothing, .now_us = now_us,
	                      .arena = arena};

	postgres_session(session)->lease_asked.seq = 0;
	if (count == 0)
		return STORE_OK;
	if (!all_or_nothing)
		return commit_halves(session, &batch);
	enum store_result outcome = commit_batch(session, &batch);
	return outcome != STORE_OK && batch.data_error ? find_refused(session, &batch) : outcome;
}
