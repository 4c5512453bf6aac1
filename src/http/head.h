/* Finds where a request's head ends, and refuses what two parsers could read differently.
 *
 * The parser behind it (receive.h) gets a head whole or not at all. Every line must end in CR LF, no line may be folded or
 * hold a bare CR: proxies disagree about those, and so a second request could be smuggled in (RFC 9112 sections 2.2, 5.2
 * and 11.2). Pure. */
#ifndef EVENTLY_HTTP_HEAD_H
#define EVENTLY_HTTP_HEAD_H

#include "base/str.h"

enum head_state { HEAD_INCOMPLETE, HEAD_COMPLETE, HEAD_MALFORMED };

/* Empty lines before a request line are skipped (RFC 9112 section 2.2): how many bytes. */
size_t head_empty_lines(struct str bytes);
/* Looks at `bytes`, which begin with a request line. *line_at is where the first line begins that was not looked at yet:
 * 0 at first, kept while more bytes come. HEAD_COMPLETE: *line_at is the head's length, with its empty line. */
enum head_state head_find(struct str bytes, size_t *line_at);

#endif
