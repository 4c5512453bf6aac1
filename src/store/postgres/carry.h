/* Carries a settled plan to the database: arrays for a constant number of statements, however many writes there are. */
#ifndef EVENTLY_STORE_POSTGRES_CARRY_H
#define EVENTLY_STORE_POSTGRES_CARRY_H

#include "store/postgres/plan.h"
#include "store/postgres/statement.h"

#define IDEMPOTENCY_KEPT_US INT64_C(86400000000)

/* The columns of an event, as arrays. */
enum { CARRY_EVENT_ARRAYS = 12 };
struct carry_events {
	struct array columns[CARRY_EVENT_ARRAYS];
};

/* What the text index needs to know of an event: its words, or the texts for the server to find them in. */
struct carry_words {
	struct array ids, words, contents;
};

struct carry {
	struct plan *plan;
	int64_t write_id;
	uint64_t first_seq;
	struct carry_events inserted, updated;
	struct array deleted;
	struct carry_words worded, reworded; /* of events that are new, and that were there */
	struct array users, emails, roles;
	uint64_t *user_hashes; /* of the users, in their order */
	struct array changes[8];
	struct array day_statuses, days, day_counts;
	bool keys_unread; /* nobody has looked whether the keys are there: then the statement has to fail */
	struct array key_users, key_texts, key_hashes, key_answers;
	int64_t status_counts[EVENT_STATUS_COUNT]; /* what the batch adds to each */
};

/* Fills the arrays. False without memory; carry_finish is due in any case. */
MUST_CHECK bool carry_init(struct carry *carry, struct plan *plan, int64_t write_id);
/* Adds the statements to the pipeline; gives how many. The arrays must stay until the results are there. */
size_t carry_send(struct carry *carry, struct pipeline *pipeline, int64_t history);
/* The batch has committed: who is in `users` now need not be put there again for a while. */
void carry_committed(const struct carry *carry, struct pg_connection *connection);
void carry_finish(struct carry *carry);

#endif
