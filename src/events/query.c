/* Parameters stand in the table `parameters_known`: name, where it is allowed, and the function that reads it. */
#include "events/query.h"

#include "events/cursor.h"
#include "events/money.h"
#include "events/timestamp.h"
#include "events/utf8.h"

enum { PAGE_MAX = 1000000000, VENUE_BYTES_MAX = EVENT_TEXT_CODEPOINTS_MAX * 4 };

struct reader {
	struct query *query;
	unsigned *wanted;      /* statuses that the filter asks for */
	struct str *cursor;    /* kept until the rest of the query is known */
	struct arena *arena;
	struct issues *issues;
};

struct parameter {
	const char *name;
	bool upcoming; /* also known to /upcoming */
	void (*take)(const struct reader *reader, const struct parameter *parameter, struct str value);
};

static const char *const sort_names[EVENT_SORT_COUNT] = {
	[SORT_ID] = "id",
	[SORT_EVENT_DATE] = "event_date",
	[SORT_CREATED_AT] = "created_at",
	[SORT_UPDATED_AT] = "updated_at",
	[SORT_PRICE] = "price",
	[SORT_TITLE] = "title",
};

static bool take_integer(const struct reader *reader, const struct parameter *parameter, struct str value, int max,
                         int64_t *number)
{
	struct str name = str_from(parameter->name);
	bool negative = value.len > 0 && value.ptr[0] == '-';
	struct str digits = negative ? str_skip(value, 1) : value;
	uint64_t magnitude = 0;

	for (size_t i = 0; i < digits.len; i++) {
		if (digits.ptr[i] < '0' || digits.ptr[i] > '9')
			digits.len = 0;
	}
	if (digits.len == 0)
		issues_add(reader->issues, "query", name, "int_parsing", "must be an integer");
	else if (!str_to_u64(digits, (uint64_t)max, &magnitude) && !negative)
		issues_add(reader->issues, "query", name, "less_than_equal", "must be at most %d", max);
	else if (negative || magnitude == 0)
		issues_add(reader->issues, "query", name, "greater_than_equal", "must be at least 1");
	else {
		*number = (int64_t)magnitude;
		return true;
	}
	return false;
}

static void take_page(const struct reader *reader, const struct parameter *parameter, struct str value)
{
	(void)take_integer(reader, parameter, value, PAGE_MAX, &reader->query->page);
}

static void take_size(const struct reader *reader, const struct parameter *parameter, struct str value)
{
	int64_t size;

	if (take_integer(reader, parameter, value, QUERY_SIZE_MAX, &size))
		reader->query->size = (int32_t)size;
}

static void take_status(const struct reader *reader, const struct parameter *parameter, struct str value)
{
	enum event_status status;

	if (event_status_parse(value, &status))
		*reader->wanted = EVENT_STATUS_BIT(status);
	else
		issues_add(reader->issues, "query", str_from(parameter->name), "enum",
		           "must be one of draft, published, cancelled, completed");
}

static void take_text(const struct reader *reader, const struct parameter *parameter, struct str value,
                      size_t bytes_max, struct str *kept)
{
	struct str name = str_from(parameter->name);
	struct str rest = value;
	bool clean = true;
	uint32_t code;

	while (rest.len > 0 && clean)
		clean = utf8_next(&rest, &code) && !utf8_is_control(code);
	if (value.len == 0)
		issues_add(reader->issues, "query", name, "string_too_short", "must have at least 1 character");
	else if (value.len > bytes_max)
		issues_add(reader->issues, "query", name, "string_too_long", "must be at most %zu bytes, has %zu",
		           bytes_max, value.len);
	else if (!clean)
		issues_add(reader->issues, "query", name, "string_unicode",
		           "must be valid UTF-8 without control characters");
	else
		*kept = arena_str(reader->arena, value);
}

static void take_q(const struct reader *reader, const struct parameter *parameter, struct str value)
{
	take_text(reader, parameter, value, QUERY_TEXT_BYTES_MAX, &reader->query->q);
}

static void take_venue(const struct reader *reader, const struct parameter *parameter, struct str value)
{
	take_text(reader, parameter, value, VENUE_BYTES_MAX, &reader->query->venue);
}

static bool take_price(const struct reader *reader, const struct parameter *parameter, struct str value, int64_t *cents)
{
	struct str name = str_from(parameter->name);

	switch (money_parse(value, cents)) {
	case MONEY_OK: return true;
	case MONEY_NEGATIVE:
		issues_add(reader->issues, "query", name, "greater_than_equal", "must be at least 0");
		break;
	case MONEY_TOO_PRECISE:
		issues_add(reader->issues, "query", name, "decimal_max_places", "must have at most 2 decimals");
		break;
	case MONEY_TOO_LARGE:
		issues_add(reader->issues, "query", name, "less_than_equal", "must be at most 99999999.99");
		break;
	case MONEY_NOT_A_NUMBER:
		issues_add(reader->issues, "query", name, "decimal_parsing",
		           "must be a decimal number such as 25.00");
		break;
	}
	return false;
}

static void take_price_min(const struct reader *reader, const struct parameter *parameter, struct str value)
{
	struct query *query = reader->query;
	query->has_price_min = take_price(reader, parameter, value, &query->price_min_cents);
}

static void take_price_max(const struct reader *reader, const struct parameter *parameter, struct str value)
{
	struct query *query = reader->query;
	query->has_price_max = take_price(reader, parameter, value, &query->price_max_cents);
}

static bool take_time(const struct reader *reader, const struct parameter *parameter, struct str value, bool end_of_day,
                      int64_t *us)
{
	struct str name = str_from(parameter->name);

	switch (timestamp_parse_parameter(value, end_of_day, us)) {
	case TIMESTAMP_OK: return true;
	case TIMESTAMP_OUT_OF_RANGE:
		issues_add(reader->issues, "query", name, "datetime_out_of_range",
		           "must be in the years 1970 to 9999 in UTC");
		return false;
	case TIMESTAMP_MALFORMED: break;
	}
	issues_add(reader->issues, "query", name, "datetime_parsing",
	           "must be an RFC 3339 date and time such as 2027-03-01T19:30:00Z, or a date");
	return false;
}

static void take_date_from(const struct reader *reader, const struct parameter *parameter, struct str value)
{
	struct query *query = reader->query;
	query->has_date_from = take_time(reader, parameter, value, false, &query->date_from_us);
}

/* A date alone means its whole day. */
static void take_date_to(const struct reader *reader, const struct parameter *parameter, struct str value)
{
	struct query *query = reader->query;
	query->has_date_to = take_time(reader, parameter, value, true, &query->date_to_us);
}

static void take_updated_since(const struct reader *reader, const struct parameter *parameter, struct str value)
{
	struct query *query = reader->query;
	query->has_updated_since = take_time(reader, parameter, value, false, &query->updated_since_us);
}

static void take_sort(const struct reader *reader, const struct parameter *parameter, struct str value)
{
	bool descending = value.len > 0 && value.ptr[0] == '-';
	struct str name = descending ? str_skip(value, 1) : value;

	for (unsigned i = 0; i < EVENT_SORT_COUNT; i++) {
		if (str_equal(name, str_from(sort_names[i]))) {
			reader->query->sort = (enum event_sort)i;
			reader->query->descending = descending;
			return;
		}
	}
	issues_add(reader->issues, "query", str_from(parameter->name), "enum",
	           "must be one of id, event_date, created_at, updated_at, price, title, with - in front to reverse");
}

static void take_cursor(const struct reader *reader, const struct parameter *parameter, struct str value)
{
	(void)parameter;
	*reader->cursor = value.ptr != NULL ? value : STR("");
}

static const struct parameter parameters_known[] = {
	{"page", true, take_page},
	{"size", true, take_size},
	{"cursor", true, take_cursor},
	{"status", false, take_status},
	{"q", false, take_q},
	{"venue", false, take_venue},
	{"date_from", false, take_date_from},
	{"date_to", false, take_date_to},
	{"price_min", false, take_price_min},
	{"price_max", false, take_price_max},
	{"updated_since", false, take_updated_since},
	{"sort", false, take_sort},
};

enum { PARAMETER_PAGE = 0 };

/* Where other parameters are wrong, whose list the cursor belongs to cannot be told. */
static void open_cursor(const struct reader *reader, bool has_page, bool others_wrong)
{
	struct query *query = reader->query;

	if (has_page) {
		issues_add(reader->issues, "query", STR("cursor"), "cursor_with_page",
		           "must not be given together with page");
		return;
	}
	switch (cursor_parse(&query->cursor, query, *reader->cursor, reader->arena)) {
	case CURSOR_OK:
		query->has_cursor = true;
		query->page = query->cursor.page;
		return;
	case CURSOR_INVALID:
		issues_add(reader->issues, "query", STR("cursor"), "cursor_invalid",
		           "is not a cursor: take next_cursor of an answer as it is");
		return;
	case CURSOR_OTHER_QUERY:
		if (others_wrong)
			return;
		issues_add(reader->issues, "query", STR("cursor"), "cursor_invalid",
		           "belongs to a list with other filters or another order");
		return;
	case CURSOR_OUT_OF_MEMORY: reader->arena->failed = true; return;
	}
}

/* Gives the parameters to their functions; *seen gets a bit for each that was there. */
static void take_all(const struct reader *reader, const struct query_parameter *parameters, size_t count, bool upcoming,
                     unsigned *seen)
{
	for (size_t i = 0; i < count; i++) {
		const struct parameter *known = NULL;
		for (size_t k = 0; k < ARRAY_LENGTH(parameters_known) && known == NULL; k++) {
			if (str_equal(parameters[i].name, str_from(parameters_known[k].name)) &&
			    (!upcoming || parameters_known[k].upcoming))
				known = &parameters_known[k];
		}
		if (known == NULL) {
			struct str name = parameters[i].name;
			issues_add(reader->issues, "query", name.ptr != NULL ? name : STR(""), "extra_forbidden",
			           "is not a parameter of this list");
			continue;
		}
		unsigned bit = 1u << (known - parameters_known);
		if ((*seen & bit) != 0) {
			issues_add(reader->issues, "query", str_from(known->name), "duplicate", "is given twice");
			continue;
		}
		*seen |= bit;
		known->take(reader, known, parameters[i].value);
	}
}

bool query_parse(struct query *query, const struct query_parameter *parameters, size_t count, bool upcoming,
                 unsigned visible, struct arena *arena, struct issues *issues)
{
	unsigned wanted = upcoming ? EVENT_STATUS_BIT(EVENT_PUBLISHED) : EVENT_STATUS_ALL;
	size_t issues_before = issues->total;
	struct str cursor = STR_NONE;
	const struct reader reader = {query, &wanted, &cursor, arena, issues};
	unsigned seen = 0;

	*query = (struct query){.page = 1, .size = QUERY_SIZE_DEFAULT, .upcoming = upcoming};
	if (upcoming)
		query->sort = SORT_EVENT_DATE;
	take_all(&reader, parameters, count, upcoming, &seen);
	query->statuses = wanted & visible;
	if (cursor.ptr != NULL)
		open_cursor(&reader, (seen & 1u << PARAMETER_PAGE) != 0, issues->total > issues_before);
	return issues->total == issues_before && !arena->failed;
}

static void put_number(struct buf *out, const char *name, bool given, int64_t value)
{
	if (!given)
		return;
	buf_str(out, str_from(name));
	buf_i64(out, value);
}

/* With the length in front no text can be taken for the next part. */
static void put_text(struct buf *out, const char *name, struct str text)
{
	if (text.ptr == NULL)
		return;
	buf_str(out, str_from(name));
	buf_u64(out, text.len);
	buf_char(out, ':');
	buf_str(out, text);
}

void query_canonical(struct buf *out, const struct query *query)
{
	buf_char(out, "0123456789abcdef"[query->statuses & EVENT_STATUS_ALL]);
	buf_str(out, query->upcoming ? STR("|upcoming|") : STR("|all|"));
	buf_str(out, query->descending ? STR("-") : STR("+"));
	buf_str(out, str_from(sort_names[query->sort]));
	put_number(out, "|from=", query->has_date_from, query->date_from_us);
	put_number(out, "|to=", query->has_date_to, query->date_to_us);
	put_number(out, "|min=", query->has_price_min, query->price_min_cents);
	put_number(out, "|max=", query->has_price_max, query->price_max_cents);
	put_number(out, "|since=", query->has_updated_since, query->updated_since_us);
	put_text(out, "|q=", query->q);
	put_text(out, "|venue=", query->venue);
	put_number(out, "|size=", true, query->size);
	put_number(out, "|page=", true, query->page);
	if (!query->has_cursor)
		return;
	put_number(out, "|behind=", true, query->cursor.id);
	if (query->sort == SORT_TITLE)
		put_text(out, ",", query->cursor.text);
	else
		put_number(out, ",", true, query->cursor.number);
}

void query_page_json(struct buf *out, const struct query *query, const struct query_page *page, int64_t now_us)
{
	buf_lit(out, "{\"events\":[");
	for (size_t i = 0; i < page->count; i++) {
		if (i > 0)
			buf_char(out, ',');
		event_json(out, &page->events[i], now_us);
	}
	buf_lit(out, "],\"total\":");
	buf_i64(out, page->total);
	buf_lit(out, ",\"page\":");
	buf_i64(out, query->page);
	buf_lit(out, ",\"size\":");
	buf_i64(out, query->size);
	buf_str(out, page->has_next ? STR(",\"has_next\":true") : STR(",\"has_next\":false"));
	buf_str(out, query->page > 1 ? STR(",\"has_prev\":true") : STR(",\"has_prev\":false"));
	if (page->has_next && page->count > 0) {
		buf_lit(out, ",\"next_cursor\":\"");
		query_cursor_print(out, query, &page->events[page->count - 1]);
		buf_lit(out, "\"}");
	} else {
		buf_lit(out, ",\"next_cursor\":null}");
	}
}
