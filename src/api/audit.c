/* The audit trail: the history of one event, and the whole log with filters. Admins only, so nothing is hidden. */
#include "api/routes.h"

#include "api/parameters.h"
#include "api/service.h"
#include "api/task_request.h"
#include "base/clock.h"

enum { LIMIT_DEFAULT = 100, LIMIT_MAX = 1000, ARENA_BYTES_MAX = 256 << 20 };

struct audit_request {
	struct task_request task;
	struct store_audit_filter filter;
	uint64_t after, limit;
	bool one_event; /* then nothing found is a 404 */
};

/* One more than asked for is read, to know whether there is a next page. */
static enum store_result read_audit(struct task_request *task, struct store_session *session)
{
	struct audit_request *self = CONTAINER_OF(task, struct audit_request, task);
	struct change *changes;
	struct arena arena;
	size_t count;
	uint64_t as_of;

	arena_init(&arena, ARENA_BYTES_MAX);
	enum store_result result =
		store_audit(session, &self->filter, self->after, self->limit + 1, &arena, &changes, &count, &as_of);
	if (result == STORE_OK && self->one_event && count == 0 && self->after == 0)
		result = STORE_NOT_FOUND;
	if (result == STORE_OK) {
		struct buf *body = &task->body;
		bool more = count > self->limit;
		int64_t now_us = clock_wall_us();
		if (more)
			count = self->limit;
		buf_lit(body, "{\"changes\":[");
		for (size_t i = 0; i < count; i++) {
			if (i > 0)
				buf_char(body, ',');
			change_json_audit(body, &changes[i], now_us);
		}
		buf_lit(body, "],\"next_cursor\":");
		if (more)
			buf_printf(body, "\"%llu\"}", (unsigned long long)changes[count - 1].seq);
		else
			buf_lit(body, "null}");
	}
	arena_finish(&arena);
	return result;
}

static void read_kind(struct parameters *parameters, struct store_audit_filter *filter)
{
	struct str kind = parameters_text(parameters, "kind");

	if (kind.ptr == NULL)
		return;
	filter->has_kind = change_kind_parse(kind, &filter->kind);
	if (!filter->has_kind)
		parameters_issue(parameters, "kind", "enum", "must be created, updated or deleted");
}

static void read_filter(struct parameters *parameters, struct store_audit_filter *filter)
{
	uint64_t id;

	if (parameters_u64(parameters, "actor", 1, INT64_MAX, &id)) {
		filter->has_actor = true;
		filter->actor_id = (int64_t)id;
	}
	if (parameters_u64(parameters, "event_id", 1, INT64_MAX, &id)) {
		filter->has_event = true;
		filter->event_id = (int64_t)id;
	}
	read_kind(parameters, filter);
	filter->has_from = parameters_time_from(parameters, "from", &filter->from_us);
	filter->has_to = parameters_time_to(parameters, "to", &filter->to_us);
}

static void audit(struct request *request, bool one_event)
{
	struct audit_request *self = arena_new(&request->arena, struct audit_request);
	struct parameters parameters;

	if (self == NULL) {
		service_answer_failure(request, STORE_OUT_OF_MEMORY);
		return;
	}
	parameters_init(&parameters, request);
	self->limit = LIMIT_DEFAULT;
	self->one_event = one_event;
	if (one_event) {
		self->filter.has_event = true;
		self->filter.event_id = request->path_id;
	} else {
		read_filter(&parameters, &self->filter);
	}
	parameters_u64(&parameters, "cursor", 0, INT64_MAX, &self->after);
	parameters_u64(&parameters, "limit", 1, LIMIT_MAX, &self->limit);
	if (parameters_end(&parameters))
		task_request_submit(service_of(request)->queries, &self->task, request, read_audit, task_request_answer_json);
}

void audit_history(struct request *request)
{
	audit(request, true);
}

void audit_list(struct request *request)
{
	audit(request, false);
}
