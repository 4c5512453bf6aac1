#include "api/task_request.h"

static void run(struct task *task, struct store_session *session)
{
	struct task_request *self = CONTAINER_OF(task, struct task_request, task);

	self->result = self->work(self, session);
	if (self->result == STORE_INTERNAL)
		service_log(self->request, LOG_ERROR, "store: %s", store_session_problem(session));
	request_resume(self->request);
}

static void finish(struct request *request)
{
	struct task_request *self = request->job;

	if (self->result == STORE_OK)
		self->answer(self);
	else
		service_answer_failure(request, self->result);
}

/* Also when the connection ends before the answer. */
static void drop(struct request *request)
{
	struct task_request *self = request->job;

	buf_finish(&self->body);
}

void task_request_submit(struct task_lane *lane, struct task_request *self, struct request *request,
                         enum store_result (*work)(struct task_request *, struct store_session *),
                         void (*answer)(struct task_request *))
{
	self->request = request;
	self->work = work;
	self->answer = answer;
	self->task.run = run;
	self->task.deadline_ns = request->deadline_ns;
	buf_init(&self->body, TASK_BODY_BYTES_MAX);
	request->job = self;
	request->cleanup = drop;
	request_suspend(request, finish);
	if (!task_submit(lane, &self->task)) {
		self->result = STORE_UNAVAILABLE;
		request_resume(request);
	}
}

void task_request_answer_json(struct task_request *self)
{
	answer_buf(self->request, 200, CONTENT_TYPE_JSON, &self->body);
}
