#include "base/logline.h"

#include <dlfcn.h>
#include <stdio.h>

/* Kept free for the end of a line: `,"cut":true}` and the line feed. */
enum { TAIL_BYTES = 24, ROOM = LOGLINE_BYTES_MAX - TAIL_BYTES };

static const char *const level_names[] = {"debug", "info", "warning", "error"};
static const char *const level_columns[] = {"debug", "info ", "warn ", "error"};

const char *logline_level_name(enum log_level level)
{
	return level_names[level];
}

static bool put(struct logline *line, const char *bytes, size_t count)
{
	if (line->len > ROOM || count > ROOM - line->len) {
		line->cut = true;
		return false;
	}
	memcpy(line->bytes + line->len, bytes, count);
	line->len += count;
	return true;
}

static bool put_text(struct logline *line, const char *text)
{
	return put(line, text, strlen(text));
}

/* `value` with at least `digits_min` digits, in base 10 or 16. */
static bool put_number(struct logline *line, uint64_t value, unsigned base, unsigned digits_min)
{
	char digits[20];
	size_t first = sizeof digits;

	do {
		digits[--first] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value > 0 || sizeof digits - first < digits_min);
	return put(line, digits + first, sizeof digits - first);
}

static bool put_integer(struct logline *line, int64_t value)
{
	if (value >= 0)
		return put_number(line, (uint64_t)value, 10, 1);
	return put(line, "-", 1) && put_number(line, (uint64_t)0 - (uint64_t)value, 10, 1);
}

/* Bytes of the UTF-8 sequence at `p` (RFC 3629 section 4: no overlong forms, no surrogates), 0 when there is none. */
static size_t sequence(const unsigned char *p, size_t left)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t length = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;

	if (length > left)
		return 0;
	if (p[0] == 0xe0)
		low = 0xa0;
	if (p[0] == 0xed)
		high = 0x9f;
	if (p[0] == 0xf0)
		low = 0x90;
	if (p[0] == 0xf4)
		high = 0x8f;
	for (size_t i = 1; i < length; i++) {
		if (p[i] < low || p[i] > high)
			return 0;
		low = 0x80;
		high = 0xbf;
	}
	return length;
}

/* The escape of what must not stand in a line as it is: controls of C0 and C1 (a terminal obeys both). */
static bool put_escape(struct logline *line, unsigned code)
{
	switch (code) {
	case '"': return put(line, "\\\"", 2);
	case '\\': return put(line, "\\\\", 2);
	case '\n': return put(line, "\\n", 2);
	case '\r': return put(line, "\\r", 2);
	case '\t': return put(line, "\\t", 2);
	default: return line->len + 6 <= ROOM && put(line, "\\u", 2) && put_number(line, code, 16, 4);
	}
}

/* The inside of a JSON string; `quoted` false leaves quotes and backslashes alone, for text lines. */
static void put_escaped(struct logline *line, struct str text, bool quoted)
{
	const unsigned char *bytes = (const unsigned char *)text.ptr;
	bool fits = true;

	for (size_t i = 0, length; fits && i < text.len; i += length) {
		unsigned char c = bytes[i];
		length = 1;
		if (c >= 0x20 && c < 0x7f && !(quoted && (c == '"' || c == '\\'))) {
			fits = line->len < ROOM;
			if (fits)
				line->bytes[line->len++] = (char)c;
			continue;
		}
		if (c < 0x80) {
			fits = put_escape(line, c);
			continue;
		}
		length = sequence(bytes + i, text.len - i);
		if (length == 0) {
			length = 1;
			fits = put(line, "\xef\xbf\xbd", 3); /* U+FFFD */
		} else if (length == 2 && c == 0xc2 && bytes[i + 1] < 0xa0) {
			fits = put_escape(line, bytes[i + 1]);
		} else {
			fits = put(line, text.ptr + i, length);
		}
	}
	if (!fits)
		line->cut = true;
}

/* A whole JSON string or null. The closing quote has its place in the tail. */
static void put_string(struct logline *line, struct str text)
{
	if (text.ptr == NULL) {
		put_text(line, "null");
		return;
	}
	if (!put(line, "\"", 1))
		return;
	put_escaped(line, text, true);
	line->bytes[line->len++] = '"';
}

/* Days since 1970 to a date (H. Hinnant, chrono-compatible low-level date algorithms, civil_from_days). */
static void put_date(struct logline *line, int64_t days)
{
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t day_of_era = z - era * 146097;
	int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t shifted_month = (5 * day_of_year + 2) / 153;
	int64_t month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;

	put_number(line, (uint64_t)(year_of_era + era * 400 + (month <= 2)), 10, 4);
	put(line, "-", 1);
	put_number(line, (uint64_t)month, 10, 2);
	put(line, "-", 1);
	put_number(line, (uint64_t)(day_of_year - (153 * shifted_month + 2) / 5 + 1), 10, 2);
}

static void put_clock(struct logline *line, int64_t second_of_day)
{
	put_number(line, (uint64_t)(second_of_day / 3600), 10, 2);
	put(line, ":", 1);
	put_number(line, (uint64_t)(second_of_day / 60 % 60), 10, 2);
	put(line, ":", 1);
	put_number(line, (uint64_t)(second_of_day % 60), 10, 2);
	put(line, ".", 1);
}

void logline_begin(struct logline *line, bool json, int64_t wall_us, enum log_level level, const char *module,
		   struct str message)
{
	const int64_t day_us = INT64_C(86400000000);

	line->len = 0;
	line->json = json;
	line->cut = false;
	if (wall_us < 0)
		wall_us = 0;
	if (!json) {
		put_clock(line, wall_us % day_us / 1000000);
		put_number(line, (uint64_t)(wall_us % 1000000 / 1000), 10, 3);
		put(line, " ", 1);
		put_text(line, level_columns[level]);
		put(line, " ", 1);
		put_text(line, module);
		put(line, "  ", 2);
		put_escaped(line, message, false);
		return;
	}
	put_text(line, "{\"ts\":\"");
	put_date(line, wall_us / day_us);
	put(line, "T", 1);
	put_clock(line, wall_us % day_us / 1000000);
	put_number(line, (uint64_t)(wall_us % 1000000), 10, 6);
	put_text(line, "Z\",\"level\":\"");
	put_text(line, level_names[level]);
	put_text(line, "\",\"module\":");
	put_string(line, str_from(module));
	put_text(line, ",\"msg\":");
	put_string(line, message);
}

/* A JSON number knows no infinity and no NaN. */
static bool put_real(struct logline *line, double value)
{
	char digits[40];
	int length = snprintf(digits, sizeof digits, "%.9g", value);

	if (__builtin_isfinite(value))
		return put(line, digits, (size_t)length);
	return line->json ? put_text(line, "null") : put(line, digits, (size_t)length);
}

/* The name of a member and what stands before its value. */
static bool put_name(struct logline *line, const char *name)
{
	if (!line->json)
		return put(line, "  ", 2) && put_text(line, name) && put(line, "=", 1);
	return put(line, ",\"", 2) && put_text(line, name) && put(line, "\":", 2);
}

void logline_field(struct logline *line, const struct log_field *field)
{
	size_t start = line->len;
	bool whole = put_name(line, field->name);

	switch (field->type) {
	case LOG_FIELD_TEXT:
		/* A cut text is worth more than none, when at least its quotes and some of it have room. */
		whole = whole && line->len + 8 <= ROOM;
		if (whole && line->json)
			put_string(line, field->text);
		else if (whole)
			put_escaped(line, field->text, false);
		break;
	case LOG_FIELD_INTEGER: whole = whole && put_integer(line, field->integer); break;
	case LOG_FIELD_REAL: whole = whole && put_real(line, field->real); break;
	}
	if (!whole) {
		line->len = start;
		line->cut = true;
	}
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash != NULL ? slash + 1 : path;
}

/* dladdr only walks tables that are loaded already, as backtrace_symbols_fd does: no malloc. */
static bool put_frame(struct logline *line, void *address)
{
	Dl_info info;

	if (dladdr(address, &info) == 0 || info.dli_fname == NULL)
		return put_text(line, "0x") && put_number(line, (uintptr_t)address, 16, 1);
	const char *name = info.dli_sname != NULL ? info.dli_sname : base_name(info.dli_fname);
	uintptr_t start = (uintptr_t)(info.dli_sname != NULL ? info.dli_saddr : info.dli_fbase);
	return put_text(line, name) && put_text(line, "+0x") && put_number(line, (uintptr_t)address - start, 16, 1);
}

void logline_stack(struct logline *line, void *const *frames, int count)
{
	if (line->len + 64 > ROOM || !put_name(line, "stack")) {
		line->cut = true;
		return;
	}
	put(line, "[", 1);
	for (int i = 0; i < count; i++) {
		size_t start = line->len;
		bool fits = put_text(line, i > 0 ? ",\"" : "\"") && put_frame(line, frames[i]) && put(line, "\"", 1);
		if (!fits || line->len == ROOM) {
			line->len = start;
			line->cut = true;
			break;
		}
	}
	put(line, "]", 1);
}

void logline_end(struct logline *line)
{
	char *end = line->bytes + line->len;

	if (line->cut) {
		const char *mark = line->json ? ",\"cut\":true" : "  cut=true";
		size_t length = strlen(mark);
		memcpy(end, mark, length);
		end += length;
	}
	if (line->json)
		*end++ = '}';
	*end++ = '\n';
	line->len = (size_t)(end - line->bytes);
}
