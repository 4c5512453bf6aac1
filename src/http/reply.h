/* From an answer to libmicrohttpd's response: headers on every answer, then queue it. HTTP thread of the request. */
#ifndef EVENTLY_HTTP_REPLY_H
#define EVENTLY_HTTP_REPLY_H

#include "base/check.h"
#include "http/request.h"

struct reply_options {
	bool tls;   /* adds Strict-Transport-Security */
	bool close; /* ends the connection: draining */
};

/* False: no memory, the connection is to be closed. */
MUST_CHECK bool reply_queue(struct request *request, const struct reply_options *options);

#endif
