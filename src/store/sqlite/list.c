/* Pages of lists.
 *
 * A page costs the same wherever it begins, whatever the catalogue holds: its ids come from a merge of ordered index
 * scans, one for each status shown (and two, at a cursor: the rest of the cursor's own key, and the keys behind it), of
 * which only `size` steps are made; its rows are then read by id. Totals without filters are sums the catalog keeps.
 * Other filters are counted, and full text is matched first and then sorted.
 *
 * The SQL is put together from the pieces below, chosen by the bits of a shape; values are only ever bound. */
#include "store/sqlite/sqlite.h"

/* The bits of a shape's key, from low to high. */
enum shape_bits {
	SHAPE_SORT = 7,             /* enum event_sort */
	SHAPE_DESCENDING = 1 << 3,
	SHAPE_STATUS_SHIFT = 4,     /* four bits: the statuses shown */
	SHAPE_UPCOMING = 1 << 8,
	SHAPE_Q = 1 << 9,
	SHAPE_VENUE = 1 << 10,
	SHAPE_DATE_FROM = 1 << 11,
	SHAPE_DATE_TO = 1 << 12,
	SHAPE_PRICE_MIN = 1 << 13,
	SHAPE_PRICE_MAX = 1 << 14,
	SHAPE_UPDATED_SINCE = 1 << 15,
	SHAPE_CURSOR = 1 << 16,
	SHAPE_COUNT = 1 << 17,      /* the total instead of the page */
};

/* Every statement uses the same numbers for its values; LIMIT and OFFSET come last. */
enum parameter {
	PARAMETER_KEY = 1, PARAMETER_ID, PARAMETER_NOW, PARAMETER_Q, PARAMETER_VENUE, PARAMETER_DATE_FROM,
	PARAMETER_DATE_TO, PARAMETER_PRICE_MIN, PARAMETER_PRICE_MAX, PARAMETER_UPDATED_SINCE, PARAMETER_LIMIT,
	PARAMETER_OFFSET,
};

static const char *const sort_columns[EVENT_SORT_COUNT] = {
	[SORT_ID] = "id",
	[SORT_EVENT_DATE] = "event_date",
	[SORT_CREATED_AT] = "created_at",
	[SORT_UPDATED_AT] = "updated_at",
	[SORT_PRICE] = "price_cents",
	[SORT_TITLE] = "title",
};

static const struct {
	uint32_t bit;
	const char *condition;
} conditions[] = {
	{SHAPE_UPCOMING, " AND e.event_date > ?3"},
	{SHAPE_VENUE, " AND e.venue = ?5"},
	{SHAPE_DATE_FROM, " AND e.event_date >= ?6"},
	{SHAPE_DATE_TO, " AND e.event_date <= ?7"},
	{SHAPE_PRICE_MIN, " AND e.price_cents >= ?8"},
	{SHAPE_PRICE_MAX, " AND e.price_cents <= ?9"},
	{SHAPE_UPDATED_SINCE, " AND e.updated_at >= ?10"},
};

enum { FILTERS = SHAPE_Q | SHAPE_VENUE | SHAPE_DATE_FROM | SHAPE_DATE_TO | SHAPE_PRICE_MIN | SHAPE_PRICE_MAX |
	SHAPE_UPDATED_SINCE };

/* ---- text ---- */

static void print_conditions(struct buf *sql, uint32_t key)
{
	for (size_t i = 0; i < ARRAY_LENGTH(conditions); i++) {
		if ((key & conditions[i].bit) != 0)
			buf_str(sql, str_from(conditions[i].condition));
	}
}

static void print_source(struct buf *sql, uint32_t key)
{
	if ((key & SHAPE_Q) != 0)
		buf_lit(sql, " FROM events_fts AS f CROSS JOIN events AS e ON e.id = f.rowid WHERE f.events_fts MATCH ?4 AND ");
	else if ((key & SHAPE_VENUE) != 0) /* SQLite, without statistics, would rather walk the order than find a venue */
		buf_lit(sql, " FROM events AS e INDEXED BY events_by_venue WHERE ");
	else
		buf_lit(sql, " FROM events AS e WHERE ");
}

static void print_columns(struct buf *sql, uint32_t key)
{
	unsigned sort = key & SHAPE_SORT;

	buf_lit(sql, "SELECT ");
	if (sort != SORT_ID)
		buf_printf(sql, "e.%s, ", sort_columns[sort]);
	buf_lit(sql, "e.id");
}

/* The ways to lie behind the cursor, each one range of an index. */
enum { BEHIND_ALL, BEHIND_IN_KEY, BEHIND_KEY };

static void print_cursor(struct buf *sql, uint32_t key, int behind)
{
	unsigned sort = key & SHAPE_SORT;
	char than = (key & SHAPE_DESCENDING) != 0 ? '<' : '>';

	if (behind == BEHIND_IN_KEY)
		buf_printf(sql, " AND e.%s = ?1 AND e.id %c ?2", sort_columns[sort], than);
	else if (behind == BEHIND_KEY)
		buf_printf(sql, " AND e.%s %c %s", sort_columns[sort], than, sort == SORT_ID ? "?2" : "?1");
}

static void print_scan(struct buf *sql, uint32_t key, unsigned status, int behind, bool *first)
{
	if (!*first)
		buf_lit(sql, " UNION ALL ");
	*first = false;
	print_columns(sql, key);
	print_source(sql, key);
	buf_printf(sql, "e.status = %u", status);
	print_conditions(sql, key);
	print_cursor(sql, key, behind);
}

static void print_scans(struct buf *sql, uint32_t key)
{
	bool first = true;

	for (unsigned status = 0; status < EVENT_STATUS_COUNT; status++) {
		if ((key >> SHAPE_STATUS_SHIFT & EVENT_STATUS_BIT(status)) == 0)
			continue;
		if ((key & SHAPE_CURSOR) == 0) {
			print_scan(sql, key, status, BEHIND_ALL, &first);
			continue;
		}
		if ((key & SHAPE_SORT) != SORT_ID)
			print_scan(sql, key, status, BEHIND_IN_KEY, &first);
		print_scan(sql, key, status, BEHIND_KEY, &first);
	}
}

static void print_statuses(struct buf *sql, uint32_t key)
{
	const char *separator = "e.status IN (";

	for (unsigned status = 0; status < EVENT_STATUS_COUNT; status++) {
		if ((key >> SHAPE_STATUS_SHIFT & EVENT_STATUS_BIT(status)) == 0)
			continue;
		buf_printf(sql, "%s%u", separator, status);
		separator = ", ";
	}
	buf_char(sql, ')');
}

/* Full text: matched as a whole, then filtered and sorted. */
static void print_matches(struct buf *sql, uint32_t key)
{
	unsigned sort = key & SHAPE_SORT;

	print_columns(sql, key);
	print_source(sql, key);
	print_statuses(sql, key);
	print_conditions(sql, key);
	if ((key & SHAPE_CURSOR) != 0 && sort != SORT_ID)
		buf_printf(sql, " AND (e.%s, e.id) %c (?1, ?2)", sort_columns[sort], (key & SHAPE_DESCENDING) != 0 ? '<' : '>');
	else if ((key & SHAPE_CURSOR) != 0)
		print_cursor(sql, key, BEHIND_KEY);
}

static void print_shape(struct buf *sql, uint32_t key)
{
	const char *way = (key & SHAPE_DESCENDING) != 0 ? " DESC" : "";

	if ((key & SHAPE_COUNT) != 0) {
		buf_lit(sql, "SELECT count(*)");
		print_source(sql, key);
		print_statuses(sql, key);
		print_conditions(sql, key);
		buf_lit(sql, " LIMIT ?11 OFFSET ?12");
		return;
	}
	if ((key & SHAPE_Q) != 0)
		print_matches(sql, key);
	else
		print_scans(sql, key);
	buf_printf(sql, " ORDER BY 1%s", way);
	if ((key & SHAPE_SORT) != SORT_ID)
		buf_printf(sql, ", 2%s", way);
	buf_lit(sql, " LIMIT ?11 OFFSET ?12");
}

/* ---- values ---- */

static bool is_word(char c)
{
	unsigned char byte = (unsigned char)c;
	return byte >= 0x80 || (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

/* The words of `q`, each in quotes, which FTS5 takes as "all of them" and never as syntax. What is no word among the
 * characters beyond ASCII is left to the tokenizer, which drops it. */
static void print_match(struct buf *match, struct str q)
{
	for (size_t i = 0; i < q.len;) {
		if (!is_word(q.ptr[i])) {
			i++;
			continue;
		}
		size_t start = i;
		while (i < q.len && is_word(q.ptr[i]))
			i++;
		buf_lit(match, "\"");
		buf_append(match, q.ptr + start, i - start);
		buf_lit(match, "\" ");
	}
}

static uint32_t key_of(const struct query *query)
{
	uint32_t key = (uint32_t)query->sort;

	key |= query->descending ? SHAPE_DESCENDING : 0;
	key |= (query->statuses & EVENT_STATUS_ALL) << SHAPE_STATUS_SHIFT;
	key |= query->upcoming ? SHAPE_UPCOMING : 0;
	key |= query->q.ptr != NULL ? SHAPE_Q : 0;
	key |= query->venue.ptr != NULL ? SHAPE_VENUE : 0;
	key |= query->has_date_from ? SHAPE_DATE_FROM : 0;
	key |= query->has_date_to ? SHAPE_DATE_TO : 0;
	key |= query->has_price_min ? SHAPE_PRICE_MIN : 0;
	key |= query->has_price_max ? SHAPE_PRICE_MAX : 0;
	key |= query->has_updated_since ? SHAPE_UPDATED_SINCE : 0;
	key |= query->has_cursor ? SHAPE_CURSOR : 0;
	return key;
}

static void bind_filters(sqlite3_stmt *statement, const struct query *query, int64_t now_us, struct str match)
{
	sqlite3_bind_int64(statement, PARAMETER_NOW, now_us);
	sqlite_bind_str(statement, PARAMETER_Q, match);
	sqlite_bind_str(statement, PARAMETER_VENUE, query->venue);
	sqlite3_bind_int64(statement, PARAMETER_DATE_FROM, query->date_from_us);
	sqlite3_bind_int64(statement, PARAMETER_DATE_TO, query->date_to_us);
	sqlite3_bind_int64(statement, PARAMETER_PRICE_MIN, query->price_min_cents);
	sqlite3_bind_int64(statement, PARAMETER_PRICE_MAX, query->price_max_cents);
	sqlite3_bind_int64(statement, PARAMETER_UPDATED_SINCE, query->updated_since_us);
}

static void bind_place(sqlite3_stmt *statement, const struct query *query, int64_t offset)
{
	if (query->has_cursor && query->sort == SORT_TITLE)
		sqlite_bind_str(statement, PARAMETER_KEY, query->cursor.text);
	else
		sqlite3_bind_int64(statement, PARAMETER_KEY, query->cursor.number);
	sqlite3_bind_int64(statement, PARAMETER_ID, query->cursor.id);
	sqlite3_bind_int64(statement, PARAMETER_LIMIT, query->size + 1); /* one more tells whether there is a next page */
	sqlite3_bind_int64(statement, PARAMETER_OFFSET, offset);
}

/* ---- running ---- */

/* The first column of the statement's one row. */
static enum store_result read_number(struct sqlite_session *session, sqlite3_stmt *statement, int64_t *number)
{
	bool row;
	enum store_result result = sqlite_step(session, statement, &row);

	if (result != STORE_OK)
		return result;
	CHECK(row);
	*number = sqlite3_column_int64(statement, 0);
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return STORE_OK;
}

static enum store_result find_total(struct sqlite_session *session, const struct query *query, int64_t now_us,
                                    struct str match, const struct catalog *catalog, int64_t *total)
{
	uint32_t key = key_of(query);
	sqlite3_stmt *statement;
	enum store_result result;

	*total = 0;
	if ((key & (FILTERS | SHAPE_UPCOMING)) == 0) {
		for (unsigned status = 0; status < EVENT_STATUS_COUNT; status++)
			*total += (query->statuses & EVENT_STATUS_BIT(status)) != 0 ? catalog->events[status] : 0;
		return STORE_OK;
	}
	if ((key & FILTERS) == 0) {
		result = sqlite_statement(session, UPCOMING_TOTAL, &statement);
		if (result == STORE_OK)
			sqlite3_bind_int64(statement, 1, now_us);
	} else {
		key = (key & ~(uint32_t)(SHAPE_SORT | SHAPE_DESCENDING | SHAPE_CURSOR)) | SHAPE_COUNT;
		result = sqlite_shape(session, key, print_shape, &statement);
		if (result == STORE_OK) {
			bind_filters(statement, query, now_us, match);
			sqlite3_bind_int64(statement, PARAMETER_LIMIT, 1);
			sqlite3_bind_int64(statement, PARAMETER_OFFSET, 0);
		}
	}
	return result == STORE_OK ? read_number(session, statement, total) : result;
}

/* An upcoming list, soonest first, begins behind "now" as behind a cursor: one bound for the index instead of two. */
static void begin_at_now(struct query *query, int64_t now_us)
{
	if (!query->upcoming || query->sort != SORT_EVENT_DATE || query->descending)
		return;
	if (!query->has_cursor || query->cursor.number <= now_us)
		query->cursor = (struct query_cursor){.number = now_us, .id = INT64_MAX};
	query->has_cursor = true;
	query->upcoming = false;
}

/* Up to size + 1 ids, in order. */
static enum store_result find_ids(struct sqlite_session *session, const struct query *asked, int64_t now_us,
                                  struct str match, int64_t offset, int64_t ids[QUERY_SIZE_MAX + 1], size_t *count)
{
	struct query query = *asked;
	sqlite3_stmt *statement;
	bool row = true;

	*count = 0;
	begin_at_now(&query, now_us);
	enum store_result result = sqlite_shape(session, key_of(&query), print_shape, &statement);
	if (result != STORE_OK)
		return result;
	bind_filters(statement, &query, now_us, match);
	bind_place(statement, &query, offset);
	int id_column = sqlite3_column_count(statement) - 1;
	while (row) {
		result = sqlite_step(session, statement, &row);
		if (result != STORE_OK || !row)
			break;
		CHECK(*count <= (size_t)query.size);
		ids[(*count)++] = sqlite3_column_int64(statement, id_column);
	}
	return result;
}

static enum store_result read_page(struct sqlite_session *session, const struct query *query, int64_t now_us,
                                   struct str match, const struct catalog *catalog, struct arena *arena,
                                   struct query_page *page)
{
	int64_t ids[QUERY_SIZE_MAX + 1];
	int64_t offset = query->has_cursor ? 0 : (query->page - 1) * query->size;
	size_t found = 0;

	enum store_result result = find_total(session, query, now_us, match, catalog, &page->total);
	if (result != STORE_OK)
		return result;
	if (offset < page->total) {
		result = find_ids(session, query, now_us, match, offset, ids, &found);
		if (result != STORE_OK)
			return result;
	}
	page->has_next = found > (size_t)query->size;
	page->count = page->has_next ? (size_t)query->size : found;
	page->events = arena_array(arena, struct event, page->count + 1);
	if (page->events == NULL)
		return sqlite_no_memory(session);
	for (size_t i = 0; i < page->count && result == STORE_OK; i++)
		result = sqlite_event(session, ids[i], arena, &page->events[i]);
	return result;
}

enum store_result sqlite_list(struct store_session *base, const struct query *asked, int64_t now_us,
                              bool from_primary, struct arena *arena, struct query_page *page, uint64_t *as_of)
{
	struct sqlite_session *session = sqlite_session(base);
	struct query query = *asked;
	struct catalog catalog = {0};
	struct buf match;

	(void)from_primary; /* there is only one */
	*page = (struct query_page){0};
	now_us = now_us > 0 ? now_us : 0;
	buf_init(&match, 4 * QUERY_TEXT_BYTES_MAX);
	if (query.q.ptr != NULL)
		print_match(&match, query.q);
	if (query.upcoming)
		query.statuses &= EVENT_STATUS_BIT(EVENT_PUBLISHED);
	bool showing = (query.statuses & EVENT_STATUS_ALL) != 0 && (query.q.ptr == NULL || match.len > 0);
	enum store_result result = sqlite_read_begin(session);
	if (result == STORE_OK)
		result = sqlite_catalog(session, &catalog);
	if (result == STORE_OK && match.failed)
		result = sqlite_no_memory(session);
	if (result == STORE_OK && showing)
		result = read_page(session, &query, now_us, buf_view(&match), &catalog, arena, page);
	result = sqlite_read_end(session, result);
	if (result == STORE_OK)
		*as_of = catalog.seq;
	buf_finish(&match);
	return result;
}
