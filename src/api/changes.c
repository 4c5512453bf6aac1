/* The change feed over HTTP: GET …/changes reads the log page by page, GET …/stream follows it live. */
#include "api/routes.h"

#include "api/parameters.h"
#include "api/service.h"
#include "api/task_request.h"
#include "base/clock.h"

enum { LIMIT_DEFAULT = 100, LIMIT_MAX = 1000, READ_MAX = 100, PAGE_BYTES = 8 << 20, ARENA_BYTES_MAX = 256 << 20 };

struct changes_request {
	struct task_request task;
	uint64_t since, limit; /* since grows with what is printed */
	unsigned visible;
	bool pruned;
	uint64_t head; /* when pruned: where to go on after reading the catalogue */
};

/* The changes of one read that are shown; false when the page is full. */
static bool print_changes(struct changes_request *self, const struct change *changes, size_t count, bool *first)
{
	struct buf *body = &self->task.body;
	int64_t now_us = clock_wall_us();

	for (size_t i = 0; i < count; i++) {
		size_t before = body->len;
		if (!*first)
			buf_char(body, ',');
		if (change_json(body, &changes[i], self->visible, now_us))
			*first = false;
		else
			body->len = before;
		self->since = changes[i].seq;
		if (body->len >= PAGE_BYTES)
			return false;
	}
	return true;
}

/* Read after read: a page of changes to long descriptions ends before its limit, whoever goes on from `next` gets all. */
static enum store_result read_page(struct changes_request *self, struct store_session *session)
{
	enum store_result result = STORE_OK;
	bool first = true, going = true;
	uint64_t left = self->limit;

	while (going && left > 0) {
		uint64_t wanted = left < READ_MAX ? left : READ_MAX, head;
		struct change *changes;
		struct arena arena;
		size_t count = 0;
		arena_init(&arena, ARENA_BYTES_MAX);
		result = store_changes_after(session, self->since, wanted, &arena, &changes, &count, &head);
		going = result == STORE_OK && print_changes(self, changes, count, &first) && count == wanted;
		left -= count;
		arena_finish(&arena);
	}
	return result;
}

static enum store_result read_changes(struct task_request *task, struct store_session *session)
{
	struct changes_request *self = CONTAINER_OF(task, struct changes_request, task);
	uint64_t since = self->since;
	struct store_head now;

	buf_lit(&task->body, "{\"changes\":[");
	enum store_result result = read_page(self, session);
	if (result == STORE_OK && self->since > since)
		service_show(task->request, self->since);
	buf_lit(&task->body, "],\"next\":");
	buf_u64(&task->body, self->since);
	buf_char(&task->body, '}');
	if (result != STORE_PRUNED)
		return result;
	buf_clear(&task->body);
	result = store_head(session, &now);
	self->pruned = true;
	self->head = result == STORE_OK ? now.seq : 0;
	return result;
}

/* Whoever reads the catalogue after this answer has, with the changes from `head` on, missed nothing (RFC 8288). */
static void answer_pruned(struct changes_request *self)
{
	struct request *request = self->task.request;
	struct str link = arena_printf(&request->arena, "</api/v1/events/changes?since=%llu>; rel=\"next\"", (unsigned long long)self->head);

	answer_problem(request, PROBLEM_GONE, "The change log was pruned beyond this place; read the catalogue again, then go on with since=%llu.",
	               (unsigned long long)self->head);
	if (link.ptr != NULL)
		answer_header(request, "Link", link);
}

static void answer_changes(struct task_request *task)
{
	struct changes_request *self = CONTAINER_OF(task, struct changes_request, task);

	if (self->pruned) {
		answer_pruned(self);
		return;
	}
	task_request_answer_json(task);
	if (task->request->answer.status == 200) {
		task->request->answer.cache_control = CACHE_CONTROL_PRIVATE_NO_CACHE;
		task->request->answer.cache_status = "fwd=miss";
	}
}

void changes_list(struct request *request)
{
	struct changes_request *self = arena_new(&request->arena, struct changes_request);
	struct parameters parameters;

	if (self == NULL) {
		service_answer_failure(request, STORE_OUT_OF_MEMORY);
		return;
	}
	self->limit = LIMIT_DEFAULT;
	self->visible = service_visible(request);
	parameters_init(&parameters, request);
	parameters_u64(&parameters, "since", 0, INT64_MAX, &self->since);
	parameters_u64(&parameters, "limit", 1, LIMIT_MAX, &self->limit);
	if (parameters_end(&parameters))
		task_request_submit(service_of(request)->queries, &self->task, request, read_changes, answer_changes);
}

/* Last-Event-ID wins over ?since=; without either only what comes from now on is sent. */
void changes_stream(struct request *request)
{
	struct service *service = service_of(request);
	struct parameters parameters;
	struct str last = request_header(request, HEADER_LAST_EVENT_ID);
	uint64_t since = UINT64_MAX;

	parameters_init(&parameters, request);
	parameters_u64(&parameters, "since", 0, INT64_MAX, &since);
	if (last.ptr != NULL && last.len > 0 && !str_to_u64(last, INT64_MAX, &since))
		issues_add(&parameters.issues, "header", STR("Last-Event-ID"), "int_parsing", "must be the id of an event of this stream");
	if (!parameters_end(&parameters))
		return;
	if (request->method == METHOD_HEAD) {
		answer_stream_head(request, 200, "text/event-stream");
		request->answer.cache_control = CACHE_CONTROL_PRIVATE_NO_CACHE;
		return;
	}
	struct answer_stream *stream = hub_subscribe(service->hub, since, service_visible(request),
	                                             request->principal.user_id, request->principal.expires_at_s);
	if (stream == NULL) {
		answer_unavailable(request, 5, "There are too many open streams, or the service is starting or stopping.");
		return;
	}
	/* Shut out since the token was checked: whoever cuts streams then may have come before this one was there. */
	if (authenticator_is_inactive(service->authenticator, request->principal.user_id))
		hub_cut_users(service->hub, authenticator_is_inactive, service->authenticator);
	answer_stream(request, 200, "text/event-stream", stream);
	request->answer.cache_control = CACHE_CONTROL_PRIVATE_NO_CACHE;
	answer_header(request, "X-Accel-Buffering", STR("no"));
}
