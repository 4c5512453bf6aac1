/* CSV (RFC 4180), both ways: a reader over a whole text, and a printer of fields. */
#ifndef EVENTLY_EVENTS_CSV_H
#define EVENTLY_EVENTS_CSV_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

enum { CSV_COLUMNS_MAX = 32 };
enum csv_result { CSV_ROW, CSV_END, CSV_MALFORMED, CSV_OUT_OF_MEMORY };

struct csv {
	struct str rest;   /* not yet read */
	size_t line;       /* number of the row's first line, from 1 */
	size_t next_line;
};

/* A whole text: a byte order mark at its beginning is skipped, as spreadsheets write one. */
void csv_init(struct csv *csv, struct str text);
/* One row from the middle of a text, where such a mark is data. */
void csv_init_row(struct csv *csv, struct str row);
/* The next row's fields (unquoted, in `arena` where doubled quotes had to be taken away); blank lines are skipped.
 * CSV_MALFORMED: a quote where none may be or without its end, or too many fields; `line` says where, and the next call
 * goes on behind that line. */
MUST_CHECK enum csv_result csv_next(struct csv *csv, struct str fields[CSV_COLUMNS_MAX], size_t *count,
                                    struct arena *arena);
/* A field, quoted where needed; cells that a spreadsheet would run as a formula stay what they are (exact round trip). */
void csv_print_field(struct buf *out, struct str field);
/* The export's header line and one event as a line, both with CRLF. */
struct event;
void csv_print_header(struct buf *out);
void csv_print_event(struct buf *out, const struct event *event);

#endif
