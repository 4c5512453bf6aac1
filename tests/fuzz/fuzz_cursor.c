/* A cursor that is accepted is the one, and the only one, that its own list prints for that place. The first byte
 * chooses the list; then comes a cursor's text, or, with the highest bit set, the bytes inside it behind the hash. */
#include "base/hash.h"
#include "events/cursor.h"

enum { BYTES_MAX = 1 << 20, HEAD_BYTES = 9 };

static struct query list(uint8_t choice)
{
	return (struct query){
		.statuses = EVENT_STATUS_ALL, .sort = (enum event_sort)((choice & 7) % EVENT_SORT_COUNT),
		.descending = (choice & 8) != 0, .page = 1, .size = 10,
	};
}

static struct event place(const struct query *query, const struct query_cursor *cursor)
{
	struct event event = {.id = cursor->id, .title = cursor->text};

	switch (query->sort) {
	case SORT_EVENT_DATE: event.event_date_us = cursor->number; break;
	case SORT_CREATED_AT: event.created_at_us = cursor->number; break;
	case SORT_UPDATED_AT: event.updated_at_us = cursor->number; break;
	case SORT_PRICE: event.price_cents = cursor->number; break;
	case SORT_ID:
	case SORT_TITLE:
	case EVENT_SORT_COUNT: break;
	}
	return event;
}

static void print_base64url(struct buf *out, const unsigned char *bytes, size_t count)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	uint32_t bits = 0;
	unsigned held = 0;

	for (size_t i = 0; i < count; i++) {
		bits = bits << 8 | bytes[i];
		for (held += 8; held >= 6; held -= 6)
			buf_char(out, alphabet[bits >> (held - 6) & 63]);
	}
	if (held > 0)
		buf_char(out, alphabet[bits << (6 - held) & 63]);
}

/* The text of a cursor with the right version and hash, whatever follows. */
static void make(struct buf *text, const struct query *query, const uint8_t *tail, size_t count)
{
	unsigned char head[HEAD_BYTES] = {1};
	struct buf canonical, bytes;

	buf_init(&canonical, BYTES_MAX);
	buf_init(&bytes, BYTES_MAX);
	query_canonical(&canonical, query);
	uint64_t hash = hash_content(buf_view(&canonical));
	for (int i = 8; i > 0; i--, hash >>= 8)
		head[i] = (unsigned char)hash;
	buf_append(&bytes, head, sizeof head);
	buf_append(&bytes, tail, count);
	print_base64url(text, (const unsigned char *)bytes.ptr, bytes.len);
	buf_finish(&bytes);
	buf_finish(&canonical);
}

static void check(struct query *query, struct str text)
{
	struct query_cursor cursor;
	struct arena arena;
	struct buf printed;

	arena_init(&arena, BYTES_MAX);
	buf_init(&printed, BYTES_MAX);
	if (cursor_parse(&cursor, query, text, &arena) == CURSOR_OK) {
		CHECK(cursor.id >= 1 && cursor.page >= 2);
		const struct event last = place(query, &cursor);
		query->page = cursor.page - 1;
		query_cursor_print(&printed, query, &last);
		CHECK(str_equal(buf_view(&printed), text));
		/* The same place in the other direction is another list. */
		query->descending = !query->descending;
		CHECK(cursor_parse(&cursor, query, text, &arena) == CURSOR_OTHER_QUERY);
	}
	buf_finish(&printed);
	arena_finish(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	struct buf text;

	if (count == 0)
		return 0;
	struct query query = list(bytes[0]);
	buf_init(&text, BYTES_MAX);
	if ((bytes[0] & 0x80) != 0)
		make(&text, &query, bytes + 1, count - 1);
	else
		buf_append(&text, bytes + 1, count - 1);
	check(&query, buf_view(&text));
	buf_finish(&text);
	return 0;
}
