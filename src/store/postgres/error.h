/* From PostgreSQL's errors to the store's results, and to words that say what to do (`evently check`, the log). */
#ifndef EVENTLY_STORE_POSTGRES_ERROR_H
#define EVENTLY_STORE_POSTGRES_ERROR_H

#include "store/postgres/postgres.h"

/* A statement failed: keeps the problem, marks the connection lost where its SQLSTATE says so. Frees `result`. */
enum store_result error_of_result(struct pg_connection *connection, PGresult *result);
/* The connection broke or could not be used: keeps libpq's words. Marks it lost. */
enum store_result error_of_connection(struct pg_connection *connection);
/* An attempt to connect to host:port failed with libpq's `message`: one line in `words`. */
enum store_result error_of_connecting(const struct pg_peer *peer, const char *host, const char *port,
                                      const char *message, char *words, size_t words_bytes);

#endif
