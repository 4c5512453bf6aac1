/* Cross-origin requests (the Fetch standard's CORS protocol): which origins may, from CORS_ORIGINS.
 *
 * Immutable once made; the server swaps the whole set on reload. */
#ifndef EVENTLY_HTTP_CORS_H
#define EVENTLY_HTTP_CORS_H

#include <stdatomic.h>

#include "base/check.h"
#include "base/str.h"

struct cors;
struct request;

MUST_CHECK struct cors *cors_create(const char *origins); /* comma-separated; NULL without memory */
void cors_destroy(struct cors *cors); /* and all that it replaced; NULL is fine */
/* Other origins from now on. The former ones stay until cors_destroy: a request may be reading them, and settings change
 * rarely. One thread at a time. False without memory (nothing changes). */
MUST_CHECK bool cors_replace(_Atomic(struct cors *) *place, const char *origins);
/* True when nothing is configured: no header is ever added. */
bool cors_disabled(const struct cors *cors);
/* Adds Vary and, for an allowed origin, the Access-Control-… headers to the request's answer. */
void cors_add_headers(const struct cors *cors, struct request *request);
/* Answers a preflight (OPTIONS with Origin and Access-Control-Request-Method); `methods` is the route's Allow list. */
void cors_preflight(const struct cors *cors, struct request *request, struct str methods);
bool cors_is_preflight(const struct request *request);

#endif
