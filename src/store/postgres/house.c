/* Keeping house: what is old goes, and the log is proved against the rows. */
#include "store/postgres/postgres.h"

#include "store/postgres/carry.h"
#include "store/postgres/statement.h"

enum store_result postgres_housekeeping(struct store_session *session, int64_t now_us)
{
	struct turn turn = turn_begin(session, TURN_PRIMARY);
	struct params params = {0};

	params_time(&params, now_us - IDEMPOTENCY_KEPT_US);
	while (turn_next(&turn)) {
		turn.result = statement_do(turn.connection, SQL_KEYS_EXPIRE, &params);
		if (turn.result == STORE_OK)
			turn.result = statement_do(turn.connection, SQL_INSTANCES_EXPIRE, NULL);
	}
	return turn.result;
}

/* ---- pruning ---- */

/* Removes the changes up to `bound` and leaves the marker, in one transaction. */
static enum store_result prune_to(struct pg_connection *connection, int64_t bound, uint64_t *removed)
{
	static const enum statement USED[] = {SQL_PRUNE_ALLOW, SQL_PRUNE_DELETE, SQL_PRUNE_MARK};
	struct pipeline pipeline;
	struct params params = {0};
	uint64_t count = 0;

	enum store_result outcome = pipeline_begin(&pipeline, connection, USED, ARRAY_LENGTH(USED));
	if (outcome != STORE_OK)
		return outcome;
	params_i64(&params, bound);
	pipeline_add(&pipeline, SQL_PRUNE_ALLOW, NULL);
	pipeline_add(&pipeline, SQL_PRUNE_DELETE, &params);
	pipeline_add(&pipeline, SQL_PRUNE_MARK, &params);
	pipeline_send(&pipeline);
	PQclear(pipeline_result(&pipeline));
	PGresult *result = pipeline_result(&pipeline);
	if (result != NULL)
		(void)str_to_u64(str_from(PQcmdTuples(result)), UINT64_MAX, &count);
	PQclear(result);
	outcome = pipeline_end(&pipeline);
	if (outcome == STORE_OK)
		*removed += count;
	return outcome;
}

/* Some at a time, so that writers wait for the catalog's row only shortly. The log stays without holes: only a beginning
 * goes, in which every change is older than before_us. */
static enum store_result prune(struct pg_connection *connection, int64_t before_us, uint64_t *removed)
{
	struct params params = {0};

	params_time(&params, before_us);
	for (;;) {
		PGresult *result = NULL;
		enum store_result outcome = statement_run(connection, SQL_PRUNE_BOUND, &params, &result);
		if (outcome != STORE_OK)
			return outcome;
		int64_t bound = cell_i64(result, 0, 0), pruned = cell_i64(result, 0, 1);
		PQclear(result);
		if (bound <= pruned)
			return STORE_OK;
		outcome = prune_to(connection, bound, removed);
		if (outcome != STORE_OK)
			return outcome;
	}
}

enum store_result postgres_audit_prune(struct store_session *session, int64_t before_us, uint64_t *removed)
{
	struct turn turn = turn_begin(session, TURN_PRIMARY);

	*removed = 0;
	while (turn_next(&turn))
		turn.result = prune(turn.connection, before_us, removed);
	return turn.result;
}

/* ---- proving ---- */

/* Each gives one line for each fault. Sides are compared as values, not as texts. */
static const char *const PROOFS[] = {
	"SELECT format('change %s comes where %s should', seq, expected) FROM (SELECT g.seq, coalesce(lag(g.seq) OVER "
	"(ORDER BY g.seq), c.pruned_seq) + 1 AS expected FROM changes g, catalog c) s WHERE seq <> expected ORDER BY seq",

	"SELECT format('the last change is %s, the catalog says %s', last, seq) FROM (SELECT coalesce((SELECT max(g.seq) FROM "
	"changes g), c.pruned_seq) AS last, c.seq FROM catalog c) s WHERE last <> seq",

	"SELECT format('change %s (%s) has the wrong sides', seq, kind) FROM changes "
	"WHERE (before IS NULL) <> (kind = 'created') OR (after IS NULL) <> (kind = 'deleted') ORDER BY seq",

	"SELECT format('change %s speaks of another event', seq) FROM changes WHERE (before ->> 'id')::bigint <> event_id OR "
	"(after ->> 'id')::bigint <> event_id ORDER BY seq",

	"SELECT format('change %s is version %s, which does not follow', seq, version) FROM changes WHERE "
	"(after ->> 'version')::bigint <> version OR (before ->> 'version')::bigint + 1 <> version "
	"OR kind = 'created' AND version <> 1 AND request_id IS DISTINCT FROM 'adopted' ORDER BY seq",

	"SELECT CASE WHEN prior IS NULL THEN format('change %s is the first of event %s, and no creation', seq, event_id) "
	"WHEN kind = 'created' OR prior_kind = 'deleted' THEN format('change %s follows change %s, which cannot be', seq, prior) "
	"ELSE format('change %s does not begin with what change %s left', seq, prior) END "
	"FROM (SELECT g.*, lag(seq) OVER w AS prior, lag(kind) OVER w AS prior_kind, lag(after::jsonb) OVER w AS prior_after "
	"FROM changes g WINDOW w AS (PARTITION BY event_id ORDER BY seq)) s, (SELECT pruned_seq FROM catalog) c "
	"WHERE prior IS NULL AND kind <> 'created' AND c.pruned_seq = 0 OR prior IS NOT NULL AND (kind = 'created' OR "
	"prior_kind = 'deleted' OR prior_after IS DISTINCT FROM before::jsonb) ORDER BY seq",

	"SELECT format('event %s is not what change %s left', s.event_id, s.seq) FROM (SELECT DISTINCT ON (event_id) * FROM "
	"changes ORDER BY event_id, seq DESC) s LEFT JOIN events e ON e.id = s.event_id "
	"WHERE s.after::jsonb IS DISTINCT FROM CASE WHEN e.id IS NOT NULL THEN evently_stored(e)::jsonb END ORDER BY s.seq",

	"SELECT format('event %s has no change', e.id) FROM events e, catalog c WHERE c.pruned_seq = 0 AND NOT EXISTS "
	"(SELECT 1 FROM changes g WHERE g.event_id = e.id) ORDER BY e.id",

	"SELECT format('there are %s events %s, the catalog says %s', counted, status, said) FROM (SELECT s.status, s.said, "
	"(SELECT count(*) FROM events e WHERE e.status = s.status) AS counted FROM catalog c, LATERAL (VALUES ('draft', c.draft), "
	"('published', c.published), ('cancelled', c.cancelled), ('completed', c.completed)) s(status, said)) t "
	"WHERE counted <> said",

	"SELECT format('the count of events %s on %s is wrong', status, day) FROM (SELECT status, (event_date AT TIME ZONE "
	"'UTC')::date AS day, count(*) AS events FROM events GROUP BY 1, 2) n FULL JOIN event_days d USING (status, day) "
	"WHERE coalesce(n.events, 0) <> coalesce(d.events, 0) ORDER BY day, status",

	"SELECT format('the words of event %s are not its own', coalesce(e.id, w.event_id)) FROM events e FULL JOIN event_words w "
	"ON w.event_id = e.id WHERE w.words IS DISTINCT FROM array_to_tsvector(evently_words(concat_ws(' ', e.title, e.venue, "
	"e.description))) ORDER BY 1",
};

static enum store_result prove(struct turn *turn, struct buf *report, uint64_t *changes, uint64_t *faults)
{
	struct params none = {0};
	PGresult *result = NULL;

	turn->connection->deadline_ns = turn->session->base.deadline_ns; /* the caller's own, however long */
	enum store_result outcome = statement_do(turn->connection, SQL_BEGIN_SNAPSHOT, NULL);
	if (outcome == STORE_OK)
		outcome = statement_run_text(turn->connection, "SELECT count(*), set_config('statement_timeout', '0', true) "
		                             "FROM changes", &none, &result);
	if (outcome != STORE_OK)
		return outcome;
	*changes = (uint64_t)cell_i64(result, 0, 0);
	PQclear(result);
	for (size_t i = 0; i < ARRAY_LENGTH(PROOFS); i++) {
		outcome = statement_run_text(turn->connection, PROOFS[i], &none, &result);
		if (outcome != STORE_OK)
			return outcome;
		for (int row = 0; row < PQntuples(result); row++) {
			buf_str(report, cell_text(result, row, 0));
			buf_char(report, '\n');
			(*faults)++;
		}
		PQclear(result);
	}
	return statement_do(turn->connection, SQL_ROLLBACK, NULL);
}

enum store_result postgres_audit_verify(struct store_session *session, struct buf *report, uint64_t *changes,
                                        uint64_t *faults)
{
	struct turn turn = turn_begin(session, TURN_ONCE);

	*changes = *faults = 0;
	while (turn_next(&turn))
		turn.result = prove(&turn, report, changes, faults);
	return turn.result;
}
