/* Places of servers, and the slots of keys: vectors of the Redis Cluster specification. */
#include "unit/test.h"

#include "redis/place.h"

static void slots(void **state)
{
	(void)state;
	assert_int_equal(redis_slot(STR("123456789")), 0x31c3);
	assert_int_equal(redis_slot(STR("")), 0);
	assert_int_equal(redis_slot(STR("{user1000}.following")), redis_slot(STR("user1000")));
	assert_int_equal(redis_slot(STR("{user1000}.following")), redis_slot(STR("x{user1000}y{z}")));
	assert_int_equal(redis_slot(STR("foo{{bar}}zap")), redis_slot(STR("{bar")));
	assert_int_not_equal(redis_slot(STR("foo{}{bar}")), redis_slot(STR("bar")));
	assert_int_equal(redis_slot(STR("foo")), 12182);
	assert_int_equal(redis_slot(STR("{evently:events:stream}:forked")), redis_slot(STR("evently:events:stream")));
}

static void places(void **state)
{
	struct redis_place place;

	(void)state;
	assert_true(redis_place_parse(&place, STR("cache.example:6379")));
	assert_string_equal(place.host, "cache.example");
	assert_int_equal(place.port, 6379);
	assert_true(redis_place_parse(&place, STR("[::1]:7000")));
	assert_string_equal(place.host, "::1");
	assert_true(redis_place_parse(&place, STR("::1:7000")));
	assert_string_equal(place.host, "::1");
	static const char *const bad[] = {"", ":", "host", ":1", "host:", "host:0", "host:65536", "host:x", "host:1 "};
	for (size_t i = 0; i < ARRAY_LENGTH(bad); i++)
		assert_false(redis_place_parse(&place, str_from(bad[i])));
	char longest[300] = {0};
	memset(longest, 'a', sizeof longest - 1);
	memcpy(longest + 256, ":1", 3);
	assert_false(redis_place_parse(&place, str_from(longest)));
	memcpy(longest + 255, ":1", 3);
	assert_true(redis_place_parse(&place, str_from(longest)));
}

static void lists(void **state)
{
	struct str list = STR("a:1, b:2,nonsense,[::1]:3");
	struct redis_place place;

	(void)state;
	assert_true(redis_place_next(&list, &place) && place.port == 1);
	assert_true(redis_place_next(&list, &place) && place.port == 2);
	assert_string_equal(place.host, "b");
	assert_true(redis_place_next(&list, &place) && place.port == 3);
	assert_false(redis_place_next(&list, &place));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(slots), cmocka_unit_test(places), cmocka_unit_test(lists)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
