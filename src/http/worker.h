/* What an HTTP thread keeps for itself, without locks: requests to use again, and finished replies of hot cache entries.
 *
 * libmicrohttpd copies every header of a reply three times into memory of its own; a cached event that is asked for again
 * and again is answered with the same reply, on which only X-Request-ID and Date are exchanged. All of it is freed when the thread
 * ends. */
#ifndef EVENTLY_HTTP_WORKER_H
#define EVENTLY_HTTP_WORKER_H

#include "http/request.h"

struct MHD_Response;

enum { WORKER_REPLIES = 256, WORKER_REPLY_BYTES_MAX = 16384, WORKER_REQUESTS_MAX = 256 };

struct worker_reply {
	struct MHD_Response *response; /* holds the cache entry's reference, so `body` names it and no other */
	const char *body;
	const char *cache_status;
	char request_id[REQUEST_ID_BYTES_MAX + 1]; /* as it stands in the headers */
	char date[48];                             /* likewise; "" for none yet */
	int64_t date_s;
};

/* Not cleared. NULL without memory. */
MUST_CHECK struct request *worker_take_request(void);
void worker_keep_request(struct request *request);
/* The place for a body's reply, maybe another's now. NULL without memory. */
struct worker_reply *worker_reply_of(const char *body);
void worker_drop_reply(struct worker_reply *reply);

#endif
