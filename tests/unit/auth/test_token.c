/* Tokens: the attacks of RFC 8725, the examples of RFC 7515 and RFC 8037, and tokens that python3-jwt made. */
#include "auth/token.h"

#include "auth/key.h"
#include "fixtures.h"
#include "support.h"

#define HEADER "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"
#define GOOD "\"user_id\":7,\"role\":\"user\",\"email\":\"ann@example.com\",\"exp\":1900000000"
#define CLAIMS "{" GOOD "}"

static enum token_result verify(const struct keys *keys, struct str token)
{
	struct principal principal;

	return token_verify(token, keys, NOW_S, &principal);
}

struct row {
	const char *name, *header, *payload;
	enum token_result result;
};

/* Every row is signed with the right key: only what it says must decide. */
static void check_rows(const struct keys *keys, const struct row *rows, size_t count)
{
	unsigned failures = 0;

	for (size_t i = 0; i < count; i++) {
		struct buf token;
		sign(&token, keys, str_from(rows[i].header), str_from(rows[i].payload));
		enum token_result result = verify(keys, buf_view(&token));
		if (result != rows[i].result) {
			print_error("%s: %s, not %s\n", rows[i].name, token_result_text(result),
			            token_result_text(rows[i].result));
			failures++;
		}
		buf_finish(&token);
	}
	assert_int_equal(failures, 0);
}

static void headers_are_checked(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"plain", HEADER, CLAIMS, TOKEN_OK},
		{"no typ", "{\"alg\":\"HS256\"}", CLAIMS, TOKEN_OK},
		{"8725 3.11: typ jwt", "{\"alg\":\"HS256\",\"typ\":\"jwt\"}", CLAIMS, TOKEN_OK},
		{"8725 3.11: typ at+jwt", "{\"alg\":\"HS256\",\"typ\":\"AT+JWT\"}", CLAIMS, TOKEN_OK},
		{"8725 3.11: typ secevent+jwt", "{\"alg\":\"HS256\",\"typ\":\"secevent+jwt\"}", CLAIMS, TOKEN_MALFORMED},
		{"8725 3.11: typ number", "{\"alg\":\"HS256\",\"typ\":1}", CLAIMS, TOKEN_MALFORMED},
		{"8725 3.11: typ null", "{\"alg\":\"HS256\",\"typ\":null}", CLAIMS, TOKEN_MALFORMED},
		{"8725 3.1: alg missing", "{\"typ\":\"JWT\"}", CLAIMS, TOKEN_MALFORMED},
		{"8725 3.1: alg null", "{\"alg\":null}", CLAIMS, TOKEN_MALFORMED},
		{"8725 3.1: alg a list", "{\"alg\":[\"HS256\"]}", CLAIMS, TOKEN_MALFORMED},
		{"8725 3.1: alg in lower case", "{\"alg\":\"hs256\"}", CLAIMS, TOKEN_WRONG_ALGORITHM},
		{"8725 3.1: alg with a space", "{\"alg\":\"HS256 \"}", CLAIMS, TOKEN_WRONG_ALGORITHM},
		{"8725 3.1: HS384 where HS256 is set", "{\"alg\":\"HS384\"}", CLAIMS, TOKEN_WRONG_ALGORITHM},
		{"8725 2.1: RS256 where HS256 is set", "{\"alg\":\"RS256\"}", CLAIMS, TOKEN_WRONG_ALGORITHM},
		{"8725 2.1: none", "{\"alg\":\"none\"}", CLAIMS, TOKEN_WRONG_ALGORITHM},
		{"8725 2.1: None", "{\"alg\":\"None\"}", CLAIMS, TOKEN_WRONG_ALGORITHM},
		{"8725 2.1: NONE", "{\"alg\":\"NONE\"}", CLAIMS, TOKEN_WRONG_ALGORITHM},
		{"8725 2.1: nOnE", "{\"alg\":\"nOnE\"}", CLAIMS, TOKEN_WRONG_ALGORITHM},
		{"8725 2.1: alg with NUL", "{\"alg\":\"HS256\\u0000\"}", CLAIMS, TOKEN_MALFORMED},
		{"8725 2.1: alg empty", "{\"alg\":\"\"}", CLAIMS, TOKEN_WRONG_ALGORITHM},
		{"8725 2.4: alg twice", "{\"alg\":\"HS256\",\"alg\":\"none\"}", CLAIMS, TOKEN_MALFORMED},
		{"8725 2.4: alg twice by escape", "{\"alg\":\"HS256\",\"\\u0061lg\":\"none\"}", CLAIMS, TOKEN_MALFORMED},
		{"8725 2.4: twice inside", "{\"alg\":\"HS256\",\"x\":{\"a\":1,\"a\":1}}", CLAIMS, TOKEN_MALFORMED},
		{"8725 3.10: kid is ignored when keys have none", "{\"alg\":\"HS256\",\"kid\":\"../../dev/null\"}", CLAIMS,
		 TOKEN_OK},
		{"8725 3.10: kid a number", "{\"alg\":\"HS256\",\"kid\":1}", CLAIMS, TOKEN_MALFORMED},
		{"8725 3.10: jku", "{\"alg\":\"HS256\",\"jku\":\"https://attacker.example/keys\"}", CLAIMS, TOKEN_OK},
		{"8725 3.10: x5u", "{\"alg\":\"HS256\",\"x5u\":\"https://attacker.example/keys\"}", CLAIMS, TOKEN_OK},
		{"8725 3.10: jwk", "{\"alg\":\"HS256\",\"jwk\":{\"kty\":\"oct\",\"k\":\"AA\"}}", CLAIMS, TOKEN_OK},
		{"8725 3.10: x5c", "{\"alg\":\"HS256\",\"x5c\":[\"AA\"]}", CLAIMS, TOKEN_OK},
		{"7515 4.1.11: crit", "{\"alg\":\"HS256\",\"crit\":[\"exp\"],\"exp\":1}", CLAIMS, TOKEN_MALFORMED},
		{"7515 4.1.11: crit empty", "{\"alg\":\"HS256\",\"crit\":[]}", CLAIMS, TOKEN_MALFORMED},
		{"7515 4.1.11: crit null", "{\"alg\":\"HS256\",\"crit\":null}", CLAIMS, TOKEN_MALFORMED},
		{"7797: b64 false", "{\"alg\":\"HS256\",\"b64\":false,\"crit\":[\"b64\"]}", CLAIMS, TOKEN_MALFORMED},
		{"7797: b64 without crit", "{\"alg\":\"HS256\",\"b64\":true}", CLAIMS, TOKEN_MALFORMED},
		{"7515 4: header a list", "[]", CLAIMS, TOKEN_MALFORMED},
		{"7515 4: header a string", "\"HS256\"", CLAIMS, TOKEN_MALFORMED},
		{"7515 4: header empty", "", CLAIMS, TOKEN_MALFORMED},
		{"7515 4: header with a tail", HEADER "{}", CLAIMS, TOKEN_MALFORMED},
		{"8725 3.7: header not UTF-8", "{\"alg\":\"HS256\",\"x\":\"\xff\"}", CLAIMS, TOKEN_MALFORMED},
		{"8725 3.7: header UTF-16", "\xff\xfe{", CLAIMS, TOKEN_MALFORMED},
		{"8725 2.4: deep header", "{\"alg\":\"HS256\",\"x\":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}", CLAIMS, TOKEN_MALFORMED},
		{"8725 2.4: deep as allowed", "{\"alg\":\"HS256\",\"x\":[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]}", CLAIMS, TOKEN_OK},
		{"8725 2.4: brackets in text", "{\"alg\":\"HS256\",\"x\":\"\\\"[[[[[[[[[[[[[[[[[[[[[[\"}", CLAIMS, TOKEN_OK},
	};
	struct keys *keys = load_secret("HS256", SECRET_A);

	check_rows(keys, rows, ARRAY_LENGTH(rows));
	keys_unref(keys);
}

#define USER "\"user_id\":7,\"role\":\"user\""
#define TIMED(exp) "{" USER ",\"exp\":" exp "}"

static void dates_are_checked(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"7519 4.1.4: exp a second ahead", HEADER, TIMED("1800000001"), TOKEN_OK},
		{"7519 4.1.4: exp now", HEADER, TIMED("1800000000"), TOKEN_EXPIRED},
		{"7519 4.1.4: no leeway for exp", HEADER, TIMED("1799999999"), TOKEN_EXPIRED},
		{"7519 4.1.4: exp a fraction ahead", HEADER, TIMED("1800000000.5"), TOKEN_OK},
		{"7519 4.1.4: exp a fraction ago", HEADER, TIMED("1799999999.5"), TOKEN_EXPIRED},
		{"7519 4.1.4: exp real", HEADER, TIMED("1.9e9"), TOKEN_OK},
		{"7519 4.1.4: exp zero", HEADER, TIMED("0"), TOKEN_EXPIRED},
		{"7519 4.1.4: exp negative", HEADER, TIMED("-1"), TOKEN_EXPIRED},
		{"7519 4.1.4: exp -2^63", HEADER, TIMED("-9223372036854775808"), TOKEN_EXPIRED},
		{"7519 4.1.4: exp 2^63-1", HEADER, TIMED("9223372036854775807"), TOKEN_OK},
		{"7519 4.1.4: exp 1e300", HEADER, TIMED("1e300"), TOKEN_OK},
		{"7519 4.1.4: exp -1e300", HEADER, TIMED("-1e300"), TOKEN_EXPIRED},
		{"7519 4.1.4: exp 1e999", HEADER, TIMED("1e999"), TOKEN_MALFORMED},
		{"7519 4.1.4: exp 2^63", HEADER, TIMED("9223372036854775808"), TOKEN_MALFORMED},
		{"7519 4.1.4: exp missing", HEADER, "{" USER "}", TOKEN_BAD_CLAIMS},
		{"7519 4.1.4: exp a string", HEADER, TIMED("\"1900000000\""), TOKEN_BAD_CLAIMS},
		{"7519 4.1.4: exp null", HEADER, TIMED("null"), TOKEN_BAD_CLAIMS},
		{"7519 4.1.4: exp true", HEADER, TIMED("true"), TOKEN_BAD_CLAIMS},
		{"7519 4.1.5: nbf within leeway", HEADER, "{" GOOD ",\"nbf\":1800000030}", TOKEN_OK},
		{"7519 4.1.5: nbf beyond leeway", HEADER, "{" GOOD ",\"nbf\":1800000031}", TOKEN_NOT_YET},
		{"7519 4.1.5: nbf a fraction beyond", HEADER, "{" GOOD ",\"nbf\":1800000030.1}", TOKEN_NOT_YET},
		{"7519 4.1.5: nbf past", HEADER, "{" GOOD ",\"nbf\":-1e300}", TOKEN_OK},
		{"7519 4.1.5: nbf a string", HEADER, "{" GOOD ",\"nbf\":\"1\"}", TOKEN_BAD_CLAIMS},
		{"7519 4.1.5: nbf null", HEADER, "{" GOOD ",\"nbf\":null}", TOKEN_BAD_CLAIMS},
		{"7519 4.1.6: iat within leeway", HEADER, "{" GOOD ",\"iat\":1800000030}", TOKEN_OK},
		{"7519 4.1.6: iat beyond leeway", HEADER, "{" GOOD ",\"iat\":1800000031}", TOKEN_NOT_YET},
		{"7519 4.1.6: iat a list", HEADER, "{" GOOD ",\"iat\":[1]}", TOKEN_BAD_CLAIMS},
	};
	struct keys *keys = load_secret("HS256", SECRET_A);

	check_rows(keys, rows, ARRAY_LENGTH(rows));
	keys_unref(keys);
}

#define DATED ",\"exp\":1900000000"
#define WITH_ID(user_id) "{\"user_id\":" user_id ",\"role\":\"user\"" DATED "}"
#define WITH_ROLE(role) "{\"user_id\":7,\"role\":" role DATED "}"
#define WITH_EMAIL(email) "{\"user_id\":7,\"role\":\"user\",\"email\":" email DATED "}"
#define TEXT_80 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffgggggggggghhhhhhhhhh"

static void users_are_checked(void **state)
{
	(void)state;
	static const struct row rows[] = {
		{"user_id largest", HEADER, WITH_ID("9223372036854775807"), TOKEN_OK},
		{"user_id zero", HEADER, WITH_ID("0"), TOKEN_BAD_CLAIMS},
		{"user_id negative", HEADER, WITH_ID("-7"), TOKEN_BAD_CLAIMS},
		{"user_id real", HEADER, WITH_ID("7.0"), TOKEN_BAD_CLAIMS},
		{"user_id with exponent", HEADER, WITH_ID("7e0"), TOKEN_BAD_CLAIMS},
		{"user_id string", HEADER, WITH_ID("\"7\""), TOKEN_BAD_CLAIMS},
		{"user_id true", HEADER, WITH_ID("true"), TOKEN_BAD_CLAIMS},
		{"user_id null", HEADER, WITH_ID("null"), TOKEN_BAD_CLAIMS},
		{"user_id list", HEADER, WITH_ID("[7]"), TOKEN_BAD_CLAIMS},
		{"user_id too big", HEADER, WITH_ID("9223372036854775808"), TOKEN_MALFORMED},
		{"user_id missing", HEADER, "{\"role\":\"user\",\"sub\":\"7\"" DATED "}", TOKEN_BAD_CLAIMS},
		{"8725 2.4: user_id twice", HEADER, "{\"user_id\":7," GOOD "}", TOKEN_MALFORMED},
		{"role admin", HEADER, WITH_ROLE("\"admin\""), TOKEN_OK},
		{"role Admin", HEADER, WITH_ROLE("\"Admin\""), TOKEN_BAD_CLAIMS},
		{"role with a space", HEADER, WITH_ROLE("\"admin \""), TOKEN_BAD_CLAIMS},
		{"role empty", HEADER, WITH_ROLE("\"\""), TOKEN_BAD_CLAIMS},
		{"role other", HEADER, WITH_ROLE("\"moderator\""), TOKEN_BAD_CLAIMS},
		{"role list", HEADER, WITH_ROLE("[\"admin\"]"), TOKEN_BAD_CLAIMS},
		{"role null", HEADER, WITH_ROLE("null"), TOKEN_BAD_CLAIMS},
		{"role missing", HEADER, "{\"user_id\":7" DATED "}", TOKEN_BAD_CLAIMS},
		{"8725 2.4: role twice", HEADER, "{\"role\":\"admin\"," GOOD "}", TOKEN_MALFORMED},
		{"email missing", HEADER, WITH_ID("7"), TOKEN_OK},
		{"email empty", HEADER, WITH_EMAIL("\"\""), TOKEN_OK},
		{"email of other letters", HEADER, WITH_EMAIL("\"\\u00e4nn@ex\xc3\xa4mple.com\""), TOKEN_OK},
		{"email null", HEADER, WITH_EMAIL("null"), TOKEN_BAD_CLAIMS},
		{"email number", HEADER, WITH_EMAIL("1"), TOKEN_BAD_CLAIMS},
		{"email of 320 bytes", HEADER, WITH_EMAIL("\"" TEXT_80 TEXT_80 TEXT_80 TEXT_80 "\""), TOKEN_OK},
		{"email of 321 bytes", HEADER, WITH_EMAIL("\"" TEXT_80 TEXT_80 TEXT_80 TEXT_80 "a\""), TOKEN_BAD_CLAIMS},
		{"email with a line", HEADER, WITH_EMAIL("\"a\\nb\""), TOKEN_BAD_CLAIMS},
		{"email with DEL", HEADER, WITH_EMAIL("\"a\x7f\""), TOKEN_BAD_CLAIMS},
		{"email with C1", HEADER, WITH_EMAIL("\"a\\u0085\""), TOKEN_BAD_CLAIMS},
		{"email with NUL", HEADER, WITH_EMAIL("\"a\\u0000\""), TOKEN_MALFORMED},
		{"email not UTF-8", HEADER, WITH_EMAIL("\"a\xff\""), TOKEN_MALFORMED},
		{"8725 3.11: type access", HEADER, "{" GOOD ",\"type\":\"access\"}", TOKEN_OK},
		{"8725 3.11: type refresh", HEADER, "{" GOOD ",\"type\":\"refresh\"}", TOKEN_WRONG_TYPE},
		{"8725 3.11: type null", HEADER, "{" GOOD ",\"type\":null}", TOKEN_WRONG_TYPE},
		{"is_active true", HEADER, "{" GOOD ",\"is_active\":true}", TOKEN_OK},
		{"is_active false", HEADER, "{" GOOD ",\"is_active\":false}", TOKEN_USER_INACTIVE},
		{"is_active 1", HEADER, "{" GOOD ",\"is_active\":1}", TOKEN_BAD_CLAIMS},
		{"is_active \"true\"", HEADER, "{" GOOD ",\"is_active\":\"true\"}", TOKEN_BAD_CLAIMS},
		{"is_active null", HEADER, "{" GOOD ",\"is_active\":null}", TOKEN_BAD_CLAIMS},
		{"iss and aud are not asked for", HEADER, "{" GOOD ",\"iss\":1,\"aud\":2}", TOKEN_OK},
		{"payload a list", HEADER, "[]", TOKEN_MALFORMED},
		{"payload empty", HEADER, "", TOKEN_MALFORMED},
		{"payload with a tail", HEADER, CLAIMS " x", TOKEN_MALFORMED},
		{"8725 2.4: deep payload", HEADER, "{" GOOD ",\"x\":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}", TOKEN_MALFORMED},
	};
	struct keys *keys = load_secret("HS256", SECRET_A);

	check_rows(keys, rows, ARRAY_LENGTH(rows));
	keys_unref(keys);
}

static void parties_are_checked_where_configured(void **state)
{
	(void)state;
#define AUD ",\"aud\":\"events\""
#define ISS ",\"iss\":\"https://issuer.example\""
	static const struct row rows[] = {
		{"both right", HEADER, "{" GOOD ISS AUD "}", TOKEN_OK},
		{"8725 3.8: iss missing", HEADER, "{" GOOD AUD "}", TOKEN_WRONG_ISSUER},
		{"8725 3.8: iss other", HEADER, "{" GOOD AUD ",\"iss\":\"https://issuer.example/\"}", TOKEN_WRONG_ISSUER},
		{"8725 3.8: iss a list", HEADER, "{" GOOD AUD ",\"iss\":[\"https://issuer.example\"]}", TOKEN_WRONG_ISSUER},
		{"8725 3.9: aud missing", HEADER, "{" GOOD ISS "}", TOKEN_WRONG_AUDIENCE},
		{"8725 3.9: aud other", HEADER, "{" GOOD ISS ",\"aud\":\"Events\"}", TOKEN_WRONG_AUDIENCE},
		{"8725 3.9: aud in a list", HEADER, "{" GOOD ISS ",\"aud\":[\"a\",\"events\"]}", TOKEN_OK},
		{"8725 3.9: aud not in the list", HEADER, "{" GOOD ISS ",\"aud\":[\"a\",\"b\"]}", TOKEN_WRONG_AUDIENCE},
		{"8725 3.9: aud empty list", HEADER, "{" GOOD ISS ",\"aud\":[]}", TOKEN_WRONG_AUDIENCE},
		{"8725 3.9: aud list of others", HEADER, "{" GOOD ISS ",\"aud\":[\"events\",1]}", TOKEN_WRONG_AUDIENCE},
		{"8725 3.9: aud an object", HEADER, "{" GOOD ISS ",\"aud\":{\"events\":1}}", TOKEN_WRONG_AUDIENCE},
	};
	struct config config = settings("HS256", SECRET_A);
	config.jwt_issuer = "https://issuer.example";
	config.jwt_audience = "events";
	struct keys *keys = load(&config);

	check_rows(keys, rows, ARRAY_LENGTH(rows));
	keys_unref(keys);
}

/* Every way to spell a good token differently, by changing its text. */
static void another_spelling_is_refused(void **state)
{
	(void)state;
	struct keys *keys = load_secret("HS256", SECRET_A);
	struct buf good, bad;

	sign(&good, keys, STR(HEADER), STR(CLAIMS));
	assert_int_equal(verify(keys, buf_view(&good)), TOKEN_OK);
	static const struct {
		const char *name, *before, *after;
	} rows[] = {
		{"7515 5.2: padding", "", "="}, {"7515 5.2: space after", "", " "}, {"7515 5.2: line after", "", "\n"},
		{"7515 5.2: space before", " ", ""}, {"8725 2.1: a fourth part", "", ".x"}, {"7515 5.2: empty fourth", "", "."},
		{"7515 5.2: empty first", ".", ""}, {"7515 2: plus", "", "+"}, {"7515 2: NUL-like", "", "\x01"},
		{"7515 2: a letter more", "", "A"}, {"7515 2: letters more", "", "AAAA"},
	};
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		buf_init(&bad, 4096);
		buf_printf(&bad, "%s%.*s%s", rows[i].before, STR_ARG(buf_view(&good)), rows[i].after);
		if (verify(keys, buf_view(&bad)) == TOKEN_OK)
			fail_msg("%s", rows[i].name);
		buf_finish(&bad);
	}
	/* One letter changed, one left out, cut short: anywhere. 32 bytes leave two bits of the last letter unused. */
	for (size_t i = 0; i < good.len; i++) {
		for (unsigned c = 0; c < 256; c++) {
			char kept = good.ptr[i];
			if (kept == (char)c)
				continue;
			good.ptr[i] = (char)c;
			if (verify(keys, buf_view(&good)) == TOKEN_OK)
				fail_msg("letter %zu as %02x", i, c);
			good.ptr[i] = kept;
		}
		assert_int_not_equal(verify(keys, (struct str){good.ptr, i}), TOKEN_OK);
		assert_int_not_equal(verify(keys, str_skip(buf_view(&good), i + 1)), TOKEN_OK);
	}
	static const struct str none[] = {
		STR("eyJhbGciOiJub25lIn0.eyJ1c2VyX2lkIjo3LCJyb2xlIjoidXNlciIsImV4cCI6MTkwMDAwMDAwMH0."),
		STR(""), STR("."), STR(".."), STR("..."), STR("a.b.c"), STR("e30.e30.e30"),
	};
	assert_int_equal(verify(keys, none[0]), TOKEN_WRONG_ALGORITHM);
	for (size_t i = 1; i < ARRAY_LENGTH(none); i++)
		assert_int_equal(verify(keys, none[i]), TOKEN_MALFORMED);
	buf_finish(&good);
	keys_unref(keys);
}

static void length_is_bounded(void **state)
{
	(void)state;
	struct keys *keys = load_secret("HS256", SECRET_A);
	struct buf payload, token;

	for (size_t filler = 5900; filler <= 6200; filler++) {
		buf_init(&payload, 16384);
		buf_lit(&payload, "{" GOOD ",\"x\":\"");
		for (size_t i = 0; i < filler; i++)
			buf_char(&payload, 'x');
		buf_lit(&payload, "\"}");
		sign(&token, keys, STR(HEADER), buf_view(&payload));
		enum token_result expected = token.len <= TOKEN_BYTES_MAX ? TOKEN_OK : TOKEN_MALFORMED;
		assert_int_equal(verify(keys, buf_view(&token)), expected);
		buf_finish(&token);
		buf_finish(&payload);
	}
	keys_unref(keys);
}

static void all_secrets_are_tried(void **state)
{
	(void)state;
	struct keys *rotated = load_secret("HS256", SECRET_B " , " SECRET_A);
	struct keys *old = load_secret("HS256", SECRET_A), *new = load_secret("HS256", SECRET_B);
	struct buf token;

	sign(&token, old, STR(HEADER), STR(CLAIMS));
	assert_int_equal(verify(rotated, buf_view(&token)), TOKEN_OK);
	assert_int_equal(verify(new, buf_view(&token)), TOKEN_BAD_SIGNATURE);
	buf_finish(&token);
	sign(&token, rotated, STR(HEADER), STR(CLAIMS));
	assert_int_equal(verify(new, buf_view(&token)), TOKEN_OK);
	assert_int_equal(verify(old, buf_view(&token)), TOKEN_BAD_SIGNATURE);
	buf_finish(&token);
	keys_unref(rotated);
	keys_unref(old);
	keys_unref(new);
}

static void minted_tokens_are_accepted_until_they_expire(void **state)
{
	(void)state;
	static const char *const algorithms[] = {"HS256", "HS384", "HS512"};

	for (size_t i = 0; i < ARRAY_LENGTH(algorithms); i++) {
		struct config config = settings(algorithms[i], SECRET_A);
		config.jwt_issuer = "https://issuer.example/\"";
		config.jwt_audience = "events";
		struct keys *keys = load(&config);
		struct principal principal;
		struct buf token;
		buf_init(&token, 16384);
		assert_true(token_mint(&token, keys, 7, STR("\"ann\"@example.com"), ROLE_ADMIN, NOW_S, 30));
		assert_int_equal(token_verify(buf_view(&token), keys, NOW_S, &principal), TOKEN_OK);
		assert_int_equal(principal.user_id, 7);
		assert_int_equal(principal.role, ROLE_ADMIN);
		assert_int_equal(principal.expires_at_s, NOW_S + 1800);
		assert_int_equal(principal.email_len, strlen("\"ann\"@example.com"));
		assert_memory_equal(principal.email, "\"ann\"@example.com", principal.email_len);
		assert_int_equal(token_verify(buf_view(&token), keys, NOW_S + 1799, &principal), TOKEN_OK);
		assert_int_equal(token_verify(buf_view(&token), keys, NOW_S + 1800, &principal), TOKEN_EXPIRED);
		assert_int_equal(token_verify(buf_view(&token), keys, NOW_S - 31, &principal), TOKEN_NOT_YET);
		size_t before = token.len;
		assert_false(token_mint(&token, keys, 0, STR("a"), ROLE_ADMIN, NOW_S, 30));
		assert_false(token_mint(&token, keys, 7, STR("a"), ROLE_NONE, NOW_S, 30));
		assert_false(token_mint(&token, keys, 7, STR("a\n"), ROLE_USER, NOW_S, 30));
		assert_false(token_mint(&token, keys, 7, STR("a\xff"), ROLE_USER, NOW_S, 30));
		assert_true(token_mint(&token, keys, 7, STR_NONE, ROLE_USER, NOW_S - 3600, 30));
		assert_true(token.len > before);
		buf_finish(&token);
		keys_unref(keys);
	}
}

/* RFC 7515 appendix A.1 and A.5; its key holds every byte, so the key is asked directly. */
static void rfc_7515_hmac_example_holds(void **state)
{
	(void)state;
#define SIGNED_A1 \
	"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxl" \
	"LmNvbS9pc19yb290Ijp0cnVlfQ"
	unsigned char secret[128], signature[64];
	size_t secret_len, signature_len;
	struct key key;
	const struct algorithm *algorithm = algorithm_find(STR("HS256"));

	assert_true(base64url_decode(STR("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1"
	                                 "Z9CAow"), secret, &secret_len));
	assert_true(base64url_decode(STR("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"), signature, &signature_len));
	struct str signature_text = {(const char *)signature, signature_len};
	assert_true(key_init_secret(&key, (struct str){(const char *)secret, secret_len}));
	assert_true(key_verify(&key, algorithm, STR(SIGNED_A1), signature_text));
	assert_false(key_verify(&key, algorithm, STR(SIGNED_A1 "A"), signature_text));
	assert_false(key_verify(&key, algorithm, STR(SIGNED_A1), str_skip(signature_text, 1)));
	assert_false(key_verify(&key, algorithm, STR(SIGNED_A1), STR("")));
	signature[31] ^= 1;
	assert_false(key_verify(&key, algorithm, STR(SIGNED_A1), signature_text));
	assert_false(key_verify(&key, algorithm_find(STR("HS384")), STR(SIGNED_A1), signature_text));
	key_finish(&key);
}

static void tokens_of_another_maker_are_accepted(void **state)
{
	(void)state;
	static const struct {
		const char *algorithm;
		struct str token;
	} rows[] = {{"HS256", STR(TOKEN_HS256)}, {"HS384", STR(TOKEN_HS384)}, {"HS512", STR(TOKEN_HS512)}};

	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		struct keys *keys = load_secret(rows[i].algorithm, SECRET_A);
		struct principal principal;
		for (size_t j = 0; j < ARRAY_LENGTH(rows); j++) {
			enum token_result result = token_verify(rows[j].token, keys, NOW_S, &principal);
			assert_int_equal(result, i == j ? TOKEN_OK : TOKEN_WRONG_ALGORITHM);
			assert_true(i != j || (principal.user_id == 42 && principal.role == ROLE_ADMIN));
		}
		keys_unref(keys);
	}
}

static void every_result_has_its_sentence(void **state)
{
	(void)state;
	for (int i = 0; i < TOKEN_RESULT_COUNT; i++) {
		const char *text = token_result_text((enum token_result)i);
		assert_true(strlen(text) > 10 && text[strlen(text) - 1] == '.');
		for (int j = 0; j < i; j++)
			assert_string_not_equal(text, token_result_text((enum token_result)j));
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers_are_checked),
		cmocka_unit_test(dates_are_checked),
		cmocka_unit_test(users_are_checked),
		cmocka_unit_test(parties_are_checked_where_configured),
		cmocka_unit_test(another_spelling_is_refused),
		cmocka_unit_test(length_is_bounded),
		cmocka_unit_test(all_secrets_are_tried),
		cmocka_unit_test(minted_tokens_are_accepted_until_they_expire),
		cmocka_unit_test(rfc_7515_hmac_example_holds),
		cmocka_unit_test(tokens_of_another_maker_are_accepted),
		cmocka_unit_test(every_result_has_its_sentence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
