/* From an answer to the bytes of its head: status line and headers. HTTP thread of the request. */
#ifndef EVENTLY_HTTP_REPLY_H
#define EVENTLY_HTTP_REPLY_H

#include "base/check.h"
#include "http/request.h"

struct reply_options {
	bool tls;   /* adds Strict-Transport-Security */
	bool close; /* says that the connection ends behind it */
};

/* Writes the head to `space`: how many bytes, or 0 when bytes_max is too small for it. */
MUST_CHECK size_t reply_head(const struct request *request, const struct reply_options *options, char *space, size_t bytes_max);
/* The status says that no body follows (RFC 9110 sections 15.3.5 and 15.4.5). */
bool reply_is_bodiless(unsigned status);

#endif
