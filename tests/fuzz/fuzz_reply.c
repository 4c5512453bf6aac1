/* Replies of a hostile Redis: the same bytes at once and in small pieces give the same replies, bounded, or an error. */
#include "redis/reply.h"

#include "base/buf.h"

enum { ARENA_BYTES_MAX = 4 << 20 };

/* The reply as text, so that two can be compared; walks every element. */
static void print(struct buf *out, const struct redis_reply *reply)
{
	buf_printf(out, "%d:%lld:", (int)reply->type, (long long)reply->integer);
	buf_str(out, reply->text);
	for (size_t i = 0; i < reply->count; i++) {
		CHECK(reply->elements[i] != NULL);
		print(out, reply->elements[i]);
	}
	buf_char(out, ';');
}

static void read_all(struct buf *out, const uint8_t *bytes, size_t count, size_t step)
{
	struct reply_reader *reader = reply_reader_create();
	enum reply_progress progress = REPLY_INCOMPLETE;
	struct arena arena;

	CHECK(reader != NULL);
	arena_init(&arena, ARENA_BYTES_MAX);
	reply_reader_begin(reader, &arena);
	for (size_t i = 0; i < count && progress == REPLY_INCOMPLETE; i += step) {
		struct redis_reply *reply;
		progress = reply_reader_feed(reader, bytes + i, step < count - i ? step : count - i);
		while (progress == REPLY_READY && (progress = reply_reader_next(reader, &reply)) == REPLY_READY)
			print(out, reply);
	}
	buf_printf(out, "%d", (int)progress);
	reply_reader_destroy(reader);
	arena_finish(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	struct buf whole, pieces;

	buf_init(&whole, 16 << 20);
	buf_init(&pieces, 16 << 20);
	read_all(&whole, bytes, count, count + 1);
	read_all(&pieces, bytes, count, 3);
	CHECK(str_equal(buf_view(&whole), buf_view(&pieces)));
	buf_finish(&whole);
	buf_finish(&pieces);
	return 0;
}
