/* How to reach Redis, as the settings say. Made once, then read-only; any thread. */
#ifndef EVENTLY_REDIS_OPTIONS_H
#define EVENTLY_REDIS_OPTIONS_H

#include "base/arena.h"
#include "base/buf.h"

struct config;
struct redis_source;

/* Texts end with NUL and belong to whoever made the options; "" and NULL are absent. */
struct redis_options {
	const char *host;
	const char *user;
	const char *password;
	const char *ca_file; /* PEM; "" trusts the system's CAs */
	const char *certificate_file, *key_file; /* PEM; what is shown to a server that asks for it */
	const char *cluster;     /* REDIS_CLUSTER: nodes as "host:port,…"; host and port then are the first's */
	const char *sentinels;   /* REDIS_SENTINELS, likewise */
	const char *master_name; /* REDIS_MASTER_NAME */
	const char *home_key;    /* in a cluster: everything goes to the node of this key, as transactions need it */
	unsigned port;
	unsigned database;
	unsigned timeout_ms; /* of one run, connecting included */
	bool tls;
	bool from_url; /* the problems then name REDIS_URL as the setting to check */
	struct redis_source *source; /* where connections find newer options; NULL: these are for ever */
};

/* From REDIS_URL, else from REDIS_HOST and the rest. Texts go to `arena`. False: one line in `problem`. */
MUST_CHECK bool redis_options_from_config(struct redis_options *options, const struct config *config,
					  struct arena *arena, struct buf *problem);
/* Texts go to `arena`. False without memory. */
MUST_CHECK bool redis_options_copy(struct redis_options *options, const struct redis_options *from,
				   struct arena *arena);
/* The same server, entered in the same way. */
bool redis_options_same_place(const struct redis_options *one, const struct redis_options *other);
/* The same in everything. */
bool redis_options_same(const struct redis_options *one, const struct redis_options *other);
/* Wipes the password, and frees `texts`, where the texts are. */
void redis_options_finish(struct redis_options *options, struct arena *texts);

#endif
