#include "store/migrate.h"

#include <pthread.h>

#include "base/hash.h"
#include "store/backend.h"

/* The lists. A new migration: its two files in migrations/BACKEND, its name in migrations/meson.build, its line here. */
#define SQLITE_MIGRATIONS(X) \
	X(1, initial, migration_sqlite_0001_initial)
#define POSTGRES_MIGRATIONS(X) \
	X(1, events, migration_postgres_0001_events) \
	X(2, changes, migration_postgres_0002_changes) \
	X(3, lists, migration_postgres_0003_lists) \
	X(4, instances, migration_postgres_0004_instances) \
	X(5, writes, migration_postgres_0005_writes)

#define X(number, name, symbol) \
	extern const unsigned char symbol##_up[], symbol##_down[]; \
	extern const size_t symbol##_up_bytes, symbol##_down_bytes;
SQLITE_MIGRATIONS(X)
POSTGRES_MIGRATIONS(X)
#undef X

enum { ARENA_BYTES_MAX = 1 << 20 };

static struct migration sqlite_items[MIGRATIONS_MAX];
static struct migration postgres_items[MIGRATIONS_MAX];
static size_t sqlite_count, postgres_count;

static void add(struct migration *items, size_t *count, int number, const char *name, struct str up, struct str down)
{
	CHECK(*count < MIGRATIONS_MAX && number == (int)*count + 1);
	items[(*count)++] = (struct migration){number, name, up, down, hash_content(up)};
}

static void fill_lists(void)
{
#define TEXT(symbol) ((struct str){(const char *)symbol, symbol##_bytes})
#define X(number, name, symbol) add(sqlite_items, &sqlite_count, number, #name, TEXT(symbol##_up), TEXT(symbol##_down));
	SQLITE_MIGRATIONS(X)
#undef X
#define X(number, name, symbol) \
	add(postgres_items, &postgres_count, number, #name, TEXT(symbol##_up), TEXT(symbol##_down));
	POSTGRES_MIGRATIONS(X)
#undef X
#undef TEXT
}

static pthread_once_t filled = PTHREAD_ONCE_INIT;

struct migration_list migrations_of_sqlite(void)
{
	CHECK(pthread_once(&filled, fill_lists) == 0);
	return (struct migration_list){sqlite_items, sqlite_count};
}

struct migration_list migrations_of_postgres(void)
{
	CHECK(pthread_once(&filled, fill_lists) == 0);
	return (struct migration_list){postgres_items, postgres_count};
}

static const struct migration_row *row_of(const struct migration_row *rows, size_t count, int number)
{
	for (size_t i = 0; i < count; i++) {
		if (rows[i].number == number)
			return &rows[i];
	}
	return NULL;
}

enum store_result migrate_list(struct store_session *session, const struct migration_backend *backend,
                               struct arena *arena, struct store_migration **migrations, size_t *count)
{
	struct migration_list known = backend->known;
	struct migration_row *rows;
	size_t row_count;

	enum store_result result = backend->applied(session, arena, &rows, &row_count);
	if (result != STORE_OK)
		return result;
	struct store_migration *list = arena_array(arena, struct store_migration, known.count + row_count + 1);
	if (list == NULL)
		return store_fail(session, STORE_OUT_OF_MEMORY, "no memory for the list of migrations");
	size_t listed = 0;
	for (size_t i = 0; i < known.count; i++) {
		const struct migration *item = &known.items[i];
		const struct migration_row *row = row_of(rows, row_count, item->number);
		list[listed++] = (struct store_migration){item->number, item->name, row != NULL,
			row != NULL ? row->applied_at_us : 0, row != NULL && row->checksum != item->checksum};
	}
	for (size_t i = 0; i < row_count; i++) {
		if (rows[i].number < 1 || (size_t)rows[i].number > known.count)
			list[listed++] = (struct store_migration){rows[i].number, NULL, true, rows[i].applied_at_us, false};
	}
	*migrations = list;
	*count = listed;
	return STORE_OK;
}

/* The number that the schema is at: all migrations up to it are applied and none beyond. Anything else (a gap, another
 * text, a number that this program does not know) is STORE_SCHEMA with its reason. */
static enum store_result find_position(struct store_session *session, const struct migration_backend *backend, int *at)
{
	struct arena arena;
	struct migration_row *rows;
	size_t count;

	arena_init(&arena, ARENA_BYTES_MAX);
	enum store_result result = backend->applied(session, &arena, &rows, &count);
	if (result != STORE_OK)
		goto out;
	*at = (int)count;
	for (size_t i = 0; i < count; i++) {
		if (rows[i].number < 1 || (size_t)rows[i].number > backend->known.count) {
			result = store_fail(session, STORE_SCHEMA, "schema is at %d, this program knows only %zu: "
			                    "use a newer evently", rows[count - 1].number, backend->known.count);
			goto out;
		}
		if (rows[i].number != (int)i + 1) {
			result = store_fail(session, STORE_SCHEMA, "migration %d is applied, but %zu before it is not: "
			                    "restore the database from a backup", rows[i].number, i + 1);
			goto out;
		}
		if (rows[i].checksum != backend->known.items[i].checksum) {
			result = store_fail(session, STORE_SCHEMA, "migration %d (%.*s) was applied from another text than this "
			                    "program has: use the evently that applied it", rows[i].number, STR_ARG(rows[i].name));
			goto out;
		}
	}
out:
	arena_finish(&arena);
	return result;
}

enum store_result migrate_check(struct store_session *session, const struct migration_backend *backend)
{
	int at;
	enum store_result result = find_position(session, backend, &at);

	if (result != STORE_OK)
		return result;
	if (at == 0 && backend->known.count > 0)
		return store_fail(session, STORE_SCHEMA, "the database is empty: run `evently migrate upgrade`");
	if ((size_t)at < backend->known.count)
		return store_fail(session, STORE_SCHEMA, "schema is at %d, this program needs %zu: run `evently migrate upgrade`",
		                  at, backend->known.count);
	return STORE_OK;
}

/* From where the schema is to `target`, one step at a time; the caller holds the lock. */
static enum store_result walk(struct store_session *session, const struct migration_backend *backend, int target,
                              bool up, struct buf *report)
{
	int at;
	enum store_result result = find_position(session, backend, &at);

	if (result != STORE_OK)
		return result;
	if (up ? at >= target : at <= target) {
		buf_printf(report, "already at %d\n", at);
		return STORE_OK;
	}
	while (at != target) {
		const struct migration *item = &backend->known.items[up ? at : at - 1];
		result = backend->step(session, item, up);
		if (result != STORE_OK)
			return result;
		buf_printf(report, "%s %04d %s\n", up ? "applied" : "reverted", item->number, item->name);
		at += up ? 1 : -1;
	}
	return STORE_OK;
}

static enum store_result walk_locked(struct store_session *session, const struct migration_backend *backend, int target,
                                     bool up, struct buf *report)
{
	if (target < 0 || (size_t)target > backend->known.count)
		return store_fail(session, STORE_SCHEMA, "there is no migration %d, the newest is %zu", target,
		                  backend->known.count);
	enum store_result result = backend->lock(session);
	if (result != STORE_OK)
		return result;
	result = walk(session, backend, target, up, report);
	backend->unlock(session);
	return result;
}

enum store_result migrate_up(struct store_session *session, const struct migration_backend *backend, int target,
                             struct buf *report)
{
	return walk_locked(session, backend, target == 0 ? (int)backend->known.count : target, true, report);
}

enum store_result migrate_down(struct store_session *session, const struct migration_backend *backend, int target,
                               struct buf *report)
{
	return walk_locked(session, backend, target, false, report);
}
