/* The store contract, over one backend: test_store sqlite|postgres. */
#include <stdio.h>

#include "world.h"

enum { SKIPPED = 77 };

int main(int count, char **arguments)
{
	const char *backend = count > 1 ? arguments[1] : "sqlite";

	if (!world_choose(backend)) {
		fprintf(stderr, "%s: not available here (PostgreSQL needs EVENTLY_TEST_DATABASE_URL)\n", backend);
		return SKIPPED;
	}
	int failed = run_life_tests() + run_write_tests() + run_list_tests() + run_log_tests() + run_follow_tests()
		+ run_concurrency_tests() + run_full_tests();
	world_finish();
	return failed == 0 ? 0 : 1;
}
