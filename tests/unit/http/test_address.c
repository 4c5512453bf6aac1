/* Addresses and networks: which texts are one, and which address lies where. */
#include "http/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>

static void texts_are_read_strictly(void **state)
{
	(void)state;
	static const struct {
		const char *text, *printed; /* NULL: refused */
	} rows[] = {
		{"192.0.2.1", "192.0.2.1"},
		{"0.0.0.0", "0.0.0.0"},
		{"2001:DB8:0:0:0:0:0:1", "2001:db8::1"},
		{"::", "::"},
		{"::ffff:192.0.2.1", "192.0.2.1"},
		{"::FFFF:c000:0201", "192.0.2.1"},
		{"::192.0.2.1", "::192.0.2.1"},
		{"192.0.2", NULL},
		{"192.0.2.256", NULL},
		{"192.0.2.01", NULL},
		{"0xc0.0.2.1", NULL},
		{"3221225985", NULL},
		{" 192.0.2.1", NULL},
		{"192.0.2.1 ", NULL},
		{"192.0.2.1:80", NULL},
		{"[::1]", NULL},
		{"fe80::1%eth0", NULL},
		{"1::2::3", NULL},
		{"", NULL},
		{"unknown", NULL},
		{"2001:0db8:0000:0000:0000:0000:0000:00000000000000000001", NULL},
	};

	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		struct address address;
		char text[ADDRESS_TEXT_BYTES];
		if (address_parse(&address, str_from(rows[i].text)) != (rows[i].printed != NULL))
			fail_msg("%s", rows[i].text);
		if (rows[i].printed != NULL)
			assert_string_equal(address_text(&address, text).ptr, rows[i].printed);
	}
	struct address address;
	assert_false(address_parse(&address, (struct str){"192.0.2.1\0", 10}));
	assert_false(address_parse(&address, STR_NONE));
}

static void networks_hold_their_addresses(void **state)
{
	(void)state;
	static const struct {
		const char *network, *address;
		bool inside;
	} rows[] = {
		{"10.0.0.0/8", "10.255.255.255", true},       {"10.0.0.0/8", "11.0.0.0", false},
		{"10.9.9.9/8", "10.0.0.1", true},             {"192.0.2.1", "192.0.2.1", true},
		{"192.0.2.1", "192.0.2.2", false},            {"192.0.2.0/31", "192.0.2.1", true},
		{"192.0.2.0/31", "192.0.2.2", false},         {"172.16.0.0/12", "172.31.255.255", true},
		{"172.16.0.0/12", "172.32.0.0", false},       {"0.0.0.0/0", "203.0.113.9", true},
		{"0.0.0.0/0", "::1", false},                  {"::/0", "203.0.113.9", false},
		{"::/0", "::1", true},                        {"2001:db8::/32", "2001:db8:ffff::1", true},
		{"2001:db8::/32", "2001:db9::", false},       {"2001:db8::/61", "2001:db8:0:7::", true},
		{"2001:db8::/61", "2001:db8:0:8::", false},   {"::1/128", "::1", true},
		{"::1", "::2", false},                        {"10.0.0.0/8", "::ffff:10.1.2.3", true},
	};

	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		struct network network;
		struct address address;
		assert_true(network_parse(&network, str_from(rows[i].network)));
		assert_true(address_parse(&address, str_from(rows[i].address)));
		if (address_in(&address, &network) != rows[i].inside)
			fail_msg("%s in %s", rows[i].address, rows[i].network);
	}
	static const char *const refused[] = {"",           "/8",          "10.0.0.0/",   "10.0.0.0/33", "::/129",
	                                      "10.0.0.0/8/8", "10.0.0.0/-1", "10.0.0.0/ 8", "10.0.0/8",    "10.0.0.0/255.0.0.0"};
	for (size_t i = 0; i < ARRAY_LENGTH(refused); i++) {
		struct network network;
		if (network_parse(&network, str_from(refused[i])))
			fail_msg("%s", refused[i]);
	}
}

static void sockets_tell_their_peer(void **state)
{
	(void)state;
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	struct sockaddr other = {.sa_family = AF_UNIX};
	struct address address;
	char text[ADDRESS_TEXT_BYTES];

	assert_int_equal(inet_pton(AF_INET, "192.0.2.1", &v4.sin_addr), 1);
	assert_true(address_from_socket(&address, (const struct sockaddr *)&v4));
	assert_string_equal(address_text(&address, text).ptr, "192.0.2.1");
	assert_int_equal(inet_pton(AF_INET6, "::ffff:192.0.2.1", &v6.sin6_addr), 1);
	assert_true(address_from_socket(&address, (const struct sockaddr *)&v6));
	assert_string_equal(address_text(&address, text).ptr, "192.0.2.1");
	assert_int_equal(inet_pton(AF_INET6, "2001:db8:1:2:3:4:5:6", &v6.sin6_addr), 1);
	assert_true(address_from_socket(&address, (const struct sockaddr *)&v6));
	struct address part = address_client_part(&address);
	assert_string_equal(address_text(&part, text).ptr, "2001:db8:1:2::");
	assert_false(address_from_socket(&address, &other));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_are_read_strictly),
		cmocka_unit_test(networks_hold_their_addresses),
		cmocka_unit_test(sockets_tell_their_peer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
