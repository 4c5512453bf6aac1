/* The table of settings; see config.h for the columns. Order is the order of the documentation. */
#ifndef EVENTLY_CONFIG_SETTINGS_H
#define EVENTLY_CONFIG_SETTINGS_H

#define SETTINGS(X) \
	X(host, "HOST", TEXT, "127.0.0.1", 0, 255, NULL, false, false, "HTTP", "Address to listen on.") \
	X(port, "PORT", INTEGER, "8001", 0, 65535, NULL, false, false, "HTTP", "Port to listen on; 0 takes a free one and prints it.") \
	X(http_threads, "HTTP_THREADS", INTEGER, "0", 0, 256, NULL, false, false, "HTTP", "Threads that serve connections; 0 is one a core.") \
	X(connections_max, "CONNECTIONS_MAX", INTEGER, "10240", 1, 1000000, NULL, false, false, "HTTP", "Open client connections; more are closed at once.") \
	X(connections_per_address_max, "CONNECTIONS_PER_ADDRESS_MAX", INTEGER, "0", 0, 1000000, NULL, false, false, "HTTP", "Open connections of one client address; 0 is no limit of its own.") \
	X(idle_timeout_s, "IDLE_TIMEOUT_SECONDS", INTEGER, "75", 1, 3600, NULL, false, false, "HTTP", "Seconds a connection may be silent before it is closed.") \
	X(request_timeout_ms, "REQUEST_TIMEOUT_MS", INTEGER, "10000", 10, 600000, NULL, false, false, "HTTP", "Milliseconds a request may take, database and Redis included; then 504.") \
	X(body_timeout_ms, "BODY_TIMEOUT_MS", INTEGER, "20000", 10, 600000, NULL, false, false, "HTTP", "Milliseconds a client may take to send headers and body; then the connection is closed.") \
	X(body_bytes_max, "BODY_BYTES_MAX", INTEGER, "1048576", 1024, 16777216, NULL, false, false, "HTTP", "Bytes of a request body; more is 413.") \
	X(import_bytes_max, "IMPORT_BYTES_MAX", INTEGER, "134217728", 1024, 1073741824, NULL, false, false, "HTTP", "Bytes of an import's body; more is 413.") \
	X(drain_timeout_s, "DRAIN_TIMEOUT_SECONDS", INTEGER, "20", 0, 600, NULL, false, false, "HTTP", "Seconds that open requests get after SIGTERM.") \
	X(drain_delay_s, "DRAIN_DELAY_SECONDS", INTEGER, "0", 0, 600, NULL, false, false, "HTTP", "Seconds between SIGTERM and the end of listening, in which /health/ready already says no: a balancer's time to notice.") \
	X(cors_origins, "CORS_ORIGINS", TEXT, "", 0, 4096, NULL, false, true, "HTTP", "Origins that browsers may call from, comma-separated; * allows any, without credentials.") \
	X(metrics_port, "METRICS_PORT", INTEGER, "0", 0, 65535, NULL, false, false, "HTTP", "Serve /metrics on this port only; 0 serves it on PORT.") \
	X(tls_certificate_file, "TLS_CERTIFICATE_FILE", TEXT, "", 0, 4096, NULL, false, true, "HTTP", "PEM certificate chain; with TLS_KEY_FILE the port speaks TLS.") \
	X(tls_key_file, "TLS_KEY_FILE", TEXT, "", 0, 4096, NULL, false, true, "HTTP", "PEM private key of the certificate.") \
	X(trusted_proxies, "TRUSTED_PROXIES", TEXT, "", 0, 4096, NULL, false, true, "HTTP", "Addresses or networks whose X-Forwarded-For is believed, comma-separated.") \
	X(rate_limit, "RATE_LIMIT", TEXT, "", 0, 64, NULL, false, true, "HTTP", "Requests allowed to one user or address, as COUNT/SECONDS (600/60); empty is no limit.") \
	X(data_dir, "DATA_DIR", TEXT, "data", 1, 4096, NULL, false, false, "Store", "Folder of the embedded store and of its generated secret.") \
	X(database_url, "DATABASE_URL", TEXT, "", 0, 4096, NULL, true, true, "Store", "PostgreSQL as postgresql://user:password@host1,host2/name; wins over DB_*.") \
	X(db_host, "DB_HOST", TEXT, "", 0, 4096, NULL, false, true, "Store", "PostgreSQL host, or several, comma-separated; empty uses the embedded store.") \
	X(db_port, "DB_PORT", TEXT, "5432", 1, 255, NULL, false, true, "Store", "PostgreSQL port, or one for each host.") \
	X(db_name, "DB_NAME", TEXT, "evently", 1, 255, NULL, false, true, "Store", "PostgreSQL database.") \
	X(db_user, "DB_USER", TEXT, "evently", 1, 255, NULL, false, true, "Store", "PostgreSQL user.") \
	X(db_password, "DB_PASSWORD", TEXT, "", 0, 4096, NULL, true, true, "Store", "PostgreSQL password.") \
	X(db_sslmode, "DB_SSLMODE", CHOICE, "prefer", 0, 0, "disable|allow|prefer|require|verify-ca|verify-full", false, true, "Store", "TLS to PostgreSQL, in libpq's words.") \
	X(db_ca_file, "DB_CA_FILE", TEXT, "", 0, 4096, NULL, false, true, "Store", "PEM file of the CA that signed PostgreSQL's certificate.") \
	X(db_replicas, "DB_REPLICAS", TEXT, "", 0, 4096, NULL, false, true, "Store", "Replicas to read from, as host:port, comma-separated.") \
	X(db_connect_timeout_ms, "DB_CONNECT_TIMEOUT_MS", INTEGER, "2000", 50, 60000, NULL, false, true, "Store", "Milliseconds to connect to PostgreSQL.") \
	X(lease_ms, "LEASE_MS", INTEGER, "1000", 100, 10000, NULL, false, false, "Store", "Milliseconds an instance may answer from its cache after it last heard from the database.") \
	X(redis_url, "REDIS_URL", TEXT, "", 0, 4096, NULL, true, true, "Redis", "Redis as redis://user:password@host:port/number (rediss: with TLS); wins over REDIS_*.") \
	X(redis_host, "REDIS_HOST", TEXT, "", 0, 255, NULL, false, true, "Redis", "Redis host; empty works without Redis.") \
	X(redis_port, "REDIS_PORT", INTEGER, "6379", 1, 65535, NULL, false, true, "Redis", "Redis port.") \
	X(redis_user, "REDIS_USER", TEXT, "", 0, 255, NULL, false, true, "Redis", "Redis ACL user; empty is the default user.") \
	X(redis_password, "REDIS_PASSWORD", TEXT, "", 0, 4096, NULL, true, true, "Redis", "Redis password.") \
	X(redis_database, "REDIS_DATABASE", INTEGER, "0", 0, 1023, NULL, false, true, "Redis", "Redis database number.") \
	X(redis_use_tls, "REDIS_USE_TLS", BOOLEAN, "false", 0, 0, NULL, false, true, "Redis", "TLS to Redis.") \
	X(redis_ca_file, "REDIS_CA_FILE", TEXT, "", 0, 4096, NULL, false, true, "Redis", "PEM file of the CA that signed Redis' certificate; empty trusts the system's.") \
	X(redis_certificate_file, "REDIS_CERTIFICATE_FILE", TEXT, "", 0, 4096, NULL, false, true, "Redis", "PEM certificate chain that is shown to Redis; with REDIS_KEY_FILE.") \
	X(redis_key_file, "REDIS_KEY_FILE", TEXT, "", 0, 4096, NULL, false, true, "Redis", "PEM private key of that certificate.") \
	X(redis_cluster, "REDIS_CLUSTER", TEXT, "", 0, 4096, NULL, false, true, "Redis", "Nodes of a Redis Cluster, as host:port, comma-separated.") \
	X(redis_sentinels, "REDIS_SENTINELS", TEXT, "", 0, 4096, NULL, false, true, "Redis", "Sentinels, as host:port, comma-separated.") \
	X(redis_master_name, "REDIS_MASTER_NAME", TEXT, "mymaster", 1, 255, NULL, false, true, "Redis", "Name of the master that the sentinels watch.") \
	X(redis_timeout_ms, "REDIS_TIMEOUT_MS", INTEGER, "50", 5, 10000, NULL, false, false, "Redis", "Milliseconds that a Redis call may take.") \
	X(stream_entries_max, "STREAM_ENTRIES_MAX", INTEGER, "1000000", 1000, 1000000000, NULL, false, false, "Redis", "Entries kept in the Redis stream, about.") \
	X(jwt_secret, "JWT_SECRET", TEXT, "", 0, 16384, NULL, true, true, "Tokens", "Key of HS256/384/512, 32 bytes or more; several, newest first, comma-separated.") \
	X(jwt_algorithm, "JWT_ALGORITHM", CHOICE, "HS256", 0, 0, "HS256|HS384|HS512|RS256|PS256|ES256|EdDSA", false, true, "Tokens", "The one algorithm that tokens may use.") \
	X(jwt_expiry_minutes, "JWT_EXPIRY_MINUTES", INTEGER, "30", 1, 525600, NULL, false, true, "Tokens", "Minutes that tokens made by `evently token` are valid.") \
	X(jwt_grace_s, "JWT_GRACE_SECONDS", INTEGER, "300", 0, 86400, NULL, false, true, "Tokens", "Seconds that keys which a reload has replaced are still accepted; 0 ends them at once.") \
	X(jwt_public_keys, "JWT_PUBLIC_KEYS", TEXT, "", 0, 4096, NULL, false, true, "Tokens", "File of public keys (PEM or JWKS) for RS256, PS256, ES256, EdDSA.") \
	X(jwt_jwks_url, "JWT_JWKS_URL", TEXT, "", 0, 4096, NULL, false, true, "Tokens", "Address of the issuer's JWKS (https), fetched and refreshed.") \
	X(jwt_jwks_ca_file, "JWT_JWKS_CA_FILE", TEXT, "", 0, 4096, NULL, false, true, "Tokens", "PEM file of the CA that signed the certificate of JWT_JWKS_URL; empty trusts the system's.") \
	X(jwt_issuer, "JWT_ISSUER", TEXT, "", 0, 1024, NULL, false, true, "Tokens", "Required `iss`; empty does not ask for one.") \
	X(jwt_audience, "JWT_AUDIENCE", TEXT, "", 0, 1024, NULL, false, true, "Tokens", "Required `aud`; empty does not ask for one.") \
	X(cache_ttl_events_s, "CACHE_TTL_EVENTS", INTEGER, "300", 0, 86400, NULL, false, false, "Cache", "Seconds a list may be cached.") \
	X(cache_ttl_event_details_s, "CACHE_TTL_EVENT_DETAILS", INTEGER, "600", 0, 86400, NULL, false, false, "Cache", "Seconds an event may be cached.") \
	X(cache_ttl_bookings_s, "CACHE_TTL_BOOKINGS", INTEGER, "60", 0, 86400, NULL, false, false, "Cache", "The longest in seconds that a capacity answer is cached.") \
	X(cache_bytes_max, "CACHE_MAX_BYTES", INTEGER, "268435456", 0, INT64_MAX, NULL, false, false, "Cache", "Bytes of the in-process cache; 0 caches nothing.") \
	X(drafts_visible_to, "DRAFTS_VISIBLE_TO", CHOICE, "admins", 0, 0, "admins|users", false, false, "Rights", "Who sees drafts.") \
	X(zero_token, "ZERO_TOKEN", TEXT, "", 0, 4096, NULL, true, false, "Secrets", "Token of the Zero secrets manager; empty does not ask it.") \
	X(zero_url, "ZERO_URL", TEXT, "https://core.tryzero.com/graphql", 1, 4096, NULL, false, false, "Secrets", "Address of Zero's interface.") \
	X(zero_ca_file, "ZERO_CA_FILE", TEXT, "", 0, 4096, NULL, false, false, "Secrets", "PEM file of the CA that signed Zero's certificate; empty trusts the system's.") \
	X(secrets_refresh_s, "SECRETS_REFRESH_SECONDS", INTEGER, "0", 0, 86400, NULL, false, false, "Secrets", "Seconds between fetches of the secrets; 0 fetches at start and on SIGHUP only.") \
	X(log_level, "LOG_LEVEL", CHOICE, "info", 0, 0, "debug|info|warning|error", false, true, "Log", "Least level that is logged.") \
	X(log_format, "LOG_FORMAT", CHOICE, "json", 0, 0, "json|text", false, false, "Log", "json for machines, text for people.") \
	X(access_log, "ACCESS_LOG", CHOICE, "off", 0, 0, "on|off", false, true, "Log", "One line a request.")

#endif
