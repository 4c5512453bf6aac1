#include "events/issue.h"

#include <stdarg.h>
#include <stdio.h>

#include "events/utf8.h"

enum { NAME_BYTES_MAX = 100, MESSAGE_BYTES_MAX = 300 };

void issues_init(struct issues *issues, struct arena *arena)
{
	issues->arena = arena;
	issues->count = 0;
	issues->total = 0;
}

/* Names come from outside, in queries even as any bytes: what is no UTF-8 or a control character becomes '?'. */
static struct str safe_copy(struct arena *arena, struct str text, size_t bytes_max)
{
	struct str cut = utf8_prefix(text, bytes_max);
	char *copy = text.ptr != NULL ? arena_alloc(arena, cut.len + 1) : NULL;
	struct str rest = cut;
	uint32_t code;

	if (copy == NULL)
		return STR_NONE;
	memcpy(copy, cut.ptr, cut.len);
	copy[cut.len] = '\0';
	while (rest.len > 0) {
		size_t at = cut.len - rest.len;
		bool valid = utf8_next(&rest, &code);
		if (!valid)
			rest = str_skip(rest, 1);
		if (!valid || utf8_is_control(code))
			memset(copy + at, '?', cut.len - rest.len - at);
	}
	return (struct str){copy, cut.len};
}

void issues_add(struct issues *issues, const char *where, struct str name, const char *type, const char *format, ...)
{
	char message[MESSAGE_BYTES_MAX];
	va_list arguments;

	issues->total++;
	if (issues->count == ISSUES_MAX)
		return;
	va_start(arguments, format);
	int length = vsnprintf(message, sizeof message, format, arguments);
	va_end(arguments);
	CHECK(length >= 0);
	size_t kept = (size_t)length < sizeof message ? (size_t)length : sizeof message - 1;
	issues->items[issues->count++] = (struct issue){
		.where = where,
		.name = safe_copy(issues->arena, name, NAME_BYTES_MAX),
		.type = type,
		.message = safe_copy(issues->arena, (struct str){message, kept}, MESSAGE_BYTES_MAX),
	};
}

void issues_json(struct buf *out, const struct issues *issues)
{
	issues_json_line(out, issues, 0);
}

void issues_json_line(struct buf *out, const struct issues *issues, size_t line)
{
	buf_char(out, '[');
	for (size_t i = 0; i < issues->count; i++) {
		const struct issue *issue = &issues->items[i];
		buf_str(out, i > 0 ? STR(",{\"loc\":[") : STR("{\"loc\":["));
		buf_json(out, str_from(issue->where));
		if (line > 0) {
			buf_char(out, ',');
			buf_u64(out, line);
		}
		if (issue->name.ptr != NULL) {
			buf_char(out, ',');
			buf_json(out, issue->name);
		}
		buf_lit(out, "],\"msg\":");
		buf_json(out, issue->message.ptr != NULL ? issue->message : STR("is not valid"));
		buf_lit(out, ",\"type\":");
		buf_json(out, str_from(issue->type));
		buf_char(out, '}');
	}
	buf_char(out, ']');
}
