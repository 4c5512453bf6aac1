/* The table of routes: from it come dispatch, rights, 405's Allow, the metrics' labels, `evently routes`, and the test
 * that holds openapi.json to it.
 *
 * X(identifier, METHOD, "pattern", access, handler, body)
 * {id} is a positive 64-bit integer, {asset} one last segment. HEAD follows GET. Every path works with and without its
 * trailing slash. Access: ANYONE, USER (any valid token), ADMIN. Body: BODY_NONE, BODY_JSON, BODY_IMPORT. */
#ifndef EVENTLY_API_ROUTES_H
#define EVENTLY_API_ROUTES_H

#include "http/request.h"

#define ROUTES(X) \
	X(ROUTE_EVENT, GET, "/api/v1/events/{id}", USER, browse_event, BODY_NONE) \
	X(ROUTE_LIST, GET, "/api/v1/events", USER, browse_list, BODY_NONE) \
	X(ROUTE_UPCOMING, GET, "/api/v1/events/upcoming", USER, browse_upcoming, BODY_NONE) \
	X(ROUTE_CAPACITY, GET, "/api/v1/events/{id}/capacity", USER, browse_capacity, BODY_NONE) \
	X(ROUTE_CALENDAR, GET, "/api/v1/events/{id}/calendar.ics", USER, calendar_event, BODY_NONE) \
	X(ROUTE_CALENDAR_UPCOMING, GET, "/api/v1/events/calendar.ics", USER, calendar_upcoming, BODY_NONE) \
	X(ROUTE_CHANGES, GET, "/api/v1/events/changes", USER, changes_list, BODY_NONE) \
	X(ROUTE_STREAM, GET, "/api/v1/events/stream", USER, changes_stream, BODY_NONE) \
	X(ROUTE_CREATE, POST, "/api/v1/admin/events", ADMIN, admin_create, BODY_JSON) \
	X(ROUTE_UPDATE, PUT, "/api/v1/admin/events/{id}", ADMIN, admin_update, BODY_JSON) \
	X(ROUTE_DELETE, DELETE, "/api/v1/admin/events/{id}", ADMIN, admin_delete, BODY_NONE) \
	X(ROUTE_HISTORY, GET, "/api/v1/admin/events/{id}/history", ADMIN, audit_history, BODY_NONE) \
	X(ROUTE_AUDIT, GET, "/api/v1/admin/audit", ADMIN, audit_list, BODY_NONE) \
	X(ROUTE_IMPORT, POST, "/api/v1/admin/events/import", ADMIN, transfer_import, BODY_IMPORT) \
	X(ROUTE_IMPORT_PROGRESS, GET, "/api/v1/admin/events/import", ADMIN, transfer_progress, BODY_NONE) \
	X(ROUTE_EXPORT, GET, "/api/v1/admin/events/export", ADMIN, transfer_export, BODY_NONE) \
	X(ROUTE_USER_PUT, PUT, "/api/v1/admin/users/{id}", ADMIN, users_put, BODY_JSON) \
	X(ROUTE_USER_GET, GET, "/api/v1/admin/users/{id}", ADMIN, users_get, BODY_NONE) \
	X(ROUTE_HEALTH, GET, "/health", ANYONE, system_health, BODY_NONE) \
	X(ROUTE_LIVE, GET, "/health/live", ANYONE, system_live, BODY_NONE) \
	X(ROUTE_READY, GET, "/health/ready", ANYONE, system_ready, BODY_NONE) \
	X(ROUTE_INFO, GET, "/info", ANYONE, system_info, BODY_NONE) \
	X(ROUTE_ROOT, GET, "/", ANYONE, system_root, BODY_NONE) \
	X(ROUTE_METRICS, GET, "/metrics", ANYONE, system_metrics, BODY_NONE) \
	X(ROUTE_DOCS, GET, "/docs", ANYONE, docs_page, BODY_NONE) \
	X(ROUTE_DOCS_ASSET, GET, "/docs/{asset}", ANYONE, docs_asset, BODY_NONE) \
	X(ROUTE_OPENAPI, GET, "/openapi.json", ANYONE, docs_openapi, BODY_NONE)

enum route_id {
#define X(identifier, method, pattern, access, handler, body) identifier,
	ROUTES(X)
#undef X
	ROUTE_COUNT
};

enum route_access { ACCESS_ANYONE, ACCESS_USER, ACCESS_ADMIN };
enum route_body { BODY_NONE, BODY_JSON, BODY_IMPORT };

struct route {
	enum route_id id;
	enum method method;
	const char *method_name;
	const char *pattern;
	enum route_access access;
	handler_fn *handler;
	enum route_body body;
};

extern const struct route routes[ROUTE_COUNT];

/* server_options.begin: route, CORS preflight, rights, body limit. */
void routes_begin(struct request *request);
/* server_options.finished: log line and metrics. */
void routes_finished(struct request *request);
/* Adds the issue of an {id} that is none (path_id is 0 then): for handlers that read a body or parameters, so that all
 * problems of a request come at once. */
void routes_path_issue(const struct request *request, struct issues *issues);
/* Is the Content-Type of this type, with whatever parameters (RFC 9110 section 8.3.1)? */
MUST_CHECK bool routes_media_type_is(struct str content_type, const char *type);
/* "GET /api/v1/events/{id} user" a line, for `evently routes`. */
void routes_print(struct buf *out);

#define X(identifier, method, pattern, access, handler, body) void handler(struct request *request);
ROUTES(X)
#undef X

#endif
