/* Words of ASCII texts, in the form that PostgreSQL reads. That it finds the same words is tests/fault/test_postgres.py's. */
#include "test.h"

#include "store/postgres/words.h"

/* "a b" stands for the words a and b: what `expected` says is compared with the bytes. */
static void assert_words(struct str first, struct str second, const char *expected)
{
	struct str texts[] = {first, second, STR_NONE};
	struct arena arena;
	struct buf out;
	size_t at = 4, count = 0;

	arena_init(&arena, 1 << 20);
	buf_init(&out, 1 << 20);
	assert_true(words_of_ascii(texts, ARRAY_LENGTH(texts), &arena, &out));
	while (*expected != '\0') {
		size_t bytes = strcspn(expected, " ");
		assert_true(at + bytes + 3 <= out.len);
		assert_memory_equal(expected, out.ptr + at, bytes);
		assert_memory_equal("\0\0\0", out.ptr + at + bytes, 3);
		at += bytes + 3;
		expected += bytes + (expected[bytes] == ' ');
		count++;
	}
	assert_int_equal(at, out.len);
	assert_int_equal(count, (unsigned char)out.ptr[3]);
	assert_int_equal(0, out.ptr[0] | out.ptr[1] | out.ptr[2]);
	buf_finish(&out);
	arena_finish(&arena);
}

static void test_words(void **state)
{
	(void)state;
	assert_words(STR(""), STR_NONE, "");
	assert_words(STR(" .,;_-\x01\x7f~"), STR("\t\n"), "");
	assert_words(STR("Jazz Night"), STR("jazz in the NIGHT"), "in jazz night the");
	assert_words(STR("rock'n'roll 2027-03-01"), STR("a"), "01 03 2027 a n rock roll");
	assert_words(STR("ab a abc b"), STR("B_a"), "a ab abc b");
	assert_words(STR("@AZ[`az{/09:"), STR_NONE, "09 az");
}

static void test_long_words_are_cut(void **state)
{
	char text[402], expected[201];

	(void)state;
	memset(text, 'X', 300);
	memcpy(text + 300, " xx", 4);
	memset(expected, 'x', 200);
	expected[200] = '\0';
	struct str words[] = {str_from(text)};
	struct arena arena;
	struct buf out;
	arena_init(&arena, 1 << 20);
	buf_init(&out, 1 << 20);
	assert_true(words_of_ascii(words, 1, &arena, &out));
	assert_int_equal(4 + 2 + 3 + 200 + 3, out.len);
	assert_memory_equal("xx\0\0\0", out.ptr + 4, 5);
	assert_memory_equal(expected, out.ptr + 9, 201);
	buf_finish(&out);
	arena_finish(&arena);
}

static void test_other_texts_are_left_alone(void **state)
{
	const struct str others[] = {STR("caf\xc3\xa9"), {"a\0b", 3}, STR("\x80")};
	struct arena arena;
	struct buf out;

	(void)state;
	arena_init(&arena, 1 << 20);
	buf_init(&out, 1 << 20);
	for (size_t i = 0; i < ARRAY_LENGTH(others); i++) {
		struct str texts[] = {STR("jazz"), others[i]};
		assert_false(words_of_ascii(texts, 2, &arena, &out));
		assert_int_equal(0, out.len);
	}
	buf_finish(&out);
	arena_finish(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_long_words_are_cut),
		cmocka_unit_test(test_other_texts_are_left_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
