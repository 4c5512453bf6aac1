#include "base/arena.h"

#include "unit/test.h"

static void pieces_are_aligned_and_apart(void **state)
{
	struct arena arena;
	char *before = NULL;

	(void)state;
	arena_init(&arena, 1 << 20);
	for (size_t bytes = 1; bytes < 3000; bytes += 7) {
		char *piece = arena_alloc(&arena, bytes);
		assert_non_null(piece);
		assert_int_equal((uintptr_t)piece % 16, 0);
		memset(piece, (int)(bytes & 0x7f), bytes);
		if (before != NULL)
			assert_int_equal(before[0], (int)((bytes - 7) & 0x7f));
		before = piece;
	}
	assert_false(arena.failed);
	arena_finish(&arena);
}

static void bound_is_kept_and_remembered(void **state)
{
	struct arena arena;
	size_t got = 0;

	(void)state;
	arena_init(&arena, 10000);
	while (arena_alloc(&arena, 100) != NULL)
		got += 100;
	assert_true(got >= 8000 && got <= 10000);
	assert_true(arena.failed);
	assert_true(arena.used_bytes <= 10000);
	arena_reset(&arena);
	assert_false(arena.failed);
	assert_non_null(arena_alloc(&arena, 100));
	arena_finish(&arena);
}

static void monstrous_sizes_are_refused(void **state)
{
	struct arena arena;

	(void)state;
	arena_init(&arena, SIZE_MAX);
	assert_null(arena_alloc(&arena, SIZE_MAX));
	assert_null(arena_alloc(&arena, SIZE_MAX - 15));
	assert_null(arena_calloc(&arena, SIZE_MAX / 2, 3));
	assert_true(arena.failed);
	arena_finish(&arena);
}

static void given_memory_is_used_first(void **state)
{
	_Alignas(16) char memory[256];
	struct arena arena;

	(void)state;
	arena_init_with(&arena, memory, sizeof memory, 8192);
	char *first = arena_alloc(&arena, 200);
	assert_ptr_equal(first, memory);
	char *second = arena_alloc(&arena, 200);
	assert_non_null(second);
	assert_true(second < memory || second >= memory + sizeof memory);
	arena_finish(&arena);
}

static void calloc_zeroes_recycled_memory(void **state)
{
	_Alignas(16) char memory[256];
	struct arena arena;

	(void)state;
	memset(memory, 0xff, sizeof memory);
	arena_init_with(&arena, memory, sizeof memory, 0);
	const int *numbers = arena_array(&arena, int, 10);
	for (size_t i = 0; i < 10; i++)
		assert_int_equal(numbers[i], 0);
	arena_finish(&arena);
}

static void texts_are_copied_and_ended(void **state)
{
	struct arena arena;

	(void)state;
	arena_init(&arena, 1 << 16);
	struct str copy = arena_str(&arena, (struct str){"a\0b-", 3});
	assert_int_equal(copy.len, 3);
	assert_memory_equal(copy.ptr, "a\0b\0", 4);
	assert_null(arena_str(&arena, STR_NONE).ptr);
	assert_non_null(arena_str(&arena, STR("")).ptr);
	assert_str(arena_printf(&arena, "%d-%s", 7, "x"), "7-x");
	assert_false(arena.failed);
	arena_finish(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_are_aligned_and_apart),  cmocka_unit_test(bound_is_kept_and_remembered),
		cmocka_unit_test(monstrous_sizes_are_refused),   cmocka_unit_test(given_memory_is_used_first),
		cmocka_unit_test(calloc_zeroes_recycled_memory), cmocka_unit_test(texts_are_copied_and_ended),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
