/* The table of verified tokens: what it keeps, for which generation, and that it stays bounded. */
#include "auth/token_table.h"

#include "support.h"

static struct token_table table;

static struct str token_of(char text[32], int number)
{
	snprintf(text, 32, "token-%d", number);
	return str_from(text);
}

static void keep(struct str token, uint64_t generation, int64_t user_id)
{
	token_table_keep(&table, token, generation, &(struct principal){.user_id = user_id});
}

static int64_t find(struct str token, uint64_t generation)
{
	const struct principal *principal = token_table_find(&table, token, generation);

	return principal != NULL ? principal->user_id : 0;
}

static int set_up(void **state)
{
	(void)state;
	return token_table_init(&table) ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	token_table_finish(&table);
	token_table_finish(&table);
	return 0;
}

static void a_kept_token_is_found_for_its_generation_only(void **state)
{
	(void)state;
	assert_int_equal(find(STR("a"), 1), 0);
	keep(STR("a"), 1, 7);
	assert_int_equal(find(STR("a"), 1), 7);
	assert_int_equal(find(STR("a"), 2), 0);
	assert_int_equal(find(STR("a "), 1), 0);
	assert_int_equal(find(STR(""), 1), 0);
	keep(STR("a"), 2, 8);
	assert_int_equal(find(STR("a"), 2), 8);
	assert_int_equal(find(STR("a"), 1), 0);
}

static void long_tokens_are_not_kept(void **state)
{
	(void)state;
	static char text[TOKEN_TABLE_TOKEN_BYTES_MAX + 1];

	memset(text, 'x', sizeof text);
	keep((struct str){text, sizeof text}, 1, 7);
	assert_int_equal(find((struct str){text, sizeof text}, 1), 0);
	keep((struct str){text, sizeof text - 1}, 1, 7);
	assert_int_equal(find((struct str){text, sizeof text - 1}, 1), 7);
}

/* So many tokens that no set is left with a free place (64 a set on average: fewer than 4 is as good as impossible). */
static void a_full_set_loses_its_oldest(void **state)
{
	(void)state;
	char text[32];
	int kept_old = 0, kept_new = 0;

	for (int i = 0; i < 16 * TOKEN_TABLE_ENTRIES; i++)
		keep(token_of(text, i), 1, i + 1);
	for (int i = 0; i < 16 * TOKEN_TABLE_ENTRIES; i++) {
		int64_t found = find(token_of(text, i), 1);
		assert_true(found == 0 || found == i + 1);
		if (found != 0 && i < 8 * TOKEN_TABLE_ENTRIES)
			kept_old++;
		else if (found != 0)
			kept_new++;
	}
	assert_int_equal(kept_old + kept_new, TOKEN_TABLE_ENTRIES);
	assert_true(kept_old < TOKEN_TABLE_ENTRIES / 20);
	assert_int_equal(find(token_of(text, 16 * TOKEN_TABLE_ENTRIES - 1), 1), 16 * TOKEN_TABLE_ENTRIES);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_kept_token_is_found_for_its_generation_only, set_up, tear_down),
		cmocka_unit_test_setup_teardown(long_tokens_are_not_kept, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_full_set_loses_its_oldest, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
