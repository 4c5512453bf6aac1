#include "world.h"

#include <stdio.h>
#include <string.h>
#include <libpq-fe.h>
#include <unistd.h>

#include "base/clock.h"

static bool sqlite;
static char folder[] = "/tmp/evently-contract-XXXXXX";
static bool folder_made;
static char *database_url;

bool world_choose(const char *backend)
{
	sqlite = strcmp(backend, "sqlite") == 0;
	if (sqlite) {
		folder_made = mkdtemp(folder) != NULL;
		return folder_made;
	}
	const char *url = getenv("EVENTLY_TEST_DATABASE_URL");
	database_url = strcmp(backend, "postgres") == 0 && url != NULL ? strdup(url) : NULL;
	return database_url != NULL;
}

bool world_is_sqlite(void)
{
	return sqlite;
}

const char *world_folder(void)
{
	return folder;
}

void world_finish(void)
{
	static const char *const names[] = {"evently.db", "evently.db-wal", "evently.db-shm", "lock"};

	free(database_url);
	for (size_t i = 0; folder_made && i < ARRAY_LENGTH(names); i++) {
		char path[256];
		snprintf(path, sizeof path, "%s/%s", folder, names[i]);
		unlink(path);
	}
	if (folder_made)
		rmdir(folder);
}

/* Made through the environment, as everywhere; config_load takes secrets out of it, so they are set each time. */
struct config *world_config(void)
{
	struct config *config;
	struct buf problem, warnings;

	unsetenv("DB_HOST");
	if (sqlite)
		unsetenv("DATABASE_URL");
	else
		setenv("DATABASE_URL", database_url, 1);
	setenv("JWT_SECRET", "0123456789abcdef0123456789abcdef", 1);
	setenv("DATA_DIR", folder, 1);
	buf_init(&problem, 4096);
	buf_init(&warnings, 4096);
	if (!config_load(&config, &problem, &warnings))
		fail_msg("config_load: %.*s", STR_ARG(buf_view(&problem)));
	buf_finish(&problem);
	buf_finish(&warnings);
	return config;
}

/* A downgrade keeps the events on PostgreSQL; a test begins with none. */
static void empty_database(void)
{
	PGconn *connection = PQconnectdb(database_url);
	PGresult *result = PQexec(connection, "SET client_min_messages = error; DROP SCHEMA public CASCADE; CREATE SCHEMA public");

	if (PQresultStatus(result) != PGRES_COMMAND_OK)
		fail_msg("emptying the database: %s", PQerrorMessage(connection));
	PQclear(result);
	PQfinish(connection);
}

int world_setup(void **state)
{
	struct world *world = calloc(1, sizeof *world);
	struct buf text;

	assert_non_null(world);
	*state = world;
	arena_init(&world->arena, (size_t)1 << 30);
	world->config = world_config();
	buf_init(&text, 65536);
	if (store_open(&world->store, world->config, false, &text) != STORE_OK)
		fail_msg("store_open: %.*s", STR_ARG(buf_view(&text)));
	world->session = world_session(world);
	if (sqlite)
		assert_ok(world->session, store_migrate_down(world->session, 0, &text));
	else
		empty_database();
	assert_ok(world->session, store_migrate_up(world->session, 0, &text));
	buf_finish(&text);
	return 0;
}

int world_teardown(void **state)
{
	struct world *world = *state;

	store_session_close(world->session);
	store_close(world->store);
	config_free(world->config);
	arena_finish(&world->arena);
	free(world);
	return 0;
}

struct store_session *world_session(struct world *world)
{
	struct store_session *session = store_session_open(world->store);

	assert_non_null(session);
	store_session_deadline(session, clock_monotonic_ns() + 60 * CLOCK_SECOND);
	return session;
}

void assert_result_at(enum store_result expected, enum store_result result, const struct store_session *session,
                      const char *call, const char *file, int line)
{
	if (result == expected)
		return;
	print_error("%s: %s instead of %s: %s\n", call, store_result_name(result), store_result_name(expected),
	            store_session_problem(session));
	_fail(file, line);
}

/* ---- writing ---- */

struct patch event_patch(const char *title, const char *venue, int64_t event_date_us, enum event_status status)
{
	return (struct patch){
		.fields = PATCH_TITLE | PATCH_VENUE | PATCH_DESCRIPTION | PATCH_EVENT_DATE | PATCH_CAPACITY | PATCH_PRICE |
			PATCH_STATUS,
		.event = {.title = str_from(title), .venue = str_from(venue), .description = STR_NONE,
			.event_date_us = event_date_us, .price_cents = 2500, .capacity = 250, .status = status},
	};
}

static struct store_write write_by_admin(enum write_kind kind)
{
	return (struct store_write){.kind = kind, .actor_id = ADMIN, .actor_email = STR("admin@example.org"),
		.actor_role = STR("admin"), .request_id = STR("req-1")};
}

struct store_write write_create(const struct patch *patch)
{
	struct store_write write = write_by_admin(WRITE_CREATE);
	write.patch = patch;
	return write;
}

struct store_write write_update(int64_t id, const struct patch *patch)
{
	struct store_write write = write_by_admin(WRITE_UPDATE);
	write.event_id = id;
	write.patch = patch;
	return write;
}

struct store_write write_delete(int64_t id)
{
	struct store_write write = write_by_admin(WRITE_DELETE);
	write.event_id = id;
	return write;
}

struct store_write apply_one(struct world *world, struct store_write write)
{
	assert_ok(world->session, store_apply(world->session, &write, 1, false, NOW_US, &world->arena));
	return write;
}

int64_t create_event(struct world *world, const char *title, int64_t event_date_us, enum event_status status)
{
	struct patch patch = event_patch(title, "Blue Hall", event_date_us, status);
	struct store_write write = apply_one(world, write_create(&patch));

	assert_int_equal(WRITE_APPLIED, write.outcome);
	return write.event.id;
}

struct event get_event(struct world *world, int64_t id)
{
	struct event event;
	uint64_t as_of;

	assert_ok(world->session, store_get_many(world->session, &id, 1, true, &world->arena, &event, &as_of));
	return event;
}

bool events_equal(const struct event *a, const struct event *b)
{
	return a->id == b->id && str_equal(a->title, b->title) && str_equal(a->venue, b->venue)
		&& (a->description.ptr == NULL) == (b->description.ptr == NULL) && str_equal(a->description, b->description)
		&& a->event_date_us == b->event_date_us && a->price_cents == b->price_cents && a->capacity == b->capacity
		&& a->status == b->status && a->created_at_us == b->created_at_us && a->updated_at_us == b->updated_at_us
		&& a->created_by == b->created_by && a->version == b->version;
}

void assert_events_equal(const struct event *a, const struct event *b)
{
	struct buf text;

	if (events_equal(a, b))
		return;
	buf_init(&text, 1 << 20);
	event_json_stored(&text, a);
	buf_lit(&text, "\n");
	event_json_stored(&text, b);
	print_error("%.*s\n", STR_ARG(buf_view(&text)));
	buf_finish(&text);
	fail_msg("the two events above differ");
}

void assert_verified(struct world *world)
{
	uint64_t changes, faults;
	struct buf report;

	buf_init(&report, 65536);
	assert_ok(world->session, store_audit_verify(world->session, &report, &changes, &faults));
	if (faults > 0)
		fail_msg("%llu faults: %.*s", (unsigned long long)faults, STR_ARG(buf_view(&report)));
	buf_finish(&report);
}

uint64_t dice_roll(struct dice *dice, uint64_t sides)
{
	/* SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014). */
	uint64_t z = dice->state += 0x9e3779b97f4a7c15u;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (z ^ (z >> 31)) % sides;
}
