/* evently demo */
#include "cli/command.h"

#include <inttypes.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/random.h"
#include "cli/demo_events.h"

enum { TIMEOUT_S = 60, MEMORY_BYTES_MAX = 16 << 20 };
#define MINUTE_US INT64_C(60000000)
#define DAY_US (24 * 60 * MINUTE_US)

/* How many events there are. */
static enum store_result count_events(const struct database *database, int64_t now_us, struct arena *arena,
                                      int64_t *total)
{
	const struct query query = {.statuses = EVENT_STATUS_ALL, .sort = SORT_ID, .page = 1, .size = 1};
	struct query_page page;
	uint64_t as_of;

	enum store_result result = store_list(database->session, &query, now_us, true, arena, &page, &as_of);
	if (result == STORE_OK)
		*total = page.total;
	return result;
}

static void fill_patch(struct patch *patch, const struct demo_event *demo, int64_t today_us)
{
	*patch = (struct patch){
		.fields = PATCH_TITLE | PATCH_VENUE | PATCH_DESCRIPTION | PATCH_EVENT_DATE | PATCH_CAPACITY | PATCH_PRICE |
		          PATCH_STATUS,
		.event = {.title = str_from(demo->title),
		          .venue = str_from(demo->venue),
		          .description = str_from(demo->description),
		          .event_date_us = today_us + demo->days * DAY_US + (demo->hour * 60 + demo->minute) * MINUTE_US,
		          .price_cents = demo->price_cents,
		          .capacity = demo->capacity,
		          .status = demo->status},
	};
}

static enum store_result create_events(const struct database *database, int64_t now_us, struct arena *arena)
{
	struct str request_id = arena_printf(arena, "evently-demo-%016" PRIx64, random_u64());
	struct store_write *writes = arena_array(arena, struct store_write, demo_event_count);
	struct patch *patches = arena_array(arena, struct patch, demo_event_count);

	if (request_id.ptr == NULL || writes == NULL || patches == NULL)
		return STORE_OUT_OF_MEMORY;
	for (size_t i = 0; i < demo_event_count; i++) {
		fill_patch(&patches[i], &demo_events[i], now_us - now_us % DAY_US);
		writes[i] = (struct store_write){.kind = WRITE_CREATE,
		                                 .patch = &patches[i],
		                                 .actor_id = 1,
		                                 .actor_email = STR("admin@localhost"),
		                                 .actor_role = STR("admin"),
		                                 .request_id = request_id};
	}
	enum store_result result = store_apply(database->session, writes, demo_event_count, true, now_us, arena);
	for (size_t i = 0; result == STORE_OK && i < demo_event_count; i++)
		if (writes[i].outcome != WRITE_APPLIED)
			result = STORE_INTERNAL;
	if (result == STORE_OK)
		database_settle(database, writes[demo_event_count - 1].change.seq);
	return result;
}

static int fill(const struct cli *cli, const struct database *database, struct arena *arena)
{
	int64_t now_us = clock_wall_us(), total = 0;
	struct buf out;

	enum store_result result = count_events(database, now_us, arena, &total);
	if (result != STORE_OK)
		return database_fail(database, cli->config, "cannot look into the catalogue", result);
	if (total > 0 && cli_flag(cli, "--if-empty"))
		return CLI_OK;
	if (total > 0)
		return cli_fail("the catalogue holds %" PRId64 " event%s already: demo fills an empty one only", total,
		                total == 1 ? "" : "s");
	result = create_events(database, now_us, arena);
	if (result != STORE_OK)
		return database_fail(database, cli->config, "cannot fill the catalogue", result);
	buf_init(&out, 4096);
	buf_printf(&out, "%zu events created\n", demo_event_count);
	cli_put(&out);
	return CLI_OK;
}

int command_demo(struct cli *cli)
{
	struct database database;
	struct arena arena;

	if (!database_open(&database, cli->config, DATABASE_WRITE, TIMEOUT_S))
		return CLI_FAILED;
	arena_init(&arena, MEMORY_BYTES_MAX);
	int exit_code = fill(cli, &database, &arena);
	arena_finish(&arena);
	database_close(&database);
	return exit_code;
}
