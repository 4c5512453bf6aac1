#include "auth/limiter.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/hash.h"

enum {
	NOBODY = LIMITER_SHARD_BUCKETS, /* no bucket: the end of a list */
	DEBT_SIZES = 2,                 /* a shared bucket may be owed once its size */
};

struct bucket {
	uint64_t full_at_ns;
	uint64_t hash;
	uint16_t chained;      /* the next of the same slot */
	uint16_t older, newer; /* by use */
	uint16_t next_used;    /* of the shard's list of uses */
	bool is_used;          /* it stands there */
	uint32_t taken;        /* since it was collected last */
	unsigned char key_len;
	char key[LIMITER_KEY_BYTES_MAX];
};

struct shard {
	pthread_mutex_t lock;
	unsigned used;           /* buckets[0 … used-1] belong to keys */
	uint16_t newest, oldest; /* by use */
	uint16_t used_first;     /* buckets that something was taken from; NOBODY: none */
	uint16_t slots[LIMITER_SHARD_BUCKETS];
	struct bucket buckets[LIMITER_SHARD_BUCKETS];
};

struct limiter {
	_Atomic(struct limiter_rate) rate; /* 8 bytes: no lock */
	bool is_shared;
	atomic_bool is_used; /* something is to be collected */
	sem_t used;
	struct shard shards[LIMITER_SHARDS];
};

bool limiter_rate_parse(struct limiter_rate *rate, struct str text, struct buf *problem)
{
	struct str rest = text, count_text;
	uint64_t count = 0, seconds = 0;

	*rate = (struct limiter_rate){0};
	if (text.len == 0)
		return true;
	bool read = str_cut(&rest, '/', &count_text) && str_to_u64(count_text, LIMITER_COUNT_MAX, &count) &&
	            str_to_u64(rest, LIMITER_SECONDS_MAX, &seconds);
	if (!read || count == 0 || seconds == 0) {
		buf_printf(problem, "RATE_LIMIT is %.*s: COUNT/SECONDS is needed, 1–%d and 1–%d, as in 600/60; or nothing",
		           STR_ARG(text), LIMITER_COUNT_MAX, LIMITER_SECONDS_MAX);
		return false;
	}
	*rate = (struct limiter_rate){(unsigned)count, (unsigned)seconds};
	return true;
}

struct limiter *limiter_create(struct limiter_rate rate)
{
	struct limiter *limiter = calloc(1, sizeof *limiter);

	if (limiter == NULL)
		return NULL;
	atomic_init(&limiter->rate, rate);
	CHECK(sem_init(&limiter->used, 0, 0) == 0);
	for (size_t i = 0; i < LIMITER_SHARDS; i++) {
		struct shard *shard = &limiter->shards[i];
		CHECK(pthread_mutex_init(&shard->lock, NULL) == 0);
		shard->newest = shard->oldest = shard->used_first = NOBODY;
		for (size_t j = 0; j < LIMITER_SHARD_BUCKETS; j++)
			shard->slots[j] = NOBODY;
	}
	return limiter;
}

void limiter_destroy(struct limiter *limiter)
{
	if (limiter == NULL)
		return;
	for (size_t i = 0; i < LIMITER_SHARDS; i++)
		pthread_mutex_destroy(&limiter->shards[i].lock);
	sem_destroy(&limiter->used);
	free(limiter);
}

void limiter_set_rate(struct limiter *limiter, struct limiter_rate rate)
{
	atomic_store(&limiter->rate, rate);
}

static uint16_t *slot_of(struct shard *shard, uint64_t hash)
{
	return &shard->slots[hash % LIMITER_SHARD_BUCKETS];
}

static uint16_t find(struct shard *shard, uint64_t hash, struct str key)
{
	uint16_t index = *slot_of(shard, hash);

	while (index != NOBODY) {
		const struct bucket *bucket = &shard->buckets[index];
		if (bucket->hash == hash && str_equal((struct str){bucket->key, bucket->key_len}, key))
			break;
		index = bucket->chained;
	}
	return index;
}

static void leave_use_list(struct shard *shard, uint16_t index)
{
	struct bucket *bucket = &shard->buckets[index];

	*(bucket->newer != NOBODY ? &shard->buckets[bucket->newer].older : &shard->newest) = bucket->older;
	*(bucket->older != NOBODY ? &shard->buckets[bucket->older].newer : &shard->oldest) = bucket->newer;
}

static void become_newest(struct shard *shard, uint16_t index)
{
	struct bucket *bucket = &shard->buckets[index];

	bucket->newer = NOBODY;
	bucket->older = shard->newest;
	*(shard->newest != NOBODY ? &shard->buckets[shard->newest].newer : &shard->oldest) = index;
	shard->newest = index;
}

static void leave_chain(struct shard *shard, uint16_t index)
{
	uint16_t *link = slot_of(shard, shard->buckets[index].hash);

	while (*link != index)
		link = &shard->buckets[*link].chained;
	*link = shard->buckets[index].chained;
}

/* A full bucket for a new key: a free one, or the least recently used. */
static uint16_t begin(struct shard *shard, uint64_t hash, struct str key)
{
	uint16_t index = shard->oldest, *slot = slot_of(shard, hash);

	if (shard->used < LIMITER_SHARD_BUCKETS) {
		index = (uint16_t)shard->used++;
	} else {
		leave_chain(shard, index);
		leave_use_list(shard, index);
	}
	struct bucket *bucket = &shard->buckets[index];
	*bucket = (struct bucket){.hash = hash, .chained = *slot, .key_len = (unsigned char)key.len,
	                          .is_used = bucket->is_used, .next_used = bucket->next_used};
	memcpy(bucket->key, key.ptr, key.len);
	*slot = index;
	become_newest(shard, index);
	return index;
}

static uint64_t up_to_seconds(uint64_t ns)
{
	return (ns + CLOCK_SECOND - 1) / CLOCK_SECOND;
}

/* Each request moves the time of being full by one interval; it may lie `count` intervals ahead. */
static bool take(struct bucket *bucket, struct limiter_rate rate, unsigned sizes_max, uint64_t now_ns,
                 unsigned *remaining, unsigned *reset_s)
{
	uint64_t interval_ns = rate.seconds * CLOCK_SECOND / rate.count, size_ns = interval_ns * rate.count;
	uint64_t missing_ns = bucket->full_at_ns > now_ns ? bucket->full_at_ns - now_ns : 0;

	if (missing_ns > size_ns * sizes_max)
		missing_ns = size_ns * sizes_max; /* the rate was changed */
	bool taken = missing_ns + interval_ns <= size_ns;
	if (taken)
		missing_ns += interval_ns;
	bucket->full_at_ns = now_ns + missing_ns;
	*remaining = missing_ns < size_ns ? (unsigned)((size_ns - missing_ns) / interval_ns) : 0;
	*reset_s = (unsigned)up_to_seconds(taken ? missing_ns : missing_ns + interval_ns - size_ns);
	return taken;
}

/* Under the shard's lock. */
static void note_use(struct limiter *limiter, struct shard *shard, uint16_t index)
{
	struct bucket *bucket = &shard->buckets[index];

	bucket->taken++;
	if (bucket->is_used)
		return;
	bucket->is_used = true;
	bucket->next_used = shard->used_first;
	shard->used_first = index;
	if (!atomic_load_explicit(&limiter->is_used, memory_order_relaxed) && !atomic_exchange(&limiter->is_used, true))
		limiter_wake(limiter);
}

bool limiter_take(struct limiter *limiter, struct str key, uint64_t now_ns, unsigned *remaining, unsigned *reset_s)
{
	struct limiter_rate rate = atomic_load(&limiter->rate);
	uint64_t hash = hash_keyed(key);
	struct shard *shard = &limiter->shards[(hash >> 32) % LIMITER_SHARDS];

	CHECK(key.len <= LIMITER_KEY_BYTES_MAX);
	*remaining = UINT32_MAX;
	*reset_s = 0;
	if (rate.count == 0)
		return true;
	pthread_mutex_lock(&shard->lock);
	uint16_t index = find(shard, hash, key);
	if (index == NOBODY) {
		index = begin(shard, hash, key);
	} else {
		leave_use_list(shard, index);
		become_newest(shard, index);
	}
	bool taken = take(&shard->buckets[index], rate, limiter->is_shared ? DEBT_SIZES : 1, now_ns, remaining, reset_s);
	if (taken && limiter->is_shared)
		note_use(limiter, shard, index);
	pthread_mutex_unlock(&shard->lock);
	return taken;
}

void limiter_share(struct limiter *limiter)
{
	limiter->is_shared = true;
}

void limiter_wait_used(struct limiter *limiter)
{
	while (sem_wait(&limiter->used) != 0)
		CHECK(errno == EINTR);
}

void limiter_wake(struct limiter *limiter)
{
	(void)sem_post(&limiter->used);
}

size_t limiter_collect(struct limiter *limiter, struct limiter_use *uses, size_t max)
{
	size_t count = 0;

	atomic_store(&limiter->is_used, false);
	for (size_t i = 0; i < LIMITER_SHARDS && count < max; i++) {
		struct shard *shard = &limiter->shards[i];
		pthread_mutex_lock(&shard->lock);
		while (shard->used_first != NOBODY && count < max) {
			struct bucket *bucket = &shard->buckets[shard->used_first];
			shard->used_first = bucket->next_used;
			bucket->is_used = false;
			struct limiter_use *use = &uses[count];
			*use = (struct limiter_use){.key_len = bucket->key_len, .taken = bucket->taken};
			memcpy(use->key, bucket->key, bucket->key_len);
			bucket->taken = 0;
			count += use->taken > 0; /* nothing was taken since the bucket got another key */
		}
		pthread_mutex_unlock(&shard->lock);
	}
	if (count == max && !atomic_exchange(&limiter->is_used, true))
		limiter_wake(limiter);
	return count;
}

void limiter_learn(struct limiter *limiter, struct str key, uint64_t missing_ns, uint64_t now_ns)
{
	uint64_t hash = hash_keyed(key);
	struct shard *shard = &limiter->shards[(hash >> 32) % LIMITER_SHARDS];

	pthread_mutex_lock(&shard->lock);
	uint16_t index = find(shard, hash, key);
	if (index != NOBODY && shard->buckets[index].full_at_ns < now_ns + missing_ns)
		shard->buckets[index].full_at_ns = now_ns + missing_ns;
	pthread_mutex_unlock(&shard->lock);
}

struct limiter_rate limiter_rate(const struct limiter *limiter)
{
	return atomic_load(&limiter->rate);
}
