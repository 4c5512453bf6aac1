/* Tells whether Jansson ran out of memory. Its parser reports a failed allocation like bad syntax, or, when the buffer of
 * the token that it reads cannot grow, loses characters and goes on: a value parsed then must not be believed.
 *
 * Jansson's allocations go through here from before main on. One flag a thread. */
#ifndef EVENTLY_BASE_JSON_MEMORY_H
#define EVENTLY_BASE_JSON_MEMORY_H

#include <stdbool.h>

/* Call it before the parse that json_memory_failed is asked about. */
void json_memory_forget(void);
bool json_memory_failed(void);
/* While it is on, what this thread frees is overwritten: for documents that hold secrets. */
void json_memory_wipe(bool on);

#endif
