/* An event: one entry of the catalogue, as the whole service handles it between a store and a client.
 *
 * Pure values, no I/O. The texts belong to whoever made the event (nearly always an arena). */
#ifndef EVENTLY_EVENTS_EVENT_H
#define EVENTLY_EVENTS_EVENT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

enum event_status { EVENT_DRAFT, EVENT_PUBLISHED, EVENT_CANCELLED, EVENT_COMPLETED, EVENT_STATUS_COUNT };

/* Sets of statuses, one bit each. */
#define EVENT_STATUS_BIT(status) (1u << (status))
#define EVENT_STATUS_ALL ((1u << EVENT_STATUS_COUNT) - 1)
#define EVENT_STATUS_NOT_DRAFT (EVENT_STATUS_ALL & ~EVENT_STATUS_BIT(EVENT_DRAFT))

enum {
	EVENT_TEXT_CODEPOINTS_MAX = 255,        /* title, venue */
	EVENT_DESCRIPTION_BYTES_MAX = 65536,
	EVENT_CAPACITY_MAX = 2147483647,
};
#define EVENT_PRICE_CENTS_MAX INT64_C(9999999999) /* 99999999.99 */

struct event {
	int64_t id;             /* > 0; 0 before the store has given one */
	struct str title;
	struct str venue;
	struct str description; /* may be absent */
	int64_t event_date_us;  /* µs since 1970, UTC */
	int64_t price_cents;
	int32_t capacity;
	enum event_status status;
	int64_t created_at_us;
	int64_t updated_at_us;
	int64_t created_by;     /* user id; 0 when unknown (adopted rows), answered as null */
	int64_t version;        /* from 1 */
};

/* "draft", …; NULL for no such status. */
const char *event_status_name(enum event_status status);
MUST_CHECK bool event_status_parse(struct str name, enum event_status *status);

static inline bool event_is_upcoming(const struct event *event, int64_t now_us)
{
	return event->status == EVENT_PUBLISHED && event->event_date_us > now_us;
}

/* A copy whose texts are in `arena`. False without memory. */
MUST_CHECK bool event_copy(struct event *copy, const struct event *event, struct arena *arena);

/* contract.md §1: the answer's JSON object, is_upcoming as of now_us. */
void event_json(struct buf *out, const struct event *event, int64_t now_us);
/* The stored fields only (no is_upcoming): what `changes.before` and `changes.after` hold. */
void event_json_stored(struct buf *out, const struct event *event);
/* Reads what event_json_stored wrote (our own text, still checked). Texts go to `arena`. */
MUST_CHECK bool event_from_stored(struct event *event, struct str json, struct arena *arena);
/* The capacity answer of contract.md §2 (price is a JSON number there). */
void event_json_capacity(struct buf *out, const struct event *event, int64_t now_us);
/* The strong ETag of event_json's bytes at now_us: their hash_content (without quotes it is 16 hex digits). 0 without
 * memory, when there is no answer to carry it either. */
uint64_t event_etag(const struct event *event, int64_t now_us);

#endif
