/* From bytes to a request: llhttp, Node's parser, behind three functions.
 *
 * A connection hands over a whole head (head.h), then the body as it comes. Method, target, the headers that anybody here
 * reads and the framing come from llhttp, in its strict mode; their texts point into the head, which lives in the request's
 * arena. HTTP thread of the request. */
#ifndef EVENTLY_HTTP_RECEIVE_H
#define EVENTLY_HTTP_RECEIVE_H

#include "http/request.h"

enum receive_result {
	RECEIVE_MORE,     /* the body, or more of it, is still to come */
	RECEIVE_COMPLETE, /* the message is whole */
	RECEIVE_MALFORMED,
	RECEIVE_NO_MEMORY,
};

/* What take_body is given is dropped unless the request waits for it. */
typedef void receive_body_fn(struct request *request, struct str bytes);

/* Parses the head and fills method, target, headers, version and keep_alive. `head` must live as long as the request. */
MUST_CHECK enum receive_result receive_head(struct request *request, struct str head, receive_body_fn *take_body);
/* Parses more of the message; *used is how many of the bytes belong to it. */
MUST_CHECK enum receive_result receive_more(struct request *request, struct str bytes, size_t *used);

#endif
