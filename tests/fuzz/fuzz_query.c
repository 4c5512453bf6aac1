/* A list request that is accepted stays within its bounds and the viewer's rights, and the cursor that its page would
 * carry is accepted by the same list. The first byte says who asks for which list; the rest is "name=value&…". */
#include <jansson.h>

#include "events/query.h"

enum { PARAMETERS_MAX = 32, BYTES_MAX = 4 << 20 };

static size_t split(struct str rest, struct query_parameter *parameters)
{
	struct str part;
	size_t count = 0;

	while (count < PARAMETERS_MAX && str_cut(&rest, '&', &part)) {
		if (!str_cut(&part, '=', &parameters[count].name))
			continue;
		parameters[count++].value = part.ptr != NULL ? part : STR("");
	}
	return count;
}

static void expect_bounds(const struct query *query, unsigned visible)
{
	CHECK((query->statuses & ~visible) == 0);
	CHECK(query->page >= 1 && query->size >= 1 && query->size <= QUERY_SIZE_MAX);
	CHECK((unsigned)query->sort < EVENT_SORT_COUNT);
	CHECK(!query->has_price_min || query->price_min_cents >= 0);
	CHECK(!query->has_price_max || query->price_max_cents >= 0);
	CHECK(query->q.len <= QUERY_TEXT_BYTES_MAX);
	CHECK(!query->has_cursor || query->page == query->cursor.page);
}

/* Asks again with the next page's cursor in place of page and cursor. */
static void go_on(const struct query *query, struct query_parameter *parameters, size_t count, bool upcoming,
                  unsigned visible, struct arena *arena)
{
	const struct event last = {.id = 9, .title = STR("T\xc3\xa9"), .event_date_us = 1, .price_cents = 2};
	struct query_parameter kept[PARAMETERS_MAX + 1];
	struct issues issues;
	struct query next;
	struct buf cursor;
	size_t kept_count = 0;

	buf_init(&cursor, BYTES_MAX);
	query_cursor_print(&cursor, query, &last);
	CHECK(!cursor.failed);
	for (size_t i = 0; i < count; i++) {
		if (!str_equal(parameters[i].name, STR("page")) && !str_equal(parameters[i].name, STR("cursor")))
			kept[kept_count++] = parameters[i];
	}
	kept[kept_count++] = (struct query_parameter){STR("cursor"), buf_view(&cursor)};
	issues_init(&issues, arena);
	CHECK(query_parse(&next, kept, kept_count, upcoming, visible, arena, &issues));
	CHECK(next.has_cursor && next.cursor.id == 9 && next.page == query->page + 1);
	buf_finish(&cursor);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	struct query_parameter parameters[PARAMETERS_MAX];
	struct issues issues;
	struct arena arena;
	struct query query;
	struct buf out;

	if (count == 0)
		return 0;
	bool upcoming = (bytes[0] & 1) != 0;
	unsigned visible = (bytes[0] & 2) != 0 ? EVENT_STATUS_ALL : EVENT_STATUS_NOT_DRAFT;
	size_t given = split((struct str){(const char *)bytes + 1, count - 1}, parameters);
	arena_init(&arena, BYTES_MAX);
	issues_init(&issues, &arena);
	buf_init(&out, BYTES_MAX);
	if (query_parse(&query, parameters, given, upcoming, visible, &arena, &issues)) {
		CHECK(issues.total == 0);
		expect_bounds(&query, visible);
		query_canonical(&out, &query);
		CHECK(!out.failed && out.len > 0);
		go_on(&query, parameters, given, upcoming, visible, &arena);
	} else {
		CHECK(issues.total > 0 || arena.failed);
		issues_json(&out, &issues);
		json_t *root = json_loadb(out.ptr, out.len, 0, NULL);
		CHECK(json_array_size(root) == issues.count);
		json_decref(root);
	}
	buf_finish(&out);
	arena_finish(&arena);
	return 0;
}
