/* Bytes as they arrive, cut into rows: at line ends (LF or CRLF), and for CSV only at those outside quotes.
 *
 * A UTF-8 byte order mark in front is dropped. A row that is longer than the bound is given once, marked, and its rest
 * skipped. One thread at a time. */
#ifndef EVENTLY_STORE_ROWS_H
#define EVENTLY_STORE_ROWS_H

#include "base/buf.h"
#include "base/check.h"
#include "base/str.h"

struct rows {
	bool quotes;      /* CSV: line ends inside quotes belong to the row */
	bool in_quotes;
	bool skipping;    /* in the rest of a row that is too long */
	bool started;     /* the first row has begun */
	bool failed;      /* out of memory */
	struct buf row;   /* its bytes so far */
	size_t line;      /* number of the row's first line, from 1 */
	size_t next_line; /* number of the line being read */
};

struct rows_row {
	struct str text;  /* without line end; valid until the next call */
	size_t line;
	bool too_long;    /* text is empty */
};

void rows_init(struct rows *rows, bool quotes, size_t row_bytes_max);
void rows_finish(struct rows *rows);
/* The next whole row; takes what it needs off *bytes. False: all bytes are taken, and the row goes on. */
MUST_CHECK bool rows_next(struct rows *rows, struct str *bytes, struct rows_row *row);
/* The end of input: a last row without line end. */
MUST_CHECK bool rows_last(struct rows *rows, struct rows_row *row);

#endif
