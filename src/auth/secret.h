/* The token secret that the embedded store makes for itself: DATA_DIR/jwt-secret, 48 random bytes as base64url.
 *
 * Only for HS* without JWT_SECRET and without PostgreSQL. Made once, whoever needs it first (`evently serve`, `evently
 * token`), also when two do so at the same time. Any thread. */
#ifndef EVENTLY_AUTH_SECRET_H
#define EVENTLY_AUTH_SECRET_H

#include "base/buf.h"
#include "base/check.h"
#include "base/str.h"

struct config;

enum { SECRET_RANDOM_BYTES = 48, SECRET_TEXT_BYTES_MIN = 32, SECRET_TEXT_BYTES_MAX = 1024 };

struct secret {
	size_t len;
	char text[SECRET_TEXT_BYTES_MAX + 1];
};

/* True when tokens are to be signed with the generated secret. */
bool secret_is_generated(const struct config *config);

/* Reads data_dir/jwt-secret, and makes it (and the folder) when it is not there. False: `problem` holds one line. */
MUST_CHECK bool secret_load_or_create(struct secret *secret, const char *data_dir, struct buf *problem);
void secret_wipe(struct secret *secret);

static inline struct str secret_view(const struct secret *secret)
{
	return (struct str){secret->text, secret->len};
}

#endif
