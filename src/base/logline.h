/* One line of the log while it is written: JSON for machines, columns for people.
 *
 * Fixed room, no allocation: it is also used when memory is out and while the process dies of a signal (everything
 * here but logline_field's reals is async-signal-safe). What does not fit is left out, and the line says "cut":true;
 * it always stays one line of valid UTF-8, whatever bytes the values hold. Used by one thread at a time. */
#ifndef EVENTLY_BASE_LOGLINE_H
#define EVENTLY_BASE_LOGLINE_H

#include "base/log.h"

enum { LOGLINE_BYTES_MAX = 8192, LOGLINE_FRAMES_MAX = 48 };

struct logline {
	size_t len;
	bool json;
	bool cut; /* something was left out */
	char bytes[LOGLINE_BYTES_MAX];
};

/* `wall_us` is µs since 1970. */
void logline_begin(struct logline *line, bool json, int64_t wall_us, enum log_level level, const char *module,
		   struct str message);
void logline_field(struct logline *line, const struct log_field *field);
/* Return addresses from backtrace(3), as "symbol+0x12" or "object+0x1234", in the member `stack`. */
void logline_stack(struct logline *line, void *const *frames, int count);
/* Adds the line feed; the line is ready to be written. */
void logline_end(struct logline *line);

const char *logline_level_name(enum log_level level);

#endif
