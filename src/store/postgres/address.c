#include "store/postgres/address.h"

#include <stdlib.h>

#include "base/log.h"
#include "config/config.h"

enum { TEXTS_BYTES_MAX = 1 << 18 };

static void add(struct arena *arena, struct pg_address *address, const char *keyword, const char *value)
{
	CHECK(address->keyword_count + 2 < PG_KEYWORDS_MAX); /* libpq knows fewer, and one place is for the final NULL */
	address->keywords[address->keyword_count] = keyword;
	address->values[address->keyword_count] = arena_str(arena, str_from(value)).ptr;
	address->keyword_count++;
}

static const char *value_of(const struct pg_address *address, const char *keyword)
{
	for (size_t i = 0; i < address->keyword_count; i++)
		if (strcmp(address->keywords[i], keyword) == 0)
			return address->values[i];
	return NULL;
}

/* Hosts and ports as comma-separated lists; one port serves all hosts. */
static bool add_hosts(struct arena *arena, struct pg_address *address, const char *hosts, const char *ports,
                      const char *hosts_setting, struct buf *problem)
{
	struct str rest_hosts = str_from(hosts), rest_ports = str_from(ports), host;
	struct str port = STR("5432");
	bool one_port = strchr(ports, ',') == NULL;

	while (str_cut(&rest_hosts, ',', &host)) {
		struct str next_port;
		if (address->host_count == PG_HOSTS_MAX) {
			buf_printf(problem, "%s names more than %d hosts", hosts_setting, PG_HOSTS_MAX);
			return false;
		}
		if (str_cut(&rest_ports, ',', &next_port)) {
			port = str_trim(next_port);
		} else if (!one_port) {
			buf_printf(problem, "%s names more hosts than there are ports: give one port, or one for each host",
			           hosts_setting);
			return false;
		}
		if (port.len == 0)
			port = STR("5432");
		uint64_t number;
		if (!str_to_u64(port, 65535, &number) || number == 0) {
			buf_printf(problem, "%s: \"%.*s\" is no port (1 to 65535)", hosts_setting, STR_ARG(port));
			return false;
		}
		host = str_trim(host);
		address->hosts[address->host_count] = host.len > 0 ? arena_str(arena, host).ptr : "localhost";
		address->ports[address->host_count] = arena_str(arena, port).ptr;
		address->host_count++;
	}
	if (rest_ports.ptr != NULL && rest_ports.len > 0) {
		buf_printf(problem, "%s names fewer hosts than there are ports", hosts_setting);
		return false;
	}
	return true;
}

/* What every connection asks of the server, behind the URL's own options. A statement outlives nobody: it ends with the
 * request's time, with the client's socket, and an open transaction that fell silent gives its locks back. */
static void add_options(struct arena *arena, struct pg_address *address, const char *own, int request_timeout_ms)
{
	struct str options = arena_printf(arena,
		"%s%s-c statement_timeout=%d -c lock_timeout=%d -c idle_in_transaction_session_timeout=%d "
		"-c client_connection_check_interval=1000 -c tcp_keepalives_idle=5 -c tcp_keepalives_interval=2 "
		"-c tcp_keepalives_count=3 -c tcp_user_timeout=10000 -c timezone=UTC -c jit=off "
		"-c default_transaction_isolation=read\\ committed -c standard_conforming_strings=on "
		"-c max_parallel_workers_per_gather=0",
		own != NULL ? own : "", own != NULL ? " " : "", request_timeout_ms, request_timeout_ms,
		request_timeout_ms < 5000 ? 5000 : request_timeout_ms);
	add(arena, address, "options", options.ptr != NULL ? options.ptr : "");
}

static void add_common(struct arena *arena, struct pg_address *address, bool replica, const char *own_options,
                       int request_timeout_ms)
{
	static const char *const DEFAULTS[][2] = {
		{"application_name", "evently"}, {"keepalives", "1"}, {"keepalives_idle", "5"},
		{"keepalives_interval", "2"}, {"keepalives_count", "3"}, {"tcp_user_timeout", "10000"},
	};
	for (size_t i = 0; i < ARRAY_LENGTH(DEFAULTS); i++)
		if (value_of(address, DEFAULTS[i][0]) == NULL)
			add(arena, address, DEFAULTS[i][0], DEFAULTS[i][1]);
	add(arena, address, "client_encoding", "UTF8");
	add(arena, address, "target_session_attrs", replica ? "standby" : "read-write");
	add_options(arena, address, own_options, request_timeout_ms);
	address->user = value_of(address, "user") != NULL ? value_of(address, "user") : "(the system's)";
	address->name = value_of(address, "dbname") != NULL ? value_of(address, "dbname") : address->user;
	address->sslmode = value_of(address, "sslmode") != NULL ? value_of(address, "sslmode") : "prefer";
}

static bool read_url(struct pg_ways *ways, const struct config *config, int request_timeout_ms, struct buf *problem)
{
	const char *url = config->database_url;
	struct pg_address *address = &ways->primary;
	const char *hosts = "localhost", *ports = "5432", *own_options = NULL;
	char *message = NULL;

	/* SQLAlchemy's way to name a driver is common in this variable: postgresql+asyncpg://… */
	struct str text = str_from(url);
	const char *scheme_end = strstr(url, "://");
	if (scheme_end != NULL && str_starts_with(text, STR("postgresql+")))
		text = arena_printf(&ways->texts, "postgresql%s", scheme_end);
	PQconninfoOption *options = text.ptr != NULL ? PQconninfoParse(text.ptr, &message) : NULL;
	if (options == NULL) {
		/* libpq's message would repeat the URL, and the password with it. */
		PQfreemem(message);
		buf_printf(problem, "DATABASE_URL is not understood: it must read postgresql://user:password@host:port/name");
		return false;
	}
	address->from_url = true;
	for (PQconninfoOption *option = options; option->keyword != NULL; option++) {
		if (option->val == NULL || option->val[0] == '\0')
			continue;
		const char *copy = arena_str(&ways->texts, str_from(option->val)).ptr;
		if (strcmp(option->keyword, "password") == 0)
			explicit_bzero(option->val, strlen(option->val));
		if (strcmp(option->keyword, "host") == 0)
			hosts = copy;
		else if (strcmp(option->keyword, "port") == 0)
			ports = copy;
		else if (strcmp(option->keyword, "options") == 0)
			own_options = copy;
		else if (strcmp(option->keyword, "target_session_attrs") != 0 && strcmp(option->keyword, "client_encoding") != 0
		         && strcmp(option->keyword, "hostaddr") != 0 && strcmp(option->keyword, "connect_timeout") != 0) {
			const char *keyword = arena_str(&ways->texts, str_from(option->keyword)).ptr;
			if (keyword != NULL)
				add(&ways->texts, address, keyword, copy);
		}
	}
	PQconninfoFree(options);
	address->tls_from_url = value_of(address, "sslmode") != NULL;
	if (!address->tls_from_url)
		add(&ways->texts, address, "sslmode", config->db_sslmode);
	if (value_of(address, "sslrootcert") == NULL && config->db_ca_file[0] != '\0')
		add(&ways->texts, address, "sslrootcert", config->db_ca_file);
	if (value_of(address, "password") == NULL && config->db_password[0] != '\0')
		add(&ways->texts, address, "password", config->db_password);
	add_common(&ways->texts, address, false, own_options, request_timeout_ms);
	return add_hosts(&ways->texts, address, hosts, ports, "DATABASE_URL", problem);
}

static bool read_settings(struct pg_ways *ways, const struct config *config, int request_timeout_ms,
                          struct buf *problem)
{
	struct pg_address *address = &ways->primary;

	add(&ways->texts, address, "dbname", config->db_name);
	add(&ways->texts, address, "user", config->db_user);
	if (config->db_password[0] != '\0')
		add(&ways->texts, address, "password", config->db_password);
	add(&ways->texts, address, "sslmode", config->db_sslmode);
	if (config->db_ca_file[0] != '\0')
		add(&ways->texts, address, "sslrootcert", config->db_ca_file);
	add_common(&ways->texts, address, false, NULL, request_timeout_ms);
	return add_hosts(&ways->texts, address, config->db_host, config->db_port, "DB_HOST", problem);
}

/* Replicas take everything but the host from the primary's address. */
static bool read_replicas(struct pg_ways *ways, const char *list, struct buf *problem)
{
	struct str rest = str_from(list), entry;

	if (list[0] == '\0')
		return true;
	while (str_cut(&rest, ',', &entry)) {
		entry = str_trim(entry);
		if (entry.len == 0)
			continue;
		if (ways->replica_count == PG_REPLICAS_MAX) {
			buf_printf(problem, "DB_REPLICAS names more than %d replicas", PG_REPLICAS_MAX);
			return false;
		}
		struct pg_address *address = &ways->replicas[ways->replica_count];
		*address = ways->primary;
		address->host_count = 0;
		for (size_t i = 0; i < address->keyword_count; i++)
			if (strcmp(address->keywords[i], "target_session_attrs") == 0)
				address->values[i] = "standby";
		/* host, host:port, [v6]:port */
		const char *colon = memrchr(entry.ptr, ':', entry.len);
		const char *bracket = memrchr(entry.ptr, ']', entry.len);
		struct str host = entry, port = STR("5432");
		if (colon != NULL && (bracket == NULL || colon > bracket)) {
			host.len = (size_t)(colon - entry.ptr);
			port = str_skip(entry, host.len + 1);
		}
		if (host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
			host = (struct str){host.ptr + 1, host.len - 2};
		host = arena_str(&ways->texts, host);
		port = arena_str(&ways->texts, port);
		if (host.ptr == NULL || port.ptr == NULL
		    || !add_hosts(&ways->texts, address, host.ptr, port.ptr, "DB_REPLICAS", problem))
			return false;
		ways->replica_count++;
	}
	return true;
}

static void ways_free(struct pg_ways *ways)
{
	for (size_t i = 0; i < ways->primary.keyword_count; i++) {
		const char *value = ways->primary.values[i];
		if (value != NULL && strcmp(ways->primary.keywords[i], "password") == 0)
			explicit_bzero((char *)(uintptr_t)value, strlen(value));
	}
	arena_finish(&ways->texts);
	free(ways);
}

void address_forget(struct postgres_store *store)
{
	while (store->ways != NULL) {
		struct pg_ways *ways = store->ways;
		store->ways = ways->before;
		ways_free(ways);
	}
}

static bool same_text(const char *one, const char *other)
{
	return one == NULL || other == NULL ? one == other : strcmp(one, other) == 0;
}

bool address_same_place(const struct pg_address *one, const struct pg_address *other)
{
	if (one == other)
		return true;
	if (one->host_count != other->host_count || !same_text(value_of(one, "user"), value_of(other, "user")) ||
	    !same_text(value_of(one, "dbname"), value_of(other, "dbname")))
		return false;
	for (size_t i = 0; i < one->host_count; i++)
		if (strcmp(one->hosts[i], other->hosts[i]) != 0 || strcmp(one->ports[i], other->ports[i]) != 0)
			return false;
	return true;
}

static bool same_address(const struct pg_address *one, const struct pg_address *other)
{
	if (!address_same_place(one, other) || one->keyword_count != other->keyword_count)
		return false;
	for (size_t i = 0; i < one->keyword_count; i++)
		if (strcmp(one->keywords[i], other->keywords[i]) != 0 || strcmp(one->values[i], other->values[i]) != 0)
			return false;
	return true;
}

static bool same_ways(const struct pg_ways *one, const struct pg_ways *other)
{
	bool same = one->replica_count == other->replica_count && same_address(&one->primary, &other->primary);

	for (size_t i = 0; same && i < one->replica_count; i++)
		same = same_address(&one->replicas[i], &other->replicas[i]);
	return same;
}

/* From now on the peers are reached by these ways. */
static void adopt(struct postgres_store *store, struct pg_ways *ways)
{
	struct pg_ways *before = store->ways;

	ways->before = before;
	ways->primary.before = before != NULL ? &before->primary : NULL;
	for (size_t i = 0; i < ways->replica_count; i++)
		ways->replicas[i].before = before != NULL && i < before->replica_count ? &before->replicas[i] : NULL;
	store->ways = ways;
	atomic_store(&store->primary.address, &ways->primary);
	for (size_t i = 0; i < ways->replica_count; i++)
		atomic_store(&store->replicas[i].address, &ways->replicas[i]);
	atomic_store(&store->replica_count, ways->replica_count);
	if (before != NULL)
		log_info("store", "new connections to PostgreSQL are made with new settings");
}

bool address_read(struct postgres_store *store, const struct config *config, struct buf *problem)
{
	struct pg_ways *ways = calloc(1, sizeof *ways);

	if (ways == NULL) {
		buf_lit(problem, "Out of memory");
		return false;
	}
	arena_init(&ways->texts, TEXTS_BYTES_MAX);
	bool read = config->database_url[0] != '\0' ? read_url(ways, config, store->request_timeout_ms, problem)
	                                            : read_settings(ways, config, store->request_timeout_ms, problem);
	read = read && read_replicas(ways, config->db_replicas, problem);
	if (read && ways->texts.failed) {
		buf_lit(problem, "Out of memory");
		read = false;
	}
	if (!read || (store->ways != NULL && same_ways(store->ways, ways)))
		ways_free(ways);
	else
		adopt(store, ways);
	return read;
}
