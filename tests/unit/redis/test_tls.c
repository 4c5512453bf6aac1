/* TLS against a real redis-server, with certificates that the test makes itself. */
#include "redis/tls.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "redis/connection.h"
#include "unit/redis_server.h"

struct signer {
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t certificate;
};

static char folder[] = "/tmp/evently-tls-XXXXXX";

static const char *path(const char *name)
{
	static char paths[4][96];
	static unsigned next;
	char *text = paths[next++ % 4];

	snprintf(text, sizeof paths[0], "%s/%s", folder, name);
	return text;
}

static void write_file(const char *name, gnutls_datum_t pem)
{
	FILE *file = fopen(path(name), "w");

	assert_non_null(file);
	assert_int_equal(fwrite(pem.data, 1, pem.size, file), pem.size);
	fclose(file);
	gnutls_free(pem.data);
}

/* A certificate for 127.0.0.1 and localhost, signed by `issuer`, or by itself as a CA when that is NULL. */
static void make(struct signer *made, const struct signer *issuer, const char *name, const char *host)
{
	static const unsigned char loopback[] = {127, 0, 0, 1};
	unsigned char serial = issuer == NULL ? 1 : 2;
	gnutls_datum_t pem;
	char file[32];

	gnutls_x509_privkey_init(&made->key);
	assert_int_equal(gnutls_x509_privkey_generate(made->key, GNUTLS_PK_ECDSA,
						      GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0),
			 0);
	gnutls_x509_crt_init(&made->certificate);
	gnutls_x509_crt_set_version(made->certificate, 3);
	gnutls_x509_crt_set_serial(made->certificate, &serial, 1);
	gnutls_x509_crt_set_activation_time(made->certificate, time(NULL) - 3600);
	gnutls_x509_crt_set_expiration_time(made->certificate, time(NULL) + 3600);
	gnutls_x509_crt_set_key(made->certificate, made->key);
	gnutls_x509_crt_set_dn_by_oid(made->certificate, GNUTLS_OID_X520_COMMON_NAME, 0, name, (unsigned)strlen(name));
	if (issuer == NULL) {
		gnutls_x509_crt_set_ca_status(made->certificate, 1);
		gnutls_x509_crt_set_key_usage(made->certificate, GNUTLS_KEY_KEY_CERT_SIGN);
	} else {
		gnutls_x509_crt_set_subject_alt_name(made->certificate, GNUTLS_SAN_DNSNAME, host,
						     (unsigned)strlen(host), GNUTLS_FSAN_SET);
		if (strcmp(host, "localhost") == 0)
			gnutls_x509_crt_set_subject_alt_name(made->certificate, GNUTLS_SAN_IPADDRESS, loopback, 4,
							     GNUTLS_FSAN_APPEND);
	}
	const struct signer *by = issuer != NULL ? issuer : made;
	assert_int_equal(gnutls_x509_crt_sign2(made->certificate, by->certificate, by->key, GNUTLS_DIG_SHA256, 0), 0);
	assert_int_equal(gnutls_x509_crt_export2(made->certificate, GNUTLS_X509_FMT_PEM, &pem), 0);
	snprintf(file, sizeof file, "%s.pem", name);
	write_file(file, pem);
	assert_int_equal(gnutls_x509_privkey_export2(made->key, GNUTLS_X509_FMT_PEM, &pem), 0);
	snprintf(file, sizeof file, "%s.key", name);
	write_file(file, pem);
}

static void release(struct signer *signer)
{
	gnutls_x509_crt_deinit(signer->certificate);
	gnutls_x509_privkey_deinit(signer->key);
}

static int make_certificates(void **state)
{
	struct signer ca, other, server, elsewhere, client, stranger;

	(void)state;
	assert_non_null(mkdtemp(folder));
	make(&ca, NULL, "ca", "");
	make(&other, NULL, "other", "");
	make(&server, &ca, "server", "localhost");
	make(&elsewhere, &ca, "elsewhere", "elsewhere.example");
	make(&client, &ca, "client", "client.example");
	make(&stranger, &other, "stranger", "client.example");
	release(&ca);
	release(&other);
	release(&server);
	release(&elsewhere);
	release(&client);
	release(&stranger);
	return 0;
}

static int remove_certificates(void **state)
{
	(void)state;
	return nftw(folder, redis_server_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static struct redis_server server_of(const char *name, char port[8])
{
	struct redis_server server = {.silent = true};
	char certificate[32], key[32];
	static char kept[3][96];

	close(test_listen(&server.port));
	snprintf(port, 8, "%u", server.port);
	snprintf(certificate, sizeof certificate, "%s.pem", name);
	snprintf(key, sizeof key, "%s.key", name);
	snprintf(kept[0], sizeof kept[0], "%s", path(certificate));
	snprintf(kept[1], sizeof kept[1], "%s", path(key));
	snprintf(kept[2], sizeof kept[2], "%s", path("ca.pem"));
	const char *arguments[] = {"--tls-port",         port,    "--tls-cert-file",    kept[0],
				   "--tls-key-file",     kept[1], "--tls-ca-cert-file", kept[2],
				   "--tls-auth-clients", "no",    "--requirepass",      "secret"};
	memcpy(server.arguments, arguments, sizeof arguments);
	return server;
}

static void check_options(const struct redis_options *options, enum redis_result expected, const char *word)
{
	struct breaker breaker;
	struct arena arena;
	struct redis_reply **replies;

	redis_breaker_init(&breaker, 1);
	arena_init(&arena, 4 << 20);
	struct redis *redis = redis_create(options, &breaker);
	assert_non_null(redis);
	/* Twice: the second over the same connection, after the session tickets of TLS 1.3 came in. */
	for (int i = 0; i < 2 && breaker_state(&breaker) == BREAKER_CLOSED; i++) {
		redis_append(redis, STR("CLIENT"), STR("ID"));
		redis_append(redis, STR("PING"));
		enum redis_result result = redis_run(redis, clock_monotonic_ns() + 5 * CLOCK_SECOND, &arena, &replies);
		if (result != expected || strstr(redis_problem(redis), word) == NULL)
			fail_msg("%s, %s, %s: %s: %s", options->host, options->ca_file, options->certificate_file,
				 redis_result_name(result), redis_problem(redis));
		static int64_t id;
		if (result == REDIS_DONE && i == 1)
			assert_int_equal(replies[0]->integer, id);
		if (result == REDIS_DONE)
			id = replies[0]->integer;
	}
	redis_destroy(redis);
	breaker_finish(&breaker);
	arena_finish(&arena);
}

static void check(const struct redis_server *server, const char *host, const char *ca_file, enum redis_result expected,
		  const char *word)
{
	struct redis_options options = {.host = host,
					.user = "",
					.password = "secret",
					.ca_file = path(ca_file),
					.certificate_file = "",
					.key_file = "",
					.port = server->port,
					.timeout_ms = 1000,
					.tls = true};

	check_options(&options, expected, word);
}

static void a_server_may_ask_who_we_are(void **state)
{
	static const struct {
		const char *certificate, *key;
		enum redis_result expected;
		const char *word;
	} cases[] = {
		{"client.pem", "client.key", REDIS_DONE, ""},
		{"stranger.pem", "stranger.key", REDIS_LOST, ""},
		{"", "", REDIS_LOST, ""},
		{"client.pem", "stranger.key", REDIS_REFUSED, "REDIS_KEY_FILE"},
		{"absent.pem", "client.key", REDIS_REFUSED, "absent.pem"},
	};
	char port[8];
	struct redis_server server = server_of("server", port);

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(server.arguments); i++) {
		if (server.arguments[i] != NULL && strcmp(server.arguments[i], "no") == 0)
			server.arguments[i] = "yes"; /* --tls-auth-clients */
	}
	redis_server_start(&server);
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct redis_options options = {.host = "localhost",
						.user = "",
						.password = "secret",
						.ca_file = path("ca.pem"),
						.certificate_file = cases[i].certificate[0] != '\0' ? path(cases[i].certificate) : "",
						.key_file = cases[i].key[0] != '\0' ? path(cases[i].key) : "",
						.port = server.port,
						.timeout_ms = 1000,
						.tls = true};
		check_options(&options, cases[i].expected, cases[i].word);
	}
	redis_server_finish(&server);
}

static void chains_and_names_are_verified(void **state)
{
	char port[8];
	struct redis_server server = server_of("server", port);

	(void)state;
	redis_server_start(&server);
	check(&server, "localhost", "ca.pem", REDIS_DONE, "");
	check(&server, "127.0.0.1", "ca.pem", REDIS_DONE, "");
	check(&server, "localhost", "other.pem", REDIS_REFUSED, "and REDIS_CA_FILE");
	check(&server, "localhost", "absent.pem", REDIS_REFUSED, "absent.pem");
	redis_server_finish(&server);
}

static void a_certificate_of_another_host_is_refused(void **state)
{
	char port[8];
	struct redis_server server = server_of("elsewhere", port);

	(void)state;
	redis_server_start(&server);
	check(&server, "localhost", "ca.pem", REDIS_REFUSED, "does not match");
	check(&server, "127.0.0.1", "ca.pem", REDIS_REFUSED, "does not match");
	redis_server_finish(&server);
}

static void a_plain_server_is_told_apart(void **state)
{
	struct redis_server server = {.arguments = {"--requirepass", "secret"}};

	(void)state;
	redis_server_start(&server);
	/* It waits for a line feed, which never comes. */
	check(&server, "localhost", "ca.pem", REDIS_TIMEOUT, "check REDIS_USE_TLS");
	redis_server_finish(&server);
}

static void a_frozen_handshake_ends_in_time(void **state)
{
	unsigned port;
	int listener = test_listen(&port);
	struct redis_options options = {.host = "127.0.0.1",
					.user = "",
					.password = "",
					.ca_file = path("ca.pem"),
					.port = port,
					.timeout_ms = 100,
					.tls = true};
	struct breaker breaker;

	(void)state;
	redis_breaker_init(&breaker, 1);
	struct redis *redis = redis_create(&options, &breaker);
	uint64_t start_ns = clock_monotonic_ns();
	assert_int_equal(redis_ping(redis, start_ns + 5 * CLOCK_SECOND), REDIS_TIMEOUT);
	assert_true(clock_monotonic_ns() - start_ns < 2 * CLOCK_SECOND);
	redis_destroy(redis);
	breaker_finish(&breaker);
	close(listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chains_and_names_are_verified),
		cmocka_unit_test(a_server_may_ask_who_we_are),
		cmocka_unit_test(a_certificate_of_another_host_is_refused),
		cmocka_unit_test(a_plain_server_is_told_apart),
		cmocka_unit_test(a_frozen_handshake_ends_in_time),
	};
	return cmocka_run_group_tests(tests, make_certificates, remove_certificates);
}
