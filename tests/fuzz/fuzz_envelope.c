/* Values that somebody wrote to Redis. The hash is mended first, since a forger can compute it as well: what is accepted
 * prints back to the same bytes, and an event inside is read or refused. */
#include "cache/envelope.h"
#include "base/hash.h"
#include "events/event.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	struct envelope envelope;
	struct buf value, again;
	struct arena arena;
	struct event event;

	buf_init(&value, 1 << 20);
	buf_init(&again, 1 << 20);
	arena_init(&arena, 1 << 20);
	buf_append(&value, bytes, count);
	uint64_t hash = hash_content(buf_view(&value));
	buf_append(&value, &hash, sizeof hash);
	if (envelope_parse(&envelope, buf_view(&value))) {
		if (event_from_stored(&event, envelope.body, &arena))
			CHECK(event.title.ptr != NULL && event.venue.ptr != NULL);
		envelope_print(&again, &envelope);
		/* Bytes 5 to 7 are spare: printed as 0, not looked at. */
		memcpy(again.ptr + 5, value.ptr + 5, 3);
		CHECK(again.len == value.len && memcmp(again.ptr, value.ptr, value.len - sizeof hash) == 0);
	}
	buf_finish(&value);
	buf_finish(&again);
	arena_finish(&arena);
	return 0;
}
