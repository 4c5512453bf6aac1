/* Several sessions at once: seq without gaps, snapshots that do not mix, deadlines that hold. */
#include "world.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

enum { WRITERS = 4, BATCHES = 40, BATCH_MAX = 5, SEQS_MAX = WRITERS * BATCHES * BATCH_MAX + 1, SHARED = 3 };

struct writer {
	struct world *world;
	uint64_t seed;
	const int64_t *shared; /* events that all writers fight for */
	atomic_bool *taken;    /* by seq */
	uint64_t applied;
};

static void write_batch(struct writer *writer, struct store_session *session, struct dice *dice, struct arena *arena)
{
	struct patch patch = event_patch("Concurrent", "Blue Hall", NOW_US + DAY_US, EVENT_PUBLISHED);
	struct patch patches[BATCH_MAX];
	struct store_write writes[BATCH_MAX];
	size_t count = 1 + dice_roll(dice, BATCH_MAX);
	uint64_t last = 0;

	for (size_t i = 0; i < count; i++) {
		patches[i] = (struct patch){.fields = PATCH_CAPACITY | PATCH_STATUS, .event = {
			.capacity = (int32_t)dice_roll(dice, 1000000), .status = (enum event_status)dice_roll(dice, EVENT_STATUS_COUNT)}};
		writes[i] = dice_roll(dice, 2) == 0 ? write_create(&patch)
			: write_update(writer->shared[dice_roll(dice, SHARED)], &patches[i]);
	}
	assert_ok(session, store_apply(session, writes, count, false, NOW_US, arena));
	for (size_t i = 0; i < count; i++) {
		if (writes[i].outcome == WRITE_UNCHANGED)
			continue;
		assert_int_equal(WRITE_APPLIED, writes[i].outcome);
		assert_true(writes[i].change.seq < SEQS_MAX + SHARED && writes[i].change.seq > last);
		last = writes[i].change.seq;
		assert_false(atomic_exchange(&writer->taken[last], true));
		writer->applied++;
	}
}

static void *run_writer(void *context)
{
	struct writer *writer = context;
	struct store_session *session = world_session(writer->world);
	struct dice dice = {.state = writer->seed};
	struct arena arena;

	arena_init(&arena, 1 << 20);
	for (int i = 0; i < BATCHES; i++) {
		write_batch(writer, session, &dice, &arena);
		arena_reset(&arena);
	}
	arena_finish(&arena);
	store_session_close(session);
	return NULL;
}

struct reader {
	struct world *world;
	atomic_bool *stop;
	uint64_t reads;
};

/* A list's total, its as_of and the log must tell one story. */
static void read_once(struct store_session *session, struct arena *arena, uint64_t *last_as_of)
{
	struct query query = {.statuses = EVENT_STATUS_ALL, .sort = SORT_ID, .descending = true, .size = 100, .page = 1};
	struct query_page page;
	struct change *changes;
	uint64_t as_of, head;
	size_t count;

	assert_ok(session, store_list(session, &query, NOW_US, true, arena, &page, &as_of));
	assert_true(as_of >= *last_as_of);
	*last_as_of = as_of;
	assert_int_equal(page.total > 100 ? 100 : page.total, page.count);
	assert_ok(session, store_changes_after(session, 0, as_of, arena, &changes, &count, &head));
	assert_true(head >= as_of);
	assert_int_equal(as_of, count);
	int64_t total = 0;
	for (size_t i = 0; i < count; i++)
		total += changes[i].kind == CHANGE_CREATED ? 1 : 0;
	assert_int_equal(total, page.total);
}

static void *run_reader(void *context)
{
	struct reader *reader = context;
	struct store_session *session = world_session(reader->world);
	uint64_t last_as_of = 0;
	struct arena arena;

	arena_init(&arena, 64 << 20);
	while (!atomic_load(reader->stop)) {
		read_once(session, &arena, &last_as_of);
		arena_reset(&arena);
		reader->reads++;
	}
	arena_finish(&arena);
	store_session_close(session);
	return NULL;
}

static void concurrent_writers_leave_no_gap(void **state)
{
	struct world *world = *state;
	static atomic_bool taken[SEQS_MAX + SHARED];
	struct writer writers[WRITERS];
	pthread_t threads[WRITERS], reading;
	int64_t shared[SHARED];
	atomic_bool stop = false;
	struct reader reader = {.world = world, .stop = &stop};
	uint64_t applied = SHARED;
	struct store_head head;

	memset(taken, 0, sizeof taken);
	for (size_t i = 0; i < SHARED; i++)
		shared[i] = create_event(world, "Shared", NOW_US, EVENT_DRAFT);
	assert_int_equal(0, pthread_create(&reading, NULL, run_reader, &reader));
	for (size_t i = 0; i < WRITERS; i++) {
		writers[i] = (struct writer){.world = world, .seed = i + 1, .shared = shared, .taken = taken};
		assert_int_equal(0, pthread_create(&threads[i], NULL, run_writer, &writers[i]));
	}
	for (size_t i = 0; i < WRITERS; i++) {
		assert_int_equal(0, pthread_join(threads[i], NULL));
		applied += writers[i].applied;
	}
	atomic_store(&stop, true);
	assert_int_equal(0, pthread_join(reading, NULL));
	assert_ok(world->session, store_head(world->session, &head));
	assert_int_equal(applied, head.seq);
	for (uint64_t seq = SHARED + 1; seq <= head.seq; seq++)
		assert_true(atomic_load(&taken[seq]));
	assert_true(reader.reads > 0);
	assert_verified(world);
}

/* ---- a snapshot ---- */

struct growing {
	struct world *world;
	size_t count;
};

static bool write_meanwhile(void *context, const struct event *event, int64_t total)
{
	struct growing *growing = context;

	assert_int_equal(3, total);
	assert_true(event->id > 0);
	growing->count++;
	(void)create_event(growing->world, "Meanwhile", NOW_US, EVENT_DRAFT); /* on another session */
	return true;
}

static void an_export_sees_one_snapshot(void **state)
{
	struct world *world = *state;
	struct store_session *session = world_session(world);
	struct growing growing = {.world = world};
	uint64_t as_of;

	for (int i = 0; i < 3; i++)
		(void)create_event(world, "Before", NOW_US, EVENT_DRAFT);
	assert_ok(session, store_each(session, write_meanwhile, &growing, &as_of));
	assert_int_equal(3, growing.count);
	assert_int_equal(3, as_of);
	store_session_close(session);
}

/* ---- deadlines ---- */

static bool dawdle(void *context, const struct event *event, int64_t total)
{
	(void)event, (void)total;
	(*(size_t *)context)++;
	nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
	return true;
}

static void a_long_read_ends_at_its_deadline(void **state)
{
	struct world *world = *state;
	enum { COUNT = 2000, BOUND_MS = 50 };
	struct patch patch = event_patch("Many", "Blue Hall", NOW_US, EVENT_DRAFT);
	struct store_write *writes = calloc(COUNT, sizeof *writes);
	size_t seen = 0;
	uint64_t as_of;

	assert_non_null(writes);
	for (size_t i = 0; i < COUNT; i++)
		writes[i] = write_create(&patch);
	assert_ok(world->session, store_apply(world->session, writes, COUNT, false, NOW_US, &world->arena));
	free(writes);
	uint64_t begun_ns = clock_monotonic_ns();
	store_session_deadline(world->session, begun_ns + BOUND_MS * CLOCK_MS);
	assert_result(STORE_DEADLINE, world->session, store_each(world->session, dawdle, &seen, &as_of));
	assert_true(clock_monotonic_ns() - begun_ns < CLOCK_SECOND);
	assert_true(seen > 0 && seen < COUNT);
	store_session_deadline(world->session, clock_monotonic_ns() + 10 * CLOCK_SECOND);
	(void)create_event(world, "Next", NOW_US, EVENT_DRAFT); /* the session is as good as new */
	assert_verified(world);
}

/* Somebody with the sqlite3 shell, or a backup, holds the database's write lock. */
static void a_foreign_lock_ends_at_the_deadline(void **state)
{
	struct world *world = *state;
	struct patch patch = event_patch("Jazz", "Blue Hall", NOW_US, EVENT_DRAFT);
	struct store_write write = write_create(&patch);
	struct store_head head;
	char path[256];
	sqlite3 *db;

	if (!world_is_sqlite())
		skip();
	snprintf(path, sizeof path, "%s/evently.db", world_folder());
	assert_int_equal(SQLITE_OK, sqlite3_open(path, &db));
	assert_int_equal(SQLITE_OK, sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL));
	uint64_t begun_ns = clock_monotonic_ns();
	store_session_deadline(world->session, begun_ns + 100 * CLOCK_MS);
	assert_result(STORE_DEADLINE, world->session,
	              store_apply(world->session, &write, 1, false, NOW_US, &world->arena));
	uint64_t took_ns = clock_monotonic_ns() - begun_ns;
	assert_true(took_ns >= 90 * CLOCK_MS && took_ns < 5 * CLOCK_SECOND);
	store_session_deadline(world->session, clock_monotonic_ns() + 10 * CLOCK_SECOND);
	assert_ok(world->session, store_head(world->session, &head)); /* reading goes on */
	assert_int_equal(0, head.seq);
	assert_int_equal(SQLITE_OK, sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL));
	assert_int_equal(SQLITE_OK, sqlite3_close(db));
	assert_int_equal(WRITE_APPLIED, apply_one(world, write).outcome);
}

/* ---- the log defends itself, and verify finds what was done to it ---- */

static uint64_t count_faults(struct world *world, const char *expected)
{
	uint64_t changes, faults;
	struct buf report;

	buf_init(&report, 65536);
	assert_ok(world->session, store_audit_verify(world->session, &report, &changes, &faults));
	buf_char(&report, '\0');
	if (faults > 0 && strstr(report.ptr, expected) == NULL)
		fail_msg("'%s' is not in: %s", expected, report.ptr);
	buf_finish(&report);
	return faults;
}

static void tampering_is_refused_or_found(void **state)
{
	struct world *world = *state;
	static const struct {
		const char *sql, *finding;
	} cases[] = {
		{"DROP TRIGGER changes_refuse_delete; DELETE FROM changes WHERE seq = 2", "comes where"},
		{"DROP TRIGGER changes_refuse_delete; DELETE FROM changes WHERE seq = 4", "the catalog says"},
		{"DROP TRIGGER changes_refuse_update; UPDATE changes SET after = before WHERE seq = 2", "does not begin"},
		{"DROP TRIGGER changes_refuse_update; UPDATE changes SET version = 7 WHERE seq = 2", "version"},
		{"DROP TRIGGER changes_refuse_update; UPDATE changes SET after = 'x' WHERE seq = 2", "holds no event"},
		{"UPDATE events SET capacity = 99 WHERE id = 1", "is not what change"},
		{"DELETE FROM events WHERE id = 2", "is not what change"},
		{"INSERT INTO events (title, venue, event_date, price_cents, capacity, status, created_at, updated_at, version) "
		 "VALUES ('a', 'b', 1, 1, 1, 1, 1, 1, 1)", "has no change"},
		{"UPDATE catalog SET drafts = drafts + 1", "the catalog says"},
		{"UPDATE published_spans SET events = events + 1 WHERE shift = 38", "span"},
	};
	char path[256];
	sqlite3 *db;

	if (!world_is_sqlite())
		skip();
	snprintf(path, sizeof path, "%s/evently.db", world_folder());
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct buf report;
		buf_init(&report, 65536);
		assert_ok(world->session, store_migrate_down(world->session, 0, &report));
		assert_ok(world->session, store_migrate_up(world->session, 0, &report));
		buf_finish(&report);
		int64_t id = create_event(world, "Jazz", NOW_US, EVENT_PUBLISHED);
		struct patch patches[2] = {{.fields = PATCH_CAPACITY, .event = {.capacity = 1}},
			{.fields = PATCH_CAPACITY, .event = {.capacity = 2}}};
		(void)apply_one(world, write_update(id, &patches[0]));
		(void)apply_one(world, write_update(id, &patches[1]));
		(void)create_event(world, "Rock", NOW_US, EVENT_DRAFT);
		assert_verified(world);
		assert_int_equal(SQLITE_OK, sqlite3_open(path, &db));
		assert_int_not_equal(SQLITE_OK, sqlite3_exec(db, "DELETE FROM changes", NULL, NULL, NULL));
		assert_int_not_equal(SQLITE_OK, sqlite3_exec(db, "UPDATE changes SET actor_id = 2", NULL, NULL, NULL));
		assert_int_equal(SQLITE_OK, sqlite3_exec(db, cases[i].sql, NULL, NULL, NULL));
		assert_int_equal(SQLITE_OK, sqlite3_close(db));
		if (count_faults(world, cases[i].finding) == 0)
			fail_msg("not found: %s", cases[i].sql);
	}
}

int run_concurrency_tests(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(concurrent_writers_leave_no_gap),
		STORE_TEST(an_export_sees_one_snapshot),
		STORE_TEST(a_long_read_ends_at_its_deadline),
		STORE_TEST(a_foreign_lock_ends_at_the_deadline),
		STORE_TEST(tampering_is_refused_or_found),
	};
	return cmocka_run_group_tests_name("concurrency", tests, NULL, NULL);
}
