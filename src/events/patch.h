/* A client's wish to create or change an event: the fields that it carries, parsed and checked.
 *
 * JSON body → patch (all problems at once) → applied to an event inside the store's transaction. */
#ifndef EVENTLY_EVENTS_PATCH_H
#define EVENTLY_EVENTS_PATCH_H

#include "events/event.h"
#include "events/issue.h"

enum patch_field {
	PATCH_TITLE = 1, PATCH_VENUE = 2, PATCH_DESCRIPTION = 4, PATCH_EVENT_DATE = 8,
	PATCH_CAPACITY = 16, PATCH_PRICE = 32, PATCH_STATUS = 64,
};

struct patch {
	unsigned fields;    /* bits of enum patch_field: which the client gave */
	struct event event; /* their values; the other members are zero */
};

enum patch_result {
	PATCH_OK,
	PATCH_MALFORMED,     /* 400: not JSON (or invalid UTF-8, NUL, duplicate keys, nested too deep); `problem` says where */
	PATCH_INVALID,       /* 422: issues hold why */
	PATCH_OUT_OF_MEMORY, /* 503 */
};

/* Parses a request body. `creating`: title, venue and event_date are required, and defaults are filled in for the
 * rest (their bits are set). Texts go to `arena`. `problem` gets a sentence for PATCH_MALFORMED. */
MUST_CHECK enum patch_result patch_parse(struct patch *patch, struct str body, bool creating, struct arena *arena,
                                         struct issues *issues, struct str *problem);
/* One CSV row as fields already split, names[i] being the column of values[i]; an empty value means "not given". */
MUST_CHECK enum patch_result patch_from_columns(struct patch *patch, const struct str *names, const struct str *values,
                                                size_t count, struct arena *arena, struct issues *issues);

/* Puts the patch's fields on `before` (NULL: a creation) and gives the event as it will be: version, times and
 * creator set. False when nothing changes, `after` then equals `before`. Texts are shared, not copied. */
MUST_CHECK bool patch_apply(const struct patch *patch, const struct event *before, int64_t actor_id, int64_t now_us,
                            struct event *after);

#endif
