/* What is wrong with an input: the members of a 422 answer's `errors` (contract.md §3).
 *
 * Everything that checks input adds to one list and goes on, so that a client hears of all problems at once. */
#ifndef EVENTLY_EVENTS_ISSUE_H
#define EVENTLY_EVENTS_ISSUE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

enum { ISSUES_MAX = 64 }; /* more are counted, not kept */

struct issue {
	const char *where;   /* "body", "query", "path", "header" */
	struct str name;     /* the field or parameter; absent when it is the whole */
	const char *type;    /* stable word for programs: "missing", "string_too_long", … */
	struct str message;  /* a sentence for people, never the input's own bytes beyond a short, safe excerpt */
};

struct issues {
	struct arena *arena;
	struct issue items[ISSUES_MAX];
	size_t count; /* kept */
	size_t total; /* found */
};

void issues_init(struct issues *issues, struct arena *arena);
void issues_add(struct issues *issues, const char *where, struct str name, const char *type,
                const char *format, ...) PRINTF_LIKE(5, 6);
/* [{"loc":["body","price"],"msg":"…","type":"…"},…] */
void issues_json(struct buf *out, const struct issues *issues);
/* The same for one line of a larger body: its number stands in `loc`, ["body",18,"price"]. 0 is no line. */
void issues_json_line(struct buf *out, const struct issues *issues, size_t line);

#endif
