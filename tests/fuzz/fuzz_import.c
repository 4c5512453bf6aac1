/* An import is the same however its bytes are cut, counts every line once, and writes nothing when a line is bad and all
 * or nothing was asked for. First byte: format and mode; second: the size of the pieces. */
#include "base/hash.h"
#include "store/backend.h"
#include "store/import.h"

static uint64_t written_hash;
static size_t written_count;

static enum store_result apply(struct store_session *session, struct store_write *writes, size_t count,
                               bool all_or_nothing, int64_t now_us, struct arena *arena)
{
	(void)session, (void)all_or_nothing, (void)now_us, (void)arena;
	for (size_t i = 0; i < count; i++) {
		const struct event *event = &writes[i].patch->event;
		written_hash = written_hash * 31 + hash_content(event->title);
		written_hash = written_hash * 31 + hash_content(event->description);
		written_hash = written_hash * 31 + (uint64_t)event->event_date_us;
		written_count++;
		writes[i].outcome = WRITE_APPLIED;
		writes[i].change.seq = written_count;
	}
	return STORE_OK;
}

static const struct store_backend backend = {.kind = "fake", .apply = apply};
static struct store store = {&backend};

static struct import *run(const struct import_options *options, struct str text, size_t piece)
{
	struct store_session session = {.store = &store};
	struct import *import = import_create(options);

	CHECK(import != NULL);
	written_hash = 0;
	written_count = 0;
	while (text.len > 0) {
		struct str bytes = {text.ptr, text.len < piece ? text.len : piece};
		if (!import_feed(import, bytes))
			break;
		text = str_skip(text, bytes.len);
	}
	import_finish(import, &session, 1);
	const struct import_report *report = import_report(import);
	CHECK(report->written == written_count);
	CHECK(report->written + report->failed <= report->lines);
	CHECK(options->partial || report->failed == 0 || report->written == 0);
	CHECK(report->result != IMPORT_OK || report->written + report->failed == report->lines);
	struct buf json;
	buf_init(&json, 16 << 20);
	import_report_json(&json, report);
	CHECK(!json.failed);
	buf_finish(&json);
	return import;
}

static void expect_same(const struct import_report *a, const struct import_report *b)
{
	CHECK(a->result == b->result && a->lines == b->lines && a->failed == b->failed && a->written == b->written);
	CHECK(a->error_count == b->error_count);
	for (size_t i = 0; i < a->error_count; i++)
		CHECK(a->errors[i].line == b->errors[i].line && str_equal(a->errors[i].issues, b->errors[i].issues));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	if (count < 2)
		return 0;
	const struct import_options options = {.format = (bytes[0] & 1) != 0 ? IMPORT_CSV : IMPORT_NDJSON,
	                                       .partial = (bytes[0] & 2) != 0,
	                                       .actor_id = 1,
	                                       .memory_bytes_max = 1 << 20};
	struct str text = {(const char *)bytes + 2, count - 2};
	struct import *whole = run(&options, text, text.len + 1);
	uint64_t whole_hash = written_hash;
	struct import *pieces = run(&options, text, 1 + bytes[1] % 64);
	CHECK(whole_hash == written_hash);
	expect_same(import_report(whole), import_report(pieces));
	import_destroy(whole);
	import_destroy(pieces);
	return 0;
}
