/* Rules between settings, and the grammars of those that are texts. Messages say setting, value, and what is allowed. */
#include "config/setting.h"

#include <arpa/inet.h>

enum { SECRET_BYTES_MIN = 32, RATE_COUNT_MAX = 1000000000, RATE_SECONDS_MAX = 86400 };

/* "NAME is VALUE: allowed are ALLOWED" */
static bool refuse(struct buf *problem, const struct config *config, enum setting_index index, const char *allowed)
{
	buf_printf(problem, "%s is ", settings[index].name);
	setting_shown(problem, &settings[index], config_text(config, index));
	buf_printf(problem, ": allowed are %s", allowed);
	return false;
}

static bool is_port(struct str text)
{
	uint64_t port;

	return str_to_u64(text, 65535, &port) && port > 0;
}

/* A name, an IPv4 address, or an IPv6 address in brackets. */
static bool is_host(struct str text)
{
	if (text.len >= 4 && text.ptr[0] == '[' && text.ptr[text.len - 1] == ']') {
		char address[INET6_ADDRSTRLEN];
		struct in6_addr parsed;
		if (text.len - 2 >= sizeof address)
			return false;
		memcpy(address, text.ptr + 1, text.len - 2);
		address[text.len - 2] = '\0';
		return inet_pton(AF_INET6, address, &parsed) == 1;
	}
	if (text.len == 0 || text.len > 253)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
		             c == '-' || c == '_';
		if (!plain)
			return false;
	}
	return true;
}

static bool is_host_with_port(struct str text, bool port_needed)
{
	const char *colon = text.len > 0 ? memrchr(text.ptr, ':', text.len) : NULL;

	if (colon == NULL || (text.ptr[text.len - 1] == ']'))
		return !port_needed && is_host(text);
	size_t host_len = (size_t)(colon - text.ptr);
	return is_host((struct str){text.ptr, host_len}) && is_port(str_skip(text, host_len + 1));
}

static bool is_node(struct str text)
{
	return is_host_with_port(text, true);
}

/* scheme://host[:port], as browsers send it (RFC 6454 section 6.2), or *. */
static bool is_origin(struct str text)
{
	if (str_equal(text, STR("*")))
		return true;
	const char *colon = text.len > 0 ? memmem(text.ptr, text.len, "://", 3) : NULL;
	if (colon == NULL || colon == text.ptr)
		return false;
	size_t scheme_len = (size_t)(colon - text.ptr);
	for (size_t i = 0; i < scheme_len; i++) {
		char c = text.ptr[i];
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		if (!letter && (i == 0 || !((c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.')))
			return false;
	}
	return is_host_with_port(str_skip(text, scheme_len + 3), false);
}

/* An address, or a network as address/bits. */
static bool is_network(struct str text)
{
	char address[INET6_ADDRSTRLEN];
	unsigned char parsed[sizeof(struct in6_addr)];
	struct str rest = text, host;
	uint64_t bits;

	if (!str_cut(&rest, '/', &host) || host.len == 0 || host.len >= sizeof address)
		return false;
	memcpy(address, host.ptr, host.len);
	address[host.len] = '\0';
	bool v4 = inet_pton(AF_INET, address, parsed) == 1;
	if (!v4 && inet_pton(AF_INET6, address, parsed) != 1)
		return false;
	return rest.ptr == NULL || str_to_u64(rest, v4 ? 32 : 128, &bits);
}

/* Every part of a comma-separated text; an empty text has none. */
static bool each_is(const char *text, bool (*is)(struct str))
{
	struct str rest = str_from(text), part;

	while (text[0] != '\0' && str_cut(&rest, ',', &part))
		if (!is(str_trim(part)))
			return false;
	return true;
}

static size_t count_parts(const char *text)
{
	size_t count = 1;

	for (; *text != '\0'; text++)
		count += *text == ',';
	return count;
}

static bool is_rate(struct str text)
{
	struct str count, seconds = text;
	uint64_t number;

	if (text.len == 0)
		return true;
	return str_cut(&seconds, '/', &count) && seconds.ptr != NULL &&
	       str_to_u64(count, RATE_COUNT_MAX, &number) && number > 0 &&
	       str_to_u64(seconds, RATE_SECONDS_MAX, &number) && number > 0;
}

static bool starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* The whole host counts: localhost.example and localhost@example are somebody else. */
static bool is_loopback_url(const char *url)
{
	if (!starts_with(url, "http://"))
		return false;
	const char *host = url + strlen("http://");
	size_t length = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":/?#");
	if (memchr(host, '@', strcspn(host, "/?#")) != NULL)
		return false;
	struct str name = {host, length <= strlen(host) ? length : 0};
	return str_equal(name, STR("localhost")) || str_equal(name, STR("[::1]")) ||
	       (str_starts_with(name, STR("127.")) && strspn(host, "0123456789.") == length);
}

/* A certificate and its key: both or neither. */
static bool check_pair(const char *certificate_file, const char *key_file, const char *prefix, struct buf *problem)
{
	if (certificate_file[0] != '\0' && key_file[0] == '\0')
		buf_printf(problem, "%s_KEY_FILE is not set: %s_CERTIFICATE_FILE needs the file of its private key there", prefix,
		           prefix);
	else if (certificate_file[0] == '\0' && key_file[0] != '\0')
		buf_printf(problem, "%s_CERTIFICATE_FILE is not set: %s_KEY_FILE needs the file of its certificate there", prefix,
		           prefix);
	else
		return true;
	return false;
}

static bool check_http(const struct config *config, struct buf *problem)
{
	if (!each_is(config->cors_origins, is_origin))
		return refuse(problem, config, SETTING_cors_origins,
		              "* or origins as scheme://host or scheme://host:port, comma-separated, without a path");
	if (!each_is(config->trusted_proxies, is_network))
		return refuse(problem, config, SETTING_trusted_proxies,
		              "addresses (10.0.0.1) and networks (10.0.0.0/8), comma-separated");
	if (!is_rate(str_from(config->rate_limit)))
		return refuse(problem, config, SETTING_rate_limit,
		              "COUNT/SECONDS, such as 600/60, with COUNT 1 to 1000000000 and SECONDS 1 to 86400");
	if (config->metrics_port != 0 && config->metrics_port == config->port)
		return refuse(problem, config, SETTING_metrics_port, "0 and ports other than PORT");
	return check_pair(config->tls_certificate_file, config->tls_key_file, "TLS", problem);
}

static bool check_store(const struct config *config, struct buf *problem)
{
	const char *url = config->database_url;

	if (url[0] != '\0' && !starts_with(url, "postgresql://") && !starts_with(url, "postgres://"))
		return refuse(problem, config, SETTING_database_url,
		              "addresses that begin with postgresql:// or postgres:// (empty is the embedded store)");
	if (!each_is(config->db_port, is_port) ||
	    (count_parts(config->db_port) > 1 && count_parts(config->db_port) != count_parts(config->db_host)))
		return refuse(problem, config, SETTING_db_port, "one port from 1 to 65535, or one for each host of DB_HOST");
	if (!each_is(config->db_replicas, is_node))
		return refuse(problem, config, SETTING_db_replicas, "host:port, comma-separated");
	if (config->db_replicas[0] != '\0' && !config_uses_postgres(config)) {
		buf_lit(problem, "DB_REPLICAS is set, but no database: set DB_HOST or DATABASE_URL too");
		return false;
	}
	return true;
}

static bool check_redis(const struct config *config, struct buf *problem)
{
	const char *url = config->redis_url;

	if (url[0] != '\0' && !starts_with(url, "redis://") && !starts_with(url, "rediss://"))
		return refuse(problem, config, SETTING_redis_url, "addresses that begin with redis:// or rediss://");
	if (!each_is(config->redis_cluster, is_node))
		return refuse(problem, config, SETTING_redis_cluster, "host:port, comma-separated");
	if (!each_is(config->redis_sentinels, is_node))
		return refuse(problem, config, SETTING_redis_sentinels, "host:port, comma-separated");
	if (config->redis_cluster[0] != '\0' && config->redis_sentinels[0] != '\0') {
		buf_lit(problem, "REDIS_CLUSTER and REDIS_SENTINELS are both set: only one of them can be meant");
		return false;
	}
	return check_pair(config->redis_certificate_file, config->redis_key_file, "REDIS", problem);
}

static bool check_jwt_secret(const struct config *config, struct buf *problem)
{
	struct str rest = str_from(config->jwt_secret), part;
	unsigned number = 0;

	while (config->jwt_secret[0] != '\0' && str_cut(&rest, ',', &part)) {
		number++;
		part = str_trim(part);
		if (part.len >= SECRET_BYTES_MIN)
			continue;
		buf_lit(problem, "JWT_SECRET is ");
		setting_shown(problem, &settings[SETTING_jwt_secret], config->jwt_secret);
		if (count_parts(config->jwt_secret) > 1)
			buf_printf(problem, " (number %u has %zu bytes)", number, part.len);
		else
			buf_printf(problem, " (%zu bytes)", part.len);
		buf_lit(problem, ": allowed are secrets of 32 bytes and more (`openssl rand -base64 48` makes one)");
		return false;
	}
	return true;
}

static bool check_tokens(const struct config *config, struct buf *problem)
{
	bool symmetric = starts_with(config->jwt_algorithm, "HS");
	const char *url = config->jwt_jwks_url;

	if (!check_jwt_secret(config, problem))
		return false;
	if (url[0] != '\0' && !starts_with(url, "https://") && !is_loopback_url(url))
		return refuse(problem, config, SETTING_jwt_jwks_url,
		              "addresses that begin with https:// (http:// on loopback only: who sits on the way could hand "
		              "in keys)");
	if (symmetric && config->jwt_secret[0] == '\0' && config_uses_postgres(config)) {
		buf_printf(problem, "JWT_SECRET is not set: with PostgreSQL and %s it is required, 32 bytes or more "
		                    "(`openssl rand -base64 48` makes one)%s", config->jwt_algorithm,
		           config->zero_token[0] != '\0' ? "; Zero has no field jwt-secret" : "");
		return false;
	}
	if (!symmetric && config->jwt_public_keys[0] == '\0' && url[0] == '\0') {
		buf_printf(problem, "JWT_PUBLIC_KEYS is not set: %s needs a file of public keys there, or JWT_JWKS_URL",
		           config->jwt_algorithm);
		return false;
	}
	return true;
}

static bool check_secrets(const struct config *config, struct buf *problem)
{
	if (config_source(config, SETTING_db_host) == SOURCE_ZERO && config->db_password[0] == '\0' &&
	    config->database_url[0] == '\0') {
		buf_lit(problem, "DB_PASSWORD is not set: Zero has the field db-host, but no db-password");
		return false;
	}
	if (!starts_with(config->zero_url, "https://") && !is_loopback_url(config->zero_url))
		return refuse(problem, config, SETTING_zero_url,
		              "addresses that begin with https:// (http:// on loopback only: a token is sent there)");
	return true;
}

static void warn(const struct config *config, struct buf *warnings)
{
	if (config->database_url[0] != '\0' && config->db_host[0] != '\0')
		buf_lit(warnings, "DATABASE_URL and DB_HOST are both set: DB_* is not used\n");
	if (config->redis_url[0] != '\0' && config->redis_host[0] != '\0')
		buf_lit(warnings, "REDIS_URL and REDIS_HOST are both set: REDIS_HOST is not used\n");
	if (!config_uses_postgres(config) && (strcmp(config->db_password, "") != 0))
		buf_lit(warnings, "DB_PASSWORD is set, but no DB_HOST: the embedded store is used\n");
	if (!config_uses_redis(config) && config->redis_password[0] != '\0')
		buf_lit(warnings, "REDIS_PASSWORD is set, but no REDIS_HOST: Redis is not used\n");
}

bool config_check(const struct config *config, struct buf *problem, struct buf *warnings)
{
	if (!check_http(config, problem) || !check_store(config, problem) || !check_redis(config, problem) ||
	    !check_tokens(config, problem) || !check_secrets(config, problem))
		return false;
	warn(config, warnings);
	return true;
}
