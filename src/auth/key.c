#include "auth/key.h"

#include <gnutls/gnutls.h>
#include <stdlib.h>

static const struct algorithm algorithms[] = {
	{STR("HS256"), KEY_SECRET, GNUTLS_MAC_SHA256, GNUTLS_SIGN_UNKNOWN},
	{STR("HS384"), KEY_SECRET, GNUTLS_MAC_SHA384, GNUTLS_SIGN_UNKNOWN},
	{STR("HS512"), KEY_SECRET, GNUTLS_MAC_SHA512, GNUTLS_SIGN_UNKNOWN},
	{STR("RS256"), KEY_RSA, GNUTLS_MAC_UNKNOWN, GNUTLS_SIGN_RSA_SHA256},
	{STR("PS256"), KEY_RSA, GNUTLS_MAC_UNKNOWN, GNUTLS_SIGN_RSA_PSS_RSAE_SHA256},
	{STR("ES256"), KEY_P256, GNUTLS_MAC_UNKNOWN, GNUTLS_SIGN_ECDSA_SHA256},
	{STR("EdDSA"), KEY_ED25519, GNUTLS_MAC_UNKNOWN, GNUTLS_SIGN_EDDSA_ED25519},
};

const struct algorithm *algorithm_find(struct str name)
{
	for (size_t i = 0; i < ARRAY_LENGTH(algorithms); i++) {
		if (str_equal(algorithms[i].name, name))
			return &algorithms[i];
	}
	return NULL;
}

bool key_init_secret(struct key *key, struct str secret)
{
	*key = (struct key){0};
	key->secret.data = malloc(secret.len + 1);
	if (key->secret.data == NULL)
		return false;
	memcpy(key->secret.data, secret.ptr, secret.len);
	key->secret.size = (unsigned)secret.len;
	return true;
}

void key_finish(struct key *key)
{
	if (key->secret.data != NULL)
		gnutls_memset(key->secret.data, 0, key->secret.size);
	free(key->secret.data);
	free(key->kid);
	if (key->public_key != NULL)
		gnutls_pubkey_deinit(key->public_key);
	*key = (struct key){0};
}

static bool same_secret(const struct key *one, const struct key *other)
{
	return one->secret.size == other->secret.size &&
	       gnutls_memcmp(one->secret.data, other->secret.data, one->secret.size) == 0;
}

/* By the hash of the key itself. */
static bool same_public_key(const struct key *one, const struct key *other)
{
	unsigned char ids[2][32];
	size_t sizes[2] = {sizeof ids[0], sizeof ids[1]};

	return gnutls_pubkey_get_key_id(one->public_key, GNUTLS_KEYID_USE_SHA256, ids[0], &sizes[0]) == 0 &&
	       gnutls_pubkey_get_key_id(other->public_key, GNUTLS_KEYID_USE_SHA256, ids[1], &sizes[1]) == 0 &&
	       sizes[0] == sizes[1] && memcmp(ids[0], ids[1], sizes[0]) == 0;
}

bool key_same(const struct key *one, const struct key *other)
{
	bool kids = one->kid != NULL && other->kid != NULL ? strcmp(one->kid, other->kid) == 0 : one->kid == other->kid;

	if (!kids || (one->public_key == NULL) != (other->public_key == NULL))
		return false;
	return one->public_key == NULL ? same_secret(one, other) : same_public_key(one, other);
}

bool key_mac(const struct key *key, const struct algorithm *algorithm, struct str text,
             unsigned char mac[KEY_MAC_BYTES_MAX], size_t *count)
{
	*count = gnutls_hmac_get_len(algorithm->mac);
	CHECK(*count > 0 && *count <= KEY_MAC_BYTES_MAX);
	return gnutls_hmac_fast(algorithm->mac, key->secret.data, key->secret.size, text.ptr, text.len, mac) == 0;
}

/* gnutls_memcmp looks at every byte whatever it finds, and both lengths are public: the time says nothing of the
 * right MAC. */
static bool mac_matches(const struct key *key, const struct algorithm *algorithm, struct str signed_text,
                        struct str signature)
{
	unsigned char mac[KEY_MAC_BYTES_MAX];
	size_t count;

	bool matches = key_mac(key, algorithm, signed_text, mac, &count) && signature.len == count &&
	               gnutls_memcmp(mac, signature.ptr, count) == 0;
	gnutls_memset(mac, 0, sizeof mac);
	return matches;
}

static gnutls_datum_t datum(struct str bytes)
{
	return (gnutls_datum_t){(unsigned char *)(uintptr_t)bytes.ptr, (unsigned)bytes.len};
}

/* An integer of a raw ECDSA signature; zero is none (FIPS 186-5 section 6.4.2). */
static bool read_scalar(struct str bytes, gnutls_datum_t *scalar)
{
	while (bytes.len > 0 && bytes.ptr[0] == 0)
		bytes = str_skip(bytes, 1);
	*scalar = datum(bytes);
	return bytes.len > 0;
}

/* JWS has r and s side by side (RFC 7518 section 3.4), GnuTLS takes them in DER. */
static bool verify_ecdsa(const struct key *key, const struct algorithm *algorithm, gnutls_datum_t text,
                         struct str signature)
{
	gnutls_datum_t r, s, der = {0};

	if (!read_scalar((struct str){signature.ptr, 32}, &r) || !read_scalar(str_skip(signature, 32), &s))
		return false;
	if (gnutls_encode_rs_value(&der, &r, &s) != 0)
		return false;
	bool verified = gnutls_pubkey_verify_data2(key->public_key, algorithm->signature, 0, &text, &der) >= 0;
	gnutls_free(der.data);
	return verified;
}

bool key_verify(const struct key *key, const struct algorithm *algorithm, struct str signed_text,
                struct str signature)
{
	if (algorithm->kind == KEY_SECRET)
		return mac_matches(key, algorithm, signed_text, signature);
	if (key->public_key == NULL || signature.len != key->signature_bytes)
		return false;
	gnutls_datum_t text = datum(signed_text), bytes = datum(signature);
	if (algorithm->kind == KEY_P256)
		return verify_ecdsa(key, algorithm, text, signature);
	return gnutls_pubkey_verify_data2(key->public_key, algorithm->signature, 0, &text, &bytes) >= 0;
}

static const char *check_rsa(struct key *key, const struct algorithm *algorithm, int type, unsigned bits)
{
	gnutls_datum_t modulus, exponent;

	if (type != GNUTLS_PK_RSA && !(type == GNUTLS_PK_RSA_PSS && str_equal(algorithm->name, STR("PS256"))))
		return "is not an RSA key, as the algorithm needs";
	if (bits < KEY_RSA_BITS_MIN)
		return "is an RSA key of fewer than 2048 bits";
	if (bits > KEY_RSA_BITS_MAX)
		return "is an RSA key of more than 16384 bits";
	if (gnutls_pubkey_export_rsa_raw2(key->public_key, &modulus, &exponent, GNUTLS_EXPORT_FLAG_NO_LZ) != 0)
		return "is an RSA key that cannot be read";
	/* With the exponent 1 every signature is right; a huge one costs too much time. */
	bool sound = exponent.size > 0 && exponent.size <= 8 && (exponent.data[exponent.size - 1] & 1) == 1 &&
	             !(exponent.size == 1 && exponent.data[0] == 1);
	gnutls_free(modulus.data);
	gnutls_free(exponent.data);
	key->signature_bytes = (bits + 7) / 8;
	return sound ? NULL : "is an RSA key with an unsound exponent";
}

static const char *check_point(struct key *key, const struct algorithm *algorithm, int type)
{
	gnutls_ecc_curve_t curve;

	key->signature_bytes = 64;
	if (algorithm->kind == KEY_ED25519)
		return type == GNUTLS_PK_EDDSA_ED25519 ? NULL : "is not an Ed25519 key, as the algorithm needs";
	if (type != GNUTLS_PK_ECDSA ||
	    gnutls_pubkey_export_ecc_raw(key->public_key, &curve, NULL, NULL) != 0 ||
	    curve != GNUTLS_ECC_CURVE_SECP256R1)
		return "is not a P-256 key, as the algorithm needs";
	return NULL;
}

/* What every imported key must be, wherever it came from. */
static bool accept(struct key *key, const struct algorithm *algorithm, int imported, const char **why)
{
	unsigned bits = 0;

	*why = imported != 0 ? "cannot be read as a public key" : NULL;
	if (*why == NULL) {
		int type = gnutls_pubkey_get_pk_algorithm(key->public_key, &bits);
		*why = algorithm->kind == KEY_RSA ? check_rsa(key, algorithm, type, bits)
		                                  : check_point(key, algorithm, type);
	}
	if (*why == NULL && gnutls_pubkey_verify_params(key->public_key) != 0)
		*why = "has unsound parameters";
	if (*why != NULL)
		key_finish(key);
	return *why == NULL;
}

static bool begin_public(struct key *key, const struct algorithm *algorithm, const char **why)
{
	CHECK(algorithm->kind != KEY_SECRET);
	*key = (struct key){0};
	*why = "does not fit into memory";
	return gnutls_pubkey_init(&key->public_key) == 0;
}

bool key_init_pem(struct key *key, const struct algorithm *algorithm, struct str pem, const char **why)
{
	gnutls_datum_t text = datum(pem);

	if (!begin_public(key, algorithm, why))
		return false;
	return accept(key, algorithm, gnutls_pubkey_import(key->public_key, &text, GNUTLS_X509_FMT_PEM), why);
}

bool key_init_rsa(struct key *key, const struct algorithm *algorithm, struct str modulus, struct str exponent,
                  const char **why)
{
	gnutls_datum_t n = datum(modulus), e = datum(exponent);

	if (!begin_public(key, algorithm, why))
		return false;
	return accept(key, algorithm, gnutls_pubkey_import_rsa_raw(key->public_key, &n, &e), why);
}

bool key_init_point(struct key *key, const struct algorithm *algorithm, struct str x, struct str y, const char **why)
{
	gnutls_datum_t first = datum(x), second = datum(y);

	*why = "has coordinates that are not 32 bytes long";
	if (x.len != 32 || (y.ptr != NULL && y.len != 32))
		return false;
	if (!begin_public(key, algorithm, why))
		return false;
	int imported = y.ptr == NULL
	        ? gnutls_pubkey_import_ecc_raw(key->public_key, GNUTLS_ECC_CURVE_ED25519, &first, NULL)
	        : gnutls_pubkey_import_ecc_raw(key->public_key, GNUTLS_ECC_CURVE_SECP256R1, &first, &second);
	return accept(key, algorithm, imported, why);
}
