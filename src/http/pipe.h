/* A bounded pipe from a thread that makes an answer to the connection that sends it.
 *
 * The producer (a lane's thread) writes and waits while the pipe is full; the consumer is the answer's stream on the HTTP
 * thread, parked while the pipe is empty. Either end may go first: the pipe is freed by the second. */
#ifndef EVENTLY_HTTP_PIPE_H
#define EVENTLY_HTTP_PIPE_H

#include <stdatomic.h>

#include "http/answer.h"

struct pipe;

/* NULL without memory. `abandoned` is looked at while the producer waits: true makes pipe_write fail. */
MUST_CHECK struct pipe *pipe_create(size_t bytes_max, const atomic_bool *abandoned);
/* The consumer's end, for answer_stream; call it once. */
struct answer_stream *pipe_stream(struct pipe *pipe);
/* Producer. False: the client is gone, took nothing for timeout_ms, or the pipe was abandoned. */
MUST_CHECK bool pipe_write(struct pipe *pipe, struct str bytes, int timeout_ms);
/* Producer's last call. `complete` false cuts the connection, so that the client knows it did not get all. */
void pipe_close(struct pipe *pipe, bool complete);

#endif
