/* A request body that is a JSON object, opened with every check that RFC 8259 leaves to the reader.
 *
 * Refused: invalid UTF-8, NUL, duplicate members, nesting deeper than BODY_DEPTH_MAX, anything behind the value. Each
 * member comes with its own text as well, because JSON libraries turn numbers to binary floating point and prices must
 * stay exact. The Jansson values belong to the body until body_close. */
#ifndef EVENTLY_EVENTS_BODY_H
#define EVENTLY_EVENTS_BODY_H

#include <jansson.h>

#include "base/arena.h"
#include "base/str.h"

enum { BODY_DEPTH_MAX = 16 };

enum body_result {
	BODY_OK,
	BODY_MALFORMED,     /* 400; `problem` is a sentence for the client, never the input's own bytes */
	BODY_NOT_AN_OBJECT, /* 422 */
	BODY_OUT_OF_MEMORY,
};

struct body {
	json_t *root;
	struct str text;   /* as it came */
	void *next;        /* Jansson's iterator */
	size_t next_bytes; /* where the next member's key begins in text */
};

struct body_member {
	struct str name; /* decoded */
	const json_t *value;
	struct str raw;  /* the value as it was written */
};

MUST_CHECK enum body_result body_open(struct body *body, struct str text, struct arena *arena, struct str *problem);
/* The members in the order they were written. False after the last. */
MUST_CHECK bool body_next(struct body *body, struct body_member *member);
void body_close(struct body *body); /* also after a failed body_open */

#endif
