/* Writing: create, change and delete one event. HTTP threads, except write_done, which the write lane calls. */
#include "api/routes.h"

#include "api/service.h"
#include "base/clock.h"
#include "base/hash.h"

/* What a write keeps in the request's arena. */
struct write_request {
	struct write_job job;
	struct patch patch;
	struct buf body; /* the answer's bytes, copied on the lane's thread */
	int64_t event_id;
};

enum { EVENT_BYTES_MAX = 1 << 20, KEY_BYTES_MAX = 255 };

/* ---- the answer ---- */

/* "{"id":7," at the start of an event's JSON. */
static int64_t id_of_body(struct str body)
{
	struct str rest = str_skip(body, sizeof "{\"id\":" - 1), digits;
	int64_t id;

	return str_cut(&rest, ',', &digits) && str_to_i64(digits, &id) ? id : 0;
}

static void write_done(struct write_job *job)
{
	struct request *request = job->context;
	struct write_request *write = request->job;

	if (job->result == STORE_OK) {
		switch (job->write.outcome) {
		case WRITE_APPLIED:
		case WRITE_UNCHANGED:
			if (job->write.answer.ptr != NULL)
				buf_str(&write->body, job->write.answer);
			else if (job->write.kind != WRITE_DELETE)
				event_json(&write->body, &job->write.event, clock_wall_us());
			break;
		case WRITE_REPLAYED:
			buf_str(&write->body, job->write.answer);
			break;
		default:
			break;
		}
	}
	request_resume(request);
}

static void answer_event(struct request *request, struct write_request *write)
{
	bool created = write->job.write.kind == WRITE_CREATE;
	int64_t id = id_of_body(buf_view(&write->body));
	uint64_t etag = hash_content(buf_view(&write->body));

	answer_buf(request, created ? 201 : 200, CONTENT_TYPE_JSON, &write->body);
	if (request->answer.status >= 300)
		return;
	request->answer.has_etag = true;
	request->answer.etag = etag;
	if (created)
		answer_header(request, "Location", arena_printf(&request->arena, "/api/v1/events/%lld", (long long)id));
}

static void answer_applied(struct request *request, struct write_request *write)
{
	static const struct str deleted = {"{\"message\":\"Event deleted successfully\",\"success\":true}", sizeof "{\"message\":\"Event deleted successfully\",\"success\":true}" - 1};

	if (write->job.write.kind == WRITE_DELETE)
		answer_bytes(request, 200, CONTENT_TYPE_JSON, deleted, NULL, NULL);
	else
		answer_event(request, write);
}

static void answer_write(struct request *request)
{
	struct write_request *write = request->job;

	if (write->job.result == STORE_IN_USE) {
		answer_problem(request, PROBLEM_KEY_IN_FLIGHT, "The first request with this Idempotency-Key is not answered yet.");
		return;
	}
	if (write->job.result != STORE_OK) {
		service_answer_failure(request, write->job.result);
		return;
	}
	switch (write->job.write.outcome) {
	case WRITE_APPLIED:
	case WRITE_UNCHANGED:
	case WRITE_REPLAYED:
		answer_applied(request, write);
		break;
	case WRITE_KEY_REUSED:
		answer_problem(request, PROBLEM_KEY_REUSED, "This Idempotency-Key was used with another body.");
		break;
	case WRITE_NOT_FOUND:
		answer_problem(request, PROBLEM_NOT_FOUND, "There is no event %lld.", (long long)request->path_id);
		break;
	case WRITE_PRECONDITION:
		answer_problem(request, PROBLEM_PRECONDITION_FAILED,
		               "The event is not (or no longer) as If-Match says; read it again.");
		break;
	default:
		service_log_failure(request, "a write failed alone");
		answer_problem(request, PROBLEM_INTERNAL, "The write failed; nothing was changed. The log has the details.");
		break;
	}
}

/* ---- the wish ---- */

/* NULL: answered. */
static struct write_request *begin_write(struct request *request, enum write_kind kind)
{
	struct write_request *write = arena_new(&request->arena, struct write_request);

	if (write == NULL) {
		service_answer_failure(request, STORE_OUT_OF_MEMORY);
		return NULL;
	}
	buf_init(&write->body, EVENT_BYTES_MAX);
	write->job.context = request;
	write->job.done = write_done;
	write->job.deadline_ns = request->deadline_ns;
	write->job.write = (struct store_write){
		.kind = kind,
		.event_id = request->path_id,
		.if_match = kind != WRITE_CREATE ? request_header(request, HEADER_IF_MATCH) : STR_NONE,
		.actor_id = request->principal.user_id,
		.actor_email = {request->principal.email, request->principal.email_len},
		.actor_role = STR("admin"),
		.request_id = request_id(request),
	};
	return write;
}

static void read_key(struct request *request, struct write_request *write, struct issues *issues)
{
	struct str key = request_header(request, HEADER_IDEMPOTENCY_KEY);
	bool good = key.len >= 1 && key.len <= KEY_BYTES_MAX &&
	            (request->header_repeated & (1u << HEADER_IDEMPOTENCY_KEY)) == 0;

	if (key.ptr == NULL)
		return;
	for (size_t i = 0; good && i < key.len; i++)
		good = key.ptr[i] >= 0x20 && key.ptr[i] < 0x7f;
	if (good)
		write->job.write.idempotency_key = key;
	else
		issues_add(issues, "header", STR("Idempotency-Key"), "value_error",
		           "must be 1 to %d printable ASCII characters, once", KEY_BYTES_MAX);
}

/* Path, header and body together. False: answered. */
static bool read_wish(struct request *request, struct write_request *write, bool creating)
{
	struct issues issues;
	struct str problem;

	issues_init(&issues, &request->arena);
	routes_path_issue(request, &issues);
	if (creating)
		read_key(request, write, &issues);
	switch (patch_parse(&write->patch, buf_view(&request->body), creating, &request->arena, &issues, &problem)) {
	case PATCH_OK:
	case PATCH_INVALID:
		if (issues.total > 0) {
			answer_issues(request, &issues);
			return false;
		}
		write->job.write.patch = &write->patch;
		write->job.write.body_hash = hash_content(buf_view(&request->body));
		return true;
	case PATCH_MALFORMED:
		answer_problem(request, PROBLEM_MALFORMED_JSON, "%.*s", STR_ARG(problem));
		return false;
	default:
		service_answer_failure(request, STORE_OUT_OF_MEMORY);
		return false;
	}
}

/* Also when the connection ends before the answer. */
static void drop_write(struct request *request)
{
	struct write_request *write = request->job;

	buf_finish(&write->body);
}

static void submit(struct request *request, struct write_request *write)
{
	request->job = write;
	request->cleanup = drop_write;
	request_suspend(request, answer_write);
	switch (write_submit(service_of(request)->writes, &write->job)) {
	case WRITE_SUBMITTED:
		return;
	case WRITE_REFUSED:
		write->job.result = STORE_UNAVAILABLE;
		break;
	case WRITE_KEY_IN_FLIGHT:
		write->job.result = STORE_IN_USE;
		break;
	}
	request_resume(request);
}

void admin_create(struct request *request)
{
	struct write_request *write = begin_write(request, WRITE_CREATE);

	if (write != NULL && read_wish(request, write, true))
		submit(request, write);
}

void admin_update(struct request *request)
{
	struct write_request *write = begin_write(request, WRITE_UPDATE);

	if (write != NULL && read_wish(request, write, false))
		submit(request, write);
}

void admin_delete(struct request *request)
{
	struct write_request *write = begin_write(request, WRITE_DELETE);

	if (write != NULL)
		submit(request, write);
}
