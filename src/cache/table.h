/* A sharded hash table of counted entries, bounded by bytes: what both in-process caches are made of.
 *
 * An entry is embedded first in what it holds and comes from malloc. The table owns one reference; whoever is given an
 * entry owns another and gives it back with table_unref; the last one frees. When a shard is over its share, a hand walks
 * its buckets and takes what was not used since the hand's last visit (the CLOCK algorithm: F. Corbató, 1968), so an entry
 * needs no links for order. Any thread; a shard's mutex is held for a few loads and stores, never across I/O. */
#ifndef EVENTLY_CACHE_TABLE_H
#define EVENTLY_CACHE_TABLE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/check.h"

enum { TABLE_SHARD_BITS = 5, TABLE_SHARDS = 1 << TABLE_SHARD_BITS };

struct table_entry {
	struct table_entry *next; /* of its bucket */
	uint64_t hash;
	uint32_t bytes;           /* that it is accounted for: its allocation */
	atomic_uint refs;
	atomic_bool used;         /* since the hand came by */
};

struct table_shard {
	_Alignas(64) pthread_mutex_t lock;
	struct table_entry **buckets;
	size_t bucket_count; /* a power of two, or 0 before the first entry */
	size_t entry_count;
	size_t bytes;        /* of entries and buckets */
	size_t bytes_max;
	size_t hand;         /* next bucket to look at for eviction */
};

struct table {
	struct table_shard shards[TABLE_SHARDS];
	unsigned series; /* of METRIC_CACHE_BYTES and its sisters */
};

typedef bool table_match_fn(const struct table_entry *entry, const void *key);

void table_init(struct table *table, size_t bytes_max, unsigned series);
void table_finish(struct table *table);
/* Drops every entry (those in use live on until their last reference is gone). */
void table_empty(struct table *table);
size_t table_bytes(struct table *table);

/* The shard of a hash, locked; its top bits choose it. */
struct table_shard *table_lock(struct table *table, uint64_t hash);
void table_unlock(struct table_shard *shard);
/* Under the lock: the entry, without a reference. `match` may be NULL when equal hashes mean equal keys. */
struct table_entry *table_find(struct table_shard *shard, uint64_t hash, table_match_fn *match, const void *key);
/* Under the lock: puts `entry` (the table takes a reference of its own) in place of `former` (may be NULL), and makes
 * room. False when it is not kept: too large, or no memory for buckets; `former` is then gone all the same. */
bool table_put(struct table *table, struct table_shard *shard, struct table_entry *entry, struct table_entry *former);
void table_remove(struct table *table, struct table_shard *shard, struct table_entry *entry);

static inline void table_ref(struct table_entry *entry)
{
	atomic_fetch_add_explicit(&entry->refs, 1, memory_order_relaxed);
}
void table_unref(struct table_entry *entry);

#endif
