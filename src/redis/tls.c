#include "redis/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <poll.h>
#include <stdlib.h>

#include "redis/options.h"

struct tls_trust {
	gnutls_certificate_credentials_t credentials;
};

static bool is_set(const char *file)
{
	return file != NULL && file[0] != '\0';
}

static bool read_authorities(struct tls_trust *trust, const char *ca_file, struct buf *problem)
{
	int count = is_set(ca_file)
			    ? gnutls_certificate_set_x509_trust_file(trust->credentials, ca_file, GNUTLS_X509_FMT_PEM)
			    : gnutls_certificate_set_x509_system_trust(trust->credentials);

	if (count > 0)
		return true;
	if (!is_set(ca_file))
		buf_lit(problem, "the system has no CA certificates; install ca-certificates or set REDIS_CA_FILE");
	else
		buf_printf(problem, "REDIS_CA_FILE %s has no usable certificate%s%s", ca_file, count < 0 ? ": " : "",
			   count < 0 ? gnutls_strerror(count) : "");
	return false;
}

static bool read_own(struct tls_trust *trust, const char *certificate_file, const char *key_file, struct buf *problem)
{
	if (!is_set(certificate_file))
		return true;
	int code = gnutls_certificate_set_x509_key_file(trust->credentials, certificate_file, key_file, GNUTLS_X509_FMT_PEM);
	if (code >= 0)
		return true;
	buf_printf(problem, "REDIS_CERTIFICATE_FILE %s cannot be used with REDIS_KEY_FILE %s: %s", certificate_file, key_file,
		   gnutls_strerror(code));
	return false;
}

struct tls_trust *tls_trust_create(const struct redis_options *options, struct buf *problem)
{
	struct tls_trust *trust = calloc(1, sizeof *trust);

	if (trust == NULL || gnutls_certificate_allocate_credentials(&trust->credentials) != 0) {
		buf_lit(problem, "out of memory");
		free(trust);
		return NULL;
	}
	if (read_authorities(trust, options->ca_file, problem) &&
	    read_own(trust, options->certificate_file, options->key_file, problem))
		return trust;
	tls_trust_destroy(trust);
	return NULL;
}

void tls_trust_destroy(struct tls_trust *trust)
{
	if (trust == NULL)
		return;
	gnutls_certificate_free_credentials(trust->credentials);
	free(trust);
}

/* GnuTLS' codes as errno, as the seam has it. */
static ssize_t as_errno(ssize_t code)
{
	if (code >= 0)
		return code;
	errno = code == GNUTLS_E_AGAIN || code == GNUTLS_E_INTERRUPTED ? EAGAIN : EPROTO;
	return -1;
}

static ssize_t read_tls(struct transport *transport, void *bytes, size_t count)
{
	ssize_t got = gnutls_record_recv(transport->session, bytes, count);
	/* A connection cut without close_notify is at its end as well: RESP knows its own lengths. */
	return got == GNUTLS_E_PREMATURE_TERMINATION ? 0 : as_errno(got);
}

static ssize_t write_tls(struct transport *transport, const void *bytes, size_t count)
{
	return as_errno(gnutls_record_send(transport->session, bytes, count));
}

static void finish_tls(struct transport *transport)
{
	/* One attempt at close_notify; the socket does not block. */
	(void)gnutls_bye(transport->session, GNUTLS_SHUT_WR);
	gnutls_deinit(transport->session);
	transport->session = NULL;
}

static const struct transport_calls tls = {read_tls, write_tls, finish_tls};

static bool is_address(const char *host)
{
	unsigned char bytes[sizeof(struct in6_addr)];
	return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

static bool prepare(gnutls_session_t *session, struct transport *transport, const struct tls_trust *trust,
		    const char *host)
{
	if (gnutls_init(session, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL) != 0)
		return false;
	bool ready = gnutls_priority_set_direct(*session, "NORMAL:-VERS-TLS1.0:-VERS-TLS1.1", NULL) == 0 &&
		     gnutls_credentials_set(*session, GNUTLS_CRD_CERTIFICATE, trust->credentials) == 0 &&
		     /* RFC 6066 section 3: no addresses in the server name. */
		     (is_address(host) || gnutls_server_name_set(*session, GNUTLS_NAME_DNS, host, strlen(host)) == 0);
	if (!ready) {
		gnutls_deinit(*session);
		return false;
	}
	gnutls_session_set_verify_cert(*session, host, 0);
	gnutls_transport_set_int(*session, transport->socket);
	return true;
}

static void print_untrusted(gnutls_session_t session, struct buf *problem)
{
	gnutls_datum_t text = {NULL, 0};
	unsigned status = gnutls_session_get_verify_cert_status(session);

	if (gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &text, 0) == 0) {
		/* It ends with a full stop and a space. */
		while (text.size > 0 && strchr(". ", text.data[text.size - 1]) != NULL)
			text.size--;
		buf_append(problem, text.data, text.size);
		gnutls_free(text.data);
	}
}

enum tls_result tls_open(struct transport *transport, const struct tls_trust *trust, const char *host,
			 uint64_t deadline_ns, struct buf *problem)
{
	gnutls_session_t session;
	int code;

	if (!prepare(&session, transport, trust, host)) {
		buf_lit(problem, "TLS cannot be set up");
		return TLS_LOST;
	}
	while ((code = gnutls_handshake(session)) != 0 && gnutls_error_is_fatal(code) == 0) {
		short events = gnutls_record_get_direction(session) == 1 ? POLLOUT : POLLIN;
		if ((code == GNUTLS_E_AGAIN || code == GNUTLS_E_INTERRUPTED) &&
		    !transport_wait(transport, events, deadline_ns)) {
			gnutls_deinit(session);
			return TLS_TIMEOUT;
		}
	}
	if (code == 0) {
		transport->session = session;
		transport->calls = &tls;
		return TLS_DONE;
	}
	bool untrusted = code == GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR;
	if (untrusted)
		print_untrusted(session, problem);
	else
		buf_str(problem, str_from(gnutls_strerror(code)));
	gnutls_deinit(session);
	return untrusted ? TLS_UNTRUSTED : TLS_LOST;
}
