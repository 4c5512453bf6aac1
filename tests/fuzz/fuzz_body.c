/* A body that is accepted makes an event that, printed as an answer and sent back, makes the same event; its stored
 * form reads as the same too. A body that is refused has a reason, and the reasons are valid JSON. */
#include <jansson.h>

#include "events/body.h"
#include "events/patch.h"

enum { BYTES_MAX = 16 << 20 };
#define NOW_US INT64_C(1795000000123456)

static void expect_same_text(struct str a, struct str b)
{
	CHECK((a.ptr == NULL) == (b.ptr == NULL) && str_equal(a, b));
}

static void expect_same(const struct event *a, const struct event *b)
{
	expect_same_text(a->title, b->title);
	expect_same_text(a->venue, b->venue);
	expect_same_text(a->description, b->description);
	CHECK(a->event_date_us == b->event_date_us && a->price_cents == b->price_cents);
	CHECK(a->capacity == b->capacity && a->status == b->status);
}

static void expect_json(const struct buf *text)
{
	json_t *root = json_loadb(text->ptr, text->len, JSON_REJECT_DUPLICATES, NULL);

	CHECK(!text->failed && root != NULL);
	json_decref(root);
}

static void come_back(const struct patch *patch, struct arena *arena)
{
	struct event event, again;
	struct issues issues;
	struct str problem;
	struct patch second;
	struct buf out;

	CHECK(patch_apply(patch, NULL, 1, NOW_US, &event));
	CHECK(event.version == 1 && event.capacity >= 0 && event.price_cents >= 0);
	event.id = 7;
	buf_init(&out, BYTES_MAX);
	event_json(&out, &event, NOW_US);
	expect_json(&out);
	issues_init(&issues, arena);
	CHECK(patch_parse(&second, buf_view(&out), true, arena, &issues, &problem) == PATCH_OK);
	CHECK(!patch_apply(&second, &event, 2, NOW_US + 5, &again));
	expect_same(&event, &again);
	buf_clear(&out);
	event_json_stored(&out, &event);
	CHECK(event_from_stored(&again, buf_view(&out), arena));
	expect_same(&event, &again);
	CHECK(again.id == event.id && again.version == event.version && again.created_by == event.created_by);
	CHECK(again.created_at_us == event.created_at_us && again.updated_at_us == event.updated_at_us);
	buf_finish(&out);
}

static void parse(struct str text, bool creating)
{
	struct issues issues;
	struct str problem;
	struct patch patch;
	struct arena arena;
	struct buf out;

	arena_init(&arena, BYTES_MAX);
	issues_init(&issues, &arena);
	switch (patch_parse(&patch, text, creating, &arena, &issues, &problem)) {
	case PATCH_OK:
		CHECK(issues.total == 0);
		if (creating)
			come_back(&patch, &arena);
		break;
	case PATCH_MALFORMED: CHECK(problem.len > 0 && issues.total == 0); break;
	case PATCH_INVALID:
		CHECK(issues.total > 0);
		buf_init(&out, BYTES_MAX);
		issues_json(&out, &issues);
		expect_json(&out);
		buf_finish(&out);
		break;
	case PATCH_OUT_OF_MEMORY: CHECK(arena.failed); break;
	}
	arena_finish(&arena);
}

/* Every member's own text is a JSON value, and the same one. */
static void read_members(struct str text)
{
	struct body_member member;
	struct arena arena;
	struct str problem;
	struct body body;

	arena_init(&arena, BYTES_MAX);
	if (body_open(&body, text, &arena, &problem) == BODY_OK) {
		size_t count = 0;
		for (; body_next(&body, &member); count++) {
			const size_t flags = JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL;
			json_error_t error;
			json_t *value = json_loadb(member.raw.ptr, member.raw.len, flags, &error);
			CHECK(value != NULL || json_error_code(&error) == json_error_numeric_overflow);
			CHECK(value == NULL || json_typeof(value) == json_typeof(member.value));
			json_decref(value);
		}
		CHECK(count == json_object_size(body.root));
	}
	body_close(&body);
	arena_finish(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	struct str text = {(const char *)bytes, count};

	parse(text, true);
	parse(text, false);
	read_members(text);
	return 0;
}
