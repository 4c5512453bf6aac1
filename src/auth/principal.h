/* Who makes a request, as its verified token says. */
#ifndef EVENTLY_AUTH_PRINCIPAL_H
#define EVENTLY_AUTH_PRINCIPAL_H

#include <stddef.h>

#include "base/str.h"

enum role { ROLE_NONE, ROLE_USER, ROLE_ADMIN };

enum { PRINCIPAL_EMAIL_BYTES_MAX = 320 };

struct principal {
	int64_t user_id;
	enum role role;
	int64_t expires_at_s; /* since 1970; the token's exp */
	unsigned email_len;
	char email[PRINCIPAL_EMAIL_BYTES_MAX]; /* only the first email_len bytes mean something */
};

static inline void principal_copy(struct principal *to, const struct principal *from)
{
	memcpy(to, from, offsetof(struct principal, email) + from->email_len);
}

#endif
