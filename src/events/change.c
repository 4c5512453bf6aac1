#include "events/change.h"

#include "events/money.h"
#include "events/timestamp.h"

static const char *const kind_names[CHANGE_KIND_COUNT] = {
	[CHANGE_CREATED] = "created",
	[CHANGE_UPDATED] = "updated",
	[CHANGE_DELETED] = "deleted",
};

static const char *const message_types[CHANGE_KIND_COUNT] = {
	[CHANGE_CREATED] = "EventCreated",
	[CHANGE_UPDATED] = "EventUpdated",
	[CHANGE_DELETED] = "EventDeleted",
};

const char *change_kind_name(enum change_kind kind)
{
	return (unsigned)kind < CHANGE_KIND_COUNT ? kind_names[kind] : NULL;
}

bool change_kind_parse(struct str name, enum change_kind *kind)
{
	for (unsigned i = 0; i < CHANGE_KIND_COUNT; i++) {
		if (str_equal(name, str_from(kind_names[i]))) {
			*kind = (enum change_kind)i;
			return true;
		}
	}
	return false;
}

bool change_seen(const struct change *change, unsigned visible, enum change_kind *kind, const struct event **shown)
{
	bool was_seen = change->has_before && (EVENT_STATUS_BIT(change->before.status) & visible) != 0;
	bool is_seen = change->has_after && (EVENT_STATUS_BIT(change->after.status) & visible) != 0;

	if ((visible & EVENT_STATUS_ALL) == EVENT_STATUS_ALL || is_seen) {
		*kind = change->kind;
		*shown = change->has_after ? &change->after : NULL;
		return true;
	}
	*kind = CHANGE_DELETED;
	*shown = NULL;
	return was_seen;
}

static void print_event(struct buf *out, const struct event *event, int64_t now_us)
{
	if (event != NULL)
		event_json(out, event, now_us);
	else
		buf_lit(out, "null");
}

/* A user's id, null when nobody knows it. */
static void print_user(struct buf *out, int64_t id)
{
	if (id != 0)
		buf_i64(out, id);
	else
		buf_lit(out, "null");
}

/* Everything up to the closing brace. */
static void print_open(struct buf *out, const struct change *change, enum change_kind kind, const struct event *shown,
                       int64_t now_us)
{
	buf_lit(out, "{\"seq\":");
	buf_u64(out, change->seq);
	buf_lit(out, ",\"kind\":\"");
	buf_str(out, str_from(change_kind_name(kind)));
	buf_lit(out, "\",\"event_id\":");
	buf_i64(out, change->event_id);
	buf_lit(out, ",\"version\":");
	buf_i64(out, change->version);
	buf_lit(out, ",\"occurred_at\":\"");
	timestamp_print(out, change->occurred_at_us);
	buf_lit(out, "\",\"event\":");
	print_event(out, shown, now_us);
}

bool change_json(struct buf *out, const struct change *change, unsigned visible, int64_t now_us)
{
	enum change_kind kind;
	const struct event *shown;

	if (!change_seen(change, visible, &kind, &shown))
		return false;
	print_open(out, change, kind, shown, now_us);
	buf_char(out, '}');
	return true;
}

void change_json_audit(struct buf *out, const struct change *change, int64_t now_us)
{
	print_open(out, change, change->kind, change->has_after ? &change->after : NULL, now_us);
	buf_lit(out, ",\"actor_id\":");
	print_user(out, change->actor_id);
	buf_lit(out, ",\"request_id\":");
	buf_json(out, change->request_id);
	buf_lit(out, ",\"before\":");
	print_event(out, change->has_before ? &change->before : NULL, now_us);
	buf_lit(out, ",\"after\":");
	print_event(out, change->has_after ? &change->after : NULL, now_us);
	buf_char(out, '}');
}

static void print_event_data(struct buf *out, const struct event *event)
{
	buf_lit(out, ",\"event_data\":{\"id\":");
	buf_i64(out, event->id);
	buf_lit(out, ",\"name\":");
	buf_json(out, event->title);
	buf_lit(out, ",\"title\":");
	buf_json(out, event->title);
	buf_lit(out, ",\"category\":null,\"venue\":");
	buf_json(out, event->venue);
	buf_lit(out, ",\"capacity\":");
	buf_i64(out, event->capacity);
	buf_lit(out, ",\"price\":");
	money_print_number(out, event->price_cents);
	buf_lit(out, ",\"status\":\"");
	buf_str(out, str_from(event_status_name(event->status)));
	buf_lit(out, "\",\"event_date\":\"");
	timestamp_print_offset(out, event->event_date_us);
	buf_lit(out, "\",\"created_at\":\"");
	timestamp_print_offset(out, event->created_at_us);
	buf_lit(out, "\",\"updated_at\":\"");
	timestamp_print_offset(out, event->updated_at_us);
	buf_lit(out, "\",\"version\":");
	buf_i64(out, event->version);
	buf_char(out, '}');
}

const char *change_message_type(enum change_kind kind)
{
	CHECK((unsigned)kind < CHANGE_KIND_COUNT);
	return message_types[kind];
}

void change_json_message(struct buf *out, const struct change *change)
{
	buf_lit(out, "{\"type\":\"");
	buf_str(out, str_from(change_message_type(change->kind)));
	buf_lit(out, "\",\"event_id\":");
	buf_i64(out, change->event_id);
	if (change->kind != CHANGE_DELETED && change->has_after)
		print_event_data(out, &change->after);
	buf_lit(out, ",\"seq\":");
	buf_u64(out, change->seq);
	buf_lit(out, ",\"occurred_at\":\"");
	timestamp_print_offset(out, change->occurred_at_us);
	buf_lit(out, "\",\"actor_id\":");
	print_user(out, change->actor_id);
	buf_lit(out, ",\"request_id\":");
	buf_json(out, change->request_id);
	buf_char(out, '}');
}
