/* From an answered request to the last byte of its answer: whole bodies in one write, streams piece by piece.
 *
 * The second half of connection.c's steps, on the connection's worker. Each returns as a step does: false when nothing more
 * can be done now, with the connection's state saying why. */
#ifndef EVENTLY_HTTP_SENDING_H
#define EVENTLY_HTTP_SENDING_H

#include "http/connection.h"

/* The request is answered: sends head and body, as far as the socket takes them. */
bool sending_answer(struct connection *connection);
/* CONNECTION_SENDING: goes on with what the socket did not take. */
bool sending_rest(struct connection *connection);
/* CONNECTION_STREAMING: one piece of the body. */
bool sending_stream(struct connection *connection);
/* The client is gone: ends the request and the connection. Always false. */
bool sending_failed(struct connection *connection);
/* Tells the API that the request is over, and frees it. */
void sending_finish(struct connection *connection);

#endif
