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

bool key_verify(const struct key *key, const struct algorithm *algorithm, struct str signed_text,
                struct str signature)
{
	if (algorithm->kind == KEY_SECRET)
		return mac_matches(key, algorithm, signed_text, signature);
	return false;
}
