#include "base/random.h"

#include <errno.h>
#include <sys/random.h>

#include "base/check.h"

void random_bytes(void *bytes, size_t count)
{
	char *next = bytes;

	while (count > 0) {
		ssize_t got = getrandom(next, count, 0);
		if (got < 0) {
			CHECK(errno == EINTR);
			continue;
		}
		next += got;
		count -= (size_t)got;
	}
}

uint64_t random_u64(void)
{
	uint64_t value;

	random_bytes(&value, sizeof value);
	return value;
}

/* splitmix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014) over a random start. */
uint64_t random_fast_u64(void)
{
	static _Thread_local uint64_t state;

	if (state == 0)
		state = random_u64();
	uint64_t z = (state += 0x9e3779b97f4a7c15u);
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}
