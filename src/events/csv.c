#include "events/csv.h"

#include "events/event.h"
#include "events/money.h"
#include "events/timestamp.h"

void csv_init(struct csv *csv, struct str text)
{
	if (str_starts_with(text, STR("\xef\xbb\xbf")))
		text = str_skip(text, 3);
	csv_init_row(csv, text);
}

void csv_init_row(struct csv *csv, struct str row)
{
	*csv = (struct csv){.rest = row, .next_line = 1};
}

/* Bytes of the line break that the text begins with; 0 when there is none. */
static size_t line_break(struct str text)
{
	if (text.len > 0 && text.ptr[0] == '\n')
		return 1;
	return text.len > 1 && text.ptr[0] == '\r' && text.ptr[1] == '\n' ? 2 : 0;
}

/* The text between the quotes, doubled ones made single. */
static bool unquote(struct str quoted, size_t doubled, struct arena *arena, struct str *field)
{
	*field = quoted;
	if (doubled == 0)
		return true;
	char *copy = arena_alloc(arena, quoted.len - doubled);
	if (copy == NULL)
		return false;
	*field = (struct str){copy, quoted.len - doubled};
	for (size_t from = 0; from < quoted.len; from++) {
		*copy++ = quoted.ptr[from];
		from += quoted.ptr[from] == '"';
	}
	return true;
}

/* From behind the opening quote to behind the closing one. */
static enum csv_result take_quoted(struct csv *csv, struct arena *arena, struct str *field)
{
	struct str text = csv->rest;
	size_t at = 0, doubled = 0;

	for (;; at++) {
		if (at == text.len)
			return CSV_MALFORMED;
		if (text.ptr[at] == '\n')
			csv->next_line++;
		if (text.ptr[at] != '"')
			continue;
		if (at + 1 == text.len || text.ptr[at + 1] != '"')
			break;
		doubled++;
		at++;
	}
	csv->rest = str_skip(text, at + 1);
	return unquote((struct str){text.ptr, at}, doubled, arena, field) ? CSV_ROW : CSV_OUT_OF_MEMORY;
}

static enum csv_result take_plain(struct csv *csv, struct str *field)
{
	struct str text = csv->rest;
	size_t at = 0;

	while (at < text.len && text.ptr[at] != ',' && line_break(str_skip(text, at)) == 0) {
		if (text.ptr[at] == '"')
			return CSV_MALFORMED;
		at++;
	}
	*field = (struct str){text.ptr, at};
	csv->rest = str_skip(text, at);
	return CSV_ROW;
}

static enum csv_result take_row(struct csv *csv, struct str *fields, size_t *count, struct arena *arena)
{
	for (;;) {
		if (*count == CSV_COLUMNS_MAX)
			return CSV_MALFORMED;
		enum csv_result taken;
		if (csv->rest.len > 0 && csv->rest.ptr[0] == '"') {
			csv->rest = str_skip(csv->rest, 1);
			taken = take_quoted(csv, arena, &fields[*count]);
		} else {
			taken = take_plain(csv, &fields[*count]);
		}
		if (taken != CSV_ROW)
			return taken;
		++*count;
		size_t ending = line_break(csv->rest);
		if (csv->rest.len == 0 || ending > 0) {
			csv->next_line += ending > 0;
			csv->rest = str_skip(csv->rest, ending);
			return CSV_ROW;
		}
		if (csv->rest.ptr[0] != ',')
			return CSV_MALFORMED;
		csv->rest = str_skip(csv->rest, 1);
	}
}

enum csv_result csv_next(struct csv *csv, struct str fields[CSV_COLUMNS_MAX], size_t *count, struct arena *arena)
{
	size_t blank;

	*count = 0;
	while ((blank = line_break(csv->rest)) > 0) {
		csv->rest = str_skip(csv->rest, blank);
		csv->next_line++;
	}
	csv->line = csv->next_line;
	if (csv->rest.len == 0)
		return CSV_END;
	struct str start = csv->rest;
	enum csv_result taken = take_row(csv, fields, count, arena);
	if (taken == CSV_ROW)
		return CSV_ROW;
	const char *newline = memchr(start.ptr, '\n', start.len);
	csv->rest = str_skip(start, newline != NULL ? (size_t)(newline - start.ptr) + 1 : start.len);
	csv->next_line = csv->line + 1;
	*count = 0;
	return taken;
}

static bool needs_quotes(struct str field)
{
	for (size_t i = 0; i < field.len; i++) {
		char c = field.ptr[i];
		if (c == ',' || c == '"' || c == '\r' || c == '\n')
			return true;
	}
	/* Some readers take spaces at the ends away. */
	return field.len > 0 && (field.ptr[0] == ' ' || field.ptr[field.len - 1] == ' ');
}

void csv_print_field(struct buf *out, struct str field)
{
	if (!needs_quotes(field)) {
		buf_str(out, field);
		return;
	}
	buf_char(out, '"');
	for (size_t i = 0; i < field.len; i++) {
		if (field.ptr[i] == '"')
			buf_char(out, '"');
		buf_char(out, field.ptr[i]);
	}
	buf_char(out, '"');
}

void csv_print_header(struct buf *out)
{
	buf_lit(out, "id,title,venue,description,event_date,capacity,price,status,created_at,updated_at,created_by,"
	             "version\r\n");
}

void csv_print_event(struct buf *out, const struct event *event)
{
	buf_i64(out, event->id);
	buf_char(out, ',');
	csv_print_field(out, event->title);
	buf_char(out, ',');
	csv_print_field(out, event->venue);
	buf_char(out, ',');
	csv_print_field(out, event->description);
	buf_char(out, ',');
	timestamp_print(out, event->event_date_us);
	buf_char(out, ',');
	buf_i64(out, event->capacity);
	buf_char(out, ',');
	money_print(out, event->price_cents);
	buf_char(out, ',');
	buf_str(out, str_from(event_status_name(event->status)));
	buf_char(out, ',');
	timestamp_print(out, event->created_at_us);
	buf_char(out, ',');
	timestamp_print(out, event->updated_at_us);
	buf_char(out, ',');
	if (event->created_by != 0)
		buf_i64(out, event->created_by);
	buf_char(out, ',');
	buf_i64(out, event->version);
	buf_lit(out, "\r\n");
}
