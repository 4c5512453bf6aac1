#include "auth/public_keys.h"

#include "auth/base64url.h"
#include "auth/jose_json.h"

enum { NUMBER_BYTES_MAX = KEY_RSA_BITS_MAX / 8 };

struct reading {
	const struct algorithm *algorithm;
	enum public_keys_mode mode;
	struct key *items;
	size_t count, count_max;
	struct buf *problem;
};

/* Room for one more key, or NULL with a problem. */
static struct key *next_place(struct reading *reading)
{
	if (reading->count < reading->count_max)
		return &reading->items[reading->count];
	buf_printf(reading->problem, "holds more than %zu keys", reading->count_max);
	return NULL;
}

static size_t find(struct str text, struct str wanted)
{
	const char *found = text.len > 0 ? memmem(text.ptr, text.len, wanted.ptr, wanted.len) : NULL;

	return found != NULL ? (size_t)(found - text.ptr) : SIZE_MAX;
}

/* `block` begins at its "-----BEGIN "; *length is how far it goes. */
static bool read_pem_block(struct reading *reading, struct str block, size_t *length)
{
	static const struct str begin = STR("-----BEGIN PUBLIC KEY-----"), end = STR("-----END PUBLIC KEY-----");
	struct str label = str_skip(block, strlen("-----BEGIN "));
	const char *why;

	label.len = find(label, STR("-----"));
	if (label.len != SIZE_MAX && find(label, STR("PRIVATE KEY")) != SIZE_MAX) {
		buf_lit(reading->problem, "holds a private key: only public keys belong there");
		return false;
	}
	*length = find(block, end);
	if (!str_starts_with(block, begin) || *length == SIZE_MAX) {
		buf_lit(reading->problem, "holds a PEM block that is not a PUBLIC KEY (of a certificate, "
		                          "`openssl x509 -pubkey -noout` gives it)");
		return false;
	}
	*length += end.len;
	struct key *key = next_place(reading);
	if (key == NULL)
		return false;
	if (!key_init_pem(key, reading->algorithm, (struct str){block.ptr, *length}, &why)) {
		buf_printf(reading->problem, "holds a key that %s (%.*s)", why, STR_ARG(reading->algorithm->name));
		return false;
	}
	reading->count++;
	return true;
}

static bool read_pem(struct reading *reading, struct str text)
{
	size_t length, start = find(text, STR("-----BEGIN "));

	if (start == SIZE_MAX) {
		buf_lit(reading->problem, "holds neither a PEM public key nor a JWK Set");
		return false;
	}
	for (; start != SIZE_MAX; start = find(text, STR("-----BEGIN "))) {
		text = str_skip(text, start);
		if (!read_pem_block(reading, text, &length))
			return false;
		text = str_skip(text, length);
	}
	return true;
}

static bool is_secret(const json_t *jwk)
{
	static const char *const private_members[] = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"};

	for (size_t i = 0; i < ARRAY_LENGTH(private_members); i++) {
		if (json_object_get(jwk, private_members[i]) != NULL)
			return true;
	}
	return str_equal(jose_json_text(json_object_get(jwk, "kty")), STR("oct"));
}

static bool is_absent_or(const json_t *value, struct str text)
{
	return value == NULL || str_equal(jose_json_text(value), text);
}

static bool operations_allow(const json_t *operations)
{
	if (operations == NULL)
		return true;
	for (size_t i = 0; i < json_array_size(operations); i++) {
		if (str_equal(jose_json_text(json_array_get(operations, i)), STR("verify")))
			return true;
	}
	return false;
}

/* Whether the key says that it is one for our algorithm (RFC 7517 section 4, RFC 8725 section 3.1). */
static bool is_for(const json_t *jwk, const struct algorithm *algorithm)
{
	static const struct {
		enum key_kind kind;
		struct str type, curve;
	} rows[] = {
		{KEY_RSA, STR("RSA"), STR_NONE},
		{KEY_P256, STR("EC"), STR("P-256")},
		{KEY_ED25519, STR("OKP"), STR("Ed25519")},
	};

	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		if (rows[i].kind != algorithm->kind)
			continue;
		return str_equal(jose_json_text(json_object_get(jwk, "kty")), rows[i].type) &&
		       (rows[i].curve.ptr == NULL ||
		        str_equal(jose_json_text(json_object_get(jwk, "crv")), rows[i].curve)) &&
		       is_absent_or(json_object_get(jwk, "use"), STR("sig")) &&
		       is_absent_or(json_object_get(jwk, "alg"), algorithm->name) &&
		       operations_allow(json_object_get(jwk, "key_ops"));
	}
	return false;
}

/* A number or coordinate of a key; absent when it is missing, not strict base64url or too long. */
static struct str read_number(const json_t *value, unsigned char bytes[BASE64URL_BYTES(NUMBER_BYTES_MAX * 4 / 3 + 4)])
{
	struct str text = jose_json_text(value);
	size_t count;

	if (text.len == 0 || text.len > NUMBER_BYTES_MAX * 4 / 3 + 4 || !base64url_decode(text, bytes, &count))
		return STR_NONE;
	return (struct str){(const char *)bytes, count};
}

static bool init_from_jwk(struct key *key, const struct algorithm *algorithm, const json_t *jwk, const char **why)
{
	unsigned char first_bytes[BASE64URL_BYTES(NUMBER_BYTES_MAX * 4 / 3 + 4)], second_bytes[sizeof first_bytes];
	const json_t *kid = json_object_get(jwk, "kid");
	bool is_rsa = algorithm->kind == KEY_RSA, is_alone = algorithm->kind == KEY_ED25519;

	struct str first = read_number(json_object_get(jwk, is_rsa ? "n" : "x"), first_bytes);
	struct str second = is_alone ? STR_NONE : read_number(json_object_get(jwk, is_rsa ? "e" : "y"), second_bytes);
	*why = "lacks a member that it needs, or has one that is not strict base64url";
	if (first.ptr == NULL || (!is_alone && second.ptr == NULL))
		return false;
	*why = "has a kid that is not a string";
	if (kid != NULL && !json_is_string(kid))
		return false;
	if (is_rsa ? !key_init_rsa(key, algorithm, first, second, why) : !key_init_point(key, algorithm, first, second, why))
		return false;
	key->kid = kid != NULL ? strdup(json_string_value(kid)) : NULL;
	if (kid == NULL || key->kid != NULL)
		return true;
	*why = "does not fit into memory";
	key_finish(key);
	return false;
}

static bool read_jwk(struct reading *reading, const json_t *jwk)
{
	const char *why;

	if (is_secret(jwk)) {
		buf_lit(reading->problem, "holds a private or symmetric key: only public keys belong there");
		return false;
	}
	if (!is_for(jwk, reading->algorithm))
		return true;
	struct key *key = next_place(reading);
	if (key == NULL)
		return false;
	if (init_from_jwk(key, reading->algorithm, jwk, &why)) {
		reading->count++;
		return true;
	}
	if (reading->mode == PUBLIC_KEYS_TOLERANT)
		return true;
	buf_printf(reading->problem, "holds a key that %s (%.*s)", why, STR_ARG(reading->algorithm->name));
	return false;
}

static bool read_jwk_set(struct reading *reading, const json_t *set)
{
	const json_t *list = json_object_get(set, "keys");
	size_t before = reading->count;

	if (!json_is_array(list)) {
		buf_lit(reading->problem, "is not a JWK Set: a JSON object with an array \"keys\" is needed");
		return false;
	}
	for (size_t i = 0; i < json_array_size(list); i++) {
		if (!read_jwk(reading, json_array_get(list, i)))
			return false;
	}
	if (reading->count > before)
		return true;
	buf_printf(reading->problem, "holds no key for %.*s", STR_ARG(reading->algorithm->name));
	return false;
}

static bool read_jwks(struct reading *reading, struct str text)
{
	json_t *set = jose_json_object(text);

	if (set == NULL) {
		buf_lit(reading->problem, "is not a JSON object, has a member twice, or is nested too deeply");
		return false;
	}
	bool read = read_jwk_set(reading, set);
	json_decref(set);
	return read;
}

bool public_keys_read(struct str text, const struct algorithm *algorithm, enum public_keys_mode mode,
                      struct key *items, size_t *count, size_t count_max, struct buf *problem)
{
	struct reading reading = {algorithm, mode, items, *count, count_max, problem};
	struct str start = text;

	while (start.len > 0 && (start.ptr[0] == '\n' || start.ptr[0] == '\r' || start.ptr[0] == ' ' || start.ptr[0] == '\t'))
		start = str_skip(start, 1);
	bool read = str_starts_with(start, STR("{")) ? read_jwks(&reading, start) : read_pem(&reading, text);
	*count = reading.count;
	return read;
}
