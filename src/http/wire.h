/* Bytes to and from a client's socket, in the clear or over TLS; never blocks. One thread a wire. */
#ifndef EVENTLY_HTTP_WIRE_H
#define EVENTLY_HTTP_WIRE_H

#include <gnutls/gnutls.h>

#include "base/check.h"
#include "base/str.h"

struct wire {
	int fd;
	gnutls_session_t tls; /* NULL in the clear */
	bool tls_unsent;      /* a record waits in the library: it is to be sent before anything else */
};

enum wire_result {
	WIRE_DONE,
	WIRE_AGAIN, /* the socket has nothing, or no room, now */
	WIRE_ENDED, /* the client is gone, in order or not */
};

/* Takes over fd (non-blocking). With `tls` the handshake is next. False without memory; fd is then still the caller's. */
MUST_CHECK bool wire_open(struct wire *wire, int fd, bool tls);
void wire_close(struct wire *wire);
MUST_CHECK enum wire_result wire_handshake(struct wire *wire);
/* At least one byte when WIRE_DONE; *drained: nothing is left to be read until the socket says so. */
MUST_CHECK enum wire_result wire_read(struct wire *wire, char *space, size_t bytes_max, size_t *got, bool *drained);
/* Sends first, then second, as far as the socket takes them; *sent counts both. */
MUST_CHECK enum wire_result wire_write(struct wire *wire, struct str first, struct str second, size_t *sent);
/* Says that nothing more will be sent. */
void wire_end(struct wire *wire);

#endif
