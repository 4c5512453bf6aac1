#include "http/tls.h"

#include <stdatomic.h>
#include <stdlib.h>

enum { CHAIN_MAX = 16 };

struct tls_set {
	struct tls_set *former;
	gnutls_pcert_st chain[CHAIN_MAX];
	unsigned chain_count;
	gnutls_privkey_t key;
};

static _Atomic(struct tls_set *) current;

static void destroy(struct tls_set *set)
{
	for (unsigned i = 0; i < set->chain_count; i++)
		gnutls_pcert_deinit(&set->chain[i]);
	if (set->key != NULL)
		gnutls_privkey_deinit(set->key);
	free(set);
}

static bool fail(struct buf *problem, const char *setting, const char *file, int code)
{
	buf_printf(problem, "%s is \"%s\": %s", setting, file, gnutls_strerror(code));
	return false;
}

static bool read_chain(struct tls_set *set, const char *file, struct buf *problem)
{
	gnutls_datum_t text;
	unsigned count = CHAIN_MAX;
	int code = gnutls_load_file(file, &text);

	if (code < 0)
		return fail(problem, "TLS_CERTIFICATE_FILE", file, code);
	code = gnutls_pcert_list_import_x509_raw(set->chain, &count, &text, GNUTLS_X509_FMT_PEM, 0);
	gnutls_free(text.data);
	if (code < 0)
		return fail(problem, "TLS_CERTIFICATE_FILE", file, code);
	set->chain_count = count;
	return true;
}

static bool read_key(struct tls_set *set, const char *file, struct buf *problem)
{
	gnutls_datum_t text;
	int code = gnutls_load_file(file, &text);

	if (code < 0)
		return fail(problem, "TLS_KEY_FILE", file, code);
	code = gnutls_privkey_init(&set->key);
	if (code >= 0)
		code = gnutls_privkey_import_x509_raw(set->key, &text, GNUTLS_X509_FMT_PEM, NULL, 0);
	gnutls_memset(text.data, 0, text.size);
	gnutls_free(text.data);
	return code >= 0 || fail(problem, "TLS_KEY_FILE", file, code);
}

/* A key that does not belong to the certificate would only show at the first handshake. */
static bool belong_together(const struct tls_set *set, const char *key_file, struct buf *problem)
{
	unsigned char of_key[64], of_certificate[64];
	size_t key_bytes = sizeof of_key, certificate_bytes = sizeof of_certificate;
	gnutls_pubkey_t public_key;
	bool same = false;

	if (gnutls_pubkey_init(&public_key) < 0)
		return false;
	if (gnutls_pubkey_import_privkey(public_key, set->key, 0, 0) >= 0 &&
	    gnutls_pubkey_get_key_id(public_key, GNUTLS_KEYID_USE_SHA256, of_key, &key_bytes) >= 0 &&
	    gnutls_pubkey_get_key_id(set->chain[0].pubkey, GNUTLS_KEYID_USE_SHA256, of_certificate, &certificate_bytes) >= 0)
		same = key_bytes == certificate_bytes && gnutls_memcmp(of_key, of_certificate, key_bytes) == 0;
	gnutls_pubkey_deinit(public_key);
	if (!same)
		buf_printf(problem, "TLS_KEY_FILE is \"%s\": the key does not belong to the certificate of TLS_CERTIFICATE_FILE", key_file);
	return same;
}

static int give_certificate(gnutls_session_t session, const struct gnutls_cert_retr_st *info, gnutls_pcert_st **certificates,
                            unsigned *count, gnutls_ocsp_data_st **ocsp, unsigned *ocsp_count, gnutls_privkey_t *key,
                            unsigned *flags) /* NOLINT(readability-non-const-parameter): the library's signature */
{
	struct tls_set *set = atomic_load_explicit(&current, memory_order_acquire);

	(void)session, (void)info, (void)flags;
	*certificates = set->chain;
	*count = set->chain_count;
	*key = set->key;
	*ocsp = NULL;
	*ocsp_count = 0;
	return 0;
}

/* What all sessions share: made at the first load, freed by tls_unload. */
static gnutls_certificate_credentials_t credentials;
static gnutls_priority_t priorities;

static bool prepare(struct buf *problem)
{
	if (credentials != NULL)
		return true;
	int code = gnutls_priority_init(&priorities, TLS_PRIORITIES, NULL);
	if (code >= 0)
		code = gnutls_certificate_allocate_credentials(&credentials);
	if (code >= 0) {
		gnutls_certificate_set_retrieve_function3(credentials, give_certificate);
		return true;
	}
	buf_printf(problem, "cannot prepare TLS: %s", gnutls_strerror(code));
	return false;
}

bool tls_load(const char *certificate_file, const char *key_file, struct buf *problem)
{
	struct tls_set *set = calloc(1, sizeof *set);

	if (set == NULL) {
		buf_lit(problem, "not enough memory for the TLS certificate");
		return false;
	}
	if (!prepare(problem) || !read_chain(set, certificate_file, problem) || !read_key(set, key_file, problem) ||
	    !belong_together(set, key_file, problem)) {
		destroy(set);
		return false;
	}
	set->former = atomic_load(&current);
	atomic_store_explicit(&current, set, memory_order_release);
	return true;
}

bool tls_session(gnutls_session_t *session, int fd)
{
	static const gnutls_datum_t protocol = {(unsigned char *)(uintptr_t)"http/1.1", 8};

	if (gnutls_init(session, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL) < 0) {
		*session = NULL;
		return false;
	}
	gnutls_transport_set_int(*session, fd);
	if (gnutls_priority_set(*session, priorities) >= 0 &&
	    gnutls_credentials_set(*session, GNUTLS_CRD_CERTIFICATE, credentials) >= 0 &&
	    gnutls_alpn_set_protocols(*session, &protocol, 1, 0) >= 0)
		return true;
	gnutls_deinit(*session);
	*session = NULL;
	return false;
}

void tls_unload(void)
{
	struct tls_set *set = atomic_exchange(&current, NULL);

	while (set != NULL) {
		struct tls_set *former = set->former;
		destroy(set);
		set = former;
	}
	if (credentials != NULL)
		gnutls_certificate_free_credentials(credentials);
	if (priorities != NULL)
		gnutls_priority_deinit(priorities);
	credentials = NULL;
	priorities = NULL;
}
