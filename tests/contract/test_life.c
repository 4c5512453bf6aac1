/* Opening, sessions, users and migrations. */
#include "world.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

static void results_have_names(void **state)
{
	(void)state;
	for (unsigned i = 0; i < STORE_RESULT_COUNT; i++)
		assert_non_null(store_result_name((enum store_result)i));
	assert_string_equal("deadline", store_result_name(STORE_DEADLINE));
}

static void a_store_knows_its_kind(void **state)
{
	struct world *world = *state;

	assert_string_equal(world_is_sqlite() ? "sqlite" : "postgresql", store_kind(world->store));
	assert_int_equal(!world_is_sqlite(), store_is_shared(world->store));
	assert_int_equal(BREAKER_CLOSED, store_breaker_state(world->store));
}

static void one_process_serves_the_folder(void **state)
{
	struct store *first, *second = NULL;
	struct config *config = world_config();
	struct buf problem;

	(void)state;
	if (!world_is_sqlite()) {
		config_free(config);
		skip();
	}
	buf_init(&problem, 4096);
	assert_int_equal(STORE_OK, store_open(&first, config, true, &problem));
	assert_int_equal(STORE_IN_USE, store_open(&second, config, true, &problem));
	assert_null(second);
	buf_char(&problem, '\0');
	assert_non_null(strstr(problem.ptr, "another evently serves"));
	buf_clear(&problem);
	assert_int_equal(STORE_OK, store_open(&second, config, false, &problem)); /* looking on is allowed */
	store_close(second);
	store_close(first);
	assert_int_equal(STORE_OK, store_open(&first, config, true, &problem));
	store_close(first);
	buf_finish(&problem);
	config_free(config);
}

static void the_folder_is_private(void **state)
{
	struct world *world = *state;
	char path[512];
	struct stat about;

	if (!world_is_sqlite())
		skip();
	(void)create_event(world, "Jazz", NOW_US, EVENT_DRAFT);
	assert_int_equal(0, stat(world_folder(), &about));
	assert_int_equal(0700, about.st_mode & 0777);
	static const char *const names[] = {"evently.db", "evently.db-wal", "lock"};
	for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
		snprintf(path, sizeof path, "%s/%s", world_folder(), names[i]);
		assert_int_equal(0, stat(path, &about));
		assert_int_equal(0600, about.st_mode & 0777);
	}
}

static void a_folder_that_cannot_be_made_is_named(void **state)
{
	struct store *store;
	struct buf problem;

	(void)state;
	if (!world_is_sqlite())
		skip();
	setenv("DATA_DIR", "/proc/no/such/folder", 1);
	struct buf warnings;
	struct config *config;
	buf_init(&problem, 4096);
	buf_init(&warnings, 4096);
	assert_true(config_load(&config, &problem, &warnings));
	assert_int_not_equal(STORE_OK, store_open(&store, config, true, &problem));
	buf_char(&problem, '\0');
	assert_non_null(strstr(problem.ptr, "/proc/no/such/folder"));
	buf_finish(&warnings);
	buf_finish(&problem);
	config_free(config);
}

static void a_deadline_that_passed_does_nothing(void **state)
{
	struct world *world = *state;
	struct patch patch = event_patch("Jazz", "Blue Hall", NOW_US, EVENT_DRAFT);
	struct store_write write = write_create(&patch);
	struct store_head head;

	store_session_deadline(world->session, clock_monotonic_ns());
	assert_result(STORE_DEADLINE, world->session,
	              store_apply(world->session, &write, 1, false, NOW_US, &world->arena));
	assert_int_equal(WRITE_PENDING, write.outcome);
	assert_result(STORE_DEADLINE, world->session, store_head(world->session, &head));
	assert_true(strlen(store_session_problem(world->session)) > 0);
	store_session_deadline(world->session, clock_monotonic_ns() + 10 * CLOCK_SECOND);
	assert_ok(world->session, store_head(world->session, &head));
	assert_int_equal(0, head.seq);
	assert_string_equal("", store_session_problem(world->session));
}

/* ---- users ---- */

static void users_are_met_when_they_write(void **state)
{
	struct world *world = *state;
	struct store_user user;

	assert_result(STORE_NOT_FOUND, world->session, store_user_get(world->session, ADMIN, &world->arena, &user));
	(void)create_event(world, "Jazz", NOW_US, EVENT_DRAFT);
	assert_ok(world->session, store_user_get(world->session, ADMIN, &world->arena, &user));
	assert_int_equal(ADMIN, user.id);
	assert_true(str_equal(STR("admin@example.org"), user.email));
	assert_true(str_equal(STR("admin"), user.role));
	assert_true(user.is_active);
	assert_int_equal(NOW_US, user.updated_at_us);

	/* Whoever writes nothing is not met. */
	struct store_write write = write_delete(4711);
	write.actor_id = 7;
	assert_int_equal(WRITE_NOT_FOUND, apply_one(world, write).outcome);
	assert_result(STORE_NOT_FOUND, world->session, store_user_get(world->session, 7, &world->arena, &user));
}

static void users_are_shut_out_and_let_in(void **state)
{
	struct world *world = *state;
	struct store_user user;
	struct store_head head;
	int64_t *ids;
	size_t count;
	uint64_t before, after;

	assert_ok(world->session, store_users_inactive(world->session, &world->arena, &ids, &count, &before));
	assert_int_equal(0, count);
	for (int64_t id = 40; id > 0; id--) {
		assert_ok(world->session, store_user_set_active(world->session, id, false, NOW_US + id, &world->arena, &user));
		assert_int_equal(id, user.id);
		assert_false(user.is_active);
		assert_null(user.email.ptr);
		assert_int_equal(NOW_US + id, user.updated_at_us);
	}
	assert_ok(world->session, store_users_inactive(world->session, &world->arena, &ids, &count, &after));
	assert_int_equal(40, count);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(i + 1, ids[i]);
	assert_true(after > before);
	assert_ok(world->session, store_head(world->session, &head));
	assert_int_equal(after, head.users_version);

	before = after;
	assert_ok(world->session, store_user_set_active(world->session, 40, true, NOW_US, &world->arena, &user));
	assert_true(user.is_active);
	assert_ok(world->session, store_users_inactive(world->session, &world->arena, &ids, &count, &after));
	assert_int_equal(39, count);
	assert_true(after > before);

	/* A write fills in what the token says and lets nobody in. */
	(void)create_event(world, "Jazz", NOW_US, EVENT_DRAFT);
	assert_ok(world->session, store_user_get(world->session, ADMIN, &world->arena, &user));
	assert_false(user.is_active);
	assert_true(str_equal(STR("admin@example.org"), user.email));
}

/* ---- migrations ---- */

static void migrations_go_up_and_down(void **state)
{
	struct world *world = *state;
	struct store_migration *migrations;
	struct store_head head;
	struct buf report;
	size_t count;

	buf_init(&report, 65536);
	assert_ok(world->session, store_schema_check(world->session));
	assert_ok(world->session, store_migrations(world->session, &world->arena, &migrations, &count));
	assert_true(count > 0);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(i + 1, migrations[i].number);
		assert_non_null(migrations[i].name);
		assert_true(migrations[i].applied);
		assert_false(migrations[i].checksum_differs);
		assert_true(migrations[i].applied_at_us > 0);
	}
	int newest = (int)count;
	(void)create_event(world, "Jazz", NOW_US, EVENT_DRAFT);
	assert_ok(world->session, store_head(world->session, &head));

	assert_ok(world->session, store_migrate_down(world->session, 0, &report));
	assert_true(report.len > 0);
	assert_ok(world->session, store_migrations(world->session, &world->arena, &migrations, &count));
	assert_int_equal(newest, count);
	assert_false(migrations[0].applied);
	assert_result(STORE_SCHEMA, world->session, store_schema_check(world->session));
	assert_non_null(strstr(store_session_problem(world->session), "evently migrate upgrade"));
	assert_result(STORE_SCHEMA, world->session, store_head(world->session, &head)); /* prepared before */

	assert_ok(world->session, store_migrate_up(world->session, 1, &report));
	assert_ok(world->session, store_migrate_up(world->session, 0, &report));
	assert_ok(world->session, store_schema_check(world->session));
	assert_ok(world->session, store_head(world->session, &head));
	/* A downgrade of PostgreSQL keeps the events, and the next upgrade begins their log anew. */
	assert_int_equal(world_is_sqlite() ? 0 : 1, head.seq);
	assert_ok(world->session, store_migrate_up(world->session, 0, &report)); /* nothing left to do */
	assert_result(STORE_SCHEMA, world->session, store_migrate_up(world->session, newest + 1, &report));
	buf_finish(&report);
}

static void *migrate(void *context)
{
	struct store_session *session = context;
	struct buf report;

	buf_init(&report, 65536);
	assert_ok(session, store_migrate_up(session, 0, &report));
	buf_finish(&report);
	return NULL;
}

static void ten_may_migrate_at_once(void **state)
{
	struct world *world = *state;
	struct store_session *sessions[10];
	pthread_t threads[10];
	struct buf report;

	buf_init(&report, 65536);
	assert_ok(world->session, store_migrate_down(world->session, 0, &report));
	for (size_t i = 0; i < 10; i++) {
		sessions[i] = world_session(world);
		assert_int_equal(0, pthread_create(&threads[i], NULL, migrate, sessions[i]));
	}
	for (size_t i = 0; i < 10; i++) {
		assert_int_equal(0, pthread_join(threads[i], NULL));
		store_session_close(sessions[i]);
	}
	assert_ok(world->session, store_schema_check(world->session));
	buf_finish(&report);
}

static int migrate_in_process(void)
{
	struct config *config = world_config();
	struct store *store;
	struct buf report;
	int code = 1;

	buf_init(&report, 65536);
	if (store_open(&store, config, false, &report) != STORE_OK)
		return 1;
	struct store_session *session = store_session_open(store);
	if (session != NULL) {
		store_session_deadline(session, clock_monotonic_ns() + 30 * CLOCK_SECOND);
		code = store_migrate_up(session, 0, &report) == STORE_OK ? 0 : 1;
		if (code != 0)
			fprintf(stderr, "%s\n", store_session_problem(session));
		store_session_close(session);
	}
	store_close(store);
	buf_finish(&report);
	config_free(config);
	return code;
}

static void ten_processes_may_migrate_at_once(void **state)
{
	struct world *world = *state;
	struct buf report;
	pid_t children[10];

	buf_init(&report, 65536);
	assert_ok(world->session, store_migrate_down(world->session, 0, &report));
	store_session_close(world->session); /* a connection must not cross a fork */
	fflush(NULL);
	for (size_t i = 0; i < 10; i++) {
		children[i] = fork();
		assert_true(children[i] >= 0);
		if (children[i] == 0)
			_exit(migrate_in_process());
	}
	for (size_t i = 0; i < 10; i++) {
		int status = 0;
		assert_int_equal(children[i], waitpid(children[i], &status, 0));
		assert_int_equal(0, status);
	}
	world->session = world_session(world);
	assert_ok(world->session, store_schema_check(world->session));
	buf_finish(&report);
}

int run_life_tests(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(results_have_names),
		cmocka_unit_test(one_process_serves_the_folder),
		cmocka_unit_test(a_folder_that_cannot_be_made_is_named),
		STORE_TEST(a_store_knows_its_kind),
		STORE_TEST(the_folder_is_private),
		STORE_TEST(a_deadline_that_passed_does_nothing),
		STORE_TEST(users_are_met_when_they_write),
		STORE_TEST(users_are_shut_out_and_let_in),
		STORE_TEST(migrations_go_up_and_down),
		STORE_TEST(ten_may_migrate_at_once),
		STORE_TEST(ten_processes_may_migrate_at_once),
	};
	return cmocka_run_group_tests_name("life", tests, NULL, NULL);
}
