/* How the relay recovers: where do log, stream and channels stand, and what of the log cannot be had any more? On the
 * relay's thread, with the lock held. */
#include "feed/relay_parts.h"

#include "base/log.h"

/* ---- gaps ---- */

/* The change before the oldest that the log still has behind `after`. */
static enum step find_oldest(struct relay *relay, uint64_t after, uint64_t *before_oldest)
{
	const struct store_audit_filter all = {0};
	struct change *changes;
	size_t count;
	uint64_t as_of;
	struct arena arena;

	arena_init(&arena, RELAY_BATCH_BYTES_MAX);
	relay_bound(relay);
	enum store_result result = store_audit(relay->session, &all, after, 1, &arena, &changes, &count, &as_of);
	if (result == STORE_OK)
		*before_oldest = count == 1 ? changes[0].seq - 1 : as_of;
	arena_finish(&arena);
	return relay_judge_store(relay, result);
}

/* Leaves the stream a word about the changes behind its end up to `to`, which it will not get. */
static enum step skip_in_stream(struct relay *relay, uint64_t to, const char *why)
{
	struct outlet_tail tail;
	uint64_t from = relay->streamed + 1;

	if (to < from)
		return STEP_MORE;
	struct log_field fields[] = {LOG_INTEGER("from_seq", from), LOG_INTEGER("to_seq", to)};
	log_line(LOG_WARNING, "relay", fields, ARRAY_LENGTH(fields), "the stream goes without changes %llu to %llu: %s",
	         (unsigned long long)from, (unsigned long long)to, why);
	outlet_begin(relay->outlet);
	outlet_add_gap(relay->outlet, from, to);
	enum step step = relay_judge_outlet(relay, outlet_commit(relay->outlet, &tail, NULL, NULL));
	if (step == STEP_MORE)
		relay->streamed = to;
	return step;
}

/* The log begins behind what stream or channels would need next. */
enum step relay_skip_pruned(struct relay *relay, uint64_t after)
{
	uint64_t before_oldest = after, published = atomic_load(&relay->published);

	enum step step = find_oldest(relay, after, &before_oldest);
	if (step == STEP_MORE)
		step = skip_in_stream(relay, before_oldest, "they were pruned");
	if (step != STEP_MORE || published >= before_oldest)
		return step;
	log_error("relay", "changes %llu to %llu were pruned before they were published", (unsigned long long)published + 1,
	          (unsigned long long)before_oldest);
	relay_set_published(relay, before_oldest);
	return STEP_MORE;
}

/* ---- looking where everything stands ---- */

/* The stream's last entry tells of the same change as the log: by its time, to the microsecond. */
static enum step compare(struct relay *relay, const struct outlet_tail *tail, bool *same)
{
	struct change *changes;
	size_t count;
	uint64_t head;
	struct arena arena;
	struct buf message;

	*same = true;
	if (tail->seq == 0 || tail->payload.ptr == NULL)
		return STEP_MORE;
	arena_init(&arena, RELAY_BATCH_BYTES_MAX);
	buf_init(&message, 1 << 20);
	relay_bound(relay);
	enum store_result result = store_changes_after(relay->session, tail->seq - 1, 1, &arena, &changes, &count, &head);
	if (result == STORE_OK) {
		if (count == 1)
			change_json_message(&message, &changes[0]);
		struct str wanted = buf_view(&message);
		const char *time = wanted.len > 0 ? memmem(wanted.ptr, wanted.len, "\"occurred_at\"", 13) : NULL;
		const char *end = time != NULL ? memchr(time, ',', (size_t)(wanted.ptr + wanted.len - time)) : NULL;
		*same = end == NULL || memmem(tail->payload.ptr, tail->payload.len, time, (size_t)(end - time)) != NULL;
	}
	buf_finish(&message);
	arena_finish(&arena);
	return result == STORE_PRUNED ? STEP_MORE : relay_judge_store(relay, result);
}

/* The database lost commits, or another one is used: what the stream tells never happened here. */
static enum step set_aside(struct relay *relay, uint64_t seq, uint64_t head)
{
	log_error("relay", "the stream (up to %llu) does not tell what the change log (up to %llu) does: it is renamed to "
	          OUTLET_STREAM ":forked, and filled anew", (unsigned long long)seq, (unsigned long long)head);
	enum step step = relay_judge_outlet(relay, outlet_set_aside(relay->outlet));
	return step == STEP_MORE ? STEP_LOOK : step;
}

static enum step prepare_refill(struct relay *relay)
{
	uint64_t published = atomic_load(&relay->published), entries_max = relay->options.entries_max;

	if (relay->streamed >= published)
		return STEP_MORE;
	log_warning("relay", "the stream ends at change %llu, %llu were relayed: it is filled again from the change log",
	            (unsigned long long)relay->streamed, (unsigned long long)published);
	if (published - relay->streamed <= entries_max)
		return STEP_MORE;
	return skip_in_stream(relay, published - entries_max, "it keeps no more than STREAM_ENTRIES_MAX");
}

/* With the lock held. The order matters: the head is read after the stream's end, so that it cannot lie before it. */
enum step relay_look(struct relay *relay)
{
	struct outlet_tail tail;
	struct store_head head;
	uint64_t position;
	bool same;

	relay->batches[1].count = 0; /* what was read before may have been of another history */
	enum step step = relay_hold_lock(relay);
	if (step == STEP_MORE)
		step = relay_record(relay);
	if (step == STEP_MORE)
		step = relay_judge_outlet(relay, outlet_look(relay->outlet, &tail));
	if (step == STEP_MORE)
		step = relay_judge_store(relay, store_head(relay->session, &head));
	if (step == STEP_MORE)
		step = relay_judge_store(relay, store_relay_position(relay->session, &position));
	if (step != STEP_MORE)
		return step;
	step = tail.seq <= head.seq ? compare(relay, &tail, &same) : STEP_MORE;
	if (step != STEP_MORE)
		return step;
	if (tail.seq > head.seq || !same)
		return set_aside(relay, tail.seq, head.seq);
	relay->streamed = tail.seq;
	relay->recorded = position;
	atomic_store(&relay->head, head.seq);
	relay_set_published(relay, position);
	return prepare_refill(relay);
}
