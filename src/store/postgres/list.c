/* Pages of the catalogue.
 *
 * For each status that may be shown one branch reads size + 1 keys from its own index behind the cursor; the branches are
 * merged, and only the rows of the page are fetched. So any page by cursor costs the same. The total is read from what
 * `catalog` and `event_days` keep, and counted only where a filter leaves no other way. The SQL is put together from
 * fixed pieces; every value is a parameter. */
#include "store/postgres/postgres.h"

#include <stdio.h>

#include "events/timestamp.h"
#include "store/postgres/statement.h"

enum { SQL_BYTES_MAX = 16384 };

#define DAY_US INT64_C(86400000000)

struct list {
	const struct query *query;
	struct str q;   /* without NUL, which PostgreSQL's text cannot hold; it separates words as any control character */
	int64_t now_us;
	struct buf sql;
	struct params params;
	bool plain;     /* its text comes again and again, and its plan does not depend on the values */
	int text_param; /* numbers of parameters used more than once; 0: not yet added */
	int filter_params[8];
};

static const char *const SORT_COLUMNS[EVENT_SORT_COUNT] = {
	[SORT_ID] = "id", [SORT_EVENT_DATE] = "event_date", [SORT_CREATED_AT] = "created_at",
	[SORT_UPDATED_AT] = "updated_at", [SORT_PRICE] = "price", [SORT_TITLE] = "title",
};

/* Each value becomes one parameter, however often the SQL names it. */
static int number_once(struct list *list, int slot, int64_t value, bool time)
{
	if (list->filter_params[slot] == 0) {
		if (time)
			params_time(&list->params, value);
		else
			params_i64(&list->params, value);
		list->filter_params[slot] = list->params.count;
	}
	return list->filter_params[slot];
}

enum filter_slot { SLOT_FROM, SLOT_TO, SLOT_PRICE_MIN, SLOT_PRICE_MAX, SLOT_SINCE, SLOT_NOW, SLOT_VENUE };

static void filters(struct list *list)
{
	const struct query *query = list->query;
	struct buf *sql = &list->sql;

	if (query->upcoming)
		buf_printf(sql, " AND event_date > $%d::timestamptz", number_once(list, SLOT_NOW, list->now_us, true));
	if (query->has_date_from)
		buf_printf(sql, " AND event_date >= $%d::timestamptz", number_once(list, SLOT_FROM, query->date_from_us, true));
	if (query->has_date_to)
		buf_printf(sql, " AND event_date <= $%d::timestamptz", number_once(list, SLOT_TO, query->date_to_us, true));
	if (query->has_price_min)
		buf_printf(sql, " AND price >= $%d::bigint * 0.01",
		           number_once(list, SLOT_PRICE_MIN, query->price_min_cents, false));
	if (query->has_price_max)
		buf_printf(sql, " AND price <= $%d::bigint * 0.01",
		           number_once(list, SLOT_PRICE_MAX, query->price_max_cents, false));
	if (query->has_updated_since)
		buf_printf(sql, " AND updated_at >= $%d::timestamptz",
		           number_once(list, SLOT_SINCE, query->updated_since_us, true));
	if (query->venue.ptr != NULL) {
		if (list->filter_params[SLOT_VENUE] == 0) {
			params_text(&list->params, query->venue);
			list->filter_params[SLOT_VENUE] = list->params.count;
		}
		buf_printf(sql, " AND venue = $%d::text", list->filter_params[SLOT_VENUE]);
	}
	if (query->q.ptr != NULL) {
		if (list->text_param == 0) {
			params_text(&list->params, list->q);
			list->text_param = list->params.count;
		}
		buf_printf(sql, " AND id IN (SELECT event_id FROM event_words WHERE words @@ evently_query($%d::text))",
		           list->text_param);
	}
}

/* ---- the page ---- */

/* " AND (key, id) > (…)" for what lies behind the cursor. */
static void behind_cursor(struct list *list, int *key_param, int *id_param)
{
	const struct query *query = list->query;
	const char *operator = query->descending ? "<" : ">";
	static const char *const CASTS[EVENT_SORT_COUNT] = {
		[SORT_EVENT_DATE] = "::timestamptz", [SORT_CREATED_AT] = "::timestamptz",
		[SORT_UPDATED_AT] = "::timestamptz", [SORT_PRICE] = "::bigint * 0.01", [SORT_TITLE] = "::text",
	};

	if (*id_param == 0) {
		params_i64(&list->params, query->cursor.id);
		*id_param = list->params.count;
		if (query->sort == SORT_TITLE)
			params_text(&list->params, query->cursor.text.ptr != NULL ? query->cursor.text : STR(""));
		else if (query->sort == SORT_PRICE)
			params_i64(&list->params, query->cursor.number);
		else if (query->sort != SORT_ID)
			params_time(&list->params, query->cursor.number);
		*key_param = list->params.count;
	}
	if (query->sort == SORT_ID)
		buf_printf(&list->sql, " AND id %s $%d::bigint", operator, *id_param);
	else
		buf_printf(&list->sql, " AND (%s, id) %s ($%d%s, $%d::bigint)", SORT_COLUMNS[query->sort], operator,
		           *key_param, CASTS[query->sort], *id_param);
}

static void order(struct buf *sql, const struct query *query, const char *table)
{
	const char *direction = query->descending ? " DESC" : "";

	buf_lit(sql, " ORDER BY ");
	if (query->sort != SORT_ID)
		buf_printf(sql, "%s%s%s, ", table, SORT_COLUMNS[query->sort], direction);
	buf_printf(sql, "%sid%s", table, direction);
}

static bool has_nul(struct str text)
{
	return text.ptr != NULL && text.len > 0 && memchr(text.ptr, '\0', text.len) != NULL;
}

static unsigned shown(const struct query *query)
{
	if (has_nul(query->venue)) /* no venue has one */
		return 0;
	return query->upcoming ? query->statuses & EVENT_STATUS_BIT(EVENT_PUBLISHED) : query->statuses;
}

static void page_keys(struct list *list)
{
	const struct query *query = list->query;
	struct buf *sql = &list->sql;
	int64_t offset = 0, reach;
	int key_param = 0, id_param = 0;
	bool first = true;
	char limit[24], skip[24];

	if (!query->has_cursor && __builtin_mul_overflow(query->page - 1, (int64_t)query->size, &offset))
		offset = INT64_MAX / 2;
	if (__builtin_add_overflow(offset, (int64_t)query->size + 1, &reach))
		reach = INT64_MAX;
	list->plain = list->plain && offset == 0;
	if (offset == 0) {
		/* Written out, so that the planner knows without the values that few rows are wanted. */
		snprintf(limit, sizeof limit, "%d", query->size + 1);
		snprintf(skip, sizeof skip, "0");
	} else {
		params_i64(&list->params, reach);
		snprintf(limit, sizeof limit, "$%d::bigint", list->params.count);
		params_i64(&list->params, offset);
		snprintf(skip, sizeof skip, "$%d::bigint", list->params.count);
	}
	buf_lit(sql, "SELECT * FROM (");
	for (unsigned status = 0; status < EVENT_STATUS_COUNT; status++) {
		if ((shown(query) & EVENT_STATUS_BIT(status)) == 0)
			continue;
		buf_printf(sql, "%s(SELECT id%s%s FROM events WHERE status = '%s'", first ? "" : " UNION ALL ",
		           query->sort == SORT_ID ? "" : ", ", query->sort == SORT_ID ? "" : SORT_COLUMNS[query->sort],
		           event_status_name((enum event_status)status));
		first = false;
		filters(list);
		if (query->has_cursor)
			behind_cursor(list, &key_param, &id_param);
		order(sql, query, "");
		buf_printf(sql, " LIMIT %s)", limit);
	}
	if (first) /* nothing may be shown */
		buf_printf(sql, "(SELECT id%s%s FROM events WHERE false LIMIT %s)", query->sort == SORT_ID ? "" : ", ",
		           query->sort == SORT_ID ? "" : SORT_COLUMNS[query->sort], limit);
	buf_lit(sql, ") m");
	order(sql, query, "");
	buf_printf(sql, " LIMIT %d OFFSET %s", query->size + 1, skip);
}

/* ---- the total ---- */

static void total_of_statuses(struct list *list)
{
	buf_lit(&list->sql, "0");
	for (unsigned status = 0; status < EVENT_STATUS_COUNT; status++)
		if (shown(list->query) & EVENT_STATUS_BIT(status))
			buf_printf(&list->sql, " + c.%s", event_status_name((enum event_status)status));
}

static int64_t floor_day(int64_t us)
{
	return us / DAY_US - (us % DAY_US < 0 ? 1 : 0);
}

static void count_between(struct list *list, const char *status, int64_t from_us, int64_t to_us)
{
	params_time(&list->params, from_us);
	params_time(&list->params, to_us);
	buf_printf(&list->sql, " + (SELECT count(*) FROM events WHERE status = '%s' AND event_date >= $%d::timestamptz AND "
	           "event_date <= $%d::timestamptz)", status, list->params.count - 1, list->params.count);
}

/* Both bounds inclusive: whole days from event_days, the days at the ends counted from the index. */
static void total_of_dates(struct list *list)
{
	const struct query *query = list->query;
	int64_t from_us = 0, to_us = TIMESTAMP_MAX_US;

	if (query->has_date_from && query->date_from_us > from_us)
		from_us = query->date_from_us;
	if (query->upcoming && list->now_us + 1 > from_us)
		from_us = list->now_us + 1;
	if (query->has_date_to && query->date_to_us < to_us)
		to_us = query->date_to_us;
	int64_t first_day = floor_day(from_us), last_day = floor_day(to_us);
	if (from_us % DAY_US != 0)
		first_day++; /* the first whole day */
	if ((to_us + 1) % DAY_US != 0)
		last_day--;
	buf_lit(&list->sql, "0");
	if (from_us > to_us)
		return;
	for (unsigned status = 0; status < EVENT_STATUS_COUNT; status++) {
		const char *name = event_status_name((enum event_status)status);
		if ((shown(query) & EVENT_STATUS_BIT(status)) == 0)
			continue;
		if (first_day > last_day) { /* no whole day in between: at most two pieces of days */
			count_between(list, name, from_us, to_us);
			continue;
		}
		buf_printf(&list->sql, " + (SELECT coalesce(sum(events), 0) FROM event_days WHERE status = '%s' AND day "
		           "BETWEEN '1970-01-01'::date + %lld AND '1970-01-01'::date + %lld)::bigint", name,
		           (long long)first_day, (long long)last_day);
		if (from_us < first_day * DAY_US)
			count_between(list, name, from_us, first_day * DAY_US - 1);
		if (to_us >= (last_day + 1) * DAY_US)
			count_between(list, name, (last_day + 1) * DAY_US, to_us);
	}
}

static void total_by_counting(struct list *list)
{
	const char *separator = " WHERE status IN (";

	buf_lit(&list->sql, "(SELECT count(*) FROM events");
	for (unsigned status = 0; status < EVENT_STATUS_COUNT; status++) {
		if ((shown(list->query) & EVENT_STATUS_BIT(status)) == 0)
			continue;
		buf_printf(&list->sql, "%s'%s'", separator, event_status_name((enum event_status)status));
		separator = ", ";
	}
	buf_lit(&list->sql, ")");
	filters(list);
	buf_lit(&list->sql, ")");
}

static void total(struct list *list)
{
	const struct query *query = list->query;
	bool counted = query->q.ptr != NULL || query->venue.ptr != NULL || query->has_price_min || query->has_price_max
	               || query->has_updated_since;

	/* Filters are better planned with their values; and the days of a range are part of the text. */
	list->plain = !counted && !query->has_date_from && !query->has_date_to;
	if (shown(query) == 0)
		buf_lit(&list->sql, "0");
	else if (counted)
		total_by_counting(list);
	else if (query->upcoming || query->has_date_from || query->has_date_to)
		total_of_dates(list);
	else
		total_of_statuses(list);
}

/* ---- all together ---- */

static bool prepare_text(struct list *list, struct arena *arena)
{
	list->q = list->query->q;
	if (!has_nul(list->q))
		return true;
	char *copy = arena_alloc(arena, list->q.len);
	if (copy == NULL)
		return false;
	for (size_t i = 0; i < list->q.len; i++)
		copy[i] = list->q.ptr[i] == '\0' ? ' ' : list->q.ptr[i];
	list->q.ptr = copy;
	return true;
}

static void compose(struct list *list)
{
	buf_lit(&list->sql, "SELECT c.seq, c.history, (");
	total(list);
	buf_lit(&list->sql, ")::bigint, " EVENT_COLUMNS " FROM catalog c LEFT JOIN (SELECT v.* FROM (");
	page_keys(list);
	buf_lit(&list->sql, ") p JOIN events v ON v.id = p.id) e ON true");
	order(&list->sql, list->query, "e.");
	buf_char(&list->sql, '\0');
}

static enum store_result take_page(struct turn *turn, const PGresult *result, int32_t size, struct arena *arena,
                                   struct query_page *page)
{
	enum { COLUMN_TOTAL = COLUMN_FIRST, COLUMN_EVENT };

	if (!read_snapshot(turn, result))
		return turn->result;
	*page = (struct query_page){.total = cell_i64(result, 0, COLUMN_TOTAL)};
	page->events = arena_array(arena, struct event, (size_t)size);
	if (page->events == NULL)
		return read_out_of_memory(turn->connection);
	for (int row = 0; row < PQntuples(result); row++) {
		if (cell_null(result, row, COLUMN_EVENT))
			continue;
		if (page->count == (size_t)size) {
			page->has_next = true;
			break;
		}
		if (!cell_event(result, row, COLUMN_EVENT, arena, &page->events[page->count]))
			return read_damaged(turn->connection, arena, "An event");
		page->count++;
	}
	return STORE_OK;
}

enum store_result postgres_list(struct store_session *session, const struct query *query, int64_t now_us,
                                bool from_primary, struct arena *arena, struct query_page *page, uint64_t *as_of)
{
	struct list list = {.query = query, .now_us = now_us};
	struct turn turn = turn_begin(session, from_primary ? TURN_PRIMARY : TURN_READ);
	PGresult *result = NULL;

	buf_init(&list.sql, SQL_BYTES_MAX);
	if (prepare_text(&list, arena))
		compose(&list);
	if (list.sql.failed || arena->failed) {
		buf_finish(&list.sql);
		return store_fail(session, STORE_OUT_OF_MEMORY, "Out of memory for a list");
	}
	while (turn_next(&turn)) {
		turn.result = list.plain ? statement_run_shape(turn.connection, list.sql.ptr, &list.params, &result)
		                         : statement_run_text(turn.connection, list.sql.ptr, &list.params, &result);
		if (turn.result == STORE_OK) {
			turn.result = take_page(&turn, result, query->size, arena, page);
			PQclear(result);
		}
	}
	buf_finish(&list.sql);
	*as_of = turn.as_of;
	return turn.result;
}
