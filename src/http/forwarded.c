#include "http/forwarded.h"

bool forwarded_trust_parse(struct forwarded_trust *trust, struct str text, struct buf *problem)
{
	struct str rest = text, part;

	*trust = (struct forwarded_trust){0};
	if (str_trim(text).len == 0)
		return true;
	while (str_cut(&rest, ',', &part)) {
		part = str_trim(part);
		if (trust->count == FORWARDED_NETWORKS_MAX) {
			buf_printf(problem, "TRUSTED_PROXIES has more than %d entries", FORWARDED_NETWORKS_MAX);
			return false;
		}
		if (!network_parse(&trust->networks[trust->count], part)) {
			buf_printf(problem, "TRUSTED_PROXIES has \"%.*s\": an address or a network is needed, as in "
			                    "192.0.2.1, 10.0.0.0/8 or 2001:db8::/32", STR_ARG(part));
			return false;
		}
		trust->count++;
	}
	return true;
}

static bool is_trusted(const struct forwarded_trust *trust, const struct address *address)
{
	for (size_t i = 0; i < trust->count; i++) {
		if (address_in(address, &trust->networks[i]))
			return true;
	}
	return false;
}

/* The rightmost element; *rest becomes what stands before it, absent after the last. */
static struct str cut_last(struct str *rest)
{
	const char *comma = rest->len > 0 ? memrchr(rest->ptr, ',', rest->len) : NULL;
	struct str last = *rest;

	if (comma == NULL) {
		*rest = STR_NONE;
		return str_trim(last);
	}
	rest->len = (size_t)(comma - rest->ptr);
	return str_trim(str_skip(last, rest->len + 1));
}

static bool is_port(struct str text)
{
	uint64_t port;

	return str_to_u64(text, 65535, &port);
}

/* An address, with a port where a proxy adds one: 192.0.2.1:80, [2001:db8::1]:80, [2001:db8::1]. */
static bool parse_element(struct address *address, struct str text)
{
	struct str rest = text, host;

	if (address_parse(address, text))
		return true;
	if (str_starts_with(text, STR("["))) {
		rest = str_skip(text, 1);
		if (!str_cut(&rest, ']', &host) || rest.ptr == NULL)
			return false;
		if (rest.len > 0 && (rest.ptr[0] != ':' || !is_port(str_skip(rest, 1))))
			return false;
		return memchr(host.ptr, ':', host.len) != NULL && address_parse(address, host);
	}
	return str_cut(&rest, ':', &host) && rest.ptr != NULL && is_port(rest) && address_parse(address, host);
}

struct address forwarded_client(const struct forwarded_trust *trust, const struct address *peer,
                                struct str forwarded_for)
{
	struct address client = *peer;

	for (unsigned hops = 0; forwarded_for.ptr != NULL && is_trusted(trust, &client); hops++) {
		struct str element = cut_last(&forwarded_for);
		if (hops == FORWARDED_HOPS_MAX || !parse_element(&client, element))
			return *peer;
	}
	return client;
}
