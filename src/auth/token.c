#include "auth/token.h"

#include "auth/base64url.h"
#include "auth/claims.h"
#include "auth/jose_json.h"

const char *token_result_text(enum token_result result)
{
	switch (result) {
	case TOKEN_OK: return "The token is valid.";
	case TOKEN_MALFORMED: return "The token is not a well-formed JSON Web Token.";
	case TOKEN_WRONG_ALGORITHM: return "The token's algorithm is not the one that this service uses.";
	case TOKEN_UNKNOWN_KEY: return "The token names a key that this service does not know.";
	case TOKEN_BAD_SIGNATURE: return "The token's signature is wrong.";
	case TOKEN_EXPIRED: return "The token has expired.";
	case TOKEN_NOT_YET: return "The token is not valid yet.";
	case TOKEN_WRONG_ISSUER: return "The token comes from another issuer.";
	case TOKEN_WRONG_AUDIENCE: return "The token is meant for another audience.";
	case TOKEN_WRONG_TYPE: return "The token is not an access token.";
	case TOKEN_BAD_CLAIMS: return "The token's claims do not name a user of this service.";
	case TOKEN_USER_INACTIVE: return "The user is not active.";
	case TOKEN_RESULT_COUNT: break;
	}
	return "The token was refused.";
}

struct parts {
	struct str header, payload, signature;
	struct str signed_text; /* header, dot, payload: what the signature is over */
};

static bool split(struct str token, struct parts *parts)
{
	struct str rest = token;

	if (!str_cut(&rest, '.', &parts->header) || !str_cut(&rest, '.', &parts->payload))
		return false;
	if (rest.ptr == NULL || memchr(rest.ptr, '.', rest.len) != NULL)
		return false;
	parts->signature = rest;
	parts->signed_text = (struct str){token.ptr, parts->header.len + 1 + parts->payload.len};
	return true;
}

/* A part of the token, decoded; `bytes` has room for the longest. */
static bool decode(struct str part, unsigned char *bytes, struct str *decoded)
{
	size_t count;

	if (!base64url_decode(part, bytes, &count))
		return false;
	*decoded = (struct str){(const char *)bytes, count};
	return true;
}

static json_t *decode_object(struct str part, unsigned char *bytes)
{
	struct str decoded;

	return decode(part, bytes, &decoded) ? jose_json_object(decoded) : NULL;
}

/* RFC 8725 section 3.11: only what is meant for us. */
static bool type_allowed(const json_t *type)
{
	struct str text = jose_json_text(type);

	return type == NULL || str_equal_caseless(text, STR("JWT")) || str_equal_caseless(text, STR("at+jwt"));
}

/* The header says which key may be meant, and nothing else that we believe: jku, x5u, jwk and x5c are not looked at.
 * `crit` names extensions that must be understood, and there are none (RFC 7515 section 4.1.11); `b64` would change
 * what is signed (RFC 7797). */
static enum token_result check_header(const json_t *header, struct str algorithm, struct str *kid)
{
	const json_t *kid_value = json_object_get(header, "kid");
	struct str named = jose_json_text(json_object_get(header, "alg"));

	*kid = jose_json_text(kid_value);
	if (named.ptr == NULL || (kid_value != NULL && kid->ptr == NULL))
		return TOKEN_MALFORMED;
	if (json_object_get(header, "crit") != NULL || json_object_get(header, "b64") != NULL)
		return TOKEN_MALFORMED;
	if (!str_equal(named, algorithm))
		return TOKEN_WRONG_ALGORITHM;
	return type_allowed(json_object_get(header, "typ")) ? TOKEN_OK : TOKEN_MALFORMED;
}

static enum token_result check_signature(const struct parts *parts, const struct keys *keys, struct str kid,
                                         unsigned char *bytes)
{
	struct str signature;

	if (!decode(parts->signature, bytes, &signature))
		return TOKEN_MALFORMED;
	switch (keys_verify(keys, kid, parts->signed_text, signature)) {
	case KEYS_VERIFIED: return TOKEN_OK;
	case KEYS_UNKNOWN: return TOKEN_UNKNOWN_KEY;
	case KEYS_REFUSED: break;
	}
	return TOKEN_BAD_SIGNATURE;
}

enum token_result token_verify(struct str token, const struct keys *keys, int64_t now_s, struct principal *principal)
{
	unsigned char bytes[BASE64URL_BYTES(TOKEN_BYTES_MAX)];
	struct parts parts;
	struct str kid;

	*principal = (struct principal){0};
	if (token.len > TOKEN_BYTES_MAX || !split(token, &parts))
		return TOKEN_MALFORMED;
	json_t *header = decode_object(parts.header, bytes);
	if (header == NULL)
		return TOKEN_MALFORMED;
	enum token_result result = check_header(header, keys_algorithm(keys), &kid);
	if (result == TOKEN_OK)
		result = check_signature(&parts, keys, kid, bytes);
	json_decref(header);
	if (result != TOKEN_OK)
		return result;

	json_t *claims = decode_object(parts.payload, bytes);
	if (claims == NULL)
		return TOKEN_MALFORMED;
	result = claims_read(claims, keys_issuer(keys), keys_audience(keys), now_s, principal);
	json_decref(claims);
	return result;
}

static void write_claims(struct buf *out, const struct keys *keys, int64_t user_id, struct str email, enum role role,
                         int64_t now_s, int64_t minutes)
{
	buf_printf(out, "{\"user_id\":%lld,\"email\":", (long long)user_id);
	buf_json(out, email.ptr != NULL ? email : STR(""));
	buf_lit(out, ",\"role\":");
	buf_json(out, claims_role_name(role));
	buf_printf(out, ",\"type\":\"access\",\"iat\":%lld,\"exp\":%lld", (long long)now_s,
	           (long long)(now_s + minutes * 60));
	if (keys_issuer(keys).len > 0) {
		buf_lit(out, ",\"iss\":");
		buf_json(out, keys_issuer(keys));
	}
	if (keys_audience(keys).len > 0) {
		buf_lit(out, ",\"aud\":");
		buf_json(out, keys_audience(keys));
	}
	buf_char(out, '}');
}

static bool write_token(struct buf *out, const struct keys *keys, const struct buf *claims)
{
	struct buf header;

	buf_init(&header, TOKEN_BYTES_MAX);
	buf_printf(&header, "{\"alg\":\"%.*s\",\"typ\":\"JWT\"}", STR_ARG(keys_algorithm(keys)));
	base64url_encode(out, header.ptr, header.len);
	buf_char(out, '.');
	base64url_encode(out, claims->ptr, claims->len);
	struct buf signature;
	buf_init(&signature, TOKEN_BYTES_MAX);
	bool made = !header.failed && !claims->failed && !out->failed && keys_sign(&signature, keys, buf_view(out));
	buf_char(out, '.');
	buf_str(out, buf_view(&signature));
	buf_finish(&signature);
	buf_finish(&header);
	return made && !signature.failed && !out->failed;
}

bool token_mint(struct buf *out, const struct keys *keys, int64_t user_id, struct str email, enum role role,
                int64_t now_s, int64_t minutes)
{
	struct principal principal;
	struct buf claims, token;

	buf_init(&claims, TOKEN_BYTES_MAX);
	buf_init(&token, TOKEN_BYTES_MAX);
	write_claims(&claims, keys, user_id, email, role, now_s, minutes);
	bool made = write_token(&token, keys, &claims);
	/* What we would refuse (an email that is not UTF-8, no role) must not leave the house. */
	if (made) {
		enum token_result result = token_verify(buf_view(&token), keys, now_s, &principal);
		made = result == TOKEN_OK || result == TOKEN_EXPIRED;
	}
	if (made)
		buf_str(out, buf_view(&token));
	buf_finish(&token);
	buf_finish(&claims);
	return made;
}
