/* Keys: what a set accepts and refuses, which of its keys a token may mean, and problems that name their setting. */
#include "auth/keys.h"

#include <pthread.h>
#include <unistd.h>

#include "fixtures.h"
#include "support.h"

/* A temporary file with `text`; the caller unlinks it. */
static void write_file(char path[64], const char *text)
{
	strcpy(path, "/tmp/evently-keys-XXXXXX");
	int file = mkstemp(path);
	assert_true(file >= 0);
	assert_int_equal(write(file, text, strlen(text)), (ssize_t)strlen(text));
	close(file);
}

static struct keys *load_file(const char *algorithm, const char *text)
{
	char path[64];
	struct config config = settings(algorithm, "");

	write_file(path, text);
	config.jwt_public_keys = path;
	struct keys *keys = load(&config);
	unlink(path);
	return keys;
}

static enum token_result verify(const struct keys *keys, const char *token)
{
	struct principal principal;

	return token_verify(str_from(token), keys, NOW_S, &principal);
}

static void assert_problem(const struct config *config, struct str generated, const char *expected)
{
	struct keys *keys = NULL;
	struct buf problem;

	buf_init(&problem, 1024);
	if (keys_load(&keys, config, generated, &problem))
		fail_msg("accepted; expected: %s", expected);
	buf_char(&problem, '\0');
	if (strstr(problem.ptr, expected) == NULL || strchr(problem.ptr, '\n') != NULL)
		fail_msg("problem \"%s\" lacks \"%s\"", problem.ptr, expected);
	buf_finish(&problem);
}

static void secrets_are_checked(void **state)
{
	(void)state;
	static const struct {
		const char *algorithm, *secret, *problem;
	} rows[] = {
		{"HS256", "twelve bytes", "JWT_SECRET is 12 bytes: at least 32 are needed"},
		{"HS256", "0123456789012345678901234567890", "JWT_SECRET is 31 bytes"},
		{"HS512", SECRET_A ",short", "JWT_SECRET (one of several) is 5 bytes"},
		{"HS256", SECRET_A ",", "JWT_SECRET (one of several) is 0 bytes"},
		{"HS256", "", "JWT_SECRET is empty"},
		{"HS256", PEM_RSA, "JWT_SECRET holds a PEM key"},
		{"hs256", SECRET_A, "JWT_ALGORITHM is hs256"},
		{"none", SECRET_A, "JWT_ALGORITHM is none"},
		{"", SECRET_A, "JWT_ALGORITHM is "},
		{"RS256", SECRET_A, "JWT_PUBLIC_KEYS is empty"},
	};

	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		struct config config = settings(rows[i].algorithm, rows[i].secret);
		assert_problem(&config, STR_NONE, rows[i].problem);
	}
	struct config config = settings("HS256", "");
	config.jwt_public_keys = "keys.pem";
	assert_problem(&config, STR(SECRET_A), "JWT_ALGORITHM is HS256, which needs JWT_SECRET");
}

static void a_generated_secret_serves_where_none_is_set(void **state)
{
	(void)state;
	struct keys *keys = NULL, *configured = load_secret("HS256", SECRET_A);
	struct config without = settings("HS256", ""), with = settings("HS256", SECRET_B);
	struct buf problem;

	buf_init(&problem, 1024);
	assert_true(keys_load(&keys, &without, STR(SECRET_A), &problem));
	assert_int_equal(verify(keys, TOKEN_HS256), TOKEN_OK);
	keys_unref(keys);
	assert_true(keys_load(&keys, &with, STR(SECRET_A), &problem));
	assert_int_equal(verify(keys, TOKEN_HS256), TOKEN_BAD_SIGNATURE);
	keys_unref(keys);
	assert_int_equal(problem.len, 0);
	buf_finish(&problem);
	keys_unref(configured);
	keys_unref(NULL);
}

struct tokens {
	const char *algorithm, *pem, *plain, *a, *b, *c, *wrong_kid;
};

#define TOKENS(name, algorithm, pem) \
	{algorithm, pem, TOKEN_##name, TOKEN_##name##_KID_A, TOKEN_##name##_KID_B, TOKEN_##name##_KID_C, \
	 TOKEN_##name##_WRONG_KID}

static const struct tokens tokens[] = {
	TOKENS(RS256, "RS256", PEM_RSA),
	TOKENS(PS256, "PS256", PEM_RSA),
	TOKENS(ES256, "ES256", PEM_P256),
	TOKENS(EDDSA, "EdDSA", PEM_ED25519),
};

static void pem_files_serve_every_algorithm(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(tokens); i++) {
		struct keys *keys = load_file(tokens[i].algorithm, tokens[i].pem);
		assert_int_equal(verify(keys, tokens[i].plain), TOKEN_OK);
		/* A PEM key has no kid, so any kid may mean it. */
		assert_int_equal(verify(keys, tokens[i].a), TOKEN_OK);
		assert_int_equal(verify(keys, tokens[i].b), TOKEN_BAD_SIGNATURE);
		for (size_t j = 0; j < ARRAY_LENGTH(tokens); j++)
			assert_int_equal(verify(keys, tokens[j].plain), i == j ? TOKEN_OK : TOKEN_WRONG_ALGORITHM);
		struct buf minted;
		buf_init(&minted, 8192);
		assert_false(token_mint(&minted, keys, 7, STR("a"), ROLE_USER, NOW_S, 30));
		assert_int_equal(minted.len, 0);
		buf_finish(&minted);
		keys_unref(keys);
	}
	struct keys *several = load_file("RS256", PEM_RSA_OTHER "some text between\n" PEM_RSA);
	assert_int_equal(verify(several, TOKEN_RS256_KID_A), TOKEN_OK);
	assert_int_equal(verify(several, TOKEN_RS256_KID_B), TOKEN_OK);
	keys_unref(several);
}

static void kid_selects_in_a_jwk_set(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(tokens); i++) {
		struct keys *keys = load_file(tokens[i].algorithm, JWKS);
		assert_int_equal(verify(keys, tokens[i].plain), TOKEN_OK);
		assert_int_equal(verify(keys, tokens[i].a), TOKEN_OK);
		assert_int_equal(verify(keys, tokens[i].b), TOKEN_OK);
		/* The key c is for something else (use, alg, key_ops), the key b is another one. */
		assert_int_equal(verify(keys, tokens[i].c), TOKEN_UNKNOWN_KEY);
		assert_int_equal(verify(keys, tokens[i].wrong_kid), TOKEN_BAD_SIGNATURE);
		keys_unref(keys);
	}
}

/* One letter of each signature changed, anywhere. */
static void every_letter_of_a_signature_counts(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(tokens); i++) {
		struct keys *keys = load_file(tokens[i].algorithm, tokens[i].pem);
		char *token = strdup(tokens[i].plain);
		for (char *letter = strrchr(token, '.') + 1; *letter != '\0'; letter++) {
			char kept = *letter;
			*letter = kept == 'A' ? 'Q' : 'A';
			assert_int_not_equal(verify(keys, token), TOKEN_OK);
			*letter = kept;
		}
		assert_int_equal(verify(keys, token), TOKEN_OK);
		free(token);
		keys_unref(keys);
	}
}

static void forged_signatures_are_refused(void **state)
{
	(void)state;
	static const struct {
		const char *name, *algorithm, *pem, *token;
		enum token_result result;
	} rows[] = {
		{"8725 2.1: RSA key as HMAC secret", "RS256", PEM_RSA, CONFUSED_RSA, TOKEN_WRONG_ALGORITHM},
		{"8725 2.1: P-256 key as HMAC secret", "ES256", PEM_P256, CONFUSED_P256, TOKEN_WRONG_ALGORITHM},
		{"8725 2.1: Ed25519 key as HMAC secret", "EdDSA", PEM_ED25519, CONFUSED_ED25519, TOKEN_WRONG_ALGORITHM},
		{"7518 3.5: PSS with a salt of 20 bytes", "PS256", PEM_RSA, PS256_SALT_20, TOKEN_BAD_SIGNATURE},
		{"8725 3.1: PKCS#1 v1.5 as PSS", "PS256", PEM_RSA, RS256_AS_PS256, TOKEN_BAD_SIGNATURE},
		{"8725 3.1: SHA-512 as SHA-256", "RS256", PEM_RSA, RS256_SHA512, TOKEN_BAD_SIGNATURE},
		{"7518 3.4: ECDSA in DER", "ES256", PEM_P256, ES256_DER, TOKEN_BAD_SIGNATURE},
		{"7518 3.4: ECDSA of 66 bytes", "ES256", PEM_P256, ES256_LONG, TOKEN_BAD_SIGNATURE},
		{"FIPS 186: ECDSA with r = s = 0", "ES256", PEM_P256, ES256_ZERO, TOKEN_BAD_SIGNATURE},
		{"8032 5.1.7: S not below the order", "EdDSA", PEM_ED25519, EDDSA_MALLEABLE, TOKEN_BAD_SIGNATURE},
		{"another key", "RS256", PEM_RSA_OTHER, TOKEN_RS256, TOKEN_BAD_SIGNATURE},
	};

	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		struct keys *keys = load_file(rows[i].algorithm, rows[i].pem);
		enum token_result result = verify(keys, rows[i].token);
		if (result != rows[i].result)
			fail_msg("%s: %s", rows[i].name, token_result_text(result));
		keys_unref(keys);
	}
}

static void unsound_key_files_are_refused(void **state)
{
	(void)state;
	static const struct {
		const char *algorithm, *text, *problem;
	} rows[] = {
		{"RS256", PEM_RSA_WEAK, "holds a key that is an RSA key of fewer than 2048 bits"},
		{"PS256", JWKS_WEAK, "fewer than 2048 bits"},
		{"RS256", PEM_P256, "is not an RSA key"},
		{"ES256", PEM_RSA, "is not a P-256 key"},
		{"ES256", PEM_P384, "is not a P-256 key"},
		{"EdDSA", PEM_P256, "is not an Ed25519 key"},
		{"EdDSA", PEM_PRIVATE, "holds a private key"},
		{"RS256", PEM_RSA PEM_PRIVATE, "holds a private key"},
		{"RS256", "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n", "not a PUBLIC KEY"},
		{"RS256", "-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----\n", "cannot be read as a public key"},
		{"RS256", "-----BEGIN PUBLIC KEY-----\nAA==\n", "not a PUBLIC KEY"},
		{"RS256", "-----BEGIN ", "not a PUBLIC KEY"},
		{"RS256", "", "neither a PEM public key nor a JWK Set"},
		{"RS256", SECRET_A, "neither a PEM public key nor a JWK Set"},
		{"ES256", JWKS_PRIVATE, "holds a private or symmetric key"},
		{"EdDSA", JWKS_PRIVATE, "holds a private or symmetric key"},
		{"RS256", JWKS_SYMMETRIC, "holds a private or symmetric key"},
		{"ES256", JWKS_OFF_CURVE, "holds a key that"},
		{"ES256", JWKS_SHORT_COORDINATE, "coordinates that are not 32 bytes"},
		{"RS256", JWKS_EXPONENT_ONE, "unsound exponent"},
		{"EdDSA", JWKS_PADDED, "not strict base64url"},
		{"RS256", JWKS_NO_MODULUS, "lacks a member"},
		{"EdDSA", JWKS_KID_NUMBER, "kid that is not a string"},
		{"RS256", "{\"keys\":[]}", "holds no key for RS256"},
		{"RS256", JWKS_OFF_CURVE, "holds no key for RS256"},
		{"RS256", "{\"keys\":[1,null,[]]}", "holds no key for RS256"},
		{"RS256", "{\"keys\":{}}", "is not a JWK Set"},
		{"RS256", "{}", "is not a JWK Set"},
		{"RS256", "{\"keys\":[],\"keys\":[]}", "has a member twice"},
		{"RS256", "{", "is not a JSON object"},
	};

	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		char path[64];
		struct config config = settings(rows[i].algorithm, "");
		write_file(path, rows[i].text);
		config.jwt_public_keys = path;
		assert_problem(&config, STR_NONE, rows[i].problem);
		assert_problem(&config, STR_NONE, path);
		assert_problem(&config, STR_NONE, "JWT_PUBLIC_KEYS is ");
		unlink(path);
	}
	struct config config = settings("RS256", "");
	config.jwt_public_keys = "/nonexistent/keys.pem";
	assert_problem(&config, STR_NONE, "JWT_PUBLIC_KEYS is /nonexistent/keys.pem, which cannot be read");
	config.jwt_public_keys = "/tmp";
	assert_problem(&config, STR_NONE, "cannot be read");
	config.jwt_public_keys = "/dev/zero";
	assert_problem(&config, STR_NONE, "longer than");
}

static void a_fetched_set_is_tolerant_and_comes_first(void **state)
{
	(void)state;
	struct config config = settings("RS256", "");
	struct keys *keys = NULL;
	struct buf problem;

	config.jwt_jwks_url = "https://issuer.example/keys";
	buf_init(&problem, 1024);
	assert_true(keys_load(&keys, &config, STR_NONE, &problem));
	assert_int_equal(verify(keys, TOKEN_RS256), TOKEN_UNKNOWN_KEY);
	assert_int_equal(verify(keys, TOKEN_RS256_KID_A), TOKEN_UNKNOWN_KEY);
	keys_unref(keys);
	assert_true(keys_load_fetched(&keys, &config, STR(JWKS), &problem));
	assert_int_equal(verify(keys, TOKEN_RS256_KID_A), TOKEN_OK);
	assert_int_equal(verify(keys, TOKEN_RS256_KID_C), TOKEN_UNKNOWN_KEY);
	keys_unref(keys);
	/* A weak key of the issuer's is passed over, its others serve. */
	assert_true(keys_load_fetched(&keys, &config, STR(JWKS_WEAK), &problem));
	assert_int_equal(verify(keys, TOKEN_RS256_KID_A), TOKEN_OK);
	assert_int_equal(verify(keys, TOKEN_RS256_KID_B), TOKEN_UNKNOWN_KEY);
	keys_unref(keys);
	assert_int_equal(problem.len, 0);
	assert_false(keys_load_fetched(&keys, &config, STR(JWKS_SYMMETRIC), &problem));
	assert_non_null(memmem(problem.ptr, problem.len, "JWT_JWKS_URL holds a private or symmetric key", 45));
	buf_finish(&problem);
}

/* RFC 7515 appendices A.2 and A.3, RFC 8037 appendix A.4: their signatures hold, so that only their claims are refused. */
static void rfc_examples_hold(void **state)
{
	(void)state;
#define PAYLOAD "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
	static const struct {
		const char *name, *algorithm, *jwks, *token;
		enum token_result result;
	} rows[] = {
		{"7515 A.2", "RS256",
		 "{\"keys\":[{\"kty\":\"RSA\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJr"
		 "cS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5"
		 "rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF"
		 "8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\",\"e\":\"AQAB\"}]}",
		 "eyJhbGciOiJSUzI1NiJ9." PAYLOAD "."
		 "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CU"
		 "Ar7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_d"
		 "O--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0ig"
		 "cN_IoypGlUPQGe77Rw", TOKEN_EXPIRED},
		{"7515 A.3", "ES256",
		 "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
		 "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}",
		 "eyJhbGciOiJFUzI1NiJ9." PAYLOAD "."
		 "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q", TOKEN_EXPIRED},
		{"8037 A.4", "EdDSA",
		 "{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}",
		 "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
		 "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg", TOKEN_MALFORMED},
	};

	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		struct keys *keys = load_file(rows[i].algorithm, rows[i].jwks);
		enum token_result result = verify(keys, rows[i].token);
		if (result != rows[i].result)
			fail_msg("%s: %s", rows[i].name, token_result_text(result));
		keys_unref(keys);
	}
}

struct shared {
	struct keys *keys;
	const char *token;
};

static void *verify_often(void *argument)
{
	const struct shared *shared = argument;

	for (int i = 0; i < 50; i++)
		CHECK(verify(shared->keys, shared->token) == TOKEN_OK);
	keys_unref(shared->keys);
	return NULL;
}

/* For the thread sanitizer: one set, many threads, and the last one frees it. */
static void threads_share_a_set(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(tokens); i++) {
		pthread_t threads[4];
		struct shared shared = {load_file(tokens[i].algorithm, tokens[i].pem), tokens[i].plain};
		for (size_t j = 0; j < ARRAY_LENGTH(threads); j++) {
			keys_ref(shared.keys);
			assert_int_equal(pthread_create(&threads[j], NULL, verify_often, &shared), 0);
		}
		keys_unref(shared.keys);
		for (size_t j = 0; j < ARRAY_LENGTH(threads); j++)
			pthread_join(threads[j], NULL);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(secrets_are_checked),
		cmocka_unit_test(a_generated_secret_serves_where_none_is_set),
		cmocka_unit_test(pem_files_serve_every_algorithm),
		cmocka_unit_test(kid_selects_in_a_jwk_set),
		cmocka_unit_test(every_letter_of_a_signature_counts),
		cmocka_unit_test(forged_signatures_are_refused),
		cmocka_unit_test(unsound_key_files_are_refused),
		cmocka_unit_test(a_fetched_set_is_tolerant_and_comes_first),
		cmocka_unit_test(rfc_examples_hold),
		cmocka_unit_test(threads_share_a_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
