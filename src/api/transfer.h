/* Import and export over HTTP; see transfer.c. The progress of the import that runs, or ran last, is visible to admins. */
#ifndef EVENTLY_API_TRANSFER_H
#define EVENTLY_API_TRANSFER_H

#include "http/request.h"

struct transfer;

MUST_CHECK struct transfer *transfer_create(void);
void transfer_destroy(struct transfer *transfer);
/* The headers of an import are in: its body goes line by line into the import while it arrives. May answer. */
void transfer_begin_import(struct request *request);

#endif
