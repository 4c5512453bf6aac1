/* The listening socket: made by us, so that an address in use or a name that does not resolve is told in words. */
#ifndef EVENTLY_HTTP_LISTEN_H
#define EVENTLY_HTTP_LISTEN_H

#include "base/buf.h"

/* A listening TCP socket (non-blocking, close-on-exec) on host:port; *bound_port is the real one. -1: problem says why. */
MUST_CHECK int listen_open(const char *host, unsigned port, unsigned *bound_port, struct buf *problem);

#endif
