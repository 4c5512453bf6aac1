/* A growing run of bytes with a maximum set at birth.
 *
 * Appending never has to be checked piece by piece: a buffer that ran into its maximum or out of memory sets
 * `failed` and ignores the rest, and its owner looks once at the end. Used by one thread at a time. */
#ifndef EVENTLY_BASE_BUF_H
#define EVENTLY_BASE_BUF_H

#include "base/check.h"
#include "base/str.h"

struct buf {
	char *ptr;        /* from malloc, NULL while empty; NUL is not appended */
	size_t len;       /* bytes in use */
	size_t capacity;  /* bytes allocated */
	size_t bytes_max; /* the bound of len */
	bool failed;      /* something was not appended */
};

void buf_init(struct buf *buf, size_t bytes_max);
void buf_finish(struct buf *buf);
/* Empty again, memory kept, `failed` cleared. */
void buf_clear(struct buf *buf);
/* Makes room for `bytes` more and returns where they go (the caller adds to len), or NULL. */
MUST_CHECK char *buf_reserve(struct buf *buf, size_t bytes);
void buf_append(struct buf *buf, const void *bytes, size_t count);
void buf_str(struct buf *buf, struct str text);
void buf_char(struct buf *buf, char c);
void buf_u64(struct buf *buf, uint64_t value);
void buf_i64(struct buf *buf, int64_t value);
void buf_hex(struct buf *buf, const unsigned char *bytes, size_t count);
PRINTF_LIKE(2, 3) void buf_printf(struct buf *buf, const char *format, ...);
/* `text` (valid UTF-8) as a JSON string with its quotes (RFC 8259 section 7), on one line for whoever
 * reads lines; an absent text as null. */
void buf_json(struct buf *buf, struct str text);
/* Hands the memory to the caller, who frees it; the buffer is empty afterwards. */
MUST_CHECK char *buf_take(struct buf *buf, size_t *len);

#define buf_lit(buf, literal) buf_append((buf), "" literal, sizeof(literal) - 1)

static inline struct str buf_view(const struct buf *buf)
{
	return (struct str){buf->ptr != NULL ? buf->ptr : "", buf->len};
}

#endif
