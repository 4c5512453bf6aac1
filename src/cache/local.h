/* L1 for events: finished JSON bodies by id, in the process, bounded by bytes.
 *
 * Filled by the lookup lane, refreshed by the follower with every change (write-through), read by the HTTP threads. An
 * entry is as good as `as_of`: the follower has applied every change it knows, so what stands here is current as long as
 * the instance holds its lease (cache/freshness.h). A fill that read its row before a change and comes after it loses:
 * both meet under the shard's lock, and the fill asks there for the last change of its event. */
#ifndef EVENTLY_CACHE_LOCAL_H
#define EVENTLY_CACHE_LOCAL_H

#include "cache/table.h"
#include "events/change.h"
#include "events/event.h"

struct local_cache;

struct local_entry {
	struct table_entry table;
	uint32_t body_len;      /* 0: known to be absent */
	uint16_t upcoming_at;   /* where `true` or `false` of is_upcoming stands in the body, from its end */
	uint8_t status;         /* enum event_status */
	bool upcoming;          /* as the body says */
	int32_t capacity;
	int64_t id;
	uint64_t as_of;
	uint64_t filled_ns;     /* monotonic */
	uint64_t expires_ns;    /* monotonic */
	uint64_t etag;
	int64_t event_date_us;
	int64_t price_cents;
	char body[];
};

/* NULL without memory. */
MUST_CHECK struct local_cache *local_create(size_t bytes_max, uint64_t ttl_ns);
void local_destroy(struct local_cache *cache);

/* The entry with a reference, or NULL. `stale_too` also gives one whose time to live is over (the database is away).
 * When an event has begun since, the body is exchanged for one that says so. */
struct local_entry *local_get(struct local_cache *cache, int64_t id, uint64_t now_ns, int64_t now_us, bool stale_too);
/* To be asked before the database is read: what was read before the cache was emptied is not kept after. */
uint64_t local_generation(struct local_cache *cache);
/* Makes an entry of what was read (event NULL: there is none) and keeps it, unless a change since as_of is known. Gives
 * the newest entry known, with a reference; NULL without memory. */
MUST_CHECK struct local_entry *local_fill(struct local_cache *cache, int64_t id, const struct event *event,
                                          uint64_t as_of, uint64_t generation, uint64_t now_ns, int64_t now_us);
/* As local_fill, of what was read elsewhere than in the database; NULL when a change since as_of is known, so that it must
 * be read from the database. */
MUST_CHECK struct local_entry *local_fill_current(struct local_cache *cache, const struct event *event, uint64_t as_of,
                                                  uint64_t generation, uint64_t now_ns, int64_t now_us);
/* A change of the log, in seq order: what stands here becomes its `after`. */
void local_apply(struct local_cache *cache, const struct change *change, uint64_t now_ns, int64_t now_us);
/* History forked: forgets every entry and every known change. */
void local_empty(struct local_cache *cache);
void local_unref(void *entry);
size_t local_bytes(struct local_cache *cache);

static inline struct str local_body(const struct local_entry *entry)
{
	return (struct str){entry->body, entry->body_len};
}

#endif
