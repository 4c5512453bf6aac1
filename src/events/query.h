/* What a list request asks for: filters, order, and where its page begins.
 *
 * Made from query parameters by query_parse, run by a store, named canonically for the cache. */
#ifndef EVENTLY_EVENTS_QUERY_H
#define EVENTLY_EVENTS_QUERY_H

#include "events/event.h"
#include "events/issue.h"

enum { QUERY_SIZE_DEFAULT = 10, QUERY_SIZE_MAX = 100, QUERY_TEXT_BYTES_MAX = 512 };

enum event_sort { SORT_ID, SORT_EVENT_DATE, SORT_CREATED_AT, SORT_UPDATED_AT, SORT_PRICE, SORT_TITLE, EVENT_SORT_COUNT };

/* The place behind the last event of a page: its sort key and id. */
struct query_cursor {
	int64_t number;  /* the key, for all sorts but title (id, µs or cents) */
	struct str text; /* the key for SORT_TITLE */
	int64_t id;
	int64_t page;    /* number of the page that starts here, for the answer's `page` */
};

struct query {
	unsigned statuses;      /* EVENT_STATUS_BITs that may be shown: the viewer's rights and the filter together */
	bool upcoming;          /* published and in the future, by event_date */
	struct str q;           /* full text, absent if not asked for */
	struct str venue;       /* exact match, absent if not asked for */
	bool has_date_from, has_date_to, has_price_min, has_price_max, has_updated_since;
	int64_t date_from_us, date_to_us;         /* inclusive, inclusive */
	int64_t price_min_cents, price_max_cents; /* inclusive, inclusive */
	int64_t updated_since_us;                 /* inclusive */
	enum event_sort sort;
	bool descending;        /* ties broken by id in the same direction */
	int64_t page;           /* from 1 */
	int32_t size;           /* 1..QUERY_SIZE_MAX */
	bool has_cursor;        /* then page is the cursor's */
	struct query_cursor cursor;
};

/* One decoded query parameter. */
struct query_parameter {
	struct str name, value;
};

/* Reads the parameters of GET /api/v1/events/ (or of /upcoming, where only page, size and cursor are known). Unknown or
 * repeated parameters are issues. `visible` is the set of statuses that the viewer may see: asking for another status
 * gives an empty list, not an error. A date alone is its first µs in date_from and updated_since, its last in date_to.
 * False when issues were added, or without memory (arena->failed, no issues). Texts go to `arena`. */
MUST_CHECK bool query_parse(struct query *query, const struct query_parameter *parameters, size_t count, bool upcoming,
                            unsigned visible, struct arena *arena, struct issues *issues);
/* A text that is equal for equal queries: the key of the list cache. It begins with the statuses it could show. */
void query_canonical(struct buf *out, const struct query *query);
/* The cursor behind `last`, opaque (base64url, checked against the query's filters and order when it comes back). */
void query_cursor_print(struct buf *out, const struct query *query, const struct event *last);

/* The whole list answer of contract.md §1. */
struct query_page {
	struct event *events; /* in order */
	size_t count;
	int64_t total;        /* exact */
	bool has_next;
};
void query_page_json(struct buf *out, const struct query *query, const struct query_page *page, int64_t now_us);

#endif
