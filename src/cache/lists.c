#include "cache/lists.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/random.h"

enum { CACHE_SERIES = 1 };

struct list_cache {
	struct table table;
	uint64_t ttl_ns;
	_Atomic uint64_t generation; /* grows when the cache is emptied */
	_Atomic uint64_t last_change[EVENT_STATUS_COUNT]; /* the seq of the last change that touched the status */
};

struct list_cache *lists_create(size_t bytes_max, uint64_t ttl_ns)
{
	struct list_cache *cache = calloc(1, sizeof *cache);

	if (cache == NULL)
		return NULL;
	table_init(&cache->table, bytes_max, CACHE_SERIES);
	cache->ttl_ns = ttl_ns;
	return cache;
}

void lists_destroy(struct list_cache *cache)
{
	if (cache == NULL)
		return;
	table_finish(&cache->table);
	free(cache);
}

void lists_unref(void *entry)
{
	table_unref(entry);
}

size_t lists_bytes(struct list_cache *cache)
{
	return table_bytes(&cache->table);
}

static bool has_key(const struct table_entry *entry, const void *key)
{
	const struct list_entry *list = (const struct list_entry *)entry;

	return str_equal((struct str){list->bytes, list->key_len}, *(const struct str *)key);
}

bool lists_untouched(const struct list_cache *cache, unsigned statuses, uint64_t as_of)
{
	for (unsigned status = 0; status < EVENT_STATUS_COUNT; status++) {
		if ((statuses & EVENT_STATUS_BIT(status)) != 0 &&
		    atomic_load_explicit(&cache->last_change[status], memory_order_acquire) > as_of)
			return false;
	}
	return true;
}

static bool is_good(const struct list_cache *cache, const struct list_entry *list, uint64_t now_ns, int64_t now_us)
{
	return now_ns < list->expires_ns && now_us < list->valid_until_us &&
	       lists_untouched(cache, list->statuses, list->as_of);
}

struct list_entry *lists_get(struct list_cache *cache, struct str key, uint64_t now_ns, int64_t now_us, bool stale_too)
{
	uint64_t hash = hash_keyed(key);
	struct table_shard *shard = table_lock(&cache->table, hash);
	struct list_entry *list = (struct list_entry *)table_find(shard, hash, has_key, &key);

	if (list != NULL && (stale_too || is_good(cache, list, now_ns, now_us)))
		table_ref(&list->table);
	else
		list = NULL;
	table_unlock(shard);
	return list;
}

struct list_entry *lists_fill(struct list_cache *cache, struct str key, struct str body, unsigned statuses,
                              uint64_t as_of, int64_t valid_until_us, uint64_t generation, uint64_t now_ns)
{
	size_t bytes = sizeof(struct list_entry) + key.len + body.len;
	struct list_entry *list = malloc(bytes);
	uint64_t tenth = cache->ttl_ns / 10;

	if (list == NULL)
		return NULL;
	memset(list, 0, sizeof *list);
	list->table.hash = hash_keyed(key);
	list->table.bytes = (uint32_t)bytes;
	atomic_init(&list->table.refs, 1);
	list->key_len = (uint32_t)key.len;
	list->body_len = (uint32_t)body.len;
	list->statuses = statuses;
	list->as_of = as_of;
	list->filled_ns = now_ns;
	list->expires_ns = now_ns + cache->ttl_ns - (tenth > 0 ? random_fast_u64() % tenth : 0);
	list->valid_until_us = valid_until_us;
	list->etag = hash_content(body);
	memcpy(list->bytes, key.ptr, key.len);
	memcpy(list->bytes + key.len, body.ptr, body.len);
	if (cache->ttl_ns == 0)
		return list;
	struct table_shard *shard = table_lock(&cache->table, list->table.hash);
	struct list_entry *former = (struct list_entry *)table_find(shard, list->table.hash, has_key, &key);
	if (generation == lists_generation(cache) && (former == NULL || former->as_of <= as_of))
		(void)table_put(&cache->table, shard, &list->table, former != NULL ? &former->table : NULL);
	table_unlock(shard);
	return list;
}

static void touch(struct list_cache *cache, enum event_status status, uint64_t seq)
{
	if (atomic_load_explicit(&cache->last_change[status], memory_order_relaxed) < seq)
		atomic_store_explicit(&cache->last_change[status], seq, memory_order_release);
}

void lists_apply(struct list_cache *cache, const struct change *change)
{
	if (change->has_before)
		touch(cache, change->before.status, change->seq);
	if (change->has_after)
		touch(cache, change->after.status, change->seq);
}

uint64_t lists_generation(struct list_cache *cache)
{
	return atomic_load(&cache->generation);
}

void lists_empty(struct list_cache *cache)
{
	atomic_fetch_add(&cache->generation, 1); /* before the shards' locks are taken, as in local_empty */
	table_empty(&cache->table);
	for (unsigned status = 0; status < EVENT_STATUS_COUNT; status++)
		atomic_store(&cache->last_change[status], 0);
}
