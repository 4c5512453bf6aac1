/* The issuer's keys by address: fetched, refreshed for unknown keys at a bounded rate, kept through every failure. The
 * issuer is an HTTPS server in this process, with a CA of its own. */
#include "auth/jwks_fetch.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "fixtures.h"
#include "support.h"

enum issuer_mode {
	ISSUER_ANSWERS,
	ISSUER_AWAY,      /* closes every connection */
	ISSUER_FAILS,     /* status 500, with a good body */
	ISSUER_REDIRECTS, /* to itself, with a good body */
	ISSUER_FLOODS,    /* more bytes than are allowed, without a length */
	ISSUER_HANGS      /* says nothing until the client goes */
};

static struct {
	int listener;
	unsigned port;
	char ca_file[64];
	gnutls_certificate_credentials_t credentials;
	pthread_t thread;
	pthread_mutex_t lock;
	/* under lock */
	enum issuer_mode mode;
	const char *body;
	unsigned connections;
} issuer = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void set_issuer(enum issuer_mode mode, const char *body)
{
	pthread_mutex_lock(&issuer.lock);
	issuer.mode = mode;
	issuer.body = body;
	pthread_mutex_unlock(&issuer.lock);
}

static unsigned connections(void)
{
	pthread_mutex_lock(&issuer.lock);
	unsigned count = issuer.connections;
	pthread_mutex_unlock(&issuer.lock);
	return count;
}

/* A certificate for 127.0.0.1, signed by itself: its own CA. */
static void make_certificate(void)
{
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t certificate;
	gnutls_datum_t pem;
	unsigned char address[4] = {127, 0, 0, 1};

	assert_int_equal(gnutls_x509_privkey_init(&key), 0);
	assert_int_equal(gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0), 0);
	assert_int_equal(gnutls_x509_crt_init(&certificate), 0);
	gnutls_x509_crt_set_version(certificate, 3);
	gnutls_x509_crt_set_serial(certificate, "\x01", 1);
	gnutls_x509_crt_set_activation_time(certificate, time(NULL) - 3600);
	gnutls_x509_crt_set_expiration_time(certificate, time(NULL) + 86400);
	gnutls_x509_crt_set_dn(certificate, "CN=issuer.test", NULL);
	gnutls_x509_crt_set_basic_constraints(certificate, 1, -1);
	gnutls_x509_crt_set_subject_alt_name(certificate, GNUTLS_SAN_IPADDRESS, address, sizeof address, GNUTLS_FSAN_SET);
	gnutls_x509_crt_set_key(certificate, key);
	assert_int_equal(gnutls_x509_crt_sign2(certificate, certificate, key, GNUTLS_DIG_SHA256, 0), 0);
	assert_int_equal(gnutls_certificate_allocate_credentials(&issuer.credentials), 0);
	assert_int_equal(gnutls_certificate_set_x509_key(issuer.credentials, &certificate, 1, key), 0);

	assert_int_equal(gnutls_x509_crt_export2(certificate, GNUTLS_X509_FMT_PEM, &pem), 0);
	strcpy(issuer.ca_file, "/tmp/evently-issuer-XXXXXX");
	int file = mkstemp(issuer.ca_file);
	assert_true(file >= 0);
	assert_int_equal(write(file, pem.data, pem.size), (ssize_t)pem.size);
	close(file);
	gnutls_free(pem.data);
	gnutls_x509_crt_deinit(certificate);
	gnutls_x509_privkey_deinit(key);
}

static bool read_request(gnutls_session_t session)
{
	char request[4096];
	size_t length = 0;

	while (length < sizeof request) {
		ssize_t got = gnutls_record_recv(session, request + length, sizeof request - length);
		if (got <= 0)
			return false;
		length += (size_t)got;
		if (memmem(request, length, "\r\n\r\n", 4) != NULL)
			return true;
	}
	return false;
}

static void send_text(gnutls_session_t session, const char *text)
{
	size_t left = strlen(text);

	while (left > 0) {
		ssize_t sent = gnutls_record_send(session, text, left);
		if (sent <= 0)
			return;
		text += sent;
		left -= (size_t)sent;
	}
}

static void answer(gnutls_session_t session, enum issuer_mode mode, const char *body)
{
	static char filler[16385];
	char byte;

	memset(filler, ' ', sizeof filler - 1);
	switch (mode) {
	case ISSUER_FAILS: send_text(session, "HTTP/1.0 500 Failed\r\n\r\n"); break;
	case ISSUER_REDIRECTS: send_text(session, "HTTP/1.0 302 Found\r\nLocation: /elsewhere\r\n\r\n"); break;
	case ISSUER_HANGS: gnutls_record_recv(session, &byte, 1); return;
	default: send_text(session, "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n"); break;
	}
	for (int i = 0; mode == ISSUER_FLOODS && i <= JWKS_FETCH_BYTES_MAX / (int)sizeof filler; i++)
		send_text(session, filler);
	send_text(session, body);
}

static void serve(int connection)
{
	gnutls_session_t session;

	pthread_mutex_lock(&issuer.lock);
	issuer.connections++;
	enum issuer_mode mode = issuer.mode;
	const char *body = issuer.body;
	pthread_mutex_unlock(&issuer.lock);
	if (mode == ISSUER_AWAY)
		return;
	CHECK(gnutls_init(&session, GNUTLS_SERVER) == 0 && gnutls_set_default_priority(session) == 0);
	CHECK(gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, issuer.credentials) == 0);
	gnutls_transport_set_int(session, connection);
	int shaken;
	do
		shaken = gnutls_handshake(session);
	while (shaken < 0 && gnutls_error_is_fatal(shaken) == 0);
	if (shaken == 0 && read_request(session)) {
		answer(session, mode, body);
		gnutls_bye(session, GNUTLS_SHUT_WR);
	}
	gnutls_deinit(session);
}

static void *run_issuer(void *unused)
{
	(void)unused;
	for (;;) {
		int connection = accept(issuer.listener, NULL, NULL);
		if (connection < 0 && errno == EINTR)
			continue;
		if (connection < 0)
			return NULL; /* shut down */
		setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){10, 0}, sizeof(struct timeval));
		serve(connection);
		close(connection);
	}
}

static int start_issuer(void **state)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof address;

	(void)state;
	unsetenv("https_proxy");
	unsetenv("HTTPS_PROXY");
	unsetenv("all_proxy");
	unsetenv("ALL_PROXY");
	make_certificate();
	issuer.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(issuer.listener, (struct sockaddr *)&address, length), 0);
	assert_int_equal(listen(issuer.listener, 16), 0);
	assert_int_equal(getsockname(issuer.listener, (struct sockaddr *)&address, &length), 0);
	issuer.port = ntohs(address.sin_port);
	return pthread_create(&issuer.thread, NULL, run_issuer, NULL);
}

static int stop_issuer(void **state)
{
	(void)state;
	shutdown(issuer.listener, SHUT_RDWR);
	pthread_join(issuer.thread, NULL);
	close(issuer.listener);
	unlink(issuer.ca_file);
	gnutls_certificate_free_credentials(issuer.credentials);
	return 0;
}

static const struct jwks_fetch_timing quick = {
	.interval_ms = 100, .gap_ms = 20, .retry_ms = 20, .retry_ms_max = 100, .timeout_ms = 5000};
/* Nothing by itself after the first fetch, within a test. */
static const struct jwks_fetch_timing on_demand = {
	.interval_ms = 600000, .gap_ms = 300, .retry_ms = 600000, .retry_ms_max = 600000, .timeout_ms = 5000};

struct client {
	char url[64];
	struct config config;
	struct authenticator *authenticator;
	struct jwks_fetch *fetch;
};

static void start_client(struct client *client, const struct jwks_fetch_timing *timing)
{
	snprintf(client->url, sizeof client->url, "https://127.0.0.1:%u/keys", issuer.port);
	client->config = settings("RS256", "");
	client->config.jwt_jwks_url = client->url;
	client->config.jwt_jwks_ca_file = issuer.ca_file;
	struct keys *keys = load(&client->config);
	client->authenticator = authenticator_create(keys);
	keys_unref(keys);
	client->fetch = jwks_fetch_start(&client->config, timing, client->authenticator);
	assert_non_null(client->fetch);
}

static void stop_client(struct client *client)
{
	jwks_fetch_stop(client->fetch);
	authenticator_destroy(client->authenticator);
}

static enum token_result check(struct client *client, const char *token)
{
	const struct principal *principal;
	struct buf header;
	bool missing;

	buf_init(&header, 8192);
	buf_printf(&header, "Bearer %s", token);
	enum token_result result = authenticator_check(client->authenticator, buf_view(&header), &principal, &missing);
	buf_finish(&header);
	return result;
}

/* Asks until the answer is the expected one, for at most 20 seconds. */
static void expect(struct client *client, const char *token, enum token_result expected)
{
	uint64_t deadline_ns = clock_monotonic_ns() + 20 * CLOCK_SECOND;
	enum token_result result = check(client, token);

	while (result != expected && clock_left_ms(deadline_ns) > 0) {
		nanosleep(&(struct timespec){0, 5000000}, NULL);
		result = check(client, token);
	}
	if (result != expected)
		fail_msg("%s, not %s", token_result_text(result), token_result_text(expected));
}

static void expect_connections(unsigned more_than)
{
	uint64_t deadline_ns = clock_monotonic_ns() + 20 * CLOCK_SECOND;

	while (connections() <= more_than && clock_left_ms(deadline_ns) > 0)
		nanosleep(&(struct timespec){0, 5000000}, NULL);
	assert_true(connections() > more_than);
}

static void keys_are_fetched_at_start(void **state)
{
	(void)state;
	struct client client;

	set_issuer(ISSUER_ANSWERS, JWKS);
	start_client(&client, &on_demand);
	assert_true(jwks_fetch_wait(client.fetch, 20000));
	assert_int_equal(check(&client, TOKEN_RS256_KID_A), TOKEN_OK);
	assert_int_equal(check(&client, TOKEN_RS256_KID_B), TOKEN_OK);
	stop_client(&client);
	jwks_fetch_stop(NULL);
}

/* JWKS_WEAK has the key a, JWKS has a and b. */
static void an_unknown_key_is_asked_for(void **state)
{
	(void)state;
	struct client client;

	set_issuer(ISSUER_ANSWERS, JWKS_WEAK);
	start_client(&client, &on_demand);
	assert_true(jwks_fetch_wait(client.fetch, 20000));
	assert_int_equal(check(&client, TOKEN_RS256_KID_A), TOKEN_OK);
	set_issuer(ISSUER_ANSWERS, JWKS);
	assert_int_equal(check(&client, TOKEN_RS256_KID_B), TOKEN_UNKNOWN_KEY);
	expect(&client, TOKEN_RS256_KID_B, TOKEN_OK);
	assert_int_equal(check(&client, TOKEN_RS256_KID_A), TOKEN_OK);
	stop_client(&client);
}

static void anybody_can_cause_only_a_few_fetches(void **state)
{
	(void)state;
	struct client client;

	set_issuer(ISSUER_ANSWERS, JWKS_WEAK);
	unsigned before = connections();
	start_client(&client, &on_demand);
	assert_true(jwks_fetch_wait(client.fetch, 20000));
	uint64_t start_ns = clock_monotonic_ns();
	while (clock_monotonic_ns() - start_ns < CLOCK_SECOND) {
		for (int i = 0; i < 100; i++)
			assert_int_equal(check(&client, TOKEN_RS256_KID_B), TOKEN_UNKNOWN_KEY);
	}
	uint64_t gaps = (clock_monotonic_ns() - start_ns) / (300 * CLOCK_MS);
	assert_true(connections() - before >= 2);
	assert_true(connections() - before <= 2 + gaps);
	stop_client(&client);
}

static void wrong_tokens_cause_no_fetch(void **state)
{
	(void)state;
	struct client client;

	set_issuer(ISSUER_ANSWERS, JWKS);
	start_client(&client, &on_demand);
	assert_true(jwks_fetch_wait(client.fetch, 20000));
	unsigned before = connections();
	uint64_t start_ns = clock_monotonic_ns();
	while (clock_monotonic_ns() - start_ns < 500 * CLOCK_MS) {
		assert_int_equal(check(&client, TOKEN_RS256_WRONG_KID), TOKEN_BAD_SIGNATURE);
		assert_int_equal(check(&client, TOKEN_ES256), TOKEN_WRONG_ALGORITHM);
		nanosleep(&(struct timespec){0, 1000000}, NULL);
	}
	assert_int_equal(connections(), before);
	stop_client(&client);
}

static void keys_survive_whatever_the_issuer_does(void **state)
{
	(void)state;
	static const struct {
		enum issuer_mode mode;
		const char *body;
	} rows[] = {
		{ISSUER_AWAY, ""},
		{ISSUER_FAILS, JWKS_WEAK},
		{ISSUER_REDIRECTS, JWKS_WEAK},
		{ISSUER_FLOODS, JWKS_WEAK},
		{ISSUER_ANSWERS, ""},
		{ISSUER_ANSWERS, "<html>"},
		{ISSUER_ANSWERS, "{\"keys\":[]}"},
		{ISSUER_ANSWERS, JWKS_SYMMETRIC},
		{ISSUER_ANSWERS, JWKS_PRIVATE},
	};
	struct client client;

	set_issuer(ISSUER_ANSWERS, JWKS);
	start_client(&client, &quick);
	assert_true(jwks_fetch_wait(client.fetch, 20000));
	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		set_issuer(rows[i].mode, rows[i].body);
		expect_connections(connections() + 2); /* two whole attempts at least */
		assert_int_equal(check(&client, TOKEN_RS256_KID_A), TOKEN_OK);
		assert_int_equal(check(&client, TOKEN_RS256_KID_B), TOKEN_OK);
	}
	/* It comes back without b: the key was withdrawn. */
	set_issuer(ISSUER_ANSWERS, JWKS_WEAK);
	expect(&client, TOKEN_RS256_KID_B, TOKEN_UNKNOWN_KEY);
	assert_int_equal(check(&client, TOKEN_RS256_KID_A), TOKEN_OK);
	stop_client(&client);
}

static void an_issuer_that_is_away_at_start_is_waited_for(void **state)
{
	(void)state;
	struct client client;

	set_issuer(ISSUER_AWAY, "");
	start_client(&client, &quick);
	assert_false(jwks_fetch_wait(client.fetch, 200));
	assert_int_equal(check(&client, TOKEN_RS256_KID_A), TOKEN_UNKNOWN_KEY);
	set_issuer(ISSUER_ANSWERS, JWKS);
	expect(&client, TOKEN_RS256_KID_A, TOKEN_OK);
	stop_client(&client);
}

static void a_certificate_of_an_unknown_ca_is_refused(void **state)
{
	(void)state;
	struct client client;

	set_issuer(ISSUER_ANSWERS, JWKS);
	char ca_file[sizeof issuer.ca_file];
	memcpy(ca_file, issuer.ca_file, sizeof ca_file);
	issuer.ca_file[0] = '\0'; /* the system's */
	start_client(&client, &quick);
	unsigned before = connections();
	expect_connections(before + 2);
	assert_false(jwks_fetch_wait(client.fetch, 0));
	assert_int_equal(check(&client, TOKEN_RS256_KID_A), TOKEN_UNKNOWN_KEY);
	stop_client(&client);
	memcpy(issuer.ca_file, ca_file, sizeof ca_file);
}

static void stopping_does_not_wait_for_the_issuer(void **state)
{
	(void)state;
	struct client client;
	struct jwks_fetch_timing patient = quick;

	patient.timeout_ms = 60000;
	unsigned before = connections();
	set_issuer(ISSUER_HANGS, "");
	start_client(&client, &patient);
	expect_connections(before);
	uint64_t start_ns = clock_monotonic_ns();
	stop_client(&client);
	assert_true(clock_monotonic_ns() - start_ns < 8 * CLOCK_SECOND);
}

static void a_slow_issuer_is_given_up(void **state)
{
	(void)state;
	struct client client;
	struct jwks_fetch_timing hasty = quick;

	hasty.timeout_ms = 1000;
	set_issuer(ISSUER_HANGS, "");
	start_client(&client, &hasty);
	unsigned before = connections();
	expect_connections(before + 1); /* it tried again */
	set_issuer(ISSUER_ANSWERS, JWKS);
	expect(&client, TOKEN_RS256_KID_A, TOKEN_OK);
	stop_client(&client);
}

/* New settings are used with the keys that are known, without the issuer's help. */
static void a_reload_keeps_the_fetched_keys(void **state)
{
	(void)state;
	struct client client;

	set_issuer(ISSUER_ANSWERS, JWKS);
	start_client(&client, &on_demand);
	assert_true(jwks_fetch_wait(client.fetch, 20000));
	assert_int_equal(check(&client, TOKEN_RS256_KID_A), TOKEN_OK);
	set_issuer(ISSUER_AWAY, "");
	client.config.jwt_issuer = "https://issuer.example";
	assert_true(jwks_fetch_set_config(client.fetch, &client.config));
	expect(&client, TOKEN_RS256_KID_A, TOKEN_WRONG_ISSUER);
	client.config.jwt_issuer = "";
	assert_true(jwks_fetch_set_config(client.fetch, &client.config));
	expect(&client, TOKEN_RS256_KID_A, TOKEN_OK);
	/* Another address is another issuer: what the first one said counts no more. */
	strcat(client.url, "/other");
	assert_true(jwks_fetch_set_config(client.fetch, &client.config));
	expect(&client, TOKEN_RS256_KID_A, TOKEN_UNKNOWN_KEY);
	stop_client(&client);
}

static void it_is_wanted_for_public_keys_only(void **state)
{
	(void)state;
	struct config config = settings("RS256", "");

	assert_false(jwks_fetch_wanted(&config));
	config.jwt_jwks_url = "https://issuer.example/keys";
	assert_true(jwks_fetch_wanted(&config));
	config.jwt_algorithm = "HS256";
	assert_false(jwks_fetch_wanted(&config));
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN); /* the issuer of this test may write to a fetch that was given up */
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_fetched_at_start),
		cmocka_unit_test(an_unknown_key_is_asked_for),
		cmocka_unit_test(anybody_can_cause_only_a_few_fetches),
		cmocka_unit_test(wrong_tokens_cause_no_fetch),
		cmocka_unit_test(keys_survive_whatever_the_issuer_does),
		cmocka_unit_test(an_issuer_that_is_away_at_start_is_waited_for),
		cmocka_unit_test(a_certificate_of_an_unknown_ca_is_refused),
		cmocka_unit_test(stopping_does_not_wait_for_the_issuer),
		cmocka_unit_test(a_slow_issuer_is_given_up),
		cmocka_unit_test(a_reload_keeps_the_fetched_keys),
		cmocka_unit_test(it_is_wanted_for_public_keys_only),
	};

	return cmocka_run_group_tests(tests, start_issuer, stop_issuer);
}
