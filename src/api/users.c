/* Users that are shut out, or let in again: PUT and GET /api/v1/admin/users/{id}. */
#include "api/routes.h"

#include "api/service.h"
#include "api/task_request.h"
#include "base/clock.h"
#include "events/body.h"
#include "events/timestamp.h"

enum { ARENA_BYTES_MAX = 1 << 20 };

struct user_request {
	struct task_request task;
	int64_t user_id;
	bool write, is_active;
};

static void print_user(struct buf *out, const struct store_user *user)
{
	buf_lit(out, "{\"id\":");
	buf_i64(out, user->id);
	buf_lit(out, ",\"email\":");
	buf_json(out, user->email);
	buf_lit(out, ",\"role\":");
	buf_json(out, user->role);
	buf_lit(out, ",\"is_active\":");
	buf_str(out, user->is_active ? STR("true") : STR("false"));
	buf_lit(out, ",\"updated_at\":\"");
	timestamp_print(out, user->updated_at_us);
	buf_lit(out, "\"}");
}

static enum store_result work(struct task_request *task, struct store_session *session)
{
	struct user_request *self = CONTAINER_OF(task, struct user_request, task);
	struct service *service = service_of(task->request);
	struct store_user user;
	struct arena arena;
	enum store_result result;

	arena_init(&arena, ARENA_BYTES_MAX);
	if (self->write)
		result = store_user_set_active(session, self->user_id, self->is_active, clock_wall_us(), &arena, &user);
	else
		result = store_user_get(session, self->user_id, &arena, &user);
	if (result == STORE_OK)
		print_user(&task->body, &user);
	if (result == STORE_OK && self->write)
		follower_users_changed(service->follower, session);
	arena_finish(&arena);
	return result;
}

static struct user_request *begin(struct request *request)
{
	struct user_request *self = arena_new(&request->arena, struct user_request);

	if (self == NULL)
		service_answer_failure(request, STORE_OUT_OF_MEMORY);
	else
		self->user_id = request->path_id;
	return self;
}

static void read_members(struct body *body, struct issues *issues, bool *is_active)
{
	struct body_member member;
	bool given = false;

	while (body_next(body, &member)) {
		if (!str_equal(member.name, STR("is_active"))) {
			issues_add(issues, "body", member.name, "extra_forbidden", "is not known here");
			continue;
		}
		given = true;
		*is_active = json_is_true(member.value);
		if (!json_is_boolean(member.value))
			issues_add(issues, "body", STR("is_active"), "bool_type", "must be true or false");
	}
	if (!given)
		issues_add(issues, "body", STR("is_active"), "missing", "is required");
}

/* False: answered. Exactly {"is_active": true or false}. */
static bool parse_body(struct request *request, bool *is_active)
{
	struct issues issues;
	struct str problem;
	struct body body;

	issues_init(&issues, &request->arena);
	routes_path_issue(request, &issues);
	enum body_result opened = body_open(&body, buf_view(&request->body), &request->arena, &problem);
	if (opened == BODY_OK)
		read_members(&body, &issues, is_active);
	body_close(&body);
	switch (opened) {
	case BODY_MALFORMED:
		answer_problem(request, PROBLEM_MALFORMED_JSON, "%.*s", STR_ARG(problem));
		return false;
	case BODY_OUT_OF_MEMORY:
		service_answer_failure(request, STORE_OUT_OF_MEMORY);
		return false;
	case BODY_NOT_AN_OBJECT:
		issues_add(&issues, "body", STR_NONE, "object_type", "must be a JSON object");
		break;
	case BODY_OK: break;
	}
	if (issues.total > 0)
		answer_issues(request, &issues);
	return issues.total == 0;
}

void users_put(struct request *request)
{
	struct user_request *self = begin(request);

	if (self == NULL || !parse_body(request, &self->is_active))
		return;
	self->write = true;
	task_request_submit(service_of(request)->queries, &self->task, request, work, task_request_answer_json);
}

void users_get(struct request *request)
{
	struct user_request *self = begin(request);

	if (self != NULL)
		task_request_submit(service_of(request)->queries, &self->task, request, work, task_request_answer_json);
}
