/* How to reach Redis, as the settings say. Made once, then read-only; any thread. */
#ifndef EVENTLY_REDIS_OPTIONS_H
#define EVENTLY_REDIS_OPTIONS_H

#include "base/arena.h"
#include "base/buf.h"

struct config;

/* Texts end with NUL and belong to whoever made the options; "" is absent. */
struct redis_options {
	const char *host;
	const char *user;
	const char *password;
	const char *ca_file; /* PEM; "" trusts the system's CAs */
	unsigned port;
	unsigned database;
	unsigned timeout_ms; /* of one run, connecting included */
	bool tls;
	bool from_url; /* the problems then name REDIS_URL as the setting to check */
};

/* From REDIS_URL, else from REDIS_HOST and the rest. Texts go to `arena`. False: one line in `problem`. */
MUST_CHECK bool redis_options_from_config(struct redis_options *options, const struct config *config,
					  struct arena *arena, struct buf *problem);

#endif
