#include "feed/warm.h"

#include "base/clock.h"
#include "base/log.h"

enum { ARENA_BYTES_MAX = 64 << 20, UPCOMING_PAGES = 5, TIMEOUT_S = 2 };

static bool warm_page(struct store_session *session, struct freshness *freshness, struct local_cache *local,
                      struct list_cache *lists, const struct query *query)
{
	struct arena arena;
	struct query_page page;
	struct buf key, body;
	uint64_t as_of;
	int64_t now_us = clock_wall_us(), until_us = INT64_MAX;

	arena_init(&arena, ARENA_BYTES_MAX);
	buf_init(&key, 16384);
	buf_init(&body, ARENA_BYTES_MAX);
	enum store_result result = store_list(session, query, now_us, true, &arena, &page, &as_of);
	if (result == STORE_OK) {
		freshness_shown(freshness, as_of);
		for (size_t i = 0; i < page.count; i++) {
			const struct event *event = &page.events[i];
			if (event_is_upcoming(event, now_us) && event->event_date_us < until_us)
				until_us = event->event_date_us;
			local_unref(local_fill(local, event->id, event, as_of, local_generation(local),
			                       clock_monotonic_ns(), now_us));
		}
		query_canonical(&key, query);
		query_page_json(&body, query, &page, now_us);
		if (!key.failed && !body.failed && query->page == 1)
			lists_unref(lists_fill(lists, buf_view(&key), buf_view(&body), query->statuses, as_of, until_us,
			                       lists_generation(lists), clock_monotonic_ns()));
	}
	buf_finish(&key);
	buf_finish(&body);
	arena_finish(&arena);
	return result == STORE_OK && page.has_next;
}

void warm_caches(struct store_session *session, struct freshness *freshness, struct local_cache *local,
                 struct list_cache *lists)
{
	struct query list = {.statuses = EVENT_STATUS_NOT_DRAFT, .sort = SORT_ID, .page = 1, .size = QUERY_SIZE_DEFAULT};
	struct query upcoming = {.statuses = EVENT_STATUS_BIT(EVENT_PUBLISHED), .upcoming = true, .sort = SORT_EVENT_DATE,
	                         .page = 1, .size = QUERY_SIZE_DEFAULT};
	struct query events = upcoming;

	store_session_deadline(session, clock_monotonic_ns() + TIMEOUT_S * CLOCK_SECOND);
	warm_page(session, freshness, local, lists, &list);
	warm_page(session, freshness, local, lists, &upcoming);
	events.size = QUERY_SIZE_MAX;
	while (events.page <= UPCOMING_PAGES && warm_page(session, freshness, local, lists, &events))
		events.page++;
}
