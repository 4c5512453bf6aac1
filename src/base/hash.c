#include "base/hash.h"

#include <xxhash.h>

#include "base/random.h"

static uint64_t seed;

__attribute__((constructor)) static void draw_seed(void)
{
	seed = random_u64();
}

uint64_t hash_content(struct str bytes)
{
	return XXH3_64bits(bytes.ptr, bytes.len);
}

uint64_t hash_keyed(struct str bytes)
{
	return XXH3_64bits_withSeed(bytes.ptr, bytes.len, seed);
}

uint64_t hash_keyed_u64(uint64_t value)
{
	uint64_t z = (value ^ seed) * 0x9e3779b97f4a7c15u;
	return z ^ (z >> 32);
}
