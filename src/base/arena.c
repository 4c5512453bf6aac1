#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { BLOCK_BYTES = 4096, ALIGNMENT = 16 };

struct arena_block {
	struct arena_block *older;
	size_t bytes;
	_Alignas(16) char space[];
};

void arena_init(struct arena *arena, size_t bytes_max)
{
	*arena = (struct arena){.bytes_max = bytes_max};
}

void arena_init_with(struct arena *arena, void *memory, size_t bytes, size_t bytes_max)
{
	*arena = (struct arena){.next = memory, .left = bytes, .bytes_max = bytes_max};
}

void arena_reset(struct arena *arena)
{
	while (arena->blocks != NULL) {
		struct arena_block *block = arena->blocks;
		arena->blocks = block->older;
		free(block);
	}
	*arena = (struct arena){.bytes_max = arena->bytes_max};
}

void arena_finish(struct arena *arena)
{
	arena_reset(arena);
}

static bool grow(struct arena *arena, size_t bytes)
{
	/* Blocks double, so that a large batch costs few of them. */
	size_t wanted = arena->used_bytes > BLOCK_BYTES ? arena->used_bytes : BLOCK_BYTES;
	if (wanted > (1u << 20))
		wanted = 1u << 20;
	if (wanted < bytes)
		wanted = bytes;
	if (wanted > arena->bytes_max - arena->used_bytes) {
		wanted = bytes;
		if (wanted > arena->bytes_max - arena->used_bytes)
			return false;
	}
	struct arena_block *block = malloc(sizeof *block + wanted);
	if (block == NULL)
		return false;
	block->older = arena->blocks;
	block->bytes = wanted;
	arena->blocks = block;
	arena->next = block->space;
	arena->left = wanted;
	arena->used_bytes += wanted;
	return true;
}

void *arena_alloc(struct arena *arena, size_t bytes)
{
	if (bytes > SIZE_MAX - ALIGNMENT) {
		arena->failed = true;
		return NULL;
	}
	size_t rounded = (bytes + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
	if (rounded > arena->left && !grow(arena, rounded)) {
		arena->failed = true;
		return NULL;
	}
	void *piece = arena->next;
	arena->next += rounded;
	arena->left -= rounded;
	return piece;
}

void *arena_calloc(struct arena *arena, size_t count, size_t bytes)
{
	size_t total;

	if (__builtin_mul_overflow(count, bytes, &total)) {
		arena->failed = true;
		return NULL;
	}
	void *piece = arena_alloc(arena, total);
	if (piece != NULL)
		memset(piece, 0, total);
	return piece;
}

struct str arena_str(struct arena *arena, struct str text)
{
	if (text.ptr == NULL)
		return STR_NONE;
	char *copy = arena_alloc(arena, text.len + 1);
	if (copy == NULL)
		return STR_NONE;
	memcpy(copy, text.ptr, text.len);
	copy[text.len] = '\0';
	return (struct str){copy, text.len};
}

struct str arena_printf(struct arena *arena, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	int length = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	CHECK(length >= 0);
	char *text = arena_alloc(arena, (size_t)length + 1);
	if (text == NULL)
		return STR_NONE;
	va_start(arguments, format);
	vsnprintf(text, (size_t)length + 1, format, arguments);
	va_end(arguments);
	return (struct str){text, (size_t)length};
}
