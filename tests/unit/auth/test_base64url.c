/* base64url: RFC 4648 section 10 and RFC 7515 appendix C, and that each run of bytes has one spelling only. */
#include "auth/base64url.h"

#include "support.h"

static void examples_hold_both_ways(void **state)
{
	(void)state;
	static const struct {
		struct str bytes, text;
	} rows[] = {
		{STR(""), STR("")},
		{STR("f"), STR("Zg")},
		{STR("fo"), STR("Zm8")},
		{STR("foo"), STR("Zm9v")},
		{STR("foob"), STR("Zm9vYg")},
		{STR("fooba"), STR("Zm9vYmE")},
		{STR("foobar"), STR("Zm9vYmFy")},
		{STR("\x03\xec\xff\xe0\xc1"), STR("A-z_4ME")},
	};

	for (size_t i = 0; i < ARRAY_LENGTH(rows); i++) {
		unsigned char bytes[16];
		size_t count;
		struct buf text;
		assert_true(base64url_decode(rows[i].text, bytes, &count));
		assert_true(str_equal((struct str){(const char *)bytes, count}, rows[i].bytes));
		buf_init(&text, 64);
		base64url_encode(&text, rows[i].bytes.ptr, rows[i].bytes.len);
		assert_true(str_equal(buf_view(&text), rows[i].text));
		buf_finish(&text);
	}
}

static void other_texts_are_refused(void **state)
{
	(void)state;
	static const char *const texts[] = {"Z",    "Zm9vY", "Zg=",  "Zg==", "Zh",   "Zm9=",  "Zm9",  "Zm9v=", " Zg",
	                                    "Zg ",  "Z g",   "Zg\n", "A+z/", "A.z",  "\xc0Zg", "Zm9vZ", "=",    "A"};

	for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
		unsigned char bytes[16];
		size_t count;
		if (base64url_decode(str_from(texts[i]), bytes, &count))
			fail_msg("%s", texts[i]);
	}
	unsigned char bytes[16];
	size_t count;
	assert_false(base64url_decode((struct str){"Zg\0\0", 4}, bytes, &count));
}

/* Every text of three characters: what is accepted comes back as it was, so no two texts decode alike. */
static void what_is_accepted_has_one_spelling(void **state)
{
	(void)state;
	unsigned accepted = 0;
	struct buf again;

	buf_init(&again, 64);
	for (unsigned i = 0; i < 1u << 21; i++) {
		char text[3] = {(char)(i & 127), (char)(i >> 7 & 127), (char)(i >> 14)};
		unsigned char bytes[BASE64URL_BYTES(sizeof text)];
		size_t count;
		if (!base64url_decode((struct str){text, sizeof text}, bytes, &count))
			continue;
		buf_clear(&again);
		base64url_encode(&again, bytes, count);
		assert_true(str_equal(buf_view(&again), (struct str){text, sizeof text}));
		accepted++;
	}
	assert_int_equal(accepted, 65536); /* as many as there are pairs of bytes */
	buf_finish(&again);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(examples_hold_both_ways),
		cmocka_unit_test(other_texts_are_refused),
		cmocka_unit_test(what_is_accepted_has_one_spelling),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
