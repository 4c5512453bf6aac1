/* Cursors as clients carry them: base64url (RFC 4648 section 5) of a place in the order of one query.
 *
 * They are bound to the query's filters and order by its hash; they are not secret and not signed, because all that a
 * made-up one can do is begin the same list at another place. */
#ifndef EVENTLY_EVENTS_CURSOR_H
#define EVENTLY_EVENTS_CURSOR_H

#include "events/query.h"

enum {
	CURSOR_KEY_BYTES_MAX = 2048,  /* of a title */
	CURSOR_TEXT_BYTES_MAX = 2840, /* of the longest cursor that is printed */
};

enum cursor_result { CURSOR_OK, CURSOR_INVALID, CURSOR_OTHER_QUERY, CURSOR_OUT_OF_MEMORY };

/* Reads a cursor for `query`, whose filters and order are set. Only what query_cursor_print gives is accepted. The key's
 * text goes to `arena`. */
MUST_CHECK enum cursor_result cursor_parse(struct query_cursor *cursor, const struct query *query, struct str text,
                                           struct arena *arena);

#endif
