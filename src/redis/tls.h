/* TLS over a transport, with GnuTLS: 1.2 or newer, the server's chain and name always verified.
 *
 * Trust is read once, when a connection is made, since the system's CA bundle takes milliseconds to parse. */
#ifndef EVENTLY_REDIS_TLS_H
#define EVENTLY_REDIS_TLS_H

#include "base/buf.h"
#include "redis/transport.h"

struct redis_options;
struct tls_trust;

/* Of the options: ca_file, PEM, or "" for the system's CAs; certificate_file and key_file, PEM, what is shown to servers
 * that ask for it, or "". NULL: one line in `problem`. */
MUST_CHECK struct tls_trust *tls_trust_create(const struct redis_options *options, struct buf *problem);
void tls_trust_destroy(struct tls_trust *trust); /* NULL is fine */

enum tls_result { TLS_DONE, TLS_TIMEOUT, TLS_LOST, TLS_UNTRUSTED };

/* Shakes hands over the connected `transport`, which is TLS from then on. `host` is the name that the certificate must
 * bear. On LOST and UNTRUSTED the reason is in `problem`; the caller closes the transport. `trust` outlives the
 * session. */
MUST_CHECK enum tls_result tls_open(struct transport *transport, const struct tls_trust *trust, const char *host,
				    uint64_t deadline_ns, struct buf *problem);

#endif
