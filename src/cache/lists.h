/* L1 for lists: finished JSON bodies by canonical query.
 *
 * A list is good while no change has touched a status that it could show since its snapshot (as_of), no event on it has
 * begun, its time to live is not over, and the instance holds its lease. The follower reports changes by status; nothing
 * is removed then, a list is judged when it is asked for. */
#ifndef EVENTLY_CACHE_LISTS_H
#define EVENTLY_CACHE_LISTS_H

#include "base/str.h"
#include "cache/table.h"
#include "events/change.h"

struct list_cache;

struct list_entry {
	struct table_entry table;
	uint32_t key_len, body_len;
	unsigned statuses;       /* that it could show */
	uint64_t as_of;
	uint64_t filled_ns;      /* monotonic */
	uint64_t expires_ns;     /* monotonic */
	int64_t valid_until_us;  /* wall: when an event on it begins; INT64_MAX if none will */
	uint64_t etag;
	char bytes[];            /* key, then body */
};

MUST_CHECK struct list_cache *lists_create(size_t bytes_max, uint64_t ttl_ns);
void lists_destroy(struct list_cache *cache);
/* With a reference, or NULL. `stale_too` gives any that is there (the database is away). */
struct list_entry *lists_get(struct list_cache *cache, struct str key, uint64_t now_ns, int64_t now_us, bool stale_too);
/* To be asked before the database is read: what was read before the cache was emptied is not kept after. */
uint64_t lists_generation(struct list_cache *cache);
/* Keeps the body under the key; gives the entry with a reference, NULL without memory. */
MUST_CHECK struct list_entry *lists_fill(struct list_cache *cache, struct str key, struct str body, unsigned statuses,
                                         uint64_t as_of, int64_t valid_until_us, uint64_t generation, uint64_t now_ns);
/* Whether no change behind as_of has touched any of the statuses. */
bool lists_untouched(const struct list_cache *cache, unsigned statuses, uint64_t as_of);
/* A change of the log, in seq order. */
void lists_apply(struct list_cache *cache, const struct change *change);
void lists_empty(struct list_cache *cache);
void lists_unref(void *entry);
size_t lists_bytes(struct list_cache *cache);

static inline struct str lists_body(const struct list_entry *entry)
{
	return (struct str){entry->bytes + entry->key_len, entry->body_len};
}

#endif
