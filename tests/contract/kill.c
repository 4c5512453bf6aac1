/* Killing a writer (P2): test_store_kill sqlite|postgres [ROUNDS] [SEED].
 *
 * A child applies random batches and says through a pipe what was acknowledged; the parent kills it with SIGKILL after a
 * random time, opens the store, and finds every acknowledged change in a log without faults. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "world.h"

enum { SKIPPED = 77, ROUNDS = 15, BATCH_MAX = 20, IDS_MAX = 64, LIFE_MS_MAX = 150, ACKS_MAX = 65536 };

/* One acknowledged write, as it goes through the pipe (PIPE_BUF keeps it whole). */
struct ack {
	uint64_t seq;
	int64_t event_id, version;
};

/* ---- the child ---- */

static void prepare(struct store_write *write, struct patch *patch, struct dice *dice, const int64_t *ids, size_t count)
{
	static const char *const titles[] = {"Jazz", "Rock", "Klezmer", "Fado"};

	*patch = event_patch(titles[dice_roll(dice, 4)], "Blue Hall", NOW_US + (int64_t)dice_roll(dice, 1000) * HOUR_US,
	                     (enum event_status)dice_roll(dice, EVENT_STATUS_COUNT));
	patch->event.capacity = (int32_t)dice_roll(dice, 1000000);
	int64_t id = count > 0 ? ids[dice_roll(dice, count)] : 0;
	uint64_t kind = count > 0 ? dice_roll(dice, 10) : 0;
	*write = kind < 5 ? write_create(patch) : kind < 9 ? write_update(id, patch) : write_delete(id);
}

static void write_until_killed(int pipe_fd, uint64_t seed)
{
	struct world world = {.config = world_config()};
	struct store_write writes[BATCH_MAX];
	struct patch patches[BATCH_MAX];
	struct ack acks[BATCH_MAX];
	int64_t ids[IDS_MAX];
	size_t id_count = 0;
	struct dice dice = {.state = seed};
	struct buf problem;

	buf_init(&problem, 4096);
	arena_init(&world.arena, 64 << 20);
	if (store_open(&world.store, world.config, true, &problem) != STORE_OK)
		_exit(1);
	world.session = world_session(&world);
	for (;;) {
		size_t count = 1 + dice_roll(&dice, BATCH_MAX), acked = 0;
		for (size_t i = 0; i < count; i++)
			prepare(&writes[i], &patches[i], &dice, ids, id_count);
		if (store_apply(world.session, writes, count, false, NOW_US, &world.arena) != STORE_OK)
			_exit(2);
		for (size_t i = 0; i < count; i++) {
			const struct change *change = &writes[i].change;
			if (writes[i].outcome != WRITE_APPLIED)
				continue;
			acks[acked++] = (struct ack){change->seq, change->event_id, change->version};
			if (writes[i].kind == WRITE_CREATE)
				ids[id_count < IDS_MAX ? id_count++ : dice_roll(&dice, IDS_MAX)] = change->event_id;
		}
		if (write(pipe_fd, acks, acked * sizeof *acks) != (ssize_t)(acked * sizeof *acks))
			_exit(3);
		arena_reset(&world.arena);
	}
}

/* ---- the parent ---- */

static size_t read_acks(int pipe_fd, struct ack *acks)
{
	char *into = (char *)acks;
	size_t bytes = 0;
	ssize_t got;

	while ((got = read(pipe_fd, into + bytes, ACKS_MAX * sizeof *acks - bytes)) > 0)
		bytes += (size_t)got;
	return bytes / sizeof *acks;
}

static void run_child(uint64_t seed, struct ack *acks, size_t *count)
{
	struct dice dice = {.state = seed};
	int ends[2], status;

	assert_int_equal(0, pipe(ends));
	fflush(NULL);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		close(ends[0]);
		write_until_killed(ends[1], seed);
	}
	close(ends[1]);
	/* The moment of the kill is meant to be arbitrary: it is not waited for anything. */
	nanosleep(&(struct timespec){.tv_nsec = (long)(5 + dice_roll(&dice, LIFE_MS_MAX)) * 1000000L}, NULL);
	assert_int_equal(0, kill(child, SIGKILL));
	assert_int_equal(child, waitpid(child, &status, 0));
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL); /* it had not failed before */
	*count = read_acks(ends[0], acks);
	close(ends[0]);
}

static void find_acks(struct world *world, const struct ack *acks, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct change *changes;
		size_t found;
		uint64_t head;
		assert_ok(world->session,
		          store_changes_after(world->session, acks[i].seq - 1, 1, &world->arena, &changes, &found, &head));
		assert_int_equal(1, found);
		assert_int_equal(acks[i].seq, changes[0].seq);
		assert_int_equal(acks[i].event_id, changes[0].event_id);
		assert_int_equal(acks[i].version, changes[0].version);
		arena_reset(&world->arena);
	}
}

static int rounds = ROUNDS;
static uint64_t first_seed = 1;

static void acknowledged_writes_survive_a_kill(void **state)
{
	static struct ack acks[ACKS_MAX];
	void *fixture;
	size_t total = 0;

	(void)state;
	assert_int_equal(0, world_setup(&fixture));
	assert_int_equal(0, world_teardown(&fixture));
	for (int round = 0; round < rounds; round++) {
		size_t count;
		run_child(first_seed + (uint64_t)round, acks, &count);
		struct world world = {.config = world_config()};
		struct buf problem;
		buf_init(&problem, 4096);
		arena_init(&world.arena, 64 << 20);
		assert_int_equal(STORE_OK, store_open(&world.store, world.config, true, &problem));
		world.session = world_session(&world);
		find_acks(&world, acks, count);
		assert_verified(&world);
		store_session_close(world.session);
		store_close(world.store);
		config_free(world.config);
		arena_finish(&world.arena);
		buf_finish(&problem);
		total += count;
	}
	print_message("%d kills, %zu acknowledged writes, all there\n", rounds, total);
	assert_true(total > 0);
}

int main(int count, char **arguments)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(acknowledged_writes_survive_a_kill)};

	if (count > 2)
		rounds = atoi(arguments[2]);
	if (count > 3)
		first_seed = strtoull(arguments[3], NULL, 10);
	if (!world_choose(count > 1 ? arguments[1] : "sqlite")) {
		fprintf(stderr, "not available here\n");
		return SKIPPED;
	}
	int failed = cmocka_run_group_tests_name("kill", tests, NULL, NULL);
	world_finish();
	return failed;
}
