/* Events from NDJSON or CSV: lines are fed as they arrive, checked, and written at the end.
 *
 *   import_create → import_feed … → import_finish → import_report → import_destroy
 *
 * Feeding only parses: it never waits for a store, so an HTTP thread may do it while a body arrives. import_finish does
 * the writing, on a thread that may block. One thread at a time uses an import; import_progress may be read by any.
 * Every line makes a new event; what a client may not set (id, version, …) is ignored, so that an export can be read
 * back. Lines, their length, the kept errors and the memory are bounded. */
#ifndef EVENTLY_STORE_IMPORT_H
#define EVENTLY_STORE_IMPORT_H

#include <stdatomic.h>

#include "store/store.h"

enum import_format { IMPORT_NDJSON, IMPORT_CSV };

enum {
	IMPORT_LINES_MAX = STORE_APPLY_MAX,
	IMPORT_LINE_BYTES_MAX = 524288, /* a description of 64 KiB may come as \u escapes */
	IMPORT_ERRORS_MAX = 100,        /* kept; more are counted */
	IMPORT_BATCH = 500,             /* lines a transaction, when partial */
};

struct import_options {
	enum import_format format;
	bool partial;            /* good lines are written although others are bad; else all or nothing */
	int64_t actor_id;
	struct str actor_email, actor_role, request_id; /* must outlive the import */
	size_t memory_bytes_max; /* of parsed lines, and again of what the store returns; 0 takes 512 MiB */
};

/* How far it is. */
struct import_progress {
	_Atomic uint64_t bytes;   /* fed */
	_Atomic uint64_t lines;   /* read, without blank ones and the CSV header */
	_Atomic uint64_t failed;  /* of them, found bad */
	_Atomic uint64_t written; /* of them, committed */
};

enum import_result {
	IMPORT_OK,            /* everything is written; when partial: every good line (failed may be above 0) */
	IMPORT_INVALID,       /* lines are bad and nothing was written */
	IMPORT_TOO_LARGE,     /* more lines or memory than allowed; nothing was written */
	IMPORT_STORE_FAILED,  /* see report.store_result; `written` lines are written, when partial */
	IMPORT_OUT_OF_MEMORY, /* nothing was written */
};

/* One bad line. */
struct import_error {
	size_t line;       /* its number in the input, from 1; 0 is the input as a whole */
	struct str issues; /* JSON array as in a 422 answer's `errors` (contract.md section 3), with the line in each loc */
	struct str text;   /* the same as one line for people */
};

struct import_report {
	enum import_result result;
	enum store_result store_result;
	size_t lines, written, failed;
	struct import_error errors[IMPORT_ERRORS_MAX];
	size_t error_count; /* kept, ≤ failed + 1 */
	uint64_t last_seq;  /* of the last change that was written, 0 when none was */
};

struct import;

/* NULL without memory. */
MUST_CHECK struct import *import_create(const struct import_options *options);
void import_destroy(struct import *import); /* NULL is fine */
/* False: there is no use in feeding more (too large, out of memory); import_finish says why. */
MUST_CHECK bool import_feed(struct import *import, struct str bytes);
/* Takes the last line, and writes. The session's deadline bounds it. */
enum import_result import_finish(struct import *import, struct store_session *session, int64_t now_us);
const struct import_report *import_report(const struct import *import);
const struct import_progress *import_progress(const struct import *import);
/* {"imported":2,"failed":1,"lines":3,"errors":[{"line":2,"errors":[…]}],"errors_omitted":0} */
void import_report_json(struct buf *out, const struct import_report *report);
/* All errors of all lines as one array: the `errors` of a 422 answer. */
void import_errors_json(struct buf *out, const struct import_report *report);

#endif
