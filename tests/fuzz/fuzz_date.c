/* Whatever is accepted as a time lies in the years 1970–9999, and prints back to the same µs. */
#include "base/check.h"
#include "events/timestamp.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	int64_t us, back;
	struct buf out;

	enum timestamp_result result = timestamp_parse((struct str){(const char *)bytes, count}, &us);
	if (result == TIMESTAMP_MALFORMED)
		return 0;
	CHECK((result == TIMESTAMP_OK) == (us >= 0 && us <= TIMESTAMP_MAX_US));
	if (result != TIMESTAMP_OK)
		return 0;
	buf_init(&out, 100);
	timestamp_print(&out, us);
	CHECK(timestamp_parse(buf_view(&out), &back) == TIMESTAMP_OK && back == us);
	buf_clear(&out);
	timestamp_print_offset(&out, us);
	CHECK(timestamp_parse(buf_view(&out), &back) == TIMESTAMP_OK && back == us);
	buf_clear(&out);
	timestamp_print_ical(&out, us);
	CHECK(out.len == sizeof "20270301T193000Z" - 1);
	buf_finish(&out);
	return 0;
}
