/* Parameters of a statement in PostgreSQL's binary form, and rows of its results.
 *
 * Times are µs since 2000 there and since 1970 here; prices are numeric there and whole cents here; both exact. */
#ifndef EVENTLY_STORE_POSTGRES_PARAMS_H
#define EVENTLY_STORE_POSTGRES_PARAMS_H

#include <libpq-fe.h>

#include "events/change.h"

enum { PARAMS_MAX = 24 };

struct params {
	int count;
	const char *values[PARAMS_MAX];
	int lengths[PARAMS_MAX];
	int formats[PARAMS_MAX];
	uint64_t numbers[PARAMS_MAX]; /* room for values of fixed size, in network order */
};

void params_i64(struct params *params, int64_t value);
void params_bool(struct params *params, bool value);
void params_time(struct params *params, int64_t us);
void params_text(struct params *params, struct str text); /* absent becomes NULL; the bytes must outlive the call */

/* An array built element by element. The first failure (memory, bound) sticks in `bytes.failed`. */
enum array_type { ARRAY_I32 = 23, ARRAY_I64 = 20, ARRAY_TEXT = 25, ARRAY_TIME = 1184,
                  ARRAY_WORDS = 3614 /* tsvector */ }; /* their OIDs */
struct array {
	struct buf bytes;
	enum array_type type;
	uint32_t count;
	bool has_null;
};
void array_init(struct array *array, enum array_type type, size_t bytes_max);
void array_finish(struct array *array);
void array_i32(struct array *array, int32_t value);
void array_i64(struct array *array, int64_t value);
void array_time(struct array *array, int64_t us);
void array_text(struct array *array, struct str text); /* absent becomes NULL */
void array_null(struct array *array);
/* A text written straight into array->bytes between these two. */
size_t array_text_begin(struct array *array);
void array_text_end(struct array *array, size_t begin);
void array_text_undo(struct array *array, size_t begin); /* instead of the end: as if it had not begun */
/* The array as the next parameter; it must outlive the call. */
void params_array(struct params *params, struct array *array);

/* Cells of a binary result. The caller knows the column's type. */
int64_t cell_i64(const PGresult *result, int row, int column);
bool cell_bool(const PGresult *result, int row, int column);
int64_t cell_time(const PGresult *result, int row, int column);
/* A view into the result; absent when NULL. */
struct str cell_text(const PGresult *result, int row, int column);
static inline bool cell_null(const PGresult *result, int row, int column)
{
	return PQgetisnull(result, row, column) != 0;
}
/* EVENT_COLUMNS from `column` on; texts go to the arena. False when damaged or without memory (arena->failed tells). */
MUST_CHECK bool cell_event(const PGresult *result, int row, int column, struct arena *arena, struct event *event);
/* CHANGE_COLUMNS likewise. */
MUST_CHECK bool cell_change(const PGresult *result, int row, int column, struct arena *arena, struct change *change);

#endif
