/* Finds the addresses of a host without ever blocking for longer than asked.
 *
 * getaddrinfo(3) may hang for many seconds when the name server is away, and cannot be given a bound. So a thread of
 * its own asks it, at most one for each resolver: a call that runs out of time leaves the question open, and the next
 * call takes it up again. Addresses in digits need none of this. Used by one thread at a time. (getaddrinfo_a(3) would
 * do the same, but its threads are unknown to the thread sanitizer, which dies of them.) */
#ifndef EVENTLY_BASE_RESOLVER_H
#define EVENTLY_BASE_RESOLVER_H

#include <netdb.h>

#include "base/check.h"
#include "base/str.h"

struct resolver {
	struct question *open; /* NULL when none */
};

enum resolver_result { RESOLVER_DONE, RESOLVER_TIMEOUT, RESOLVER_FAILED };

/* DONE: *addresses is the caller's, for freeaddrinfo. FAILED: *why is a text that need not be freed.
 * Every call of one resolver asks for the same host and port. */
MUST_CHECK enum resolver_result resolver_find(struct resolver *resolver, const char *host, unsigned port,
					      uint64_t deadline_ns, struct addrinfo **addresses, const char **why);
void resolver_finish(struct resolver *resolver);

#endif
