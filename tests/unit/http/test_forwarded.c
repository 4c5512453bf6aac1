/* The client behind proxies: what is believed of X-Forwarded-For, and what not. */
#include "http/forwarded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct str client_of(const char *trusted, const char *peer_text, const char *forwarded_for,
                            char text[ADDRESS_TEXT_BYTES])
{
	struct forwarded_trust trust;
	struct address peer;
	struct buf problem;

	buf_init(&problem, 1024);
	assert_true(forwarded_trust_parse(&trust, str_from(trusted), &problem));
	assert_true(address_parse(&peer, str_from(peer_text)));
	struct address client = forwarded_client(&trust, &peer, str_from(forwarded_for));
	buf_finish(&problem);
	return address_text(&client, text);
}

static void only_trusted_proxies_are_believed(void **state)
{
	(void)state;
#define PROXIES "10.0.0.0/8, 192.0.2.1,2001:db8::/32"
	static const struct {
		const char *name, *trusted, *peer, *forwarded_for, *client;
	} rows[] = {
		{"no header", PROXIES, "10.0.0.1", NULL, "10.0.0.1"},
		{"nobody trusted", "", "10.0.0.1", "203.0.113.9", "10.0.0.1"},
		{"peer not trusted", PROXIES, "198.51.100.7", "203.0.113.9", "198.51.100.7"},
		{"one proxy", PROXIES, "10.0.0.1", "203.0.113.9", "203.0.113.9"},
		{"several proxies", PROXIES, "10.0.0.1", "203.0.113.9, 192.0.2.1, 10.2.3.4", "203.0.113.9"},
		{"invented by the client", PROXIES, "10.0.0.1", "1.1.1.1, 10.9.9.9, 203.0.113.9", "203.0.113.9"},
		{"nonsense left of the client", PROXIES, "10.0.0.1", "<script>,,unknown, 203.0.113.9", "203.0.113.9"},
		{"all trusted", PROXIES, "10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"},
		{"IPv6 client", PROXIES, "10.0.0.1", "2a00::7", "2a00::7"},
		{"IPv6 proxy", PROXIES, "2001:db8::1", "203.0.113.9", "203.0.113.9"},
		{"mapped proxy", PROXIES, "::ffff:10.0.0.1", "203.0.113.9", "203.0.113.9"},
		{"with a port", PROXIES, "10.0.0.1", "203.0.113.9:4711", "203.0.113.9"},
		{"IPv6 in brackets", PROXIES, "10.0.0.1", "[2a00::7]", "2a00::7"},
		{"IPv6 with a port", PROXIES, "10.0.0.1", "[2a00::7]:443", "2a00::7"},
		{"spaces and tabs", PROXIES, "10.0.0.1", " \t203.0.113.9\t ", "203.0.113.9"},
		{"empty", PROXIES, "10.0.0.1", "", "10.0.0.1"},
		{"only commas", PROXIES, "10.0.0.1", ",,", "10.0.0.1"},
		{"unknown", PROXIES, "10.0.0.1", "203.0.113.9, unknown", "10.0.0.1"},
		{"unknown behind a proxy", PROXIES, "10.0.0.1", "203.0.113.9, unknown, 10.0.0.2", "10.0.0.1"},
		{"port too large", PROXIES, "10.0.0.1", "203.0.113.9:65536", "10.0.0.1"},
		{"port missing", PROXIES, "10.0.0.1", "203.0.113.9:", "10.0.0.1"},
		{"bracket open", PROXIES, "10.0.0.1", "[2a00::7", "10.0.0.1"},
		{"bracket and junk", PROXIES, "10.0.0.1", "[2a00::7]x", "10.0.0.1"},
		{"IPv4 in brackets", PROXIES, "10.0.0.1", "[203.0.113.9]", "10.0.0.1"},
		{"with a zone", PROXIES, "10.0.0.1", "fe80::1%eth0", "10.0.0.1"},
		{"another form", PROXIES, "10.0.0.1", "for=203.0.113.9", "10.0.0.1"},
	};

	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		char text[ADDRESS_TEXT_BYTES];
		struct str client = client_of(rows[i].trusted, rows[i].peer, rows[i].forwarded_for, text);
		if (!str_equal(client, str_from(rows[i].client)))
			fail_msg("%s: %s, not %s", rows[i].name, client.ptr, rows[i].client);
	}
}

static void the_walk_is_bounded(void **state)
{
	(void)state;
	char text[ADDRESS_TEXT_BYTES];
	struct buf header;

	for (unsigned hops = FORWARDED_HOPS_MAX - 2; hops <= FORWARDED_HOPS_MAX + 1; hops++) {
		buf_init(&header, 65536);
		buf_lit(&header, "203.0.113.9");
		for (unsigned i = 1; i < hops; i++)
			buf_lit(&header, ",10.0.0.2");
		buf_char(&header, '\0');
		struct str client = client_of("10.0.0.0/8", "10.0.0.1", header.ptr, text);
		assert_string_equal(client.ptr, hops <= FORWARDED_HOPS_MAX ? "203.0.113.9" : "10.0.0.1");
		buf_finish(&header);
	}
}

static void bad_settings_are_named(void **state)
{
	(void)state;
	static const char *const texts[] = {"10.0.0.0/33", "proxy.example", "10.0.0.1,", ",", "10.0.0.1 10.0.0.2", "10.0.0.1;"};

	for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
		struct forwarded_trust trust;
		struct buf problem;
		buf_init(&problem, 1024);
		if (forwarded_trust_parse(&trust, str_from(texts[i]), &problem))
			fail_msg("%s", texts[i]);
		assert_non_null(memmem(problem.ptr, problem.len, "TRUSTED_PROXIES has ", 20));
		buf_finish(&problem);
	}
	struct forwarded_trust trust;
	struct buf many, problem;
	buf_init(&many, 4096);
	buf_init(&problem, 1024);
	for (int i = 0; i <= FORWARDED_NETWORKS_MAX; i++)
		buf_printf(&many, "%s10.0.0.%d", i > 0 ? "," : "", i);
	assert_false(forwarded_trust_parse(&trust, buf_view(&many), &problem));
	buf_finish(&many);
	buf_finish(&problem);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_trusted_proxies_are_believed),
		cmocka_unit_test(the_walk_is_bounded),
		cmocka_unit_test(bad_settings_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
