/* One HTTP request by a command: to the service that runs here, for the health checks of containers, or to a peer. */
#ifndef EVENTLY_CLI_PROBE_H
#define EVENTLY_CLI_PROBE_H

#include "base/buf.h"
#include "base/check.h"

struct config;

enum { PROBE_TIMEOUT_MS = 3000 };

/* GET `url`; its certificate must be sound and bear its name. False: `problem` holds one line. */
MUST_CHECK bool probe_url(const char *url, long *status, struct buf *body, struct buf *problem);

/* GET `path` on HOST and PORT (a wildcard address is asked on loopback), with TLS when the service speaks it. False:
 * `problem` holds one line. *status is the answer's, `body` its content (at most what the buffer takes). */
MUST_CHECK bool probe(const struct config *config, const char *path, long *status, struct buf *body,
                      struct buf *problem);

#endif
