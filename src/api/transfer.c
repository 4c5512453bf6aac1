/* Import (POST …/import) and export (GET …/export) of the catalogue as NDJSON or CSV.
 *
 * An import is parsed while its body arrives (HTTP thread) and written by the bulk lane; one runs at a time. An export is
 * made by the bulk lane from one snapshot and goes through a pipe to the connection. */
#include "api/transfer.h"

#include <pthread.h>
#include <stdlib.h>

#include "api/parameters.h"
#include "api/routes.h"
#include "api/service.h"
#include "api/task_request.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "http/pipe.h"
#include "store/export.h"
#include "store/import.h"

enum {
	PIPE_BYTES = 256 << 10,
	SLOW_CLIENT_MS = 30000,
	LONG_WORK_S = 600, /* the deadline of one import's or export's store calls */
	REPORT_BYTES_MAX = 16 << 20,
};

struct transfer {
	pthread_mutex_t lock;
	struct import *running;        /* of the import that has the turn */
	uint64_t lines, written, failed; /* of the last one, when none runs */
	uint64_t count;                /* imports so far */
};

struct import_request {
	struct task task;
	struct request *request;
	struct import *import;
	bool feeding; /* more bytes are of use */
	struct buf body;
};

struct transfer *transfer_create(void)
{
	struct transfer *transfer = calloc(1, sizeof *transfer);

	if (transfer != NULL)
		pthread_mutex_init(&transfer->lock, NULL);
	return transfer;
}

void transfer_destroy(struct transfer *transfer)
{
	if (transfer == NULL)
		return;
	pthread_mutex_destroy(&transfer->lock);
	free(transfer);
}

/* ---- import ---- */

static bool take_turn(struct transfer *transfer, struct import *import)
{
	pthread_mutex_lock(&transfer->lock);
	bool free_turn = transfer->running == NULL;
	if (free_turn) {
		transfer->running = import;
		transfer->count++;
	}
	pthread_mutex_unlock(&transfer->lock);
	return free_turn;
}

static void give_turn_back(struct transfer *transfer, struct import *import)
{
	const struct import_progress *progress = import_progress(import);

	pthread_mutex_lock(&transfer->lock);
	if (transfer->running == import) {
		transfer->running = NULL;
		transfer->lines = progress->lines;
		transfer->written = progress->written;
		transfer->failed = progress->failed;
	}
	pthread_mutex_unlock(&transfer->lock);
}

/* The request is over, in whatever way. */
static void end_import(struct request *request)
{
	struct import_request *self = request->job;

	give_turn_back(service_of(request)->transfer, self->import);
	metrics_count(METRIC_IMPORT_LINES, 0, import_progress(self->import)->lines);
	import_destroy(self->import);
	buf_finish(&self->body);
}

static void feed(struct request *request, struct str bytes)
{
	struct import_request *self = request->job;

	if (self->feeding)
		self->feeding = import_feed(self->import, bytes);
}

static bool is_csv(const struct request *request)
{
	return routes_media_type_is(request_header(request, HEADER_CONTENT_TYPE), "text/csv");
}

void transfer_begin_import(struct request *request)
{
	struct import_request *self = arena_new(&request->arena, struct import_request);
	struct parameters parameters;

	parameters_init(&parameters, request);
	struct str mode = parameters_text(&parameters, "mode");
	if (mode.ptr != NULL && !str_equal(mode, STR("partial")) && !str_equal(mode, STR("all")))
		parameters_issue(&parameters, "mode", "enum", "must be all or partial");
	if (!parameters_end(&parameters))
		return;
	struct import_options options = {
		.format = is_csv(request) ? IMPORT_CSV : IMPORT_NDJSON,
		.partial = mode.ptr != NULL && str_equal(mode, STR("partial")),
		.actor_id = request->principal.user_id,
		.actor_email = {request->principal.email, request->principal.email_len},
		.actor_role = STR("admin"),
		.request_id = request_id(request),
	};
	struct import *import = self != NULL ? import_create(&options) : NULL;
	if (import == NULL) {
		service_answer_failure(request, STORE_OUT_OF_MEMORY);
		return;
	}
	self->request = request;
	self->import = import;
	self->feeding = true;
	buf_init(&self->body, REPORT_BYTES_MAX);
	request->job = self;
	request->cleanup = end_import;
	if (!take_turn(service_of(request)->transfer, import))
		answer_problem(request, PROBLEM_CONFLICT, "Another import is running; see GET on this path.");
	else
		request->body_sink = feed;
}

static void run_import(struct task *task, struct store_session *session)
{
	struct import_request *self = CONTAINER_OF(task, struct import_request, task);
	struct service *service = service_of(self->request);
	enum import_result result = import_finish(self->import, session, clock_wall_us());
	const struct import_report *report = import_report(self->import);

	if (report->last_seq > 0 && !follower_wait(service->follower, session, report->last_seq, clock_monotonic_ns() + 10 * CLOCK_SECOND))
		service_log(self->request, LOG_WARNING, "an import's changes are not applied here yet");
	if (result == IMPORT_STORE_FAILED)
		service_log(self->request, LOG_ERROR, "import: %s", store_session_problem(session));
	import_report_json(&self->body, report);
	request_resume(self->request);
}

static void answer_refused(struct request *request)
{
	answer_unavailable(request, 1, "Too much long work waits already; nothing was written. Try again.");
}

/* 422: the errors of all lines together, each with its line in `loc`. */
static void answer_bad_lines(struct request *request, const struct import_request *self)
{
	const struct import_report *report = import_report(self->import);
	struct buf body;

	buf_init(&body, REPORT_BYTES_MAX);
	buf_lit(&body, "{\"type\":\"urn:evently:problem:validation\",\"title\":\"Validation failed\",\"status\":422,\"detail\":\"");
	if (report->failed > 0)
		buf_printf(&body, "%zu of %zu lines are bad; nothing was written.", report->failed, report->lines);
	else
		buf_lit(&body, "The header line is bad; nothing was written.");
	buf_lit(&body, "\",\"request_id\":");
	buf_json(&body, request_id(request));
	size_t omitted = report->failed > report->error_count ? report->failed - report->error_count : 0;
	buf_printf(&body, ",\"imported\":%zu,\"failed\":%zu,\"lines\":%zu,\"errors_omitted\":%zu,\"errors\":", report->written,
	           report->failed, report->lines, omitted);
	import_errors_json(&body, report);
	buf_char(&body, '}');
	answer_buf(request, 422, CONTENT_TYPE_PROBLEM, &body);
}

static void answer_import(struct request *request)
{
	struct import_request *self = request->job;
	const struct import_report *report = import_report(self->import);

	/* Before the answer leaves: its client may send the next import at once. */
	give_turn_back(service_of(request)->transfer, self->import);
	switch (report->result) {
	case IMPORT_OK:
		answer_buf(request, 200, CONTENT_TYPE_JSON, &self->body);
		break;
	case IMPORT_INVALID:
		answer_bad_lines(request, self);
		break;
	case IMPORT_TOO_LARGE:
		answer_problem(request, PROBLEM_TOO_LARGE, "An import may have at most %d lines of at most %d bytes; nothing was written.",
		               IMPORT_LINES_MAX, IMPORT_LINE_BYTES_MAX);
		break;
	case IMPORT_STORE_FAILED:
		service_answer_failure(request, report->store_result);
		break;
	case IMPORT_OUT_OF_MEMORY:
		service_answer_failure(request, STORE_OUT_OF_MEMORY);
		break;
	}
}

void transfer_import(struct request *request)
{
	struct import_request *self = request->job;

	self->task.run = run_import;
	self->task.deadline_ns = clock_monotonic_ns() + LONG_WORK_S * CLOCK_SECOND;
	request_suspend(request, answer_import);
	if (!task_submit(service_of(request)->bulk, &self->task)) {
		request->handler = answer_refused;
		request_resume(request);
	}
}

void transfer_progress(struct request *request)
{
	struct transfer *transfer = service_of(request)->transfer;
	struct buf body;

	pthread_mutex_lock(&transfer->lock);
	bool running = transfer->running != NULL;
	const struct import_progress *now = running ? import_progress(transfer->running) : NULL;
	uint64_t lines = running ? now->lines : transfer->lines, written = running ? now->written : transfer->written;
	uint64_t failed = running ? now->failed : transfer->failed, count = transfer->count;
	pthread_mutex_unlock(&transfer->lock);
	buf_init(&body, 1024);
	buf_printf(&body, "{\"running\":%s,\"imports\":%llu,\"lines\":%llu,\"imported\":%llu,\"failed\":%llu}",
	           running ? "true" : "false", (unsigned long long)count, (unsigned long long)lines,
	           (unsigned long long)written, (unsigned long long)failed);
	answer_buf(request, 200, CONTENT_TYPE_JSON, &body);
}

/* ---- export ---- */

/* It may outlive its request, whose ids it keeps for the log. */
struct export_task {
	struct task task;
	struct pipe *pipe;
	enum export_format format;
	char request_id[REQUEST_ID_BYTES_MAX + 1], trace_id[sizeof ((struct request *)NULL)->trace_id];
};

static bool write_pipe(void *context, struct str bytes)
{
	return pipe_write(context, bytes, SLOW_CLIENT_MS);
}

static void run_export(struct task *task, struct store_session *session)
{
	struct export_task *self = CONTAINER_OF(task, struct export_task, task);
	struct export_progress progress = {0};
	bool stopped = false;
	enum store_result result =
		export_events(session, self->format, clock_wall_us(), write_pipe, self->pipe, &progress, &stopped);

	if (result != STORE_OK) {
		const struct log_field fields[] = {
			LOG_TEXT("request_id", str_from(self->request_id)),
			LOG_TEXT("trace_id", str_from(self->trace_id)),
		};
		log_line(LOG_ERROR, "api", fields, ARRAY_LENGTH(fields), "export: %s", store_session_problem(session));
	}
	pipe_close(self->pipe, result == STORE_OK && !stopped);
	free(self);
}

/* A qvalue in thousandths. */
static bool weight_parse(struct str text, int *thousandths)
{
	int value = 0;

	if (text.len == 0 || text.len > 5 || (text.ptr[0] != '0' && text.ptr[0] != '1') || (text.len > 1 && text.ptr[1] != '.'))
		return false;
	for (size_t i = 0; i < 5; i++) {
		char c = i < text.len ? text.ptr[i] : '0';
		if (i == 1)
			continue;
		if (c < '0' || c > '9')
			return false;
		value = value * 10 + (c - '0');
	}
	*thousandths = value;
	return value <= 1000;
}

/* How much a range of Accept likes the type, in thousandths; -1 when it does not speak of it. *precision says how exactly
 * it names it (RFC 9110 section 12.5.1). */
static int range_weight(struct str range, const char *type, const char *whole, int *precision)
{
	struct str name, parameter;
	int weight = 1000;

	if (!str_cut(&range, ';', &name))
		return -1;
	name = str_trim(name);
	*precision = str_equal_caseless(name, str_from(type)) ? 3 : str_equal_caseless(name, str_from(whole)) ? 2 : 1;
	if (*precision == 1 && !str_equal(name, STR("*/*")))
		return -1;
	while (str_cut(&range, ';', &parameter)) {
		int thousandths;
		parameter = str_trim(parameter);
		if (!str_starts_with(parameter, STR("q=")) && !str_starts_with(parameter, STR("Q=")))
			continue;
		weight = weight_parse(str_skip(parameter, 2), &thousandths) ? thousandths : 0;
	}
	return weight;
}

static int accept_weight(struct str accept, const char *type, const char *whole)
{
	struct str range;
	int weight = -1, best = 0, precision = 0;

	while (str_cut(&accept, ',', &range)) {
		int own = range_weight(range, type, whole, &precision);
		if (own < 0 || precision < best)
			continue;
		best = precision;
		weight = own;
	}
	return weight;
}

/* NDJSON has no registered name; the first is the one that answers have. */
static const char *const ndjson_names[] = {"application/x-ndjson", "application/ndjson", "application/jsonl", "application/json"};

/* False: neither is acceptable. No Accept or an empty one, and what likes both alike, means NDJSON. */
static bool choose_format(struct str accept, enum export_format *format)
{
	*format = EXPORT_NDJSON;
	if (str_trim(accept).len == 0)
		return true;
	int csv = accept_weight(accept, "text/csv", "text/*");
	int ndjson = -1;
	for (size_t i = 0; i < ARRAY_LENGTH(ndjson_names) && ndjson < 0; i++)
		ndjson = accept_weight(accept, ndjson_names[i], "application/*");
	if (csv > ndjson)
		*format = EXPORT_CSV;
	return csv > 0 || ndjson > 0;
}

struct export_request {
	struct task_request task;
	enum export_format format;
};

static void describe_export(struct request *request, enum export_format format)
{
	answer_header(request, "Content-Disposition",
	              format == EXPORT_CSV ? STR("attachment; filename=\"events.csv\"") : STR("attachment; filename=\"events.ndjson\""));
}

static const char *export_type(enum export_format format)
{
	return format == EXPORT_CSV ? CONTENT_TYPE_CSV : CONTENT_TYPE_NDJSON;
}

/* An export that has begun can only be cut off: a database that is away is to be a 503 before. */
static enum store_result ask_database(struct task_request *task, struct store_session *session)
{
	struct store_head head;

	(void)task;
	return store_head(session, &head);
}

static void begin_export(struct task_request *task)
{
	struct request *request = task->request;
	struct service *service = service_of(request);
	enum export_format format = CONTAINER_OF(task, struct export_request, task)->format;
	struct export_task *self = calloc(1, sizeof *self);
	struct pipe *pipe = self != NULL ? pipe_create(PIPE_BYTES, &service->stopping) : NULL;

	if (pipe == NULL) {
		free(self);
		service_answer_failure(request, STORE_OUT_OF_MEMORY);
		return;
	}
	*self = (struct export_task){.task = {.run = run_export, .deadline_ns = clock_monotonic_ns() + LONG_WORK_S * CLOCK_SECOND},
	                             .pipe = pipe, .format = format};
	memcpy(self->request_id, request->request_id, sizeof self->request_id);
	memcpy(self->trace_id, request->trace_id, sizeof self->trace_id);
	answer_stream(request, 200, export_type(format), pipe_stream(pipe));
	if (task_submit(service->bulk, &self->task)) {
		describe_export(request, format);
		return;
	}
	pipe_close(pipe, false);
	free(self);
	answer_unavailable(request, 1, "Too many exports wait already; try again.");
}

void transfer_export(struct request *request)
{
	struct export_request *self = arena_new(&request->arena, struct export_request);
	struct parameters parameters;

	if (self == NULL) {
		service_answer_failure(request, STORE_OUT_OF_MEMORY);
		return;
	}
	parameters_init(&parameters, request);
	if (!parameters_end(&parameters))
		return;
	if (!choose_format(request_header(request, HEADER_ACCEPT), &self->format)) {
		answer_problem(request, PROBLEM_NOT_ACCEPTABLE, "Exports are application/x-ndjson or text/csv.");
		return;
	}
	if (request->method == METHOD_HEAD) {
		answer_stream_head(request, 200, export_type(self->format));
		describe_export(request, self->format);
		return;
	}
	task_request_submit(service_of(request)->queries, &self->task, request, ask_database, begin_export);
}
