#include "http/head.h"

size_t head_empty_lines(struct str bytes)
{
	size_t at = 0;

	while (bytes.len - at >= 2 && bytes.ptr[at] == '\r' && bytes.ptr[at + 1] == '\n')
		at += 2;
	return at;
}

/* What is wrong with the line at `line` that ends in a CR at `end`. A bare LF in a header's line is the parser's to refuse, in
 * the request line it would not. */
static bool is_malformed(struct str bytes, const char *line, const char *end)
{
	if (end[1] != '\n')
		return true;
	if (line == bytes.ptr)
		return memchr(line, '\n', (size_t)(end - line)) != NULL;
	return *line == ' ' || *line == '\t' || *line == ':'; /* folded, or without a name */
}

enum head_state head_find(struct str bytes, size_t *line_at)
{
	const char *line = bytes.ptr + *line_at, *end = bytes.ptr + bytes.len, *cr;

	while ((cr = memchr(line, '\r', (size_t)(end - line))) != NULL && cr + 1 < end) {
		if (is_malformed(bytes, line, cr))
			return HEAD_MALFORMED;
		bool empty = cr == line;
		line = cr + 2;
		*line_at = (size_t)(line - bytes.ptr);
		if (empty)
			return HEAD_COMPLETE;
	}
	/* Lines that end in a bare LF would be waited for until the client's time is over. */
	return memchr(line, '\n', (size_t)(end - line)) != NULL ? HEAD_MALFORMED : HEAD_INCOMPLETE;
}
