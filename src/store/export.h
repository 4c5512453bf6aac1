/* The whole catalogue as NDJSON or CSV, streamed from one snapshot. Runs on a thread that may block; the session is busy
 * meanwhile, and its deadline bounds it. */
#ifndef EVENTLY_STORE_EXPORT_H
#define EVENTLY_STORE_EXPORT_H

#include <stdatomic.h>

#include "store/store.h"

enum export_format { EXPORT_NDJSON, EXPORT_CSV };

/* How far it is; may be read by any thread. */
struct export_progress {
	_Atomic uint64_t events, total, bytes;
};

/* Takes some bytes (about 64 KiB each time). False stops the export. */
typedef bool export_write_fn(void *context, struct str bytes);

/* is_upcoming is as of now_us. *stopped: `write` returned false (the result is then still STORE_OK). */
MUST_CHECK enum store_result export_events(struct store_session *session, enum export_format format, int64_t now_us,
                                           export_write_fn *write, void *context, struct export_progress *progress,
                                           bool *stopped);

#endif
