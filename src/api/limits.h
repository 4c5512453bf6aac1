/* Who may ask how often: RATE_LIMIT for each user, and for each address where no user is known. */
#ifndef EVENTLY_API_LIMITS_H
#define EVENTLY_API_LIMITS_H

#include "http/request.h"

/* X-Forwarded-For of trusted proxies decides whose address it is. */
void limits_find_client(struct request *request);
/* Takes one request from the user's bucket (principal set) or the address's. False: answered with 429. */
MUST_CHECK bool limits_admit(struct request *request);

#endif
