/* Measures the PostgreSQL store alone, as one lane uses it: store_postgres get|apply|lists SECONDS, DATABASE_URL set.
 * bench/postgres runs it beside pgbench on one server. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/random.h"
#include "config/config.h"
#include "store/store.h"

enum { BATCH = 64, SAMPLES_MAX = 1 << 20, ARENA_BYTES_MAX = 64 << 20, PAGE = 20 };

struct bench {
	struct store_session *session;
	struct arena arena;
	int64_t ids;           /* events are numbered 1..ids */
	uint64_t *samples_ns;
	size_t samples;
};

static _Noreturn void fail(const char *what, const char *why)
{
	fprintf(stderr, "%s: %s\n", what, why);
	exit(1);
}

static void must(struct bench *bench, enum store_result result, const char *what)
{
	if (result != STORE_OK)
		fail(what, store_session_problem(bench->session));
}

static int compare(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
	return (left > right) - (left < right);
}

static double percentile_ms(struct bench *bench, double share)
{
	return (double)bench->samples_ns[(size_t)((double)(bench->samples - 1) * share)] / 1e6;
}

static void print(struct bench *bench, const char *name, size_t each, uint64_t took_ns)
{
	qsort(bench->samples_ns, bench->samples, sizeof *bench->samples_ns, compare);
	printf("%-44s %10.0f /s   p50 %7.3f ms   p99 %7.3f ms\n", name,
	       (double)(bench->samples * each) / ((double)took_ns / 1e9), percentile_ms(bench, 0.5), percentile_ms(bench, 0.99));
}

static int64_t any_id(const struct bench *bench)
{
	return 1 + (int64_t)(random_fast_u64() % (uint64_t)bench->ids);
}

/* ---- what is measured; each does one call ---- */

static void get_batch(struct bench *bench, const void *unused)
{
	int64_t ids[BATCH];
	struct event events[BATCH];
	uint64_t as_of;

	(void)unused;
	for (size_t i = 0; i < BATCH; i++)
		ids[i] = any_id(bench);
	must(bench, store_get_many(bench->session, ids, BATCH, true, &bench->arena, events, &as_of), "get_many");
}

static void apply_batch(struct bench *bench, const void *unused)
{
	struct patch patches[BATCH];
	struct store_write writes[BATCH];

	(void)unused;
	for (size_t i = 0; i < BATCH; i++) {
		patches[i] = (struct patch){.fields = PATCH_PRICE, .event = {.price_cents = (int64_t)(random_fast_u64() % 100000)}};
		writes[i] = (struct store_write){.kind = WRITE_UPDATE, .event_id = any_id(bench), .patch = &patches[i],
			.actor_id = 1, .actor_email = STR("admin@example.org"), .actor_role = STR("admin"), .request_id = STR("bench")};
	}
	must(bench, store_apply(bench->session, writes, BATCH, false, clock_wall_us(), &bench->arena), "apply");
	for (size_t i = 0; i < BATCH; i++)
		if (writes[i].outcome != WRITE_APPLIED && writes[i].outcome != WRITE_UNCHANGED)
			fail("apply", "a write was not applied");
}

static struct query_page list_page(struct bench *bench, const struct query *query)
{
	struct query_page page;
	uint64_t as_of;

	must(bench, store_list(bench->session, query, clock_wall_us(), true, &bench->arena, &page, &as_of), "list");
	return page;
}

static void list_query(struct bench *bench, const void *query)
{
	(void)list_page(bench, query);
}

/* Any page of `model`'s order: behind a random event. */
static void list_anywhere(struct bench *bench, const void *model)
{
	struct query query = *(const struct query *)model;
	int64_t id = any_id(bench);
	struct event event;
	uint64_t as_of;

	if (query.sort != SORT_ID) {
		must(bench, store_get_many(bench->session, &id, 1, true, &bench->arena, &event, &as_of), "get_many");
		query.cursor.number = query.sort == SORT_PRICE ? event.price_cents : event.event_date_us;
	} else {
		query.cursor.number = id;
	}
	query.cursor.id = id;
	query.has_cursor = true;
	(void)list_page(bench, &query);
}

static void run(struct bench *bench, const char *name, size_t each, double seconds,
                void (*call)(struct bench *, const void *), const void *context)
{
	uint64_t begun_ns = clock_monotonic_ns(), now_ns = begun_ns;

	bench->samples = 0;
	store_session_deadline(bench->session, begun_ns + 60 * CLOCK_SECOND);
	for (int i = 0; i < 20; i++)
		call(bench, context);
	arena_reset(&bench->arena);
	begun_ns = now_ns = clock_monotonic_ns();
	while (now_ns - begun_ns < (uint64_t)(seconds * 1e9) && bench->samples < SAMPLES_MAX) {
		uint64_t before_ns = now_ns;
		store_session_deadline(bench->session, before_ns + 10 * CLOCK_SECOND);
		call(bench, context);
		arena_reset(&bench->arena);
		now_ns = clock_monotonic_ns();
		bench->samples_ns[bench->samples++] = now_ns - before_ns;
	}
	print(bench, name, each, now_ns - begun_ns);
	fflush(stdout);
}

static void run_lists(struct bench *bench, double seconds)
{
	struct query by_id = {.statuses = EVENT_STATUS_ALL, .size = PAGE, .page = 1};
	struct query by_date = {.statuses = EVENT_STATUS_NOT_DRAFT, .size = PAGE, .page = 1, .sort = SORT_EVENT_DATE};
	struct query by_price = {.statuses = EVENT_STATUS_ALL, .size = PAGE, .page = 1, .sort = SORT_PRICE, .descending = true};
	struct query upcoming = {.statuses = EVENT_STATUS_BIT(EVENT_PUBLISHED), .upcoming = true, .size = PAGE, .page = 1,
		.sort = SORT_EVENT_DATE};
	struct query text = {.statuses = EVENT_STATUS_ALL, .size = PAGE, .page = 1, .q = STR("word77 word4242")};
	struct query venue = {.statuses = EVENT_STATUS_ALL, .size = PAGE, .page = 1, .venue = STR("Venue 77")};
	struct query dates = {.statuses = EVENT_STATUS_NOT_DRAFT, .size = PAGE, .page = 1, .sort = SORT_EVENT_DATE,
		.has_date_from = true, .date_from_us = clock_wall_us(), .has_date_to = true,
		.date_to_us = clock_wall_us() + INT64_C(90) * 86400 * 1000000};
	struct query deep = by_id;
	struct query deep_cursor = by_id;

	deep.page = 40000;
	deep_cursor.has_cursor = true;
	deep_cursor.cursor.number = deep_cursor.cursor.id = INT64_C(39999) * PAGE;
	run(bench, "list by id, page 1", 1, seconds, list_query, &by_id);
	run(bench, "list by id, page 40,000 by cursor", 1, seconds, list_query, &deep_cursor);
	run(bench, "list by id, any cursor", 1, seconds, list_anywhere, &by_id);
	run(bench, "list by event_date, page 1", 1, seconds, list_query, &by_date);
	run(bench, "list by event_date, any cursor (and its get)", 1, seconds, list_anywhere, &by_date);
	run(bench, "list by price, descending, any cursor", 1, seconds, list_anywhere, &by_price);
	run(bench, "upcoming, page 1", 1, seconds, list_query, &upcoming);
	run(bench, "list between two dates", 1, seconds, list_query, &dates);
	run(bench, "list of one venue", 1, seconds, list_query, &venue);
	run(bench, "full text, two words", 1, seconds, list_query, &text);
	run(bench, "list by id, page 40,000 by number", 1, seconds, list_query, &deep);
}

int main(int count, char **arguments)
{
	struct bench bench = {0};
	struct buf problem, warnings;
	struct config *config;
	struct store *store;
	struct store_head head;

	if (count != 3 && count != 4)
		fail("usage", "store_postgres get|apply|lists SECONDS [EVENTS]");
	buf_init(&problem, 4096);
	buf_init(&warnings, 4096);
	if (!config_load(&config, &problem, &warnings) || store_open(&store, config, false, &problem) != STORE_OK)
		fail("start", problem.ptr);
	bench.session = store_session_open(store);
	bench.samples_ns = calloc(SAMPLES_MAX, sizeof *bench.samples_ns);
	arena_init(&bench.arena, ARENA_BYTES_MAX);
	if (bench.session == NULL || bench.samples_ns == NULL)
		fail("start", "out of memory");
	must(&bench, store_head(bench.session, &head), "head");
	bench.ids = count == 4 ? atoll(arguments[3]) : 1000000;
	double seconds = atof(arguments[2]);
	if (strcmp(arguments[1], "get") == 0)
		run(&bench, "get_many, 64 random ids, one session", BATCH, seconds, get_batch, NULL);
	else if (strcmp(arguments[1], "apply") == 0)
		run(&bench, "apply, 64 updates a batch, one session", BATCH, seconds, apply_batch, NULL);
	else
		run_lists(&bench, seconds);
	store_session_close(bench.session);
	store_close(store);
	config_free(config);
	arena_finish(&bench.arena);
	free(bench.samples_ns);
	buf_finish(&problem);
	buf_finish(&warnings);
	return 0;
}
