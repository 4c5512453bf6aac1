#include "redis/address.h"

#define PREFIX "REDIS_URL "

/* Takes "scheme://". */
static bool parse_scheme(struct redis_address *address, struct str *rest)
{
	static const struct {
		struct str prefix;
		bool tls;
	} schemes[] = {{{"redis://", 8}, false}, {{"rediss://", 9}, true}};

	for (size_t i = 0; i < ARRAY_LENGTH(schemes); i++) {
		struct str prefix = schemes[i].prefix;
		if (rest->len >= prefix.len && str_equal_caseless((struct str){rest->ptr, prefix.len}, prefix)) {
			address->tls = schemes[i].tls;
			*rest = str_skip(*rest, prefix.len);
			return true;
		}
	}
	return false;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* NULL when there is no memory, an escape is not %XX, or it means NUL. */
static const char *percent_decoded(struct str text, struct arena *arena)
{
	char *decoded = arena_alloc(arena, text.len + 1), *end = decoded;

	if (decoded == NULL)
		return NULL;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		if (c == '%') {
			int high = i + 2 < text.len ? hex_digit(text.ptr[i + 1]) : -1;
			int low = i + 2 < text.len ? hex_digit(text.ptr[i + 2]) : -1;
			if (high < 0 || low < 0)
				return NULL;
			c = (char)(high * 16 + low);
			i += 2;
		}
		if (c == '\0')
			return NULL;
		*end++ = c;
	}
	*end = '\0';
	return decoded;
}

/* "user:password" before the last @. A word alone is refused: clients disagree on whether it is user or password. */
static bool parse_user(struct redis_address *address, struct str text, struct arena *arena, struct buf *problem)
{
	struct str user, rest = text;

	if (!str_cut(&rest, ':', &user) || rest.ptr == NULL) {
		buf_lit(problem, PREFIX "has a user without a password; write redis://user:password@host "
					"or redis://:password@host");
		return false;
	}
	address->user = percent_decoded(user, arena);
	address->password = percent_decoded(rest, arena);
	if (address->user == NULL || address->password == NULL) {
		buf_lit(problem, PREFIX "has a user or password that is not percent-encoded; write % as %25");
		return false;
	}
	return true;
}

static bool is_host_character(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
	       c == '_' || c == ':' || c == '%';
}

/* "host", "host:port", "[::1]:port"; an empty host is this machine. */
static bool parse_host(struct redis_address *address, struct str text, struct arena *arena, struct buf *problem)
{
	struct str host = text, port = STR_NONE;
	uint64_t number = REDIS_PORT_DEFAULT;

	if (str_starts_with(text, STR("["))) {
		struct str rest = str_skip(text, 1);
		bool closed = str_cut(&rest, ']', &host) && rest.ptr != NULL;
		if (!closed || (rest.len > 0 && rest.ptr[0] != ':')) {
			buf_lit(problem, PREFIX "has an address in brackets that does not end with ] or ]:port");
			return false;
		}
		port = rest.len > 0 ? str_skip(rest, 1) : STR_NONE;
	} else {
		struct str rest = text;
		if (str_cut(&rest, ':', &host))
			port = rest;
		if (port.ptr != NULL && port.len > 0 && memchr(port.ptr, ':', port.len) != NULL) {
			buf_lit(problem, PREFIX "has an IPv6 address without brackets; write redis://[::1]:6379");
			return false;
		}
	}
	for (size_t i = 0; i < host.len; i++) {
		if (!is_host_character(host.ptr[i])) {
			buf_lit(problem, PREFIX "has a host with a character that no host name has");
			return false;
		}
	}
	if (port.len > 0 && (!str_to_u64(port, 65535, &number) || number == 0)) {
		buf_lit(problem, PREFIX "has a port that is not a number from 1 to 65535");
		return false;
	}
	address->port = (unsigned)number;
	address->host = host.len > 0 ? arena_str(arena, host).ptr : "localhost";
	return address->host != NULL;
}

static bool parse_database(struct redis_address *address, struct str path, struct buf *problem)
{
	uint64_t number = 0;

	if (path.len > 0 && !str_to_u64(path, REDIS_DATABASE_MAX, &number)) {
		buf_printf(problem, PREFIX "ends with a path that is not a database number from 0 to %d",
			   REDIS_DATABASE_MAX);
		return false;
	}
	address->database = (unsigned)number;
	return true;
}

bool redis_address_parse(struct redis_address *address, struct str url, struct arena *arena, struct buf *problem)
{
	struct str rest = url, authority;

	*address = (struct redis_address){.host = "", .user = "", .password = ""};
	if (!parse_scheme(address, &rest)) {
		buf_lit(problem, PREFIX "does not begin with redis:// or rediss://");
		return false;
	}
	if (rest.len > 0 && (memchr(rest.ptr, '?', rest.len) != NULL || memchr(rest.ptr, '#', rest.len) != NULL)) {
		buf_lit(problem, PREFIX "has a ? or #, which means nothing here; in a password write %3F or %23");
		return false;
	}
	if (!str_cut(&rest, '/', &authority))
		return false;
	struct str path = rest, host = authority;
	const char *at = authority.len > 0 ? memrchr(authority.ptr, '@', authority.len) : NULL;
	if (at != NULL) {
		struct str user = {authority.ptr, (size_t)(at - authority.ptr)};
		if (!parse_user(address, user, arena, problem))
			return false;
		host = str_skip(authority, user.len + 1);
	}
	return parse_host(address, host, arena, problem) && parse_database(address, path, problem);
}
