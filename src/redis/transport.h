/* A non-blocking byte stream to Redis: plain TCP here, TLS over it in tls.h; the connection sees only this seam.
 *
 * Nothing here blocks but transport_connect and tls_open, which keep to their deadline. One thread at a time. */
#ifndef EVENTLY_REDIS_TRANSPORT_H
#define EVENTLY_REDIS_TRANSPORT_H

#include <netdb.h>
#include <sys/types.h>

#include "base/check.h"
#include "base/str.h"

struct transport;

/* Both return -1 with errno EAGAIN when they would block; read returns 0 at the end of the stream. */
struct transport_calls {
	ssize_t (*read)(struct transport *transport, void *bytes, size_t count);
	ssize_t (*write)(struct transport *transport, const void *bytes, size_t count);
	void (*finish)(struct transport *transport); /* what lies above the socket; may be NULL */
};

struct transport {
	const struct transport_calls *calls;
	int socket;    /* -1 when closed */
	void *session; /* of the calls, NULL for TCP */
};

#define TRANSPORT_CLOSED ((struct transport){NULL, -1, NULL})

/* Tries the addresses in turn, each with its share of the time. False: closed, with errno (ETIMEDOUT at the deadline).
 */
MUST_CHECK bool transport_connect(struct transport *transport, const struct addrinfo *addresses, uint64_t deadline_ns);
/* Waits for `events` of poll(2). False: the deadline has passed, or poll failed (errno either way). */
MUST_CHECK bool transport_wait(const struct transport *transport, short events, uint64_t deadline_ns);
void transport_close(struct transport *transport);

#endif
