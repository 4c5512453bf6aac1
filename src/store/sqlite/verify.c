/* Proving the log: every change follows from the one before, the last is the present row, and the sums are true. */
#include <stdarg.h>
#include <stdio.h>

#include "store/sqlite/sqlite.h"

enum { PAIR_BYTES_MAX = 8 << 20 };

/* A walk over all changes, event by event, in one snapshot. */
struct walk {
	struct sqlite_session *session;
	struct buf *report;
	uint64_t faults;
	bool pruned;             /* a first change need not be a creation */
	struct arena arenas[2];  /* of the change and of the one before it, by turns */
	struct change last;      /* event_id 0: none yet */
};

PRINTF_LIKE(2, 3) static void fault(struct walk *walk, const char *format, ...)
{
	char line[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line, sizeof line, format, arguments);
	va_end(arguments);
	buf_printf(walk->report, "%s\n", line);
	walk->faults++;
}

static bool same_description(struct str a, struct str b)
{
	return a.ptr == NULL || b.ptr == NULL ? a.ptr == b.ptr : str_equal(a, b);
}

static bool same_event(const struct event *a, const struct event *b)
{
	return a->id == b->id && str_equal(a->title, b->title) && str_equal(a->venue, b->venue)
		&& same_description(a->description, b->description)
		&& a->event_date_us == b->event_date_us && a->price_cents == b->price_cents && a->capacity == b->capacity
		&& a->status == b->status && a->created_at_us == b->created_at_us && a->updated_at_us == b->updated_at_us
		&& a->created_by == b->created_by && a->version == b->version;
}

/* ---- seq ---- */

static enum store_result check_seqs(struct walk *walk, const struct catalog *catalog, uint64_t *changes)
{
	struct sqlite_session *session = walk->session;
	uint64_t expected = catalog->pruned_seq + 1;
	sqlite3_stmt *statement;
	bool row = true;
	enum store_result result = sqlite_statement(session, CHANGE_SEQS, &statement);

	*changes = 0;
	while (result == STORE_OK) {
		result = sqlite_step(session, statement, &row);
		if (result != STORE_OK || !row)
			break;
		uint64_t seq = (uint64_t)sqlite3_column_int64(statement, 0);
		if (seq != expected)
			fault(walk, "change %llu comes where %llu should", (unsigned long long)seq, (unsigned long long)expected);
		expected = seq + 1;
		(*changes)++;
	}
	if (result == STORE_OK && expected != catalog->seq + 1)
		fault(walk, "the last change is %llu, the catalog says %llu", (unsigned long long)expected - 1,
		      (unsigned long long)catalog->seq);
	return result;
}

/* ---- events ---- */

/* The last change of an event against its row. */
static enum store_result check_present(struct walk *walk, struct arena *arena)
{
	const struct change *last = &walk->last;
	struct event event;

	if (last->event_id == 0)
		return STORE_OK;
	enum store_result result = sqlite_event(walk->session, last->event_id, arena, &event);
	if (result != STORE_OK)
		return result;
	if (last->has_after != (event.id != 0) || (last->has_after && !same_event(&last->after, &event)))
		fault(walk, "event %lld is not what change %llu left", (long long)last->event_id,
		      (unsigned long long)last->seq);
	return STORE_OK;
}

static void check_itself(struct walk *walk, const struct change *change)
{
	bool created = change->kind == CHANGE_CREATED;
	bool deleted = change->kind == CHANGE_DELETED;
	unsigned long long seq = (unsigned long long)change->seq;

	if (change->has_before == created || change->has_after == deleted)
		fault(walk, "change %llu (%s) has the wrong sides", seq, change_kind_name(change->kind));
	if ((change->has_before && change->before.id != change->event_id)
	    || (change->has_after && change->after.id != change->event_id))
		fault(walk, "change %llu speaks of another event", seq);
	if (change->has_after && change->after.version != change->version)
		fault(walk, "change %llu has version %lld, its event %lld", seq, (long long)change->version,
		      (long long)change->after.version);
	if (change->has_before ? change->before.version + 1 != change->version : change->version != 1)
		fault(walk, "change %llu is version %lld, which does not follow", seq, (long long)change->version);
}

/* `change` after walk->last, which is of the same event or of the one before. */
static enum store_result check_next(struct walk *walk, const struct change *change, struct arena *arena)
{
	const struct change *last = &walk->last;
	unsigned long long seq = (unsigned long long)change->seq;

	check_itself(walk, change);
	if (last->event_id != change->event_id) {
		if (!walk->pruned && change->kind != CHANGE_CREATED)
			fault(walk, "change %llu is the first of event %lld, and no creation", seq, (long long)change->event_id);
		return check_present(walk, arena);
	}
	if (change->kind == CHANGE_CREATED || last->kind == CHANGE_DELETED)
		fault(walk, "change %llu follows change %llu, which cannot be", seq, (unsigned long long)last->seq);
	else if (change->has_before && last->has_after && !same_event(&change->before, &last->after))
		fault(walk, "change %llu does not begin with what change %llu left", seq, (unsigned long long)last->seq);
	return STORE_OK;
}

static enum store_result check_events(struct walk *walk)
{
	struct sqlite_session *session = walk->session;
	sqlite3_stmt *statement;
	unsigned turn = 0;
	bool row;
	enum store_result result = sqlite_statement(session, CHANGES_BY_EVENT, &statement);

	while (result == STORE_OK) {
		struct arena *arena = &walk->arenas[turn];
		struct change change;
		result = sqlite_step(session, statement, &row);
		if (result != STORE_OK)
			break;
		arena_reset(arena);
		if (!row)
			return check_present(walk, arena);
		result = sqlite_read_change(session, statement, arena, &change);
		if (result == STORE_INTERNAL) {
			fault(walk, "change %lld holds no event", (long long)sqlite3_column_int64(statement, 0));
			result = STORE_OK;
			continue;
		}
		if (result == STORE_OK)
			result = check_next(walk, &change, arena);
		walk->last = change;
		turn = 1 - turn;
	}
	return result;
}

static enum store_result check_unlogged(struct walk *walk)
{
	sqlite3_stmt *statement;
	bool row;
	enum store_result result = STORE_OK;

	if (!walk->pruned)
		result = sqlite_statement(walk->session, EVENTS_WITHOUT_CHANGE, &statement);
	while (result == STORE_OK && !walk->pruned) {
		result = sqlite_step(walk->session, statement, &row);
		if (result != STORE_OK || !row)
			break;
		fault(walk, "event %lld has no change", (long long)sqlite3_column_int64(statement, 0));
	}
	return result;
}

/* ---- sums ---- */

static enum store_result check_counts(struct walk *walk, const struct catalog *catalog)
{
	int64_t counted[EVENT_STATUS_COUNT] = {0};
	sqlite3_stmt *statement;
	bool row;
	enum store_result result = sqlite_statement(walk->session, STATUS_COUNTS, &statement);

	while (result == STORE_OK) {
		result = sqlite_step(walk->session, statement, &row);
		if (result != STORE_OK || !row)
			break;
		int status = sqlite3_column_int(statement, 0);
		CHECK(status >= 0 && status < EVENT_STATUS_COUNT);
		counted[status] = sqlite3_column_int64(statement, 1);
	}
	for (unsigned status = 0; status < EVENT_STATUS_COUNT && result == STORE_OK; status++) {
		if (counted[status] != catalog->events[status])
			fault(walk, "there are %lld events %s, the catalog says %lld", (long long)counted[status],
			      event_status_name((enum event_status)status), (long long)catalog->events[status]);
	}
	return result;
}

static enum store_result check_spans(struct walk *walk)
{
	sqlite3_stmt *statement;
	bool row;
	enum store_result result = sqlite_statement(walk->session, SPAN_FAULTS, &statement);

	while (result == STORE_OK) {
		result = sqlite_step(walk->session, statement, &row);
		if (result != STORE_OK || !row)
			break;
		fault(walk, "the count of published events in span %lld of 2^%d us is wrong",
		      (long long)sqlite3_column_int64(statement, 1), sqlite3_column_int(statement, 0));
	}
	return result;
}

enum store_result sqlite_audit_verify(struct store_session *base, struct buf *report, uint64_t *changes,
                                      uint64_t *faults)
{
	struct walk walk = {.session = sqlite_session(base), .report = report};
	struct catalog catalog = {0};

	arena_init(&walk.arenas[0], PAIR_BYTES_MAX);
	arena_init(&walk.arenas[1], PAIR_BYTES_MAX);
	enum store_result result = sqlite_read_begin(walk.session);
	if (result == STORE_OK)
		result = sqlite_catalog(walk.session, &catalog);
	if (result == STORE_OK) {
		walk.pruned = catalog.pruned_seq > 0;
		result = check_seqs(&walk, &catalog, changes);
	}
	if (result == STORE_OK)
		result = check_events(&walk);
	if (result == STORE_OK)
		result = check_unlogged(&walk);
	if (result == STORE_OK)
		result = check_counts(&walk, &catalog);
	if (result == STORE_OK)
		result = check_spans(&walk);
	result = sqlite_read_end(walk.session, result);
	if (result == STORE_OK)
		*faults = walk.faults;
	arena_finish(&walk.arenas[1]);
	arena_finish(&walk.arenas[0]);
	return result;
}
