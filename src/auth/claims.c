#include "auth/claims.h"

#include <math.h>

#include "auth/jose_json.h"

/* A NumericDate (RFC 7519 section 2), rounded up: for whole seconds n, n >= date and n >= ceil(date) say the same, so
 * fractions are compared exactly. What lies beyond 64 bits becomes the nearest value, which compares alike. */
static bool read_date(const json_t *value, int64_t *date_s)
{
	if (json_is_integer(value)) {
		*date_s = json_integer_value(value);
		return true;
	}
	if (!json_is_real(value))
		return false;
	double date = ceil(json_real_value(value));
	if (date >= 0x1p63)
		*date_s = INT64_MAX;
	else if (date < -0x1p63)
		*date_s = INT64_MIN;
	else
		*date_s = (int64_t)date;
	return true;
}

/* nbf and iat: where present, they must be dates and not lie beyond the leeway. */
static enum token_result check_begun(const json_t *value, int64_t now_s)
{
	int64_t date_s;

	if (value == NULL)
		return TOKEN_OK;
	if (!read_date(value, &date_s))
		return TOKEN_BAD_CLAIMS;
	return date_s > now_s + TOKEN_LEEWAY_S ? TOKEN_NOT_YET : TOKEN_OK;
}

static enum token_result check_times(const json_t *claims, int64_t now_s, struct principal *principal)
{
	if (!read_date(json_object_get(claims, "exp"), &principal->expires_at_s))
		return TOKEN_BAD_CLAIMS;
	if (now_s >= principal->expires_at_s)
		return TOKEN_EXPIRED;
	enum token_result result = check_begun(json_object_get(claims, "nbf"), now_s);
	if (result != TOKEN_OK)
		return result;
	return check_begun(json_object_get(claims, "iat"), now_s);
}

static bool text_is(const json_t *value, struct str text)
{
	return json_is_string(value) && str_equal(jose_json_text(value), text);
}

/* One audience, or a list of them that must be all strings (RFC 7519 section 4.1.3). */
static bool audience_holds(const json_t *value, struct str audience)
{
	bool found = text_is(value, audience);

	for (size_t i = 0; i < json_array_size(value); i++) {
		const json_t *item = json_array_get(value, i);
		if (!json_is_string(item))
			return false;
		found |= text_is(item, audience);
	}
	return found;
}

static enum token_result check_parties(const json_t *claims, struct str issuer, struct str audience)
{
	const json_t *type = json_object_get(claims, "type");

	if (issuer.len > 0 && !text_is(json_object_get(claims, "iss"), issuer))
		return TOKEN_WRONG_ISSUER;
	if (audience.len > 0 && !audience_holds(json_object_get(claims, "aud"), audience))
		return TOKEN_WRONG_AUDIENCE;
	return type == NULL || text_is(type, STR("access")) ? TOKEN_OK : TOKEN_WRONG_TYPE;
}

struct str claims_role_name(enum role role)
{
	switch (role) {
	case ROLE_USER: return STR("user");
	case ROLE_ADMIN: return STR("admin");
	case ROLE_NONE: break;
	}
	return STR_NONE;
}

static enum role read_role(const json_t *value)
{
	if (text_is(value, STR("admin")))
		return ROLE_ADMIN;
	return text_is(value, STR("user")) ? ROLE_USER : ROLE_NONE;
}

bool claims_email_allowed(struct str email)
{
	if (email.len > PRINCIPAL_EMAIL_BYTES_MAX)
		return false;
	for (size_t i = 0; i < email.len; i++) {
		unsigned char c = (unsigned char)email.ptr[i];
		if (c < 0x20 || c == 0x7f)
			return false;
		/* U+0080 to U+009F are control characters as well; in UTF-8 they are C2 80 to C2 9F. */
		if (c == 0xc2 && i + 1 < email.len && (unsigned char)email.ptr[i + 1] < 0xa0)
			return false;
	}
	return true;
}

static bool read_email(const json_t *value, struct principal *principal)
{
	struct str email = value == NULL ? STR("") : jose_json_text(value);

	if (email.ptr == NULL || !claims_email_allowed(email))
		return false;
	memcpy(principal->email, email.ptr, email.len);
	principal->email_len = (unsigned)email.len;
	return true;
}

static enum token_result check_user(const json_t *claims, struct principal *principal)
{
	const json_t *user_id = json_object_get(claims, "user_id"), *is_active = json_object_get(claims, "is_active");

	principal->user_id = json_integer_value(user_id); /* 0 for every other type */
	principal->role = read_role(json_object_get(claims, "role"));
	if (principal->user_id <= 0 || principal->role == ROLE_NONE)
		return TOKEN_BAD_CLAIMS;
	if (!read_email(json_object_get(claims, "email"), principal))
		return TOKEN_BAD_CLAIMS;
	if (is_active != NULL && !json_is_boolean(is_active))
		return TOKEN_BAD_CLAIMS;
	return json_is_false(is_active) ? TOKEN_USER_INACTIVE : TOKEN_OK;
}

enum token_result claims_read(const json_t *claims, struct str issuer, struct str audience, int64_t now_s,
                              struct principal *principal)
{
	enum token_result result = check_times(claims, now_s, principal);

	if (result == TOKEN_OK)
		result = check_parties(claims, issuer, audience);
	if (result == TOKEN_OK)
		result = check_user(claims, principal);
	return result;
}
