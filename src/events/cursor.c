#include "events/cursor.h"

#include "base/hash.h"
#include "events/utf8.h"

/* The bytes inside: version, hash of the query, id, page, then the key: a number, or a title to the end. */
enum { VERSION = 1, NUMBER_BYTES = 8, HEAD_BYTES = 1 + 3 * NUMBER_BYTES, BYTES_MAX = HEAD_BYTES + CURSOR_KEY_BYTES_MAX };
#define PAGE_MAX INT64_C(1000000000000000)

_Static_assert(CURSOR_TEXT_BYTES_MAX >= (BYTES_MAX * 4 + 2) / 3, "the longest cursor has room");

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void print_base64url(struct buf *out, const unsigned char *bytes, size_t count)
{
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

/* Strict: no padding, no other characters, the unused bits of the last one zero. `bytes` has room for all of it. */
static bool parse_base64url(struct str text, unsigned char *bytes, size_t *count)
{
	uint32_t bits = 0;
	unsigned held = 0;

	*count = 0;
	for (size_t i = 0; i < text.len; i++) {
		const char *found = text.ptr[i] != '\0' ? strchr(alphabet, text.ptr[i]) : NULL;
		if (found == NULL)
			return false;
		bits = bits << 6 | (uint32_t)(found - alphabet);
		held += 6;
		if (held >= 8) {
			held -= 8;
			bytes[(*count)++] = (unsigned char)(bits >> held);
		}
	}
	return held < 6 && (bits & ((1u << held) - 1)) == 0;
}

static unsigned char *put_number(unsigned char *at, uint64_t number)
{
	for (int i = NUMBER_BYTES - 1; i >= 0; i--) {
		at[i] = (unsigned char)number;
		number >>= 8;
	}
	return at + NUMBER_BYTES;
}

static uint64_t get_number(const unsigned char *at)
{
	uint64_t number = 0;

	for (int i = 0; i < NUMBER_BYTES; i++)
		number = number << 8 | at[i];
	return number;
}

/* False without memory. */
static bool hash_query(const struct query *query, uint64_t *hash)
{
	struct query bare = *query;
	struct buf canonical;

	/* A cursor goes on through the same list, whatever the size of the pages. */
	bare.page = 1;
	bare.size = QUERY_SIZE_DEFAULT;
	bare.has_cursor = false;
	buf_init(&canonical, 8192);
	query_canonical(&canonical, &bare);
	bool done = !canonical.failed;
	*hash = hash_content(buf_view(&canonical));
	buf_finish(&canonical);
	return done;
}

static int64_t sort_number(const struct event *event, enum event_sort sort)
{
	switch (sort) {
	case SORT_EVENT_DATE: return event->event_date_us;
	case SORT_CREATED_AT: return event->created_at_us;
	case SORT_UPDATED_AT: return event->updated_at_us;
	case SORT_PRICE: return event->price_cents;
	case SORT_ID:
	case SORT_TITLE:
	case EVENT_SORT_COUNT: break;
	}
	return event->id;
}

void query_cursor_print(struct buf *out, const struct query *query, const struct event *last)
{
	unsigned char bytes[BYTES_MAX];
	unsigned char *end = bytes;
	uint64_t hash;

	if (!hash_query(query, &hash)) {
		out->failed = true;
		return;
	}
	*end++ = VERSION;
	end = put_number(end, hash);
	end = put_number(end, (uint64_t)last->id);
	end = put_number(end, (uint64_t)query->page + 1);
	if (query->sort == SORT_TITLE) {
		struct str key = utf8_prefix(last->title, CURSOR_KEY_BYTES_MAX);
		memcpy(end, key.ptr != NULL ? key.ptr : "", key.len);
		end += key.len;
	} else {
		end = put_number(end, (uint64_t)sort_number(last, query->sort));
	}
	print_base64url(out, bytes, (size_t)(end - bytes));
}

static bool read_key(struct query_cursor *cursor, enum event_sort sort, struct str key)
{
	if (sort == SORT_TITLE) {
		cursor->text = key;
		return utf8_valid(key) && (key.len == 0 || memchr(key.ptr, '\0', key.len) == NULL);
	}
	if (key.len != NUMBER_BYTES)
		return false;
	cursor->number = (int64_t)get_number((const unsigned char *)key.ptr);
	return sort != SORT_ID || cursor->number == cursor->id;
}

enum cursor_result cursor_parse(struct query_cursor *cursor, const struct query *query, struct str text,
                                struct arena *arena)
{
	unsigned char bytes[CURSOR_TEXT_BYTES_MAX];
	struct query_cursor read = {0};
	uint64_t hash;
	size_t count;

	if (text.len > CURSOR_TEXT_BYTES_MAX || !parse_base64url(text, bytes, &count) || count < HEAD_BYTES ||
	    count > BYTES_MAX || bytes[0] != VERSION)
		return CURSOR_INVALID;
	if (!hash_query(query, &hash))
		return CURSOR_OUT_OF_MEMORY;
	if (get_number(bytes + 1) != hash)
		return CURSOR_OTHER_QUERY;
	read.id = (int64_t)get_number(bytes + 1 + NUMBER_BYTES);
	read.page = (int64_t)get_number(bytes + 1 + 2 * NUMBER_BYTES);
	if (read.id < 1 || read.page < 2 || read.page > PAGE_MAX)
		return CURSOR_INVALID;
	if (!read_key(&read, query->sort, (struct str){(const char *)bytes + HEAD_BYTES, count - HEAD_BYTES}))
		return CURSOR_INVALID;
	if (query->sort == SORT_TITLE) {
		read.text = arena_str(arena, read.text);
		if (read.text.ptr == NULL)
			return CURSOR_OUT_OF_MEMORY;
	}
	*cursor = read;
	return CURSOR_OK;
}
