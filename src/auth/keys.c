#include "auth/keys.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "auth/base64url.h"
#include "auth/key.h"
#include "auth/public_keys.h"
#include "base/clock.h"
#include "config/config.h"

enum { KEYS_MAX = 32, OLDER_MAX = 8, FILE_BYTES_MAX = 1 << 20 };

struct keys {
	atomic_uint references;
	struct keys *older;      /* NULL: none; accepted until older_until_ns */
	uint64_t older_until_ns;
	const struct algorithm *algorithm;
	char *issuer, *audience;
	size_t count;
	struct key items[KEYS_MAX]; /* newest first */
};

static void keys_free(struct keys *keys)
{
	for (size_t i = 0; i < keys->count; i++)
		key_finish(&keys->items[i]);
	keys_unref(keys->older);
	free(keys->issuer);
	free(keys->audience);
	free(keys);
}

/* A public key in the place of the secret would let everybody who has it make tokens (RFC 8725 section 2.1). */
static bool add_secret(struct keys *keys, struct str secret, struct buf *problem)
{
	if (secret.len < KEY_SECRET_BYTES_MIN) {
		buf_printf(problem, "JWT_SECRET%s is %zu bytes: at least %d are needed",
		           keys->count > 0 ? " (one of several)" : "", secret.len, KEY_SECRET_BYTES_MIN);
		return false;
	}
	if (memmem(secret.ptr, secret.len, "-----BEGIN ", 11) != NULL) {
		buf_lit(problem, "JWT_SECRET holds a PEM key: a shared secret is needed; public keys belong in "
		                 "JWT_PUBLIC_KEYS, with JWT_ALGORITHM RS256, PS256, ES256 or EdDSA");
		return false;
	}
	if (keys->count == KEYS_MAX) {
		buf_printf(problem, "JWT_SECRET holds more than %d secrets", KEYS_MAX);
		return false;
	}
	if (!key_init_secret(&keys->items[keys->count], secret)) {
		buf_lit(problem, "JWT_SECRET: out of memory");
		return false;
	}
	keys->count++;
	return true;
}

static bool add_secrets(struct keys *keys, const struct config *config, struct str generated_secret,
                        struct buf *problem)
{
	struct str rest = str_from(config->jwt_secret), secret;

	if (rest.len == 0 && (config->jwt_public_keys[0] != '\0' || config->jwt_jwks_url[0] != '\0')) {
		buf_printf(problem, "JWT_ALGORITHM is %s, which needs JWT_SECRET: with public keys it must be RS256, "
		                    "PS256, ES256 or EdDSA", config->jwt_algorithm);
		return false;
	}
	if (rest.len == 0 && generated_secret.len > 0)
		return add_secret(keys, generated_secret, problem);
	if (rest.len == 0) {
		buf_printf(problem, "JWT_SECRET is empty: at least %d bytes are needed for JWT_ALGORITHM %s "
		                    "(or JWT_PUBLIC_KEYS with RS256, PS256, ES256 or EdDSA)",
		           KEY_SECRET_BYTES_MIN, config->jwt_algorithm);
		return false;
	}
	while (str_cut(&rest, ',', &secret)) {
		if (!add_secret(keys, str_trim(secret), problem))
			return false;
	}
	return true;
}

static bool read_file(struct buf *text, const char *path)
{
	FILE *file = fopen(path, "re");

	if (file == NULL)
		return false;
	char *space = buf_reserve(text, FILE_BYTES_MAX);
	if (space != NULL)
		text->len += fread(space, 1, FILE_BYTES_MAX, file);
	bool whole = space != NULL && fgetc(file) == EOF && ferror(file) == 0;
	fclose(file);
	return whole;
}

static bool add_file(struct keys *keys, const char *path, struct buf *problem)
{
	struct buf text;
	size_t problem_len = problem->len;

	buf_printf(problem, "JWT_PUBLIC_KEYS is %s, which ", path);
	buf_init(&text, FILE_BYTES_MAX);
	bool added = read_file(&text, path);
	if (!added)
		buf_printf(problem, "cannot be read, or is longer than %d bytes", FILE_BYTES_MAX);
	else
		added = public_keys_read(buf_view(&text), keys->algorithm, PUBLIC_KEYS_STRICT, keys->items, &keys->count,
		                         KEYS_MAX, problem);
	buf_finish(&text);
	if (added)
		problem->len = problem_len;
	return added;
}

/* The fetched set comes first: it is what the issuer uses now. */
static bool add_public_keys(struct keys *keys, const struct config *config, struct str fetched, struct buf *problem)
{
	bool has_file = config->jwt_public_keys[0] != '\0', has_url = config->jwt_jwks_url[0] != '\0';
	size_t problem_len = problem->len;

	if (!has_file && !has_url) {
		buf_printf(problem, "JWT_PUBLIC_KEYS is empty: JWT_ALGORITHM %s needs a file of public keys there, or "
		                    "JWT_JWKS_URL", config->jwt_algorithm);
		return false;
	}
	if (fetched.ptr != NULL) {
		buf_lit(problem, "The set at JWT_JWKS_URL ");
		if (!public_keys_read(fetched, keys->algorithm, PUBLIC_KEYS_TOLERANT, keys->items, &keys->count, KEYS_MAX,
		                      problem))
			return false;
		problem->len = problem_len;
	}
	return !has_file || add_file(keys, config->jwt_public_keys, problem);
}

static bool fill(struct keys *keys, const struct config *config, struct str generated_secret, struct str fetched,
                 struct buf *problem)
{
	keys->issuer = strdup(config->jwt_issuer);
	keys->audience = strdup(config->jwt_audience);
	keys->algorithm = algorithm_find(str_from(config->jwt_algorithm));
	if (keys->issuer == NULL || keys->audience == NULL) {
		buf_lit(problem, "JWT_ISSUER, JWT_AUDIENCE: out of memory");
		return false;
	}
	if (keys->algorithm == NULL) {
		buf_printf(problem, "JWT_ALGORITHM is %s: HS256, HS384, HS512, RS256, PS256, ES256 or EdDSA is needed",
		           config->jwt_algorithm);
		return false;
	}
	if (keys->algorithm->kind == KEY_SECRET)
		return add_secrets(keys, config, generated_secret, problem);
	return add_public_keys(keys, config, fetched, problem);
}

static bool load(struct keys **keys, const struct config *config, struct str generated_secret, struct str fetched,
                 struct buf *problem)
{
	struct keys *made = calloc(1, sizeof *made);

	if (made == NULL) {
		buf_lit(problem, "JWT_SECRET: out of memory");
		return false;
	}
	atomic_init(&made->references, 1);
	if (!fill(made, config, generated_secret, fetched, problem)) {
		keys_free(made);
		return false;
	}
	*keys = made;
	return true;
}

bool keys_load(struct keys **keys, const struct config *config, struct str generated_secret, struct buf *problem)
{
	return load(keys, config, generated_secret, STR_NONE, problem);
}

bool keys_load_fetched(struct keys **keys, const struct config *config, struct str jwks, struct buf *problem)
{
	return load(keys, config, STR_NONE, jwks, problem);
}

struct keys *keys_ref(struct keys *keys)
{
	atomic_fetch_add_explicit(&keys->references, 1, memory_order_relaxed);
	return keys;
}

void keys_unref(struct keys *keys)
{
	if (keys != NULL && atomic_fetch_sub_explicit(&keys->references, 1, memory_order_acq_rel) == 1)
		keys_free(keys);
}

struct str keys_algorithm(const struct keys *keys)
{
	return keys->algorithm->name;
}

struct str keys_issuer(const struct keys *keys)
{
	return str_from(keys->issuer);
}

struct str keys_audience(const struct keys *keys)
{
	return str_from(keys->audience);
}

void keys_accept_older(struct keys *newer, struct keys *older, uint64_t until_ns)
{
	struct keys *last = newer;

	CHECK(newer->older == NULL && atomic_load(&newer->references) == 1);
	if (newer->algorithm != older->algorithm)
		return;
	for (unsigned count = 0; count < OLDER_MAX && last != NULL; count++)
		last = last == newer ? older : last->older;
	if (last != NULL)
		return; /* so many rotations within one time of grace: the newest keys alone are taken */
	newer->older = keys_ref(older);
	newer->older_until_ns = until_ns;
}

uint64_t keys_next_end_ns(const struct keys *keys, uint64_t now_ns)
{
	uint64_t next_ns = UINT64_MAX;

	for (; keys->older != NULL; keys = keys->older)
		if (keys->older_until_ns > now_ns && keys->older_until_ns < next_ns)
			next_ns = keys->older_until_ns;
	return next_ns;
}

bool keys_same(const struct keys *one, const struct keys *other)
{
	if (one->algorithm != other->algorithm || one->count != other->count || strcmp(one->issuer, other->issuer) != 0 ||
	    strcmp(one->audience, other->audience) != 0)
		return false;
	for (size_t i = 0; i < one->count; i++)
		if (!key_same(&one->items[i], &other->items[i]))
			return false;
	return true;
}

static enum keys_verdict verify(const struct keys *keys, struct str kid, struct str signed_text, struct str signature)
{
	bool kid_known = kid.ptr == NULL, kids_used = false;

	for (size_t i = 0; i < keys->count; i++) {
		const struct key *key = &keys->items[i];
		bool same_kid = kid.ptr != NULL && key->kid != NULL && str_equal(str_from(key->kid), kid);
		kids_used |= key->kid != NULL;
		kid_known |= same_kid;
		if (kid.ptr != NULL && key->kid != NULL && !same_kid)
			continue;
		if (key_verify(key, keys->algorithm, signed_text, signature))
			return KEYS_VERIFIED;
	}
	bool unknown = keys->count == 0 || (kids_used && !kid_known);
	return unknown ? KEYS_UNKNOWN : KEYS_REFUSED;
}

enum keys_verdict keys_verify(const struct keys *keys, struct str kid, struct str signed_text, struct str signature)
{
	enum keys_verdict verdict = verify(keys, kid, signed_text, signature);
	uint64_t now_ns = keys->older != NULL ? clock_monotonic_ns() : 0;

	/* A set that is over ends no other: each further one has its own time. */
	for (; verdict != KEYS_VERIFIED && keys->older != NULL; keys = keys->older)
		if (now_ns < keys->older_until_ns && verify(keys->older, kid, signed_text, signature) == KEYS_VERIFIED)
			verdict = KEYS_VERIFIED;
	return verdict;
}

bool keys_sign(struct buf *out, const struct keys *keys, struct str text)
{
	unsigned char mac[KEY_MAC_BYTES_MAX];
	size_t count;

	if (keys->algorithm->kind != KEY_SECRET || !key_mac(&keys->items[0], keys->algorithm, text, mac, &count))
		return false;
	base64url_encode(out, mac, count);
	return true;
}
