#include "redis/address.h"

#include "unit/test.h"

static void urls_are_taken_apart(void **state)
{
	static const struct {
		const char *url, *host, *user, *password;
		unsigned port, database;
		bool tls;
	} cases[] = {
		{"redis://localhost", "localhost", "", "", 6379, 0, false},
		{"redis://", "localhost", "", "", 6379, 0, false},
		{"redis:///3", "localhost", "", "", 6379, 3, false},
		{"REDISS://Cache.example:7000/", "Cache.example", "", "", 7000, 0, true},
		{"redis://:secret@10.0.0.1:6380/15", "10.0.0.1", "", "secret", 6380, 15, false},
		{"redis://app:p%40ss%3Aw%2Ford%25@h/1", "h", "app", "p@ss:w/ord%", 6379, 1, false},
		{"redis://a:b:c@d@h", "h", "a", "b:c@d", 6379, 0, false},
		{"redis://%C3%A9:x@h", "h", "\xc3\xa9", "x", 6379, 0, false},
		{"redis://[::1]", "::1", "", "", 6379, 0, false},
		{"rediss://u:p@[fe80::1%eth0]:1/1023", "fe80::1%eth0", "u", "p", 1, 1023, true},
		{"redis://h:/0", "h", "", "", 6379, 0, false},
		{"redis://h:65535", "h", "", "", 65535, 0, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct redis_address address;
		struct arena arena;
		struct buf problem;
		arena_init(&arena, 65536);
		buf_init(&problem, 1024);
		if (!redis_address_parse(&address, str_from(cases[i].url), &arena, &problem))
			fail_msg("%s: %.*s", cases[i].url, STR_ARG(buf_view(&problem)));
		assert_string_equal(address.host, cases[i].host);
		assert_string_equal(address.user, cases[i].user);
		assert_string_equal(address.password, cases[i].password);
		assert_int_equal(address.port, cases[i].port);
		assert_int_equal(address.database, cases[i].database);
		assert_int_equal(address.tls, cases[i].tls);
		buf_finish(&problem);
		arena_finish(&arena);
	}
}

static void bad_urls_are_refused_without_their_password(void **state)
{
	static const struct {
		const char *url, *word;
	} cases[] = {
		{"", "redis://"},
		{"redis:/hidden", "redis://"},
		{"http://hidden", "redis://"},
		{"redis://hidden@h", "without a password"},
		{"redis://u:hidden%4@h", "percent-encoded"},
		{"redis://u:hidden%@h", "percent-encoded"},
		{"redis://u:hidden%zz@h", "percent-encoded"},
		{"redis://u:hidden%00@h", "percent-encoded"},
		{"redis://u:hidden?@h", "?"},
		{"redis://u:hidden@h?db=1", "?"},
		{"redis://u:hidden@h#1", "#"},
		{"redis://u:hidden@h:0", "port"},
		{"redis://u:hidden@h:65536", "port"},
		{"redis://u:hidden@h:x", "port"},
		{"redis://u:hidden@h:-1", "port"},
		{"redis://u:hidden@::1", "brackets"},
		{"redis://u:hidden@[::1", "]"},
		{"redis://u:hidden@[::1]x", "]"},
		{"redis://u:hidden@h o", "character"},
		{"redis://u:hidden@h\n", "character"},
		{"redis://u:hidden@h/1024", "database"},
		{"redis://u:hidden@h/x", "database"},
		{"redis://u:hidden@h/1/2", "database"},
		{"redis://u:hidden@h/-1", "database"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LENGTH(cases); i++) {
		struct redis_address address;
		struct arena arena;
		struct buf problem;
		arena_init(&arena, 65536);
		buf_init(&problem, 1024);
		if (redis_address_parse(&address, str_from(cases[i].url), &arena, &problem))
			fail_msg("accepted: %s", cases[i].url);
		buf_char(&problem, '\0');
		if (strstr(problem.ptr, cases[i].word) == NULL || strstr(problem.ptr, "hidden") != NULL)
			fail_msg("%s: %s", cases[i].url, problem.ptr);
		buf_finish(&problem);
		arena_finish(&arena);
	}
}

static void without_memory_it_fails(void **state)
{
	struct redis_address address;
	struct arena arena;
	struct buf problem;

	(void)state;
	arena_init(&arena, 0);
	buf_init(&problem, 1024);
	assert_false(redis_address_parse(&address, STR("redis://h"), &arena, &problem));
	buf_finish(&problem);
	arena_finish(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urls_are_taken_apart),
		cmocka_unit_test(bad_urls_are_refused_without_their_password),
		cmocka_unit_test(without_memory_it_fails),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
