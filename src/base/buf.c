#include "base/buf.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void buf_init(struct buf *buf, size_t bytes_max)
{
	*buf = (struct buf){.bytes_max = bytes_max};
}

void buf_finish(struct buf *buf)
{
	free(buf->ptr);
	*buf = (struct buf){.bytes_max = buf->bytes_max};
}

void buf_clear(struct buf *buf)
{
	buf->len = 0;
	buf->failed = false;
}

char *buf_reserve(struct buf *buf, size_t bytes)
{
	if (buf->failed || bytes > buf->bytes_max - buf->len) {
		buf->failed = true;
		return NULL;
	}
	if (bytes > buf->capacity - buf->len) {
		size_t wanted = buf->capacity < 256 ? 256 : buf->capacity * 2;
		if (wanted < buf->len + bytes)
			wanted = buf->len + bytes;
		if (wanted > buf->bytes_max)
			wanted = buf->bytes_max;
		char *grown = realloc(buf->ptr, wanted);
		if (grown == NULL) {
			buf->failed = true;
			return NULL;
		}
		buf->ptr = grown;
		buf->capacity = wanted;
	}
	return buf->ptr + buf->len;
}

void buf_append(struct buf *buf, const void *bytes, size_t count)
{
	if (count == 0)
		return;
	char *space = buf_reserve(buf, count);
	if (space == NULL)
		return;
	memcpy(space, bytes, count);
	buf->len += count;
}

void buf_str(struct buf *buf, struct str text)
{
	buf_append(buf, text.ptr, text.len);
}

void buf_char(struct buf *buf, char c)
{
	buf_append(buf, &c, 1);
}

void buf_u64(struct buf *buf, uint64_t value)
{
	char digits[20];
	size_t first = sizeof digits;

	do {
		digits[--first] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	buf_append(buf, digits + first, sizeof digits - first);
}

void buf_i64(struct buf *buf, int64_t value)
{
	if (value < 0)
		buf_char(buf, '-');
	buf_u64(buf, value < 0 ? (uint64_t)0 - (uint64_t)value : (uint64_t)value);
}

void buf_hex(struct buf *buf, const unsigned char *bytes, size_t count)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < count; i++) {
		buf_char(buf, digits[bytes[i] >> 4]);
		buf_char(buf, digits[bytes[i] & 15]);
	}
}

void buf_printf(struct buf *buf, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	int length = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	CHECK(length >= 0);
	char *space = buf_reserve(buf, (size_t)length + 1);
	if (space == NULL)
		return;
	va_start(arguments, format);
	vsnprintf(space, (size_t)length + 1, format, arguments);
	va_end(arguments);
	buf->len += (size_t)length;
}

/* U+2028 and U+2029 (E2 80 A8, E2 80 A9) end a line for many readers of lines, such as Python's splitlines. */
static bool is_line_separator(struct str text, size_t at)
{
	return text.len - at >= 3 && memcmp(text.ptr + at, "\xe2\x80", 2) == 0 &&
	       ((unsigned char)text.ptr[at + 2] | 1) == 0xa9;
}

void buf_json(struct buf *buf, struct str text)
{
	if (text.ptr == NULL) {
		buf_lit(buf, "null");
		return;
	}
	buf_char(buf, '"');
	size_t plain = 0;
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];
		bool separator = c == 0xe2 && is_line_separator(text, i);
		if (c >= 0x20 && c != '"' && c != '\\' && !separator)
			continue;
		buf_append(buf, text.ptr + plain, i - plain);
		if (separator) {
			buf_str(buf, (unsigned char)text.ptr[i + 2] == 0xa8 ? STR("\\u2028") : STR("\\u2029"));
			i += 2;
		}
		plain = i + 1;
		if (separator)
			continue;
		switch (c) {
		case '"': buf_lit(buf, "\\\""); break;
		case '\\': buf_lit(buf, "\\\\"); break;
		case '\n': buf_lit(buf, "\\n"); break;
		case '\r': buf_lit(buf, "\\r"); break;
		case '\t': buf_lit(buf, "\\t"); break;
		default: buf_printf(buf, "\\u%04x", c); break;
		}
	}
	buf_append(buf, text.ptr + plain, text.len - plain);
	buf_char(buf, '"');
}

char *buf_take(struct buf *buf, size_t *len)
{
	char *taken = buf->ptr;

	*len = buf->len;
	*buf = (struct buf){.bytes_max = buf->bytes_max};
	return taken;
}
