/* iCalendar feeds: one event, or the upcoming ones. Read from the store each time: calendars ask seldom. */
#include "api/routes.h"

#include "api/parameters.h"
#include "api/service.h"
#include "api/task_request.h"
#include "base/clock.h"
#include "base/hash.h"
#include "events/ical.h"

/* With one more page, of events as long as they may be, the calendar stays below TASK_BODY_BYTES_MAX. */
enum { ARENA_BYTES_MAX = 128 << 20, UPCOMING_MAX = 10000, UPCOMING_BYTES_MAX = 32 << 20 };

struct calendar_request {
	struct task_request task;
	int64_t event_id; /* 0: the upcoming ones */
	unsigned visible;
};

static enum store_result read_event(struct calendar_request *self, struct store_session *session)
{
	struct arena arena;
	struct event event;
	uint64_t as_of;

	arena_init(&arena, ARENA_BYTES_MAX);
	enum store_result result = store_get_many(session, &self->event_id, 1, true, &arena, &event, &as_of);
	if (result == STORE_OK)
		service_show(self->task.request, as_of);
	if (result == STORE_OK && (event.id == 0 || (self->visible & EVENT_STATUS_BIT(event.status)) == 0))
		result = STORE_NOT_FOUND;
	if (result == STORE_OK)
		ical_print(&self->task.body, &event, 1);
	arena_finish(&arena);
	return result;
}

/* Page after page behind the last one's place. Beyond what a calendar may hold it ends, with the soonest. */
static enum store_result read_upcoming(struct calendar_request *self, struct store_session *session)
{
	int64_t now_us = clock_wall_us();
	struct query query = {.statuses = EVENT_STATUS_BIT(EVENT_PUBLISHED), .upcoming = true, .sort = SORT_EVENT_DATE,
	                      .page = 1, .size = QUERY_SIZE_MAX};
	struct query_page page = {.has_next = true};
	struct buf *body = &self->task.body;
	enum store_result result = STORE_OK;
	uint64_t as_of;
	size_t count = 0;

	ical_open(body);
	while (result == STORE_OK && page.has_next && count < UPCOMING_MAX && body->len < UPCOMING_BYTES_MAX) {
		struct arena arena;
		arena_init(&arena, ARENA_BYTES_MAX);
		page = (struct query_page){0};
		result = store_list(session, &query, now_us, true, &arena, &page, &as_of);
		if (result == STORE_OK)
			service_show(self->task.request, as_of);
		for (size_t i = 0; i < page.count; i++)
			ical_event(body, &page.events[i]);
		count += page.count;
		if (page.count > 0) {
			const struct event *last = &page.events[page.count - 1];
			query.has_cursor = true;
			query.cursor = (struct query_cursor){.number = last->event_date_us, .id = last->id, .page = query.cursor.page + 1};
		}
		arena_finish(&arena);
	}
	ical_close(body);
	return result;
}

static enum store_result read_calendar(struct task_request *task, struct store_session *session)
{
	struct calendar_request *self = CONTAINER_OF(task, struct calendar_request, task);

	return self->event_id != 0 ? read_event(self, session) : read_upcoming(self, session);
}

static void answer_calendar(struct task_request *task)
{
	struct request *request = task->request;
	uint64_t etag = hash_content(buf_view(&task->body));

	answer_buf(request, 200, CONTENT_TYPE_CALENDAR, &task->body);
	if (request->answer.status != 200)
		return;
	request->answer.cache_control = CACHE_CONTROL_PRIVATE_NO_CACHE;
	request->answer.cache_status = "fwd=miss";
	answer_etag(request, etag);
}

static void calendar(struct request *request, int64_t event_id)
{
	struct calendar_request *self = arena_new(&request->arena, struct calendar_request);
	struct parameters parameters;

	if (self == NULL) {
		service_answer_failure(request, STORE_OUT_OF_MEMORY);
		return;
	}
	self->event_id = event_id;
	self->visible = service_visible(request);
	parameters_init(&parameters, request);
	if (parameters_end(&parameters))
		task_request_submit(service_of(request)->queries, &self->task, request, read_calendar, answer_calendar);
}

void calendar_event(struct request *request)
{
	calendar(request, request->path_id);
}

void calendar_upcoming(struct request *request)
{
	calendar(request, 0);
}
