/* Values that somebody wrote to Redis. They are sealed first, as a forger cannot: what is accepted
 * prints back to the same bytes, and an event inside is read or refused. */
#include "cache/envelope.h"
#include "events/event.h"

enum { HISTORY = 7 };

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
	unsigned char seal[ENVELOPE_SEAL_BYTES];
	envelope_seal(buf_view(&value), HISTORY, seal);
	buf_append(&value, seal, sizeof seal);
	if (envelope_parse(&envelope, buf_view(&value), HISTORY)) {
		if (event_from_stored(&event, envelope.body, &arena))
			CHECK(event.title.ptr != NULL && event.venue.ptr != NULL);
		envelope_print(&again, &envelope);
		/* Bytes 5 to 7 are spare: printed as 0, not looked at. */
		memcpy(again.ptr + 5, value.ptr + 5, 3);
		envelope_seal((struct str){again.ptr, again.len - ENVELOPE_SEAL_BYTES}, HISTORY,
			      (unsigned char *)again.ptr + again.len - ENVELOPE_SEAL_BYTES);
		CHECK(again.len == value.len && memcmp(again.ptr, value.ptr, value.len) == 0);
	}
	buf_finish(&value);
	buf_finish(&again);
	arena_finish(&arena);
	return 0;
}
