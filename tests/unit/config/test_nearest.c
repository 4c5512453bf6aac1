/* Distances between names, and which name is meant. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "config/nearest.h"

static void test_distance(void **state)
{
	(void)state;
	assert_int_equal(nearest_distance("", ""), 0);
	assert_int_equal(nearest_distance("abc", ""), 3);
	assert_int_equal(nearest_distance("serve", "serve"), 0);
	assert_int_equal(nearest_distance("sevre", "serve"), 1);
	assert_int_equal(nearest_distance("kitten", "sitting"), 3);
	assert_int_equal(nearest_distance("REDIS_HOSTS", "REDIS_HOST"), 1);
	char longest[NEAREST_BYTES_MAX + 2];
	for (size_t i = 0; i <= NEAREST_BYTES_MAX; i++)
		longest[i] = 'a';
	longest[NEAREST_BYTES_MAX + 1] = '\0';
	assert_true(nearest_distance(longest, "a") == SIZE_MAX);
	longest[NEAREST_BYTES_MAX] = '\0';
	assert_int_equal(nearest_distance(longest, "a"), NEAREST_BYTES_MAX - 1);
}

static void test_name(void **state)
{
	static const char *const names[] = {"serve", "migrate", "import", "export", "completion"};

	(void)state;
	assert_string_equal(nearest_name("sevre", names, 5), "serve");
	assert_string_equal(nearest_name("migrat", names, 5), "migrate");
	assert_string_equal(nearest_name("comp1etoin", names, 5), "completion");
	assert_string_equal(nearest_name("compl", names, 5), "completion");
	assert_null(nearest_name("xyz", names, 5));
	assert_null(nearest_name("", names, 5));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_distance), cmocka_unit_test(test_name)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
