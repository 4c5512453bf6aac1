/* What every test of the store contract begins with: an empty, migrated store of the backend under test.
 *
 * The backend is the program's argument: `sqlite` (a temporary folder) or `postgres`, where EVENTLY_TEST_DATABASE_URL
 * names an empty database that belongs to the tests (without it the suite is skipped). */
#ifndef EVENTLY_TESTS_CONTRACT_WORLD_H
#define EVENTLY_TESTS_CONTRACT_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "config/config.h"
#include "store/store.h"

struct world {
	struct config *config;
	struct store *store;
	struct store_session *session; /* the test's own */
	struct arena arena;            /* for whatever the test reads */
};

/* 2027-01-15T08:00:00Z: what the tests take for now. */
#define NOW_US INT64_C(1800000000000000)
#define HOUR_US (INT64_C(3600) * 1000000)
#define DAY_US (24 * HOUR_US)
#define ADMIN 1

/* Once a program: which backend. False: no such one, or not available here. */
bool world_choose(const char *backend);
bool world_is_sqlite(void);
/* The store's folder (sqlite). */
const char *world_folder(void);
void world_finish(void);
struct config *world_config(void);

/* cmocka's fixtures: *state is a struct world. */
int world_setup(void **state);
int world_teardown(void **state);
#define STORE_TEST(test) cmocka_unit_test_setup_teardown(test, world_setup, world_teardown)

/* A further session, for another thread or another view. */
struct store_session *world_session(struct world *world);

#define assert_result(expected, session, call) assert_result_at((expected), (call), (session), #call, __FILE__, __LINE__)
void assert_result_at(enum store_result expected, enum store_result result, const struct store_session *session,
                      const char *call, const char *file, int line);
#define assert_ok(session, call) assert_result(STORE_OK, (session), (call))

/* ---- writing in one line ---- */

/* A patch with all fields set. */
struct patch event_patch(const char *title, const char *venue, int64_t event_date_us, enum event_status status);
struct store_write write_create(const struct patch *patch);
struct store_write write_update(int64_t id, const struct patch *patch);
struct store_write write_delete(int64_t id);
/* Applies one write and gives it back. */
struct store_write apply_one(struct world *world, struct store_write write);
/* Creates an event like this at NOW_US and gives its id. */
int64_t create_event(struct world *world, const char *title, int64_t event_date_us, enum event_status status);
struct event get_event(struct world *world, int64_t id);
bool events_equal(const struct event *a, const struct event *b);
void assert_events_equal(const struct event *a, const struct event *b);
/* Fails unless audit_verify finds nothing wrong. */
void assert_verified(struct world *world);

/* A repeatable stream of numbers. */
struct dice {
	uint64_t state;
};
uint64_t dice_roll(struct dice *dice, uint64_t sides); /* 0..sides-1 */

/* The groups of tests; each returns its number of failures. */
int run_life_tests(void);
int run_write_tests(void);
int run_list_tests(void);
int run_log_tests(void);
int run_follow_tests(void);
int run_concurrency_tests(void);
int run_full_tests(void);

#endif
