/* What the embedded store costs at 1,000 and at 1,000,000 events: store_sqlite [EVENTS …].
 *
 * Each catalogue is made in a folder of TMPDIR (/tmp): the first half of the ids are drafts, so that the users' view has to
 * begin far from the start of the table. Figures are microseconds a call: the median, and the 99th of 100. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/clock.h"
#include "config/config.h"
#include "store/store.h"

enum { CALLS = 2000, WARM_CALLS = 5000 };
#define NOW_US INT64_C(1800000000000000)

struct bench {
	struct store_session *session;
	struct arena arena;
	int64_t events;
	uint64_t random;
};

static void require(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "store_sqlite: %s\n", what);
	exit(1);
}

static void require_ok(struct bench *bench, enum store_result result)
{
	require(result == STORE_OK, store_session_problem(bench->session));
}

static int64_t roll(struct bench *bench, int64_t sides)
{
	bench->random = bench->random * 6364136223846793005u + 1442695040888963407u;
	return (int64_t)((bench->random >> 33) % (uint64_t)sides);
}

/* ---- one call each ---- */

typedef void call_fn(struct bench *bench, const struct query *query);

static void read_one(struct bench *bench, const struct query *query)
{
	int64_t id = 1 + roll(bench, bench->events);
	struct event event;
	uint64_t as_of;

	(void)query;
	require_ok(bench, store_get_many(bench->session, &id, 1, true, &bench->arena, &event, &as_of));
	require(event.id == id, "an event is missing");
}

static void read_64(struct bench *bench, const struct query *query)
{
	struct event events[64];
	int64_t ids[64];
	uint64_t as_of;

	(void)query;
	for (size_t i = 0; i < 64; i++)
		ids[i] = 1 + roll(bench, bench->events);
	require_ok(bench, store_get_many(bench->session, ids, 64, true, &bench->arena, events, &as_of));
}

static void read_page(struct bench *bench, const struct query *query)
{
	struct query_page page;
	uint64_t as_of;

	require_ok(bench, store_list(bench->session, query, NOW_US, true, &bench->arena, &page, &as_of));
	require(page.count == (size_t)query->size, "a page is not full");
}

static void read_total(struct bench *bench, const struct query *query)
{
	struct query beyond = *query;
	struct query_page page;
	uint64_t as_of;

	beyond.page = 1000000000;
	beyond.has_cursor = false;
	require_ok(bench, store_list(bench->session, &beyond, NOW_US, true, &bench->arena, &page, &as_of));
	require(page.total > 0 && page.count == 0, "a total is missing");
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

static void measure(struct bench *bench, const char *name, call_fn *call, const struct query *query)
{
	static uint64_t took_ns[CALLS];

	for (int i = -WARM_CALLS; i < CALLS; i++) {
		uint64_t begun_ns = clock_monotonic_ns();
		call(bench, query);
		if (i >= 0)
			took_ns[i] = clock_monotonic_ns() - begun_ns;
		arena_reset(&bench->arena);
	}
	qsort(took_ns, CALLS, sizeof *took_ns, compare);
	printf("%9lld  %-44s %9.1f %9.1f\n", (long long)bench->events, name, (double)took_ns[CALLS / 2] / 1e3,
	       (double)took_ns[CALLS * 99 / 100] / 1e3);
	fflush(stdout);
}

/* ---- lists ---- */

static int64_t key_of(const struct event *event, enum event_sort sort)
{
	switch (sort) {
	case SORT_EVENT_DATE: return event->event_date_us;
	case SORT_PRICE: return event->price_cents;
	default: return event->id;
	}
}

/* The first page, and a page from the cursor that lies 9/10 through the list. */
static void measure_list(struct bench *bench, const char *name, struct query query)
{
	struct query_page page;
	uint64_t as_of;
	char line[64];

	query.size = 20;
	query.page = 1;
	snprintf(line, sizeof line, "%s: total", name);
	measure(bench, line, read_total, &query);
	snprintf(line, sizeof line, "%s: first page", name);
	measure(bench, line, read_page, &query);

	require_ok(bench, store_list(bench->session, &query, NOW_US, true, &bench->arena, &page, &as_of));
	query.page = page.total / 20 * 9 / 10;
	require_ok(bench, store_list(bench->session, &query, NOW_US, true, &bench->arena, &page, &as_of));
	require(page.count > 0, "no deep page");
	struct event last;
	struct arena kept;
	arena_init(&kept, 1 << 20);
	require(event_copy(&last, &page.events[page.count - 1], &kept), "no memory");
	query.has_cursor = true;
	query.cursor = (struct query_cursor){.number = key_of(&last, query.sort), .text = last.title, .id = last.id,
		.page = query.page + 1};
	snprintf(line, sizeof line, "%s: cursor at 9/10", name);
	measure(bench, line, read_page, &query);
	arena_finish(&kept);
}

static bool look(void *context, const struct event *event, int64_t total)
{
	(void)context, (void)event, (void)total;
	return true;
}

static void measure_reads(struct bench *bench)
{
	uint64_t as_of;

	struct query all = {.statuses = EVENT_STATUS_ALL};
	struct query users = {.statuses = EVENT_STATUS_NOT_DRAFT};
	struct query published = {.statuses = EVENT_STATUS_BIT(EVENT_PUBLISHED)};
	struct query upcoming = {.statuses = EVENT_STATUS_ALL, .upcoming = true, .sort = SORT_EVENT_DATE};

	/* As in a service that has been up for a while: the file is in memory and mapped. */
	require_ok(bench, store_each(bench->session, look, NULL, &as_of));
	measure(bench, "one event by id", read_one, NULL);
	measure(bench, "64 events by id", read_64, NULL);
	measure_list(bench, "all by id", all);
	all.sort = SORT_TITLE;
	measure_list(bench, "all by title", all);
	measure_list(bench, "users' view by id", users);
	users.sort = SORT_PRICE;
	users.descending = true;
	measure_list(bench, "users' view by -price (ties)", users);
	measure_list(bench, "published by id", published);
	measure_list(bench, "upcoming", upcoming);
}

/* ---- writes ---- */

static void measure_writes(struct bench *bench, size_t batch, bool create)
{
	static struct store_write writes[64];
	static struct patch patches[64];
	size_t rounds = 1024 / batch;

	uint64_t begun_ns = clock_monotonic_ns();
	for (size_t round = 0; round < rounds; round++) {
		for (size_t i = 0; i < batch; i++) {
			patches[i] = (struct patch){.fields = PATCH_CAPACITY, .event = {.title = STR("A new concert of the season"),
				.venue = STR("Blue Hall"), .event_date_us = NOW_US + roll(bench, 1000000) * 1000000,
				.price_cents = 2500, .capacity = (int32_t)roll(bench, 1000000), .status = EVENT_PUBLISHED}};
			if (create)
				patches[i].fields = 127;
			writes[i] = (struct store_write){.kind = create ? WRITE_CREATE : WRITE_UPDATE, .patch = &patches[i],
				.event_id = 1 + roll(bench, bench->events), .actor_id = 1, .actor_email = STR("admin@example.org"),
				.actor_role = STR("admin"), .request_id = STR("0123456789abcdef")};
		}
		require_ok(bench, store_apply(bench->session, writes, batch, false, NOW_US, &bench->arena));
		arena_reset(&bench->arena);
	}
	double seconds = (double)(clock_monotonic_ns() - begun_ns) / 1e9;
	printf("%9lld  %s in batches of %-22zu %9.0f writes/s, %.2f ms a batch\n", (long long)bench->events,
	       create ? "creations" : "updates  ", batch, (double)(rounds * batch) / seconds, seconds * 1e3 / (double)rounds);
	fflush(stdout);
}

/* ---- the catalogue ---- */

static void fill(const char *folder, int64_t events)
{
	char path[512], sql[2048];
	char *problem = NULL;
	sqlite3 *db;

	snprintf(path, sizeof path, "%s/evently.db", folder);
	require(sqlite3_open(path, &db) == SQLITE_OK, "cannot open the database");
	snprintf(sql, sizeof sql,
	         "PRAGMA synchronous = OFF; PRAGMA cache_size = -200000; BEGIN;"
	         "INSERT INTO users (id, updated_at) VALUES (1, 0);"
	         "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %lld) "
	         "INSERT INTO events (title, venue, description, event_date, price_cents, capacity, status, created_at, "
	         "updated_at, created_by, version) SELECT 'Concert ' || (i * 7919 %% 99991) || ' of the season', "
	         "'Hall ' || (i %% 500), 'An evening with number ' || (i %% 1000) || ', doors open at seven.', "
	         "%lld + (i * 7919 %% 1000003 - 500000) * 315360000, (i %% 40) * 250, i %% 1000, "
	         "CASE WHEN i <= %lld / 2 THEN 0 WHEN i %% 5 = 0 THEN 2 WHEN i %% 5 = 1 THEN 3 ELSE 1 END, "
	         "%lld - i * 1000, %lld - (i * 7919 %% 1000003) * 1000, 1, 1 FROM n; COMMIT; PRAGMA wal_checkpoint(TRUNCATE)",
	         (long long)events, (long long)NOW_US, (long long)events, (long long)NOW_US, (long long)NOW_US);
	if (sqlite3_exec(db, sql, NULL, NULL, &problem) != SQLITE_OK)
		require(false, problem);
	require(sqlite3_close(db) == SQLITE_OK, "cannot close the database");
}

static void clean(const char *folder)
{
	static const char *const names[] = {"evently.db", "evently.db-wal", "evently.db-shm", "lock"};
	char path[512];

	for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
		snprintf(path, sizeof path, "%s/%s", folder, names[i]);
		unlink(path);
	}
	rmdir(folder);
}

static void run(int64_t events)
{
	const char *parent = getenv("TMPDIR");
	char folder[256];
	struct bench bench = {.events = events, .random = 1};
	struct config *config;
	struct store *store;
	struct buf text;

	snprintf(folder, sizeof folder, "%s/evently-bench-XXXXXX", parent != NULL ? parent : "/tmp");
	require(mkdtemp(folder) != NULL, "no temporary folder");
	setenv("DATA_DIR", folder, 1);
	unsetenv("DATABASE_URL");
	unsetenv("DB_HOST");
	buf_init(&text, 65536);
	require(config_load(&config, &text, &text), "bad settings");
	require(store_open(&store, config, true, &text) == STORE_OK, "cannot open the store");
	bench.session = store_session_open(store);
	require(bench.session != NULL, "no memory");
	arena_init(&bench.arena, 64 << 20);
	require_ok(&bench, store_migrate_up(bench.session, 0, &text));
	uint64_t begun_ns = clock_monotonic_ns();
	fill(folder, events);
	printf("%9lld  %-44s %9.1f s\n", (long long)events, "filled by SQL",
	       (double)(clock_monotonic_ns() - begun_ns) / 1e9);
	measure_reads(&bench);
	for (size_t batch = 1; batch <= 64; batch *= batch < 16 ? 16 : 4) {
		measure_writes(&bench, batch, false);
		measure_writes(&bench, batch, true);
	}
	store_session_close(bench.session);
	store_close(store);
	arena_finish(&bench.arena);
	config_free(config);
	buf_finish(&text);
	clean(folder);
}

int main(int count, char **arguments)
{
	printf("%9s  %-44s %9s %9s\n", "events", "call", "median µs", "99 % µs");
	if (count == 1) {
		run(1000);
		run(1000000);
	}
	for (int i = 1; i < count; i++)
		run(strtoll(arguments[i], NULL, 10));
	return 0;
}
