/* Where Redis is and how to enter: the text of REDIS_URL taken apart (redis://user:password@host:port/number).
 *
 * Pure, no I/O; any thread. The form is IANA's provisional registration of the redis scheme; rediss is the same with
 * TLS. User and password are percent-decoded (RFC 3986 section 2.1). */
#ifndef EVENTLY_REDIS_ADDRESS_H
#define EVENTLY_REDIS_ADDRESS_H

#include "base/arena.h"
#include "base/buf.h"

enum { REDIS_PORT_DEFAULT = 6379, REDIS_DATABASE_MAX = 1023 };

/* Texts end with NUL and hold none; "" is absent. */
struct redis_address {
	const char *host; /* a name or an address, IPv6 without its brackets */
	const char *user;
	const char *password;
	unsigned port;
	unsigned database;
	bool tls;
};

/* Texts go to `arena`. False: `problem` gets one line, which never holds the password. */
MUST_CHECK bool redis_address_parse(struct redis_address *address, struct str url, struct arena *arena,
				    struct buf *problem);

#endif
