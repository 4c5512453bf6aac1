/* One key and one algorithm: the only place that touches a signature.
 *
 * A key is bound to an algorithm when it is made; what it cannot serve is refused there, so that a public key can never
 * be taken for a shared secret (RFC 8725 sections 2.1 and 3.1). Immutable once made: any thread may verify with it. */
#ifndef EVENTLY_AUTH_KEY_H
#define EVENTLY_AUTH_KEY_H

#include <gnutls/abstract.h>
#include <gnutls/crypto.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/str.h"

enum key_kind { KEY_SECRET, KEY_RSA, KEY_P256, KEY_ED25519 };

/* A row of RFC 7518 section 3.1 (EdDSA: RFC 8037). */
struct algorithm {
	struct str name;
	enum key_kind kind;
	gnutls_mac_algorithm_t mac;         /* of KEY_SECRET */
	gnutls_sign_algorithm_t signature;  /* of the others */
};

/* NULL when there is no such algorithm; names are compared exactly. */
const struct algorithm *algorithm_find(struct str name);

enum { KEY_SECRET_BYTES_MIN = 32, KEY_RSA_BITS_MIN = 2048, KEY_RSA_BITS_MAX = 16384, KEY_MAC_BYTES_MAX = 64 };

struct key {
	char *kid;                    /* NULL when the key has none */
	gnutls_datum_t secret;        /* of KEY_SECRET; empty for the others */
	gnutls_pubkey_t public_key;   /* NULL for KEY_SECRET */
	size_t signature_bytes;       /* the one length that a signature may have; of public keys */
};

/* A copy of the secret; false without memory. */
MUST_CHECK bool key_init_secret(struct key *key, struct str secret);
/* Public keys. False: *why says what is wrong with this one, as the end of a sentence ("is …"); nothing is to be
 * finished. A key that the algorithm cannot use is wrong: another kind or curve, RSA below KEY_RSA_BITS_MIN, a point
 * that is not on its curve. */
MUST_CHECK bool key_init_pem(struct key *key, const struct algorithm *algorithm, struct str pem, const char **why);
MUST_CHECK bool key_init_rsa(struct key *key, const struct algorithm *algorithm, struct str modulus,
                             struct str exponent, const char **why);
/* P-256 with both coordinates, or Ed25519 with `x` alone (`y` absent). */
MUST_CHECK bool key_init_point(struct key *key, const struct algorithm *algorithm, struct str x, struct str y,
                               const char **why);
/* Wipes and frees. */
void key_finish(struct key *key);
/* The same key under the same kid. Secrets are compared in constant time. */
bool key_same(const struct key *one, const struct key *other);

/* False for a signature of the wrong length or form, and for a wrong one. A MAC is compared in constant time. */
MUST_CHECK bool key_verify(const struct key *key, const struct algorithm *algorithm, struct str signed_text,
                           struct str signature);
/* The MAC of a text with a secret; its length is *count. False when GnuTLS cannot. */
MUST_CHECK bool key_mac(const struct key *key, const struct algorithm *algorithm, struct str text,
                        unsigned char mac[KEY_MAC_BYTES_MAX], size_t *count);

#endif
