#include "cache/local.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/random.h"

enum {
	CHANGE_SLOT_BITS = 16,
	BODY_BYTES_MAX = 1 << 20,
	CACHE_SERIES = 0,
};

struct local_cache {
	struct table table;
	uint64_t ttl_ns;
	_Atomic uint64_t generation; /* grows when the cache is emptied */
	/* Of each slot the greatest seq of its events' changes. A slot lies within one shard, whose lock guards it. */
	uint64_t last_change[1 << CHANGE_SLOT_BITS];
};

/* One to one, so that equal hashes are equal ids (a bijection: odd multiplier, xor-shift). */
static uint64_t hash_id(int64_t id)
{
	uint64_t z = (uint64_t)id * 0x9e3779b97f4a7c15u;
	z ^= z >> 32;
	return z * 0xd6e8feb86659fd93u;
}

static uint64_t *change_slot(struct local_cache *cache, uint64_t hash)
{
	return &cache->last_change[hash >> (64 - CHANGE_SLOT_BITS)];
}

struct local_cache *local_create(size_t bytes_max, uint64_t ttl_ns)
{
	struct local_cache *cache = calloc(1, sizeof *cache);

	if (cache == NULL)
		return NULL;
	table_init(&cache->table, bytes_max, CACHE_SERIES);
	cache->ttl_ns = ttl_ns;
	return cache;
}

void local_destroy(struct local_cache *cache)
{
	if (cache == NULL)
		return;
	table_finish(&cache->table);
	free(cache);
}

void local_unref(void *entry)
{
	table_unref(entry);
}

size_t local_bytes(struct local_cache *cache)
{
	return table_bytes(&cache->table);
}

uint64_t local_generation(struct local_cache *cache)
{
	return atomic_load(&cache->generation);
}

void local_empty(struct local_cache *cache)
{
	/* Before the shards' locks are taken: a fill that comes after sees it, one that comes before is thrown out. */
	atomic_fetch_add(&cache->generation, 1);
	table_empty(&cache->table);
	for (size_t i = 0; i < ARRAY_LENGTH(cache->last_change); i++) {
		struct table_shard *shard = table_lock(&cache->table, (uint64_t)i << (64 - CHANGE_SLOT_BITS));
		cache->last_change[i] = 0;
		table_unlock(shard);
	}
}

/* Entries filled together must not expire together: up to a tenth of the time to live is taken off by chance. */
static uint64_t expiry(const struct local_cache *cache, uint64_t now_ns)
{
	uint64_t tenth = cache->ttl_ns / 10;

	return now_ns + cache->ttl_ns - (tenth > 0 ? random_fast_u64() % tenth : 0);
}

/* Where is_upcoming's value begins, from the body's end: the member's name cannot occur behind it unescaped. */
static uint16_t find_upcoming(struct str body)
{
	static const char name[] = "\"is_upcoming\":";
	enum { NAME_LEN = sizeof name - 1 };

	for (size_t at = body.len - NAME_LEN; at > 0; at--) {
		if (memcmp(body.ptr + at, name, NAME_LEN) == 0)
			return (uint16_t)(body.len - at - NAME_LEN);
	}
	CHECK(false);
	return 0;
}

static struct local_entry *entry_create(struct local_cache *cache, int64_t id, const struct event *event,
                                        uint64_t as_of, uint64_t now_ns, int64_t now_us)
{
	struct buf body;

	buf_init(&body, BODY_BYTES_MAX);
	if (event != NULL)
		event_json(&body, event, now_us);
	struct local_entry *entry = body.failed ? NULL : malloc(sizeof *entry + body.len);
	if (entry == NULL) {
		buf_finish(&body);
		return NULL;
	}
	memset(entry, 0, sizeof *entry);
	entry->table.hash = hash_id(id);
	entry->table.bytes = (uint32_t)(sizeof *entry + body.len);
	atomic_init(&entry->table.refs, 1);
	entry->id = id;
	entry->as_of = as_of;
	entry->filled_ns = now_ns;
	entry->expires_ns = expiry(cache, now_ns);
	if (event != NULL) {
		memcpy(entry->body, body.ptr, body.len);
		entry->body_len = (uint32_t)body.len;
		entry->upcoming_at = find_upcoming(buf_view(&body));
		entry->upcoming = event_is_upcoming(event, now_us);
		entry->etag = hash_content(buf_view(&body));
		entry->status = (uint8_t)event->status;
		entry->capacity = event->capacity;
		entry->price_cents = event->price_cents;
		entry->event_date_us = event->event_date_us;
	}
	buf_finish(&body);
	return entry;
}

/* The same entry for an event that has begun: `true` became `false`. */
static struct local_entry *entry_begun(const struct local_entry *entry)
{
	size_t at = entry->body_len - entry->upcoming_at;
	size_t rest = entry->upcoming_at - (sizeof "true" - 1);
	struct local_entry *begun = malloc(sizeof *begun + entry->body_len + 1);

	if (begun == NULL)
		return NULL;
	memcpy(begun, entry, sizeof *begun + at);
	memcpy(begun->body + at, "false", 5);
	memcpy(begun->body + at + 5, entry->body + entry->body_len - rest, rest);
	begun->body_len = entry->body_len + 1;
	begun->upcoming_at = (uint16_t)(entry->upcoming_at + 1);
	begun->upcoming = false;
	begun->etag = hash_content(local_body(begun));
	begun->table.bytes = entry->table.bytes + 1;
	atomic_init(&begun->table.refs, 1);
	return begun;
}

struct local_entry *local_get(struct local_cache *cache, int64_t id, uint64_t now_ns, int64_t now_us, bool stale_too)
{
	uint64_t hash = hash_id(id);
	struct table_shard *shard = table_lock(&cache->table, hash);
	struct local_entry *entry = (struct local_entry *)table_find(shard, hash, NULL, NULL);

	if (entry != NULL && entry->upcoming && entry->event_date_us <= now_us) {
		struct local_entry *begun = entry_begun(entry);
		if (begun == NULL || !table_put(&cache->table, shard, &begun->table, &entry->table)) {
			table_unlock(shard);
			return begun;
		}
		table_unref(&begun->table);
		entry = begun;
	}
	if (entry != NULL && (stale_too || now_ns < entry->expires_ns))
		table_ref(&entry->table);
	else
		entry = NULL;
	table_unlock(shard);
	return entry;
}

struct local_entry *local_fill(struct local_cache *cache, int64_t id, const struct event *event, uint64_t as_of,
                               uint64_t generation, uint64_t now_ns, int64_t now_us)
{
	struct local_entry *entry = entry_create(cache, id, event, as_of, now_ns, now_us);

	if (entry == NULL)
		return NULL;
	struct table_shard *shard = table_lock(&cache->table, entry->table.hash);
	struct local_entry *present = (struct local_entry *)table_find(shard, entry->table.hash, NULL, NULL);
	if (generation != local_generation(cache)) {
		; /* of another history, maybe */
	} else if (present != NULL && present->as_of > as_of) {
		table_ref(&present->table);
		table_unref(&entry->table);
		entry = present;
	} else if (*change_slot(cache, entry->table.hash) <= as_of && cache->ttl_ns > 0) {
		(void)table_put(&cache->table, shard, &entry->table, present != NULL ? &present->table : NULL);
	}
	table_unlock(shard);
	return entry;
}

void local_apply(struct local_cache *cache, const struct change *change, uint64_t now_ns, int64_t now_us)
{
	struct local_entry *entry = entry_create(cache, change->event_id, change->has_after ? &change->after : NULL,
	                                         change->seq, now_ns, now_us);
	uint64_t hash = hash_id(change->event_id);
	struct table_shard *shard = table_lock(&cache->table, hash);
	uint64_t *last = change_slot(cache, hash);

	if (change->seq > *last)
		*last = change->seq;
	struct table_entry *former = table_find(shard, hash, NULL, NULL);
	if (former != NULL && ((struct local_entry *)former)->as_of >= change->seq)
		; /* filled from a snapshot that held this change already */
	else if (entry != NULL && cache->ttl_ns > 0)
		(void)table_put(&cache->table, shard, &entry->table, former);
	else if (former != NULL)
		table_remove(&cache->table, shard, former);
	table_unlock(shard);
	table_unref(entry != NULL ? &entry->table : NULL);
}

struct local_entry *local_fill_current(struct local_cache *cache, const struct event *event, uint64_t as_of,
                                       uint64_t generation, uint64_t now_ns, int64_t now_us)
{
	struct local_entry *entry = entry_create(cache, event->id, event, as_of, now_ns, now_us);

	if (entry == NULL)
		return NULL;
	struct table_shard *shard = table_lock(&cache->table, entry->table.hash);
	struct table_entry *present = table_find(shard, entry->table.hash, NULL, NULL);
	bool current = generation == local_generation(cache) && *change_slot(cache, entry->table.hash) <= as_of &&
	               present == NULL;
	if (current && cache->ttl_ns > 0)
		(void)table_put(&cache->table, shard, &entry->table, NULL);
	table_unlock(shard);
	if (current)
		return entry;
	table_unref(&entry->table);
	return NULL;
}
