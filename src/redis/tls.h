/* TLS over a transport, with GnuTLS: 1.2 or newer, the server's chain and name always verified.
 *
 * Trust is read once, when a connection is made, since the system's CA bundle takes milliseconds to parse. */
#ifndef EVENTLY_REDIS_TLS_H
#define EVENTLY_REDIS_TLS_H

#include "base/buf.h"
#include "redis/transport.h"

struct tls_trust;

/* `ca_file`: PEM, or "" for the system's CAs. NULL: one line in `problem`. */
MUST_CHECK struct tls_trust *tls_trust_create(const char *ca_file, struct buf *problem);
void tls_trust_destroy(struct tls_trust *trust); /* NULL is fine */

enum tls_result { TLS_DONE, TLS_TIMEOUT, TLS_LOST, TLS_UNTRUSTED };

/* Shakes hands over the connected `transport`, which is TLS from then on. `host` is the name that the certificate must
 * bear. On LOST and UNTRUSTED the reason is in `problem`; the caller closes the transport. `trust` outlives the
 * session. */
MUST_CHECK enum tls_result tls_open(struct transport *transport, const struct tls_trust *trust, const char *host,
				    uint64_t deadline_ns, struct buf *problem);

#endif
