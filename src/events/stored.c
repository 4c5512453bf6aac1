/* Reading what event_json_stored wrote: the `before` and `after` of every change that a follower applies.
 *
 * Nearly always the text is exactly as it was printed, and without escapes: then it is taken member by member, which
 * costs a sixth of building a JSON tree. Any other text (escapes, another order or spacing after a tool's hand, a
 * member more) is left to Jansson. Both accept only what makes an event. */
#include "events/event.h"

#include <jansson.h>

#include "base/json_memory.h"
#include "events/money.h"
#include "events/timestamp.h"
#include "events/utf8.h"

enum { STORED_BYTES_MAX = 16 << 20 };

/* Rows adopted from another service's table may lie outside what clients may give: years before 1970, a negative price
 * or capacity, no creator. */
static bool read_price(struct str text, int64_t *cents)
{
	bool negative = text.len > 0 && text.ptr[0] == '-';

	if (money_parse(negative ? str_skip(text, 1) : text, cents) != MONEY_OK)
		return false;
	*cents = negative ? -*cents : *cents;
	return true;
}

static bool read_time(struct str text, int64_t *us)
{
	return timestamp_parse(text, us) != TIMESTAMP_MALFORMED;
}

/* ---- as it was printed ---- */

static bool take(struct str *rest, struct str literal)
{
	if (!str_starts_with(*rest, literal))
		return false;
	*rest = str_skip(*rest, literal.len);
	return true;
}

/* The rest of a string behind its opening quote, when it needs no decoding. */
static bool take_plain(struct str *rest, struct str *text)
{
	const char *quote = memchr(rest->ptr, '"', rest->len);

	if (quote == NULL)
		return false;
	*text = (struct str){rest->ptr, (size_t)(quote - rest->ptr)};
	*rest = str_skip(*rest, text->len + 1);
	for (struct str left = *text; left.len > 0;) {
		uint32_t code;
		if (!utf8_next(&left, &code) || code < 0x20 || code == '\\')
			return false;
	}
	return true;
}

static bool take_integer(struct str *rest, int64_t *number)
{
	struct str digits = {rest->ptr, 0};

	while (digits.len < rest->len && (digits.ptr[digits.len] == '-' ||
	                                  (digits.ptr[digits.len] >= '0' && digits.ptr[digits.len] <= '9')))
		digits.len++;
	*rest = str_skip(*rest, digits.len);
	return str_to_i64(digits, number);
}

static bool take_description(struct str *rest, struct str *description)
{
	*description = STR_NONE;
	return take(rest, STR("null")) || (take(rest, STR("\"")) && take_plain(rest, description));
}

static bool take_creator(struct str *rest, int64_t *created_by)
{
	*created_by = 0;
	return take(rest, STR("null")) || take_integer(rest, created_by);
}

/* Follows print_fields of event.c, member for member. */
static bool read_as_printed(struct event *event, struct str rest)
{
	struct str date, price, status, created, updated;
	int64_t capacity;

	if (!take(&rest, STR("{\"id\":")) || !take_integer(&rest, &event->id) ||
	    !take(&rest, STR(",\"title\":\"")) || !take_plain(&rest, &event->title) ||
	    !take(&rest, STR(",\"description\":")) || !take_description(&rest, &event->description) ||
	    !take(&rest, STR(",\"venue\":\"")) || !take_plain(&rest, &event->venue) ||
	    !take(&rest, STR(",\"event_date\":\"")) || !take_plain(&rest, &date) ||
	    !take(&rest, STR(",\"capacity\":")) || !take_integer(&rest, &capacity) ||
	    !take(&rest, STR(",\"price\":\"")) || !take_plain(&rest, &price) ||
	    !take(&rest, STR(",\"status\":\"")) || !take_plain(&rest, &status) ||
	    !take(&rest, STR(",\"created_at\":\"")) || !take_plain(&rest, &created) ||
	    !take(&rest, STR(",\"updated_at\":\"")) || !take_plain(&rest, &updated) ||
	    !take(&rest, STR(",\"created_by\":")) || !take_creator(&rest, &event->created_by) ||
	    !take(&rest, STR(",\"version\":")) || !take_integer(&rest, &event->version) ||
	    !take(&rest, STR("}")) || rest.len > 0)
		return false;
	if (capacity < INT32_MIN || capacity > INT32_MAX)
		return false;
	event->capacity = (int32_t)capacity;
	return event_status_parse(status, &event->status) && read_price(price, &event->price_cents) &&
	       read_time(date, &event->event_date_us) && read_time(created, &event->created_at_us) &&
	       read_time(updated, &event->updated_at_us);
}

/* ---- any other JSON ---- */

/* The member's text; absent when it is no string. */
static struct str text_of(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	if (!json_is_string(value))
		return STR_NONE;
	return (struct str){json_string_value(value), json_string_length(value)};
}

static bool integer_of(const json_t *object, const char *name, int64_t *number)
{
	const json_t *value = json_object_get(object, name);

	if (!json_is_integer(value))
		return false;
	*number = json_integer_value(value);
	return true;
}

static bool read_fields(struct event *event, const json_t *object)
{
	int64_t capacity;

	event->title = text_of(object, "title");
	event->venue = text_of(object, "venue");
	event->description = text_of(object, "description");
	if (event->title.ptr == NULL || event->venue.ptr == NULL)
		return false;
	if (!integer_of(object, "id", &event->id) || !integer_of(object, "version", &event->version) ||
	    !integer_of(object, "capacity", &capacity) || capacity < INT32_MIN || capacity > INT32_MAX)
		return false;
	event->capacity = (int32_t)capacity;
	/* null: nobody knows. */
	if (!integer_of(object, "created_by", &event->created_by))
		event->created_by = 0;
	return event_status_parse(text_of(object, "status"), &event->status) &&
	       read_price(text_of(object, "price"), &event->price_cents) &&
	       read_time(text_of(object, "event_date"), &event->event_date_us) &&
	       read_time(text_of(object, "created_at"), &event->created_at_us) &&
	       read_time(text_of(object, "updated_at"), &event->updated_at_us);
}

static bool read_tree(struct event *event, struct str json, struct arena *arena)
{
	struct event read = {0};
	json_memory_forget();
	json_t *root = json_loadb(json.ptr, json.len, 0, NULL);
	bool done = json_is_object(root) && !json_memory_failed() && read_fields(&read, root) && event_copy(event, &read, arena);

	json_decref(root);
	return done;
}

bool event_from_stored(struct event *event, struct str json, struct arena *arena)
{
	struct event read = {0};

	if (json.ptr == NULL || json.len > STORED_BYTES_MAX)
		return false;
	if (read_as_printed(&read, json))
		return event_copy(event, &read, arena);
	return read_tree(event, json, arena);
}
