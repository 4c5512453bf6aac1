#include "events/ical.h"

#include "events/timestamp.h"

/* RFC 5545 section 3.1: 75 octets without the line break; a continuation begins with one space, which counts. */
enum { LINE_OCTETS_MAX = 75 };

/* A content line being written. */
struct line {
	struct buf *out;
	size_t octets;
};

/* What must stay together: a character, or a name and what else has no spaces in it. */
static void put(struct line *line, struct str piece)
{
	if (line->octets + piece.len > LINE_OCTETS_MAX) {
		buf_lit(line->out, "\r\n ");
		line->octets = 1;
	}
	buf_str(line->out, piece);
	line->octets += piece.len;
}

static struct line begin(struct buf *out, struct str name)
{
	struct line line = {out, 0};

	put(&line, name);
	put(&line, STR(":"));
	return line;
}

static void end(struct line *line)
{
	buf_lit(line->out, "\r\n");
}

/* Bytes of the character that begins here; 1 where it is no UTF-8. */
static size_t character_bytes(struct str rest)
{
	size_t bytes = 1;

	while (bytes < rest.len && bytes < 4 && ((unsigned char)rest.ptr[bytes] & 0xc0) == 0x80)
		bytes++;
	return bytes;
}

/* RFC 5545 section 3.3.11. Control characters have no place there; adopted rows may hold some. */
static void put_text(struct line *line, struct str text)
{
	while (text.len > 0) {
		struct str piece = {text.ptr, character_bytes(text)};
		unsigned char c = (unsigned char)text.ptr[0];
		text = str_skip(text, piece.len);
		switch (c) {
		case '\\': put(line, STR("\\\\")); break;
		case ';': put(line, STR("\\;")); break;
		case ',': put(line, STR("\\,")); break;
		case '\n': put(line, STR("\\n")); break;
		default:
			if (c == '\t' || (c >= 0x20 && c != 0x7f))
				put(line, piece);
		}
	}
}

static void print_text(struct buf *out, struct str name, struct str text)
{
	struct line line = begin(out, name);

	put_text(&line, text);
	end(&line);
}

static void print_time(struct buf *out, struct str name, int64_t us)
{
	buf_str(out, name);
	buf_char(out, ':');
	timestamp_print_ical(out, us);
	buf_lit(out, "\r\n");
}

static struct str status_of(enum event_status status)
{
	switch (status) {
	case EVENT_DRAFT: return STR("TENTATIVE");
	case EVENT_CANCELLED: return STR("CANCELLED");
	case EVENT_PUBLISHED:
	case EVENT_COMPLETED:
	case EVENT_STATUS_COUNT: break;
	}
	return STR("CONFIRMED");
}

void ical_event(struct buf *out, const struct event *event)
{
	buf_lit(out, "BEGIN:VEVENT\r\nUID:event-");
	buf_i64(out, event->id);
	buf_lit(out, "@evently\r\n");
	print_time(out, STR("DTSTAMP"), event->updated_at_us);
	print_time(out, STR("DTSTART"), event->event_date_us);
	print_text(out, STR("SUMMARY"), event->title);
	print_text(out, STR("LOCATION"), event->venue);
	if (event->description.len > 0)
		print_text(out, STR("DESCRIPTION"), event->description);
	buf_lit(out, "STATUS:");
	buf_str(out, status_of(event->status));
	buf_lit(out, "\r\nSEQUENCE:");
	buf_i64(out, event->version);
	buf_lit(out, "\r\n");
	print_time(out, STR("CREATED"), event->created_at_us);
	print_time(out, STR("LAST-MODIFIED"), event->updated_at_us);
	buf_lit(out, "END:VEVENT\r\n");
}

/* A calendar without components is not strictly valid (section 3.6), but an empty one is what a subscriber expects when
 * nothing is upcoming, and what clients understand. */
void ical_open(struct buf *out)
{
	buf_lit(out, "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Evently//Events Service//EN\r\n"
	             "CALSCALE:GREGORIAN\r\nX-WR-CALNAME:Evently\r\n");
}

void ical_close(struct buf *out)
{
	buf_lit(out, "END:VCALENDAR\r\n");
}

void ical_print(struct buf *out, const struct event *events, size_t count)
{
	ical_open(out);
	for (size_t i = 0; i < count; i++)
		ical_event(out, &events[i]);
	ical_close(out);
}
