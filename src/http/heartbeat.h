/* Does the HTTP side still run? Asked by the main thread for the service manager's watchdog. */
#ifndef EVENTLY_HTTP_HEARTBEAT_H
#define EVENTLY_HTTP_HEARTBEAT_H

#include "base/buf.h"

struct server;

/* Connects to the server's own port on this machine, asks for /health/live, and waits at most timeout_ms. True for any
 * reaction: also a connection that is closed at its limit, or a refused TLS handshake, was taken up by a living thread.
 * `host` is the address listened on. */
MUST_CHECK bool heartbeat(const char *host, unsigned port, int timeout_ms);

#endif
