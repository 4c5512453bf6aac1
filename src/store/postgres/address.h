/* The settings' words for a database (DATABASE_URL, DB_*, DB_REPLICAS), turned into what libpq is given. */
#ifndef EVENTLY_STORE_POSTGRES_ADDRESS_H
#define EVENTLY_STORE_POSTGRES_ADDRESS_H

#include "store/postgres/postgres.h"

/* Fills the addresses of the primary and the replicas; texts are copied to store->texts. False with `problem` said. */
MUST_CHECK bool address_read(struct postgres_store *store, const struct config *config, struct buf *problem);

#endif
