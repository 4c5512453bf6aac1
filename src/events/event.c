#include "events/event.h"

#include "base/hash.h"
#include "events/money.h"
#include "events/timestamp.h"

/* Room for everything but the three texts: names, punctuation, and the longest numbers and times. */
enum { FIXED_BYTES_MAX = 512 };

static const char *const status_names[EVENT_STATUS_COUNT] = {
	[EVENT_DRAFT] = "draft",
	[EVENT_PUBLISHED] = "published",
	[EVENT_CANCELLED] = "cancelled",
	[EVENT_COMPLETED] = "completed",
};

const char *event_status_name(enum event_status status)
{
	return (unsigned)status < EVENT_STATUS_COUNT ? status_names[status] : NULL;
}

bool event_status_parse(struct str name, enum event_status *status)
{
	for (unsigned i = 0; i < EVENT_STATUS_COUNT; i++) {
		if (str_equal(name, str_from(status_names[i]))) {
			*status = (enum event_status)i;
			return true;
		}
	}
	return false;
}

bool event_copy(struct event *copy, const struct event *event, struct arena *arena)
{
	struct event made = *event;

	made.title = arena_str(arena, event->title);
	made.venue = arena_str(arena, event->venue);
	made.description = arena_str(arena, event->description);
	if ((made.title.ptr == NULL) != (event->title.ptr == NULL) ||
	    (made.venue.ptr == NULL) != (event->venue.ptr == NULL) ||
	    (made.description.ptr == NULL) != (event->description.ptr == NULL))
		return false;
	*copy = made;
	return true;
}

/* Has the text a byte that buf_json escapes, or that may begin one of its line separators (E2)? Eight bytes at a time: nearly all texts have none.
 * (S. E. Anderson, Bit Twiddling Hacks, "Determine if a word has a byte less than n" and "… equal to n") */
static bool needs_escape(struct str text)
{
	const uint64_t ones = 0x0101010101010101u, highs = 0x8080808080808080u;
	size_t i = 0;
	uint64_t found = 0;

	for (; i + 8 <= text.len; i += 8) {
		uint64_t word;
		memcpy(&word, text.ptr + i, 8);
		uint64_t quote = word ^ ones * '"', backslash = word ^ ones * '\\';
		found |= (word - ones * 0x20) & ~word;
		uint64_t separator = word ^ ones * 0xe2;
		found |= (quote - ones) & ~quote;
		found |= (backslash - ones) & ~backslash;
		found |= (separator - ones) & ~separator;
	}
	if ((found & highs) != 0)
		return true;
	for (; i < text.len; i++) {
		unsigned char c = (unsigned char)text.ptr[i];
		if (c < 0x20 || c == '"' || c == '\\' || c == 0xe2)
			return true;
	}
	return false;
}

static void print_text(struct buf *out, struct str text)
{
	if (text.ptr == NULL || needs_escape(text)) {
		buf_json(out, text);
		return;
	}
	char *space = buf_reserve(out, text.len + 2);
	if (space == NULL)
		return;
	space[0] = '"';
	memcpy(space + 1, text.ptr, text.len);
	space[text.len + 1] = '"';
	out->len += text.len + 2;
}

/* With FIXED_BYTES_MAX reserved first, the small appends that follow never allocate. */
static void print_fields(struct buf *out, const struct event *event, const int64_t *now_us)
{
	if (buf_reserve(out, FIXED_BYTES_MAX + event->title.len + event->venue.len + event->description.len) == NULL)
		return;
	buf_lit(out, "{\"id\":");
	buf_i64(out, event->id);
	buf_lit(out, ",\"title\":");
	print_text(out, event->title);
	buf_lit(out, ",\"description\":");
	print_text(out, event->description);
	buf_lit(out, ",\"venue\":");
	print_text(out, event->venue);
	buf_lit(out, ",\"event_date\":\"");
	timestamp_print(out, event->event_date_us);
	buf_lit(out, "\",\"capacity\":");
	buf_i64(out, event->capacity);
	buf_lit(out, ",\"price\":\"");
	money_print(out, event->price_cents);
	buf_lit(out, "\",\"status\":\"");
	buf_str(out, str_from(event_status_name(event->status)));
	if (now_us != NULL)
		buf_str(out, event_is_upcoming(event, *now_us) ? STR("\",\"is_upcoming\":true,\"created_at\":\"")
		                                               : STR("\",\"is_upcoming\":false,\"created_at\":\""));
	else
		buf_lit(out, "\",\"created_at\":\"");
	timestamp_print(out, event->created_at_us);
	buf_lit(out, "\",\"updated_at\":\"");
	timestamp_print(out, event->updated_at_us);
	buf_lit(out, "\",\"created_by\":");
	if (event->created_by != 0)
		buf_i64(out, event->created_by);
	else
		buf_lit(out, "null");
	buf_lit(out, ",\"version\":");
	buf_i64(out, event->version);
	buf_char(out, '}');
}

void event_json(struct buf *out, const struct event *event, int64_t now_us)
{
	print_fields(out, event, &now_us);
}

void event_json_stored(struct buf *out, const struct event *event)
{
	print_fields(out, event, NULL);
}

void event_json_capacity(struct buf *out, const struct event *event, int64_t now_us)
{
	buf_lit(out, "{\"event_id\":");
	buf_i64(out, event->id);
	buf_lit(out, ",\"total_capacity\":");
	buf_i64(out, event->capacity);
	buf_lit(out, ",\"is_published\":");
	buf_str(out, event->status == EVENT_PUBLISHED ? STR("true") : STR("false"));
	buf_lit(out, ",\"is_upcoming\":");
	buf_str(out, event_is_upcoming(event, now_us) ? STR("true") : STR("false"));
	buf_lit(out, ",\"price\":");
	money_print_number(out, event->price_cents);
	buf_char(out, '}');
}

uint64_t event_etag(const struct event *event, int64_t now_us)
{
	struct buf body;

	buf_init(&body, FIXED_BYTES_MAX + 8 * (event->title.len + event->venue.len + event->description.len));
	event_json(&body, event, now_us);
	uint64_t etag = body.failed ? 0 : hash_content(buf_view(&body));
	buf_finish(&body);
	return etag;
}
