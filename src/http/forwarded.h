/* Whose request it is when proxies stand in between: the client's address from the peer's, X-Forwarded-For and
 * TRUSTED_PROXIES. Only what a trusted proxy has added is believed. Pure; any thread. */
#ifndef EVENTLY_HTTP_FORWARDED_H
#define EVENTLY_HTTP_FORWARDED_H

#include "base/buf.h"
#include "http/address.h"

enum { FORWARDED_NETWORKS_MAX = 64, FORWARDED_HOPS_MAX = 32 };

struct forwarded_trust {
	struct network networks[FORWARDED_NETWORKS_MAX];
	size_t count;
};

/* TRUSTED_PROXIES: addresses or networks (RFC 4632), comma-separated; empty trusts nobody. False: `problem` names the
 * setting, what it was and what is allowed. */
MUST_CHECK bool forwarded_trust_parse(struct forwarded_trust *trust, struct str text, struct buf *problem);

/* Walks `forwarded_for` (X-Forwarded-For; of several fields, all joined by commas in their order; absent when there was
 * none, and when there were several of which only one is known: the first may be the client's own invention) from the
 * right, as long as what it came from is trusted, and gives the first address that is not; when all are trusted, the
 * leftmost. Each proxy appends its own peer, so what a client invents stands further left. An element on the way that is
 * no address, or more than FORWARDED_HOPS_MAX of them: the peer itself. */
struct address forwarded_client(const struct forwarded_trust *trust, const struct address *peer,
                                struct str forwarded_for);

#endif
