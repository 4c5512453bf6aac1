/* The log: one JSON object a line on standard error (or text on a terminal), never blocking its callers.
 *
 * Callers format into a bounded ring; one writer thread empties it. When the ring is full the line is dropped and
 * counted, and the count is written as soon as there is room again. Before log_start and after log_stop lines are
 * written at once. Any thread. Values are escaped here; secrets must never be handed in. */
#ifndef EVENTLY_BASE_LOG_H
#define EVENTLY_BASE_LOG_H

#include "base/check.h"
#include "base/str.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

/* One extra member of a line. Made with the macros below. */
struct log_field {
	const char *name;
	enum { LOG_FIELD_TEXT, LOG_FIELD_INTEGER, LOG_FIELD_REAL } type;
	struct str text;
	int64_t integer;
	double real;
};

#define LOG_TEXT(name, value) ((struct log_field){(name), LOG_FIELD_TEXT, (value), 0, 0})
#define LOG_INTEGER(name, value) ((struct log_field){(name), LOG_FIELD_INTEGER, STR_NONE, (int64_t)(value), 0})
#define LOG_REAL(name, value) ((struct log_field){(name), LOG_FIELD_REAL, STR_NONE, 0, (value)})

/* Starts the writer thread. `json` false gives text lines for people. */
MUST_CHECK bool log_start(enum log_level level, bool json);
/* Writes what waits and joins the thread. */
void log_stop(void);
void log_set_level(enum log_level level);
bool log_wants(enum log_level level);

/* `module` is the folder or noun that speaks ("store", "http"). The line carries time, level, module, message. */
void log_line(enum log_level level, const char *module, const struct log_field *fields, size_t field_count,
              const char *format, ...) PRINTF_LIKE(5, 6);

#define log_debug(module, ...) (log_wants(LOG_DEBUG) ? log_line(LOG_DEBUG, (module), NULL, 0, __VA_ARGS__) : (void)0)
#define log_info(module, ...) log_line(LOG_INFO, (module), NULL, 0, __VA_ARGS__)
#define log_warning(module, ...) log_line(LOG_WARNING, (module), NULL, 0, __VA_ARGS__)
#define log_error(module, ...) log_line(LOG_ERROR, (module), NULL, 0, __VA_ARGS__)
/* As log_error, with the calling thread's stack (symbol names and offsets) in the member `stack`. */
void log_error_with_stack(const char *module, const struct log_field *fields, size_t field_count,
                          const char *format, ...) PRINTF_LIKE(4, 5);
/* A crash (SIGSEGV, SIGABRT, SIGBUS, SIGILL, SIGFPE) writes one line with its stack before the process dies of it. */
void log_catch_crashes(void);

#endif
