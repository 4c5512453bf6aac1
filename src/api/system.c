/* What operators and newcomers ask: health, info, metrics, the root. */
#include "api/routes.h"

#include "api/service.h"
#include "api/task_request.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "version.h"

enum { HEALTH_TIMEOUT_MS = 1000, METRICS_BYTES_MAX = 4 << 20 };

/* ---- health ---- */

struct health_request {
	struct task_request task;
	bool connected;
};

/* The database is asked, not remembered: "connected" means that it has just answered. */
static enum store_result ask_database(struct task_request *task, struct store_session *session)
{
	struct health_request *self = CONTAINER_OF(task, struct health_request, task);
	struct store_head head;

	self->connected = store_head(session, &head) == STORE_OK;
	return STORE_OK;
}

static const char *redis_state(const struct service *service)
{
	return service->redis_state != NULL ? service->redis_state(service->redis_context) : "disabled";
}

static void append_relay(struct buf *body, struct relay *relay)
{
	struct relay_state state = relay_state(relay);

	buf_printf(body, ",\"relay\":{\"position\":%llu,\"lag\":%llu,\"holder\":%s}", (unsigned long long)state.position,
	           (unsigned long long)state.lag, state.holder ? "true" : "false");
}

static void answer_health(struct task_request *task)
{
	struct health_request *self = CONTAINER_OF(task, struct health_request, task);
	const char *redis = redis_state(service_of(task->request));
	bool redis_fine = strcmp(redis, "connected") == 0 || strcmp(redis, "disabled") == 0;
	const char *status = !self->connected ? "unhealthy" : redis_fine ? "healthy" : "degraded";

	const struct service *service = service_of(task->request);

	buf_printf(&task->body,
	           "{\"status\":\"%s\",\"service\":\"events-service\",\"version\":\"" EVENTLY_VERSION
	           "\",\"database\":\"%s\",\"redis\":\"%s\"",
	           status, self->connected ? "connected" : "disconnected", redis);
	if (service->relay != NULL)
		append_relay(&task->body, service->relay);
	buf_char(&task->body, '}');
	answer_buf(task->request, self->connected ? 200 : 503, CONTENT_TYPE_JSON, &task->body);
	if (!self->connected)
		answer_header(task->request, "Retry-After", STR("1"));
}

void system_health(struct request *request)
{
	struct health_request *self = arena_new(&request->arena, struct health_request);
	uint64_t deadline_ns = request->started_ns + HEALTH_TIMEOUT_MS * CLOCK_MS;

	if (self == NULL) {
		service_answer_failure(request, STORE_OUT_OF_MEMORY);
		return;
	}
	if (deadline_ns < request->deadline_ns)
		request->deadline_ns = deadline_ns;
	task_request_submit(service_of(request)->checks, &self->task, request, ask_database, answer_health);
}

void system_live(struct request *request)
{
	answer_bytes(request, 200, CONTENT_TYPE_JSON, STR("{\"status\":\"alive\"}"), NULL, NULL);
}

void system_ready(struct request *request)
{
	struct service *service = service_of(request);

	if (server_draining(request->server))
		answer_unavailable(request, 5, "The service is stopping.");
	else if (!atomic_load(&service->ready))
		answer_unavailable(request, 1, "The service is starting: its caches are not warm yet.");
	else
		answer_bytes(request, 200, CONTENT_TYPE_JSON, STR("{\"status\":\"ready\"}"), NULL, NULL);
}

/* ---- what this is ---- */

void system_root(struct request *request)
{
	answer_bytes(request, 200, CONTENT_TYPE_JSON,
	             STR("{\"service\":\"events-service\",\"version\":\"" EVENTLY_VERSION
	                 "\",\"links\":{\"docs\":\"/docs\",\"openapi\":\"/openapi.json\",\"events\":\"/api/v1/events/\","
	                 "\"health\":\"/health\",\"info\":\"/info\",\"metrics\":\"/metrics\"}}"),
	             NULL, NULL);
}

void system_info(struct request *request)
{
	const struct service *service = service_of(request);
	struct buf body;

	buf_init(&body, 32768);
	buf_lit(&body, "{\"service\":\"events-service\",\"version\":\"" EVENTLY_VERSION
	               "\",\"description\":\"The events of an event platform: browse, manage, and hear of every change.\","
	               "\"endpoints\":[");
	for (unsigned i = 0; i < ROUTE_COUNT; i++)
		buf_printf(&body, "%s{\"method\":\"%s\",\"path\":\"%s\"}", i > 0 ? "," : "", routes[i].method_name, routes[i].pattern);
	buf_printf(&body, "],\"features\":{\"store\":\"%s\",\"redis\":%s,\"idempotency_keys\":true,\"change_feed\":true,"
	                  "\"server_sent_events\":true,\"icalendar\":true,\"import_export\":true,\"audit_trail\":true,"
	                  "\"drafts_visible_to\":\"%s\"}}",
	           store_kind(service->store), config_uses_redis(service->config) ? "true" : "false",
	           service->config->drafts_visible_to);
	answer_buf(request, 200, CONTENT_TYPE_JSON, &body);
}

void system_metrics(struct request *request)
{
	struct buf body;

	if (service_of(request)->config->metrics_port != 0 && !service_of(request)->is_metrics_port) {
		answer_problem(request, PROBLEM_NOT_FOUND, "Metrics are served on a port of their own.");
		return;
	}
	buf_init(&body, METRICS_BYTES_MAX);
	metrics_print(&body);
	answer_buf(request, 200, "text/plain; version=0.0.4; charset=utf-8", &body);
}
