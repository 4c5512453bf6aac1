/* A disk that is full: nothing is written, reading goes on, and with room all is as before. */
#include "world.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>

static rlim_t size_of(const char *name)
{
	struct stat about;
	char path[256];

	snprintf(path, sizeof path, "%s/%s", world_folder(), name);
	return stat(path, &about) == 0 ? (rlim_t)about.st_size : 0;
}

/* Writes until the limit refuses; the limit leaves room for `spare` bytes in the larger of the store's two files. */
static void fill_up(struct world *world, rlim_t spare)
{
	rlim_t log = size_of("evently.db-wal"), database = size_of("evently.db");
	struct rlimit unlimited, limit;
	struct patch patch = event_patch("Full", "Blue Hall", NOW_US + DAY_US, EVENT_PUBLISHED);
	struct store_write writes[20];
	enum store_result result = STORE_OK;
	struct store_head before, after;

	assert_int_equal(0, getrlimit(RLIMIT_FSIZE, &unlimited));
	limit = unlimited;
	limit.rlim_cur = (log > database ? log : database) + spare;
	for (size_t i = 0; i < ARRAY_LENGTH(writes); i++)
		writes[i] = write_create(&patch);
	assert_int_equal(0, setrlimit(RLIMIT_FSIZE, &limit));
	for (int i = 0; i < 2000 && result == STORE_OK; i++) {
		assert_ok(world->session, store_head(world->session, &before));
		result = store_apply(world->session, writes, ARRAY_LENGTH(writes), false, NOW_US, &world->arena);
	}
	assert_result(STORE_FULL, world->session, result);
	for (size_t i = 0; i < ARRAY_LENGTH(writes); i++)
		assert_int_equal(WRITE_PENDING, writes[i].outcome);
	assert_ok(world->session, store_head(world->session, &after));
	assert_int_equal(before.seq, after.seq);
	assert_verified(world);
	assert_int_equal(0, setrlimit(RLIMIT_FSIZE, &unlimited));
}

static void a_full_disk_refuses_and_heals(void **state)
{
	struct world *world = *state;

	if (!world_is_sqlite())
		skip();
	/* What the kernel then gives (EFBIG) stands for ENOSPC, which needs a disk of its own. */
	void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
	for (rlim_t spare = 0; spare < 60000; spare += 7001) {
		fill_up(world, spare);
		(void)create_event(world, "Room again", NOW_US, EVENT_PUBLISHED);
		assert_verified(world);
	}
	(void)signal(SIGXFSZ, handler);
}

int run_full_tests(void)
{
	const struct CMUnitTest tests[] = {STORE_TEST(a_full_disk_refuses_and_heals)};
	return cmocka_run_group_tests_name("full", tests, NULL, NULL);
}
