/* Migrations of the PostgreSQL store; see store.h and store/migrate.h. */
#ifndef EVENTLY_STORE_POSTGRES_MIGRATIONS_H
#define EVENTLY_STORE_POSTGRES_MIGRATIONS_H

#include "store/postgres/postgres.h"

enum store_result postgres_migrations(struct store_session *session, struct arena *arena,
                                      struct store_migration **migrations, size_t *count);
enum store_result postgres_migrate_up(struct store_session *session, int target, struct buf *report);
enum store_result postgres_migrate_down(struct store_session *session, int target, struct buf *report);
enum store_result postgres_schema_check(struct store_session *session);

#endif
