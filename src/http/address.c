#include "http/address.h"

#include <arpa/inet.h>

/* ::ffff:a.b.c.d is how a socket for both families shows an IPv4 peer. */
static struct address unmapped(const unsigned char bytes[16])
{
	static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	struct address address = {0};

	address.is_v6 = memcmp(bytes, mapped, sizeof mapped) != 0;
	if (address.is_v6)
		memcpy(address.bytes, bytes, 16);
	else
		memcpy(address.bytes, bytes + 12, 4);
	return address;
}

bool address_parse(struct address *address, struct str text)
{
	char terminated[ADDRESS_TEXT_BYTES];
	unsigned char bytes[16];

	if (text.len == 0 || text.len >= sizeof terminated || memchr(text.ptr, 0, text.len) != NULL)
		return false;
	memcpy(terminated, text.ptr, text.len);
	terminated[text.len] = '\0';
	*address = (struct address){0};
	if (inet_pton(AF_INET, terminated, address->bytes) == 1)
		return true;
	if (inet_pton(AF_INET6, terminated, bytes) != 1)
		return false;
	*address = unmapped(bytes);
	return true;
}

bool network_parse(struct network *network, struct str text)
{
	struct str rest = text, address;
	uint64_t bits;

	if (!str_cut(&rest, '/', &address) || !address_parse(&network->first, address))
		return false;
	bits = network->first.is_v6 ? 128 : 32;
	if (rest.ptr != NULL && !str_to_u64(rest, bits, &bits))
		return false;
	network->prefix_bits = (unsigned)bits;
	return true;
}

bool address_from_socket(struct address *address, const struct sockaddr *socket_address)
{
	*address = (struct address){0};
	if (socket_address->sa_family == AF_INET) {
		struct sockaddr_in v4;
		memcpy(&v4, socket_address, sizeof v4);
		memcpy(address->bytes, &v4.sin_addr, 4);
		return true;
	}
	if (socket_address->sa_family != AF_INET6)
		return false;
	struct sockaddr_in6 v6;
	memcpy(&v6, socket_address, sizeof v6);
	*address = unmapped(v6.sin6_addr.s6_addr);
	return true;
}

bool address_in(const struct address *address, const struct network *network)
{
	size_t bytes = network->prefix_bits / 8;
	unsigned char mask = (unsigned char)~(0xff >> network->prefix_bits % 8);

	if (address->is_v6 != network->first.is_v6 || memcmp(address->bytes, network->first.bytes, bytes) != 0)
		return false;
	return mask == 0 || ((address->bytes[bytes] ^ network->first.bytes[bytes]) & mask) == 0;
}

struct str address_text(const struct address *address, char text[ADDRESS_TEXT_BYTES])
{
	CHECK(inet_ntop(address->is_v6 ? AF_INET6 : AF_INET, address->bytes, text, ADDRESS_TEXT_BYTES) != NULL);
	return str_from(text);
}

struct address address_client_part(const struct address *address)
{
	struct address part = *address;

	if (part.is_v6)
		memset(part.bytes + 8, 0, 8);
	return part;
}
