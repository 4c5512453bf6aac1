/* Migrations: the numbered SQL texts of migrations/, and the walk up and down over them that both backends share.
 *
 * A backend says what its database has (`applied`) and does one step (`step`); everything else, from the order to the
 * sentences for people, is here. Called by the backend on the session's own thread. */
#ifndef EVENTLY_STORE_MIGRATE_H
#define EVENTLY_STORE_MIGRATE_H

#include "store/store.h"

/* One migration of this program. Numbers run 1, 2, 3 … without a gap. */
struct migration {
	int number;
	const char *name;
	struct str up, down; /* SQL, NUL-terminated, several statements */
	uint64_t checksum;   /* hash_content of `up` */
};

enum { MIGRATIONS_MAX = 999 };

struct migration_list {
	const struct migration *items;
	size_t count;
};
struct migration_list migrations_of_sqlite(void);
struct migration_list migrations_of_postgres(void);

/* A row of schema_migrations(number, name, checksum, applied_at). */
struct migration_row {
	int number;
	struct str name;
	uint64_t checksum;
	int64_t applied_at_us;
};

struct migration_backend {
	struct migration_list known;
	/* The rows, by number; none when the table is missing. */
	enum store_result (*applied)(struct store_session *, struct arena *, struct migration_row **, size_t *);
	/* Keeps every other migrator out (waiting for it until the deadline) until `unlock`. */
	enum store_result (*lock)(struct store_session *);
	void (*unlock)(struct store_session *);
	/* Runs the text and writes (or deletes) the row, in one transaction. Makes schema_migrations when it is missing. */
	enum store_result (*step)(struct store_session *, const struct migration *, bool up);
};

/* What store_migrations, store_migrate_up, store_migrate_down and store_schema_check do; see store.h. */
MUST_CHECK enum store_result migrate_list(struct store_session *session, const struct migration_backend *backend,
                                          struct arena *arena, struct store_migration **migrations, size_t *count);
MUST_CHECK enum store_result migrate_up(struct store_session *session, const struct migration_backend *backend,
                                        int target, struct buf *report);
MUST_CHECK enum store_result migrate_down(struct store_session *session, const struct migration_backend *backend,
                                          int target, struct buf *report);
MUST_CHECK enum store_result migrate_check(struct store_session *session, const struct migration_backend *backend);

#endif
