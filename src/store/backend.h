/* What an implementation of store.h provides: one function for each call, reached through this table.
 *
 * store.c holds the public functions: they check arguments, measure (METRIC_STORE_CALLS), and pass on. A backend embeds
 * `struct store` and `struct store_session` first in its own structures. */
#ifndef EVENTLY_STORE_BACKEND_H
#define EVENTLY_STORE_BACKEND_H

#include "store/store.h"

enum { STORE_PROBLEM_BYTES = 512 };

struct store_backend {
	const char *kind;
	bool shared;
	void (*close)(struct store *);
	/* NULL: there is nothing that could be set anew. */
	bool (*reconfigure)(struct store *, const struct config *, struct buf *);
	struct store_session *(*session_open)(struct store *);
	void (*session_close)(struct store_session *);
	enum breaker_state (*breaker_state)(struct store *);
	enum store_result (*get_many)(struct store_session *, const int64_t *, size_t, bool, struct arena *, struct event *, uint64_t *);
	enum store_result (*list)(struct store_session *, const struct query *, int64_t, bool, struct arena *, struct query_page *, uint64_t *);
	enum store_result (*changes_after)(struct store_session *, uint64_t, size_t, struct arena *, struct change **, size_t *, uint64_t *);
	enum store_result (*audit)(struct store_session *, const struct store_audit_filter *, uint64_t, size_t, struct arena *, struct change **, size_t *, uint64_t *);
	enum store_result (*each)(struct store_session *, store_each_fn *, void *, uint64_t *);
	enum store_result (*apply)(struct store_session *, struct store_write *, size_t, bool, int64_t, struct arena *);
	enum store_result (*user_get)(struct store_session *, int64_t, struct arena *, struct store_user *);
	enum store_result (*user_set_active)(struct store_session *, int64_t, bool, int64_t, struct arena *, struct store_user *);
	enum store_result (*users_inactive)(struct store_session *, struct arena *, int64_t **, size_t *, uint64_t *);
	enum store_result (*head)(struct store_session *, struct store_head *);
	enum store_result (*lease_renew)(struct store_session *, struct str, int, uint64_t);
	enum store_result (*lease_seen)(struct store_session *, struct str, uint64_t);
	enum store_result (*lease_drop)(struct store_session *, struct str);
	enum store_result (*lease_wait)(struct store_session *, struct str, uint64_t);
	enum store_result (*listen)(struct store_session *, int, bool *);
	void (*interrupt)(struct store_session *);
	enum store_result (*relay_lock)(struct store_session *);
	enum store_result (*relay_position)(struct store_session *, uint64_t *);
	enum store_result (*relay_advance)(struct store_session *, uint64_t);
	enum store_result (*housekeeping)(struct store_session *, int64_t);
	enum store_result (*audit_prune)(struct store_session *, int64_t, uint64_t *);
	enum store_result (*audit_verify)(struct store_session *, struct buf *, uint64_t *, uint64_t *);
	enum store_result (*migrations)(struct store_session *, struct arena *, struct store_migration **, size_t *);
	enum store_result (*migrate_up)(struct store_session *, int, struct buf *);
	enum store_result (*migrate_down)(struct store_session *, int, struct buf *);
	enum store_result (*schema_check)(struct store_session *);
};

struct store {
	const struct store_backend *backend;
};

struct store_session {
	struct store *store;
	uint64_t deadline_ns; /* monotonic */
	uint64_t min_as_of;   /* of a replica's answer */
	bool by_replica;      /* who has answered last */
	char problem[STORE_PROBLEM_BYTES];
};

/* The backends' doors; see store_open. */
MUST_CHECK enum store_result sqlite_store_open(struct store **store, const struct config *config, bool exclusive,
                                               struct buf *problem);
MUST_CHECK enum store_result postgres_store_open(struct store **store, const struct config *config, struct buf *problem);

/* Keeps the session's problem text. Returns `result`, so that a failure reads `return store_fail(…)`. */
enum store_result store_fail(struct store_session *session, enum store_result result, const char *format, ...)
	PRINTF_LIKE(3, 4);

/* Does If-Match hold for the event as it is at now_us? `*` holds for any. (RFC 9110 section 13.1.1, strong comparison) */
bool store_if_match_holds(struct str if_match, const struct event *event, int64_t now_us);

#endif
