/* Tokens and key sets from anybody. The first byte says what the rest is:
 *   T  a token, as it is: what verifies must be exactly what we would have signed, so nobody's forgery
 *   S  HEADER newline PAYLOAD, which is signed here: what verifies must keep the rules of contract.md section 4
 *   M  changes to a good token (position, byte, …): what verifies must be the good token
 *   K  a PEM file or JWK Set */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "auth/base64url.h"
#include "auth/jose_json.h"
#include "auth/public_keys.h"
#include "auth/token.h"
#include "config/config.h"

enum { NOW_S = 1800000000, KEYS_MAX = 4 };

static struct keys *keys;
static char good[4096];
static size_t good_len;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct config config = {.jwt_algorithm = "HS256", .jwt_secret = "an-example-secret-of-some-40-bytes-in-all",
	                        .jwt_public_keys = "", .jwt_jwks_url = "", .jwt_issuer = "", .jwt_audience = ""};
	struct buf out;

	(void)argc;
	(void)argv;
	buf_init(&out, sizeof good);
	CHECK(keys_load(&keys, &config, STR_NONE, &out));
	CHECK(token_mint(&out, keys, 7, STR("ann@example.com"), ROLE_USER, NOW_S, 30));
	memcpy(good, out.ptr, out.len);
	good_len = out.len;
	buf_finish(&out);
	return 0;
}

/* Signs what the token's signature is over, and wants the same text. */
static void check_signature(struct str token)
{
	const char *dot = memrchr(token.ptr, '.', token.len);
	struct buf signature;

	CHECK(dot != NULL);
	buf_init(&signature, 256);
	CHECK(keys_sign(&signature, keys, (struct str){token.ptr, (size_t)(dot - token.ptr)}));
	CHECK(str_equal(buf_view(&signature), str_skip(token, (size_t)(dot - token.ptr) + 1)));
	buf_finish(&signature);
}

static void check_principal(const struct principal *principal)
{
	CHECK(principal->user_id > 0 && principal->expires_at_s > NOW_S);
	CHECK(principal->role == ROLE_USER || principal->role == ROLE_ADMIN);
	CHECK(principal->email_len <= PRINCIPAL_EMAIL_BYTES_MAX);
	CHECK(memchr(principal->email, 0, principal->email_len) == NULL);
}

static void try_token(struct str token)
{
	struct principal principal;

	if (token_verify(token, keys, NOW_S, &principal) != TOKEN_OK)
		return;
	check_signature(token);
	check_principal(&principal);
}

static void check_claims(struct str header, struct str payload, const struct principal *principal)
{
	json_t *head = json_loadb(header.ptr, header.len, JSON_REJECT_DUPLICATES, NULL);
	json_t *claims = json_loadb(payload.ptr, payload.len, JSON_REJECT_DUPLICATES, NULL);

	CHECK(json_is_object(head) && json_is_object(claims));
	CHECK(str_equal(jose_json_text(json_object_get(head, "alg")), STR("HS256")));
	CHECK(json_object_get(head, "crit") == NULL && json_object_get(head, "b64") == NULL);
	CHECK(json_integer_value(json_object_get(claims, "user_id")) == principal->user_id);
	CHECK(json_number_value(json_object_get(claims, "exp")) > NOW_S);
	CHECK(!json_is_false(json_object_get(claims, "is_active")));
	json_decref(head);
	json_decref(claims);
}

/* Whom we accept, we can mint a token for, and it names the same. */
static void check_round_trip(const struct principal *first)
{
	struct principal second;
	struct buf token;

	buf_init(&token, TOKEN_BYTES_MAX);
	CHECK(token_mint(&token, keys, first->user_id, (struct str){first->email, first->email_len}, first->role, NOW_S, 30));
	CHECK(token_verify(buf_view(&token), keys, NOW_S, &second) == TOKEN_OK);
	CHECK(second.user_id == first->user_id && second.role == first->role && second.email_len == first->email_len);
	CHECK(memcmp(first->email, second.email, first->email_len) == 0);
	buf_finish(&token);
}

static void try_signed(struct str rest)
{
	struct principal principal;
	struct str header;
	struct buf token, signature;

	if (!str_cut(&rest, '\n', &header) || rest.ptr == NULL)
		return;
	buf_init(&token, 65536);
	buf_init(&signature, 256);
	base64url_encode(&token, header.ptr, header.len);
	buf_char(&token, '.');
	base64url_encode(&token, rest.ptr, rest.len);
	CHECK(keys_sign(&signature, keys, buf_view(&token)));
	buf_char(&token, '.');
	buf_str(&token, buf_view(&signature));
	if (!token.failed && token_verify(buf_view(&token), keys, NOW_S, &principal) == TOKEN_OK) {
		check_principal(&principal);
		check_claims(header, rest, &principal);
		check_round_trip(&principal);
	}
	buf_finish(&signature);
	buf_finish(&token);
}

static void try_mutated(struct str changes)
{
	char token[sizeof good];
	size_t token_len = good_len;
	struct principal principal;

	memcpy(token, good, good_len);
	for (size_t i = 0; i + 2 < changes.len; i += 3) {
		size_t at = ((size_t)(unsigned char)changes.ptr[i] << 8 | (unsigned char)changes.ptr[i + 1]) % (good_len + 8);
		if (at < token_len)
			token[at] = changes.ptr[i + 2];
		else if (changes.ptr[i + 2] == 0)
			token_len -= token_len > 0;
		else if (token_len < good_len + 8)
			token[token_len++] = changes.ptr[i + 2];
	}
	if (token_verify((struct str){token, token_len}, keys, NOW_S, &principal) == TOKEN_OK)
		CHECK(token_len == good_len && memcmp(token, good, good_len) == 0);
}

static void try_keys(struct str text)
{
	static const char *const algorithms[] = {"RS256", "PS256", "ES256", "EdDSA"};

	for (size_t i = 0; i < ARRAY_LENGTH(algorithms); i++) {
		const struct algorithm *algorithm = algorithm_find(str_from(algorithms[i]));
		struct key items[KEYS_MAX] = {0};
		size_t count = 0;
		struct buf problem;
		buf_init(&problem, 1024);
		bool read = public_keys_read(text, algorithm, i % 2 == 0 ? PUBLIC_KEYS_STRICT : PUBLIC_KEYS_TOLERANT, items,
		                             &count, KEYS_MAX, &problem);
		CHECK(count <= KEYS_MAX && (read ? count > 0 && problem.len == 0 : problem.len > 0));
		for (size_t j = 0; j < count; j++) {
			CHECK(items[j].public_key != NULL && items[j].secret.size == 0);
			CHECK(!key_verify(&items[j], algorithm, STR("text"), text));
			key_finish(&items[j]);
		}
		buf_finish(&problem);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* A copy of the exact size, so that reading beyond it is seen. */
	char *copy = size > 0 ? malloc(size) : NULL;

	if (copy == NULL)
		return 0;
	memcpy(copy, data, size);
	struct str rest = str_skip((struct str){copy, size}, 1);
	switch (copy[0]) {
	case 'T': try_token(rest); break;
	case 'S': try_signed(rest); break;
	case 'M': try_mutated(rest); break;
	case 'K': try_keys(rest); break;
	default: break;
	}
	free(copy);
	return 0;
}
