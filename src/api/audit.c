/* The audit trail: the history of one event, and the whole log with filters. Admins only, so nothing is hidden. */
#include "api/routes.h"

#include "api/parameters.h"
#include "api/service.h"
#include "api/task_request.h"
#include "base/clock.h"

enum { LIMIT_DEFAULT = 100, LIMIT_MAX = 1000, READ_MAX = 100, PAGE_BYTES = 8 << 20, ARENA_BYTES_MAX = 256 << 20 };

struct audit_request {
	struct task_request task;
	struct store_audit_filter filter;
	uint64_t after, limit; /* after grows with what is printed */
	bool empty;
	bool one_event; /* then nothing found is a 404 */
};

/* The changes of one read, as far as the page has room; gives how many. */
static size_t print_changes(struct audit_request *self, const struct change *changes, size_t count)
{
	struct buf *body = &self->task.body;
	int64_t now_us = clock_wall_us();
	size_t printed = 0;

	while (printed < count && body->len < PAGE_BYTES) {
		if (!self->empty)
			buf_char(body, ',');
		self->empty = false;
		change_json_audit(body, &changes[printed], now_us);
		self->after = changes[printed].seq;
		printed++;
	}
	return printed;
}

/* Read after read, each of one more than is wanted, to know whether there is a next page. A page of changes to long
 * descriptions ends before its limit. */
static enum store_result read_page(struct audit_request *self, struct store_session *session, bool *more)
{
	enum store_result result = STORE_OK;
	uint64_t left = self->limit;
	bool going = true;

	*more = false;
	while (going && left > 0) {
		uint64_t wanted = left < READ_MAX ? left : READ_MAX, as_of;
		struct change *changes;
		struct arena arena;
		size_t count = 0, printed = 0;
		arena_init(&arena, ARENA_BYTES_MAX);
		result = store_audit(session, &self->filter, self->after, wanted + 1, &arena, &changes, &count, &as_of);
		if (result == STORE_OK)
			printed = print_changes(self, changes, count < wanted ? count : wanted);
		*more = count > printed;
		going = *more && printed == wanted && self->task.body.len < PAGE_BYTES;
		left -= printed;
		arena_finish(&arena);
	}
	return result;
}

static enum store_result read_audit(struct task_request *task, struct store_session *session)
{
	struct audit_request *self = CONTAINER_OF(task, struct audit_request, task);
	bool from_start = self->after == 0, more;

	self->empty = true;
	buf_lit(&task->body, "{\"changes\":[");
	enum store_result result = read_page(self, session, &more);
	if (result == STORE_OK && self->one_event && self->empty && from_start)
		return STORE_NOT_FOUND;
	if (result == STORE_OK && !self->empty)
		service_show(task->request, self->after);
	buf_lit(&task->body, "],\"next_cursor\":");
	if (more)
		buf_printf(&task->body, "\"%llu\"}", (unsigned long long)self->after);
	else
		buf_lit(&task->body, "null}");
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
