/* The fields that a client may give stand in the table `fields`: name, bit, and the function that checks the value.
 * JSON bodies and CSV rows both come down to that table, so that no rule can differ between them. */
#include "events/patch.h"

#include "events/body.h"
#include "events/money.h"
#include "events/timestamp.h"
#include "events/utf8.h"

enum { REQUIRED = PATCH_TITLE | PATCH_VENUE | PATCH_EVENT_DATE };

enum value_kind { VALUE_NULL, VALUE_TEXT, VALUE_NUMBER, VALUE_BOOLEAN, VALUE_ARRAY, VALUE_OBJECT };

struct value {
	enum value_kind kind;
	struct str text; /* a string's characters, or a number as it was written */
};

/* What a field's check reads, and where it puts what it finds. */
struct reader {
	struct patch *patch;
	struct issues *issues;
	struct arena *arena;
};

struct field {
	const char *name;
	enum patch_field bit;
	bool (*take)(const struct reader *reader, const struct field *field, const struct value *value);
};

static const char *const ignored_names[] = {"id", "is_upcoming", "created_at", "updated_at", "created_by", "version"};

static const char *kind_name(enum value_kind kind)
{
	static const char *const names[] = {"null", "a string", "a number", "a boolean", "an array", "an object"};

	return names[kind];
}

static bool refuse_kind(const struct reader *reader, const struct field *field, const struct value *value,
                        const char *type, const char *wanted)
{
	issues_add(reader->issues, "body", str_from(field->name), type, "must be %s, not %s", wanted,
	           kind_name(value->kind));
	return false;
}

/* Counts code points. False, with an issue, at what is no UTF-8 or a control character other than `allowed` ones. */
static bool scan_text(const struct reader *reader, const struct field *field, struct str text, const char *allowed,
                      size_t *count, bool *blank)
{
	struct str name = str_from(field->name);
	uint32_t code;

	*count = 0;
	*blank = true;
	for (struct str rest = text; rest.len > 0; ++*count) {
		if (!utf8_next(&rest, &code)) {
			issues_add(reader->issues, "body", name, "string_unicode", "must be valid UTF-8");
			return false;
		}
		if (utf8_is_control(code) && (code == 0 || code > 0x7f || strchr(allowed, (int)code) == NULL)) {
			issues_add(reader->issues, "body", name, "string_control_character",
			           "must not hold control characters, has U+%04X as character %zu", (unsigned)code,
			           *count + 1);
			return false;
		}
		*blank = *blank && utf8_is_space(code);
	}
	return true;
}

static bool keep_text(const struct reader *reader, struct str text, struct str *kept)
{
	*kept = arena_str(reader->arena, text);
	return kept->ptr != NULL;
}

static bool take_line(const struct reader *reader, const struct field *field, const struct value *value,
                      struct str *kept)
{
	struct str name = str_from(field->name);
	size_t count;
	bool blank;

	if (value->kind != VALUE_TEXT)
		return refuse_kind(reader, field, value, "string_type", "a string");
	if (!scan_text(reader, field, value->text, "", &count, &blank))
		return false;
	if (count == 0)
		issues_add(reader->issues, "body", name, "string_too_short", "must have at least 1 character");
	else if (count > EVENT_TEXT_CODEPOINTS_MAX)
		issues_add(reader->issues, "body", name, "string_too_long", "must be at most %d characters, has %zu",
		           EVENT_TEXT_CODEPOINTS_MAX, count);
	else if (blank)
		issues_add(reader->issues, "body", name, "string_blank", "must not be only white space");
	else
		return keep_text(reader, value->text, kept);
	return false;
}

static bool take_title(const struct reader *reader, const struct field *field, const struct value *value)
{
	return take_line(reader, field, value, &reader->patch->event.title);
}

static bool take_venue(const struct reader *reader, const struct field *field, const struct value *value)
{
	return take_line(reader, field, value, &reader->patch->event.venue);
}

static bool take_description(const struct reader *reader, const struct field *field, const struct value *value)
{
	size_t count;
	bool blank;

	if (value->kind == VALUE_NULL) {
		reader->patch->event.description = STR_NONE;
		return true;
	}
	if (value->kind != VALUE_TEXT)
		return refuse_kind(reader, field, value, "string_type", "a string or null");
	if (value->text.len > EVENT_DESCRIPTION_BYTES_MAX) {
		issues_add(reader->issues, "body", str_from(field->name), "string_too_long",
		           "must be at most %d bytes of UTF-8, has %zu", EVENT_DESCRIPTION_BYTES_MAX, value->text.len);
		return false;
	}
	return scan_text(reader, field, value->text, "\t\n", &count, &blank) &&
	       keep_text(reader, value->text, &reader->patch->event.description);
}

static bool take_event_date(const struct reader *reader, const struct field *field, const struct value *value)
{
	struct str name = str_from(field->name);

	if (value->kind != VALUE_TEXT)
		return refuse_kind(reader, field, value, "datetime_type", "a string with an RFC 3339 date and time");
	switch (timestamp_parse(value->text, &reader->patch->event.event_date_us)) {
	case TIMESTAMP_OK: return true;
	case TIMESTAMP_OUT_OF_RANGE:
		issues_add(reader->issues, "body", name, "datetime_out_of_range",
		           "must be in the years 1970 to 9999 in UTC");
		return false;
	case TIMESTAMP_MALFORMED: break;
	}
	issues_add(reader->issues, "body", name, "datetime_parsing",
	           "must be an RFC 3339 date and time such as 2027-03-01T19:30:00Z");
	return false;
}

/* Digits only: 5.0 and 1e1 are no integers to us, nor is "5". */
static bool take_capacity(const struct reader *reader, const struct field *field, const struct value *value)
{
	struct str name = str_from(field->name);
	bool negative = value->text.len > 0 && value->text.ptr[0] == '-';
	struct str digits = negative ? str_skip(value->text, 1) : value->text;
	uint64_t magnitude = 0;

	if (value->kind != VALUE_NUMBER)
		return refuse_kind(reader, field, value, "int_type", "an integer");
	bool integer = digits.len > 0;
	for (size_t i = 0; i < digits.len && integer; i++)
		integer = digits.ptr[i] >= '0' && digits.ptr[i] <= '9';
	if (!integer) {
		issues_add(reader->issues, "body", name, "int_parsing",
		           "must be an integer, written without fraction and exponent");
		return false;
	}
	bool fits = str_to_u64(digits, EVENT_CAPACITY_MAX, &magnitude);
	if (negative && (!fits || magnitude != 0)) {
		issues_add(reader->issues, "body", name, "greater_than_equal", "must be at least 0");
		return false;
	}
	if (!fits) {
		issues_add(reader->issues, "body", name, "less_than_equal", "must be at most %d", EVENT_CAPACITY_MAX);
		return false;
	}
	reader->patch->event.capacity = (int32_t)magnitude;
	return true;
}

static bool take_price(const struct reader *reader, const struct field *field, const struct value *value)
{
	struct str name = str_from(field->name);

	if (value->kind != VALUE_NUMBER && value->kind != VALUE_TEXT)
		return refuse_kind(reader, field, value, "decimal_type", "a number, or a string with one");
	switch (money_parse(value->text, &reader->patch->event.price_cents)) {
	case MONEY_OK: return true;
	case MONEY_NEGATIVE:
		issues_add(reader->issues, "body", name, "greater_than_equal", "must be at least 0");
		break;
	case MONEY_TOO_PRECISE:
		issues_add(reader->issues, "body", name, "decimal_max_places",
		           "must have at most 2 decimals; it is not rounded");
		break;
	case MONEY_TOO_LARGE:
		issues_add(reader->issues, "body", name, "less_than_equal", "must be at most 99999999.99");
		break;
	case MONEY_NOT_A_NUMBER:
		issues_add(reader->issues, "body", name, "decimal_parsing", "must be a decimal number such as 25.00");
		break;
	}
	return false;
}

static bool take_status(const struct reader *reader, const struct field *field, const struct value *value)
{
	if (value->kind != VALUE_TEXT)
		return refuse_kind(reader, field, value, "string_type", "a string");
	if (event_status_parse(value->text, &reader->patch->event.status))
		return true;
	issues_add(reader->issues, "body", str_from(field->name), "enum",
	           "must be one of draft, published, cancelled, completed");
	return false;
}

static const struct field fields[] = {
	{"title", PATCH_TITLE, take_title},
	{"venue", PATCH_VENUE, take_venue},
	{"description", PATCH_DESCRIPTION, take_description},
	{"event_date", PATCH_EVENT_DATE, take_event_date},
	{"capacity", PATCH_CAPACITY, take_capacity},
	{"price", PATCH_PRICE, take_price},
	{"status", PATCH_STATUS, take_status},
};

static const struct field *find_field(struct str name)
{
	for (size_t i = 0; i < ARRAY_LENGTH(fields); i++) {
		if (str_equal(name, str_from(fields[i].name)))
			return &fields[i];
	}
	return NULL;
}

static bool is_ignored(struct str name)
{
	for (size_t i = 0; i < ARRAY_LENGTH(ignored_names); i++) {
		if (str_equal(name, str_from(ignored_names[i])))
			return true;
	}
	return false;
}

static void refuse_unknown(struct issues *issues, struct str name)
{
	issues_add(issues, "body", name, "extra_forbidden", "is not a field of an event");
}

/* Adds the issues that only the whole can have, and says what became of it. `given` are the fields that were there. */

static enum patch_result finish(const struct reader *reader, unsigned given, bool creating, size_t issues_before)
{
	struct patch *patch = reader->patch;

	for (size_t i = 0; creating && i < ARRAY_LENGTH(fields); i++) {
		if ((fields[i].bit & REQUIRED & ~given) != 0)
			issues_add(reader->issues, "body", str_from(fields[i].name), "missing", "is required");
	}
	/* The values of what was not given are already the defaults: draft, 0, 0.00, no description. */
	if (creating)
		patch->fields = PATCH_TITLE | PATCH_VENUE | PATCH_DESCRIPTION | PATCH_EVENT_DATE | PATCH_CAPACITY |
		                PATCH_PRICE | PATCH_STATUS;
	if (reader->arena->failed)
		return PATCH_OUT_OF_MEMORY;
	return reader->issues->total > issues_before ? PATCH_INVALID : PATCH_OK;
}

static struct value value_of(const struct body_member *member)
{
	switch (json_typeof(member->value)) {
	case JSON_STRING:
		return (struct value){VALUE_TEXT,
		                      {json_string_value(member->value), json_string_length(member->value)}};
	case JSON_INTEGER:
	case JSON_REAL: return (struct value){VALUE_NUMBER, member->raw};
	case JSON_TRUE:
	case JSON_FALSE: return (struct value){.kind = VALUE_BOOLEAN};
	case JSON_ARRAY: return (struct value){.kind = VALUE_ARRAY};
	case JSON_OBJECT: return (struct value){.kind = VALUE_OBJECT};
	case JSON_NULL: break;
	}
	return (struct value){.kind = VALUE_NULL};
}

enum patch_result patch_parse(struct patch *patch, struct str text, bool creating, struct arena *arena,
                              struct issues *issues, struct str *problem)
{
	const struct reader reader = {patch, issues, arena};
	size_t issues_before = issues->total;
	struct body_member member;
	struct body body;
	unsigned given = 0;

	*patch = (struct patch){0};
	*problem = STR_NONE;
	enum body_result opened = body_open(&body, text, arena, problem);
	while (opened == BODY_OK && body_next(&body, &member)) {
		const struct field *field = find_field(member.name);
		if (field == NULL) {
			if (!is_ignored(member.name))
				refuse_unknown(issues, member.name);
			continue;
		}
		const struct value value = value_of(&member);
		given |= field->bit;
		if (field->take(&reader, field, &value))
			patch->fields |= field->bit;
	}
	body_close(&body);
	switch (opened) {
	case BODY_OK: return finish(&reader, given, creating, issues_before);
	case BODY_MALFORMED: return arena->failed ? PATCH_OUT_OF_MEMORY : PATCH_MALFORMED;
	case BODY_OUT_OF_MEMORY: return PATCH_OUT_OF_MEMORY;
	case BODY_NOT_AN_OBJECT: break;
	}
	issues_add(issues, "body", STR_NONE, "object_type", "must be a JSON object");
	return arena->failed ? PATCH_OUT_OF_MEMORY : PATCH_INVALID;
}

enum patch_result patch_from_columns(struct patch *patch, const struct str *names, const struct str *values,
                                     size_t count, struct arena *arena, struct issues *issues)
{
	const struct reader reader = {patch, issues, arena};
	size_t issues_before = issues->total;
	unsigned given = 0;

	*patch = (struct patch){0};
	for (size_t i = 0; i < count; i++) {
		const struct field *field = find_field(names[i]);
		if (field == NULL) {
			if (!is_ignored(names[i]))
				refuse_unknown(issues, names[i]);
			continue;
		}
		if (values[i].len == 0)
			continue;
		if ((given & field->bit) != 0) {
			issues_add(issues, "body", names[i], "duplicate", "is given twice");
			continue;
		}
		/* A cell has no type: the capacity's is meant as a number, everything else as a string. */
		const struct value value = {field->bit == PATCH_CAPACITY ? VALUE_NUMBER : VALUE_TEXT, values[i]};
		given |= field->bit;
		if (field->take(&reader, field, &value))
			patch->fields |= field->bit;
	}
	return finish(&reader, given, true, issues_before);
}

static bool same_text(struct str a, struct str b)
{
	if (a.ptr == NULL || b.ptr == NULL)
		return a.ptr == b.ptr;
	return str_equal(a, b);
}

/* Takes the patch's fields over; false when all of them were so before. */
static bool merge(struct event *event, const struct patch *patch)
{
	const struct event *given = &patch->event;
	const struct event before = *event;

	if ((patch->fields & PATCH_TITLE) != 0)
		event->title = given->title;
	if ((patch->fields & PATCH_VENUE) != 0)
		event->venue = given->venue;
	if ((patch->fields & PATCH_DESCRIPTION) != 0)
		event->description = given->description;
	if ((patch->fields & PATCH_EVENT_DATE) != 0)
		event->event_date_us = given->event_date_us;
	if ((patch->fields & PATCH_CAPACITY) != 0)
		event->capacity = given->capacity;
	if ((patch->fields & PATCH_PRICE) != 0)
		event->price_cents = given->price_cents;
	if ((patch->fields & PATCH_STATUS) != 0)
		event->status = given->status;
	return !same_text(event->title, before.title) || !same_text(event->venue, before.venue) ||
	       !same_text(event->description, before.description) || event->event_date_us != before.event_date_us ||
	       event->capacity != before.capacity || event->price_cents != before.price_cents ||
	       event->status != before.status;
}

bool patch_apply(const struct patch *patch, const struct event *before, int64_t actor_id, int64_t now_us,
                 struct event *after)
{
	struct event made = {0};

	if (before == NULL) {
		(void)merge(&made, patch);
		made.created_at_us = now_us;
		made.updated_at_us = now_us;
		made.created_by = actor_id;
		made.version = 1;
		*after = made;
		return true;
	}
	made = *before;
	if (!merge(&made, patch)) {
		*after = *before;
		return false;
	}
	made.version = before->version + 1;
	/* Grows with every version, also when the clock was set back: clients ask for what changed since. */
	made.updated_at_us = now_us > before->updated_at_us ? now_us : before->updated_at_us + 1;
	*after = made;
	return true;
}
