/* A string of known length that somebody else owns.
 *
 * Every text that came from outside travels as a `struct str`: it may hold any byte, and is not NUL-terminated
 * unless its origin says so. The pointed-to bytes live as long as their owner (an arena, a buffer, a literal). */
#ifndef EVENTLY_BASE_STR_H
#define EVENTLY_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
	const char *ptr; /* NULL means absent, which differs from empty */
	size_t len;      /* bytes */
};

#define STR(literal) ((struct str){("" literal), sizeof(literal) - 1})
#define STR_NONE ((struct str){NULL, 0})
/* For printf: "%.*s", STR_ARG(text) */
#define STR_ARG(text) (int)(text).len, (text).ptr != NULL ? (text).ptr : ""

static inline struct str str_from(const char *text)
{
	return (struct str){text, text != NULL ? strlen(text) : 0};
}

static inline bool str_equal(struct str a, struct str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* ASCII letters alike in either case, as in HTTP field names. */
bool str_equal_caseless(struct str a, struct str b);
bool str_starts_with(struct str text, struct str prefix);
static inline struct str str_skip(struct str text, size_t bytes)
{
	if (bytes > text.len)
		bytes = text.len;
	return (struct str){text.ptr + bytes, text.len - bytes};
}

/* Without leading and trailing spaces and tabs. */
struct str str_trim(struct str text);
/* Takes the text up to the first `separator` (or all), and moves *rest behind it. False when *rest is absent. */
bool str_cut(struct str *rest, char separator, struct str *part);
/* Whole text as a decimal number of at most `max`, digits only. */
bool str_to_u64(struct str text, uint64_t max, uint64_t *value);
bool str_to_i64(struct str text, int64_t *value);

#endif
