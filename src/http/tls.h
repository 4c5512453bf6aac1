/* TLS for the HTTP port: certificate and key from PEM files, exchanged on SIGHUP without touching open connections.
 *
 * GnuTLS asks for the certificate at each handshake; it gets the newest set. Former sets stay until the server is stopped,
 * since a handshake may still use them. */
#ifndef EVENTLY_HTTP_TLS_H
#define EVENTLY_HTTP_TLS_H

#include <gnutls/abstract.h>

#include "base/buf.h"

/* TLS 1.2 and 1.3 with forward secrecy and authenticated encryption only (RFC 9325). */
#define TLS_PRIORITIES \
	"NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-RSA:-DHE-RSA:-CIPHER-ALL:+AES-256-GCM:+AES-128-GCM:+CHACHA20-POLY1305:" \
	"-MAC-ALL:+AEAD:%SERVER_PRECEDENCE"

/* Reads and checks the files, then takes them into use for new handshakes. False: `problem` names the setting. Main
 * thread; one server with TLS a process. */
MUST_CHECK bool tls_load(const char *certificate_file, const char *key_file, struct buf *problem);
/* A server's session on a connected socket, which stays the caller's. False without memory. Any thread. */
MUST_CHECK bool tls_session(gnutls_session_t *session, int fd);
/* After the server was stopped. */
void tls_unload(void);

#endif
