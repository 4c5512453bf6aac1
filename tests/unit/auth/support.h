/* Key sets from a few settings, and tokens from texts, for the tests of src/auth. */
#ifndef EVENTLY_TESTS_UNIT_AUTH_SUPPORT_H
#define EVENTLY_TESTS_UNIT_AUTH_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "auth/base64url.h"
#include "auth/keys.h"
#include "auth/token.h"
#include "config/config.h"

#define SECRET_A "an-example-secret-of-some-40-bytes-in-all"
#define SECRET_B "another-example-secret-that-is-long-enough"

enum { NOW_S = 1800000000 };

static inline struct config settings(const char *algorithm, const char *secret)
{
	return (struct config){.jwt_algorithm = algorithm, .jwt_secret = secret, .jwt_public_keys = "",
	                       .jwt_jwks_url = "", .jwt_jwks_ca_file = "", .jwt_issuer = "", .jwt_audience = ""};
}

static inline struct keys *load(const struct config *config)
{
	struct keys *keys = NULL;
	struct buf problem;

	buf_init(&problem, 1024);
	if (!keys_load(&keys, config, STR_NONE, &problem))
		fail_msg("%.*s", STR_ARG(buf_view(&problem)));
	buf_finish(&problem);
	return keys;
}

static inline struct keys *load_secret(const char *algorithm, const char *secret)
{
	struct config config = settings(algorithm, secret);

	return load(&config);
}

/* A token of any header and payload, signed by the newest secret. The caller finishes `out`. */
static inline void sign(struct buf *out, const struct keys *keys, struct str header, struct str payload)
{
	buf_init(out, 65536);
	base64url_encode(out, header.ptr, header.len);
	buf_char(out, '.');
	base64url_encode(out, payload.ptr, payload.len);
	struct buf signature;
	buf_init(&signature, 256);
	assert_true(keys_sign(&signature, keys, buf_view(out)));
	buf_char(out, '.');
	buf_str(out, buf_view(&signature));
	buf_finish(&signature);
}

#endif
