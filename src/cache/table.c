#include "cache/table.h"

#include <stdlib.h>

#include "base/metrics.h"

enum { FIRST_BUCKETS = 16, BUCKET_BYTES = sizeof(void *), MALLOC_OVERHEAD_BYTES = 8 };

void table_init(struct table *table, size_t bytes_max, unsigned series)
{
	table->series = series;
	for (size_t i = 0; i < TABLE_SHARDS; i++) {
		table->shards[i] = (struct table_shard){.bytes_max = bytes_max / TABLE_SHARDS};
		pthread_mutex_init(&table->shards[i].lock, NULL);
	}
}

void table_finish(struct table *table)
{
	table_empty(table);
	for (size_t i = 0; i < TABLE_SHARDS; i++)
		pthread_mutex_destroy(&table->shards[i].lock);
}

struct table_shard *table_lock(struct table *table, uint64_t hash)
{
	struct table_shard *shard = &table->shards[hash >> (64 - TABLE_SHARD_BITS)];

	pthread_mutex_lock(&shard->lock);
	return shard;
}

void table_unlock(struct table_shard *shard)
{
	pthread_mutex_unlock(&shard->lock);
}

void table_unref(struct table_entry *entry)
{
	if (entry != NULL && atomic_fetch_sub_explicit(&entry->refs, 1, memory_order_acq_rel) == 1)
		free(entry);
}

struct table_entry *table_find(struct table_shard *shard, uint64_t hash, table_match_fn *match, const void *key)
{
	if (shard->bucket_count == 0)
		return NULL;
	struct table_entry *entry = shard->buckets[hash & (shard->bucket_count - 1)];
	while (entry != NULL && (entry->hash != hash || (match != NULL && !match(entry, key))))
		entry = entry->next;
	if (entry != NULL && !atomic_load_explicit(&entry->used, memory_order_relaxed))
		atomic_store_explicit(&entry->used, true, memory_order_relaxed);
	return entry;
}

static void account(struct table *table, struct table_shard *shard, struct table_entry *entry, int sign)
{
	size_t bytes = entry->bytes + MALLOC_OVERHEAD_BYTES;

	shard->bytes = sign > 0 ? shard->bytes + bytes : shard->bytes - bytes;
	shard->entry_count = sign > 0 ? shard->entry_count + 1 : shard->entry_count - 1;
	metrics_gauge_add(METRIC_CACHE_BYTES, table->series, sign * (int64_t)bytes);
	metrics_gauge_add(METRIC_CACHE_ENTRIES, table->series, sign);
}

void table_remove(struct table *table, struct table_shard *shard, struct table_entry *entry)
{
	struct table_entry **link = &shard->buckets[entry->hash & (shard->bucket_count - 1)];

	while (*link != entry)
		link = &(*link)->next;
	*link = entry->next;
	account(table, shard, entry, -1);
	table_unref(entry);
}

static bool grow(struct table_shard *shard)
{
	size_t wanted = shard->bucket_count == 0 ? FIRST_BUCKETS : shard->bucket_count * 2;
	struct table_entry **buckets = calloc(wanted, BUCKET_BYTES);

	if (buckets == NULL)
		return shard->bucket_count > 0;
	for (size_t i = 0; i < shard->bucket_count; i++) {
		while (shard->buckets[i] != NULL) {
			struct table_entry *entry = shard->buckets[i];
			shard->buckets[i] = entry->next;
			entry->next = buckets[entry->hash & (wanted - 1)];
			buckets[entry->hash & (wanted - 1)] = entry;
		}
	}
	free(shard->buckets);
	shard->bytes += (wanted - shard->bucket_count) * BUCKET_BYTES;
	shard->buckets = buckets;
	shard->bucket_count = wanted;
	shard->hand = 0;
	return true;
}

/* Two rounds of the hand at most: the first clears the marks of all that is in use. */
static void make_room(struct table *table, struct table_shard *shard, const struct table_entry *keep)
{
	for (size_t steps = 0; shard->bytes > shard->bytes_max && steps < 2 * shard->bucket_count + 1; steps++) {
		struct table_entry *entry = shard->buckets[shard->hand];
		while (entry != NULL && shard->bytes > shard->bytes_max) {
			struct table_entry *next = entry->next;
			if (entry != keep && !atomic_exchange_explicit(&entry->used, false, memory_order_relaxed)) {
				table_remove(table, shard, entry);
				metrics_count(METRIC_CACHE_EVICTIONS, table->series, 1);
			}
			entry = next;
		}
		shard->hand = (shard->hand + 1) & (shard->bucket_count - 1);
	}
}

bool table_put(struct table *table, struct table_shard *shard, struct table_entry *entry, struct table_entry *former)
{
	if (former != NULL)
		table_remove(table, shard, former);
	if (entry->bytes > shard->bytes_max / 2)
		return false;
	if (shard->entry_count >= shard->bucket_count && !grow(shard))
		return false;
	struct table_entry **bucket = &shard->buckets[entry->hash & (shard->bucket_count - 1)];
	table_ref(entry);
	entry->next = *bucket;
	*bucket = entry;
	account(table, shard, entry, 1);
	make_room(table, shard, entry);
	return true;
}

void table_empty(struct table *table)
{
	for (size_t i = 0; i < TABLE_SHARDS; i++) {
		struct table_shard *shard = &table->shards[i];
		pthread_mutex_lock(&shard->lock);
		for (size_t bucket = 0; bucket < shard->bucket_count; bucket++) {
			while (shard->buckets[bucket] != NULL)
				table_remove(table, shard, shard->buckets[bucket]);
		}
		free(shard->buckets);
		shard->buckets = NULL;
		shard->bucket_count = 0;
		shard->bytes = 0;
		pthread_mutex_unlock(&shard->lock);
	}
}

size_t table_bytes(struct table *table)
{
	size_t bytes = 0;

	for (size_t i = 0; i < TABLE_SHARDS; i++) {
		pthread_mutex_lock(&table->shards[i].lock);
		bytes += table->shards[i].bytes;
		pthread_mutex_unlock(&table->shards[i].lock);
	}
	return bytes;
}
