/* The settings' words for a database (DATABASE_URL, DB_*, DB_REPLICAS), turned into what libpq is given. */
#ifndef EVENTLY_STORE_POSTGRES_ADDRESS_H
#define EVENTLY_STORE_POSTGRES_ADDRESS_H

#include "store/postgres/postgres.h"

/* Reads the addresses of the primary and the replicas anew and gives them to the store's peers, for the connections that
 * are made from now on. False with `problem` said: nothing has changed. At start and on reload, by one thread. */
MUST_CHECK bool address_read(struct postgres_store *store, const struct config *config, struct buf *problem);
void address_forget(struct postgres_store *store); /* all of them, passwords wiped */
/* The same servers, database and user. */
bool address_same_place(const struct pg_address *one, const struct pg_address *other);

#endif
