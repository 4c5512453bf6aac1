/* What a request must pass before the API sees it, and how its body is kept: ids, framing, limits, the target.
 *
 * The connection calls these in their order: intake_head when the head is parsed, intake_body for each piece, intake_run
 * when all is in and after every resume. HTTP thread of the request. */
#ifndef EVENTLY_HTTP_INTAKE_H
#define EVENTLY_HTTP_INTAKE_H

#include "http/request.h"

/* Gives the request its ids and its path, or answers at once. `head_bytes`: request line and headers. */
void intake_head(struct request *request, size_t head_bytes);
/* Answers 400 and ends the connection, since nobody knows where the next request would begin. */
void intake_malformed(struct request *request, const char *detail);
/* A refusal while a body is still to come: false for a small one, which is read and dropped, so that the connection stays
 * usable. */
MUST_CHECK bool intake_answers_early(const struct request *request);
void intake_body(struct request *request, struct str bytes);
/* Runs the handler: afterwards the request is answered, or a lane's. */
void intake_run(struct request *request);

#endif
