/* Replies of Redis (RESP2), read by hiredis' parser into an arena.
 *
 * What comes from the wire is hostile until proven otherwise: depth, number of elements and bytes are bounded, and a
 * broken reply is an error of the reader, never a crash. A reader belongs to one connection; its replies live in the
 * arena that it was told of. */
#ifndef EVENTLY_REDIS_REPLY_H
#define EVENTLY_REDIS_REPLY_H

#include "base/arena.h"

enum redis_reply_type { REPLY_NIL, REPLY_TEXT, REPLY_STATUS, REPLY_ERROR, REPLY_INTEGER, REPLY_ARRAY };

enum { REPLY_ELEMENTS_MAX = 100000, REPLY_BYTES_MAX = 64 << 20 };

struct redis_reply {
	enum redis_reply_type type;
	struct str text; /* of text, status and error; ends with NUL, may hold any byte */
	int64_t integer;
	struct redis_reply **elements; /* of an array; none is NULL */
	size_t count;
};

struct reply_reader; /* hiredis' redisReader and the arena of the moment */

enum reply_progress { REPLY_READY, REPLY_INCOMPLETE, REPLY_BROKEN, REPLY_TOO_LARGE };

/* NULL without memory. */
MUST_CHECK struct reply_reader *reply_reader_create(void);
void reply_reader_destroy(struct reply_reader *reader); /* NULL is fine */
/* Where the next replies go, which together may take REPLY_BYTES_MAX on the wire. */
void reply_reader_begin(struct reply_reader *reader, struct arena *arena);
MUST_CHECK enum reply_progress reply_reader_feed(struct reply_reader *reader, const void *bytes, size_t count);
/* The next whole reply, in order. After an error the reader, and so its connection, is of no more use. */
MUST_CHECK enum reply_progress reply_reader_next(struct reply_reader *reader, struct redis_reply **reply);
/* True when every byte that was fed has been given out: nothing unasked-for is left over. */
bool reply_reader_is_empty(const struct reply_reader *reader);

static inline bool redis_reply_is_error(const struct redis_reply *reply, const char *code)
{
	return reply->type == REPLY_ERROR && str_starts_with(reply->text, str_from(code));
}

#endif
