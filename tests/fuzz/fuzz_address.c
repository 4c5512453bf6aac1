/* Whatever stands in REDIS_URL gives an address within its bounds, or one line that says what is wrong. */
#include "redis/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	struct redis_address address;
	struct arena arena;
	struct buf problem;

	arena_init(&arena, 1 << 20);
	buf_init(&problem, 1024);
	if (redis_address_parse(&address, (struct str){(const char *)bytes, count}, &arena, &problem)) {
		CHECK(problem.len == 0);
		CHECK(strlen(address.host) > 0 && strlen(address.host) <= count + sizeof "localhost");
		CHECK(strlen(address.user) + strlen(address.password) <= count);
		CHECK(address.port > 0 && address.port <= 65535 && address.database <= REDIS_DATABASE_MAX);
	} else {
		CHECK(problem.len > 0 && !problem.failed);
		CHECK(memchr(problem.ptr, '\n', problem.len) == NULL);
	}
	buf_finish(&problem);
	arena_finish(&arena);
	return 0;
}
