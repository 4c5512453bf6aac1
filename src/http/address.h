/* An IP address or network, as a value. Pure; any thread. */
#ifndef EVENTLY_HTTP_ADDRESS_H
#define EVENTLY_HTTP_ADDRESS_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/check.h"
#include "base/str.h"

enum { ADDRESS_TEXT_BYTES = INET6_ADDRSTRLEN };

struct address {
	bool is_v6;
	unsigned char bytes[16]; /* in network order; 4 of them for IPv4 */
};

struct network {
	struct address first;
	unsigned prefix_bits;
};

/* The usual text forms, strictly. An IPv4-mapped IPv6 address (RFC 4291 section 2.5.5.2) is the IPv4 address. */
MUST_CHECK bool address_parse(struct address *address, struct str text);
/* "ADDRESS" or "ADDRESS/BITS". */
MUST_CHECK bool network_parse(struct network *network, struct str text);
/* False for other families than IPv4 and IPv6. */
MUST_CHECK bool address_from_socket(struct address *address, const struct sockaddr *socket_address);
bool address_in(const struct address *address, const struct network *network);
/* The text in `text`, NUL-terminated. */
struct str address_text(const struct address *address, char text[ADDRESS_TEXT_BYTES]);
/* What one client can be taken for when requests are counted: all of IPv4, the first 64 bits of IPv6, since a client has
 * at least a /64 of addresses (RFC 6177). */
struct address address_client_part(const struct address *address);

#endif
