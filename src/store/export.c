#include "store/export.h"

#include "events/csv.h"

enum { CHUNK_BYTES = 65536, CHUNK_BYTES_MAX = 1 << 20 };

struct export {
	enum export_format format;
	int64_t now_us;
	export_write_fn *write;
	void *context;
	struct export_progress *progress;
	struct buf chunk;
	bool stopped;
};

static bool flush(struct export *export)
{
	if (export->chunk.len > 0 && !export->write(export->context, buf_view(&export->chunk))) {
		export->stopped = true;
		return false;
	}
	atomic_fetch_add_explicit(&export->progress->bytes, export->chunk.len, memory_order_relaxed);
	buf_clear(&export->chunk);
	return true;
}

static bool print_event(void *context, const struct event *event, int64_t total)
{
	struct export *export = context;

	atomic_store_explicit(&export->progress->total, (uint64_t)total, memory_order_relaxed);
	if (export->format == EXPORT_CSV) {
		csv_print_event(&export->chunk, event);
	} else {
		event_json(&export->chunk, event, export->now_us);
		buf_char(&export->chunk, '\n');
	}
	if (export->chunk.failed)
		return false;
	atomic_fetch_add_explicit(&export->progress->events, 1, memory_order_relaxed);
	return export->chunk.len < CHUNK_BYTES || flush(export);
}

enum store_result export_events(struct store_session *session, enum export_format format, int64_t now_us,
                                export_write_fn *write, void *context, struct export_progress *progress,
                                bool *stopped)
{
	struct export export = {format, now_us, write, context, progress, {0}, false};
	uint64_t as_of;

	buf_init(&export.chunk, CHUNK_BYTES_MAX);
	if (format == EXPORT_CSV)
		csv_print_header(&export.chunk);
	enum store_result result = store_each(session, print_event, &export, &as_of);
	if (result == STORE_OK && export.chunk.failed)
		result = STORE_OUT_OF_MEMORY;
	if (result == STORE_OK && !export.stopped)
		(void)flush(&export);
	buf_finish(&export.chunk);
	*stopped = export.stopped;
	return result;
}
