#include "store/postgres/words.h"

#include <endian.h>
#include <stdlib.h>

enum { WORD_BYTES_MAX = 200 };

/* A letter or digit as it is indexed; 0 for what separates words. */
static char folded(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (char)(c - 'A' + 'a');
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ? c : 0;
}

static bool all_ascii(struct str text)
{
	unsigned char seen = 0, least = 1;

	for (size_t i = 0; i < text.len; i++) {
		seen |= (unsigned char)text.ptr[i];
		least = text.ptr[i] == 0 ? 0 : least; /* NUL is for the server to refuse */
	}
	return seen < 0x80 && least != 0;
}

/* As PostgreSQL sorts them (tsCompareString): bytes, then length. */
static int compare(const void *a, const void *b)
{
	const struct str *left = a, *right = b;
	size_t shorter = left->len < right->len ? left->len : right->len;
	int order = memcmp(left->ptr, right->ptr, shorter);

	return order != 0 ? order : (left->len > right->len) - (left->len < right->len);
}

/* Takes a text apart; its folded letters go to `room`. Gives the number of words. */
static size_t split(struct str text, char *room, struct str *words)
{
	size_t count = 0, begin = 0;

	for (size_t i = 0; i <= text.len; i++) {
		if (i < text.len && (room[i] = folded(text.ptr[i])) != 0)
			continue;
		if (i > begin)
			words[count++] = (struct str){room + begin, i - begin < WORD_BYTES_MAX ? i - begin : WORD_BYTES_MAX};
		begin = i + 1;
	}
	return count;
}

/* The number of words, then each with a NUL behind it and the number of its positions, none
 * (src/backend/utils/adt/tsvector.c, tsvectorrecv). */
static void write_words(struct buf *out, struct str *words, size_t count)
{
	size_t kept = 0;

	qsort(words, count, sizeof *words, compare);
	for (size_t i = 0; i < count; i++)
		if (kept == 0 || compare(&words[kept - 1], &words[i]) != 0)
			words[kept++] = words[i];
	uint32_t wire = htobe32((uint32_t)kept);
	buf_append(out, &wire, sizeof wire);
	for (size_t i = 0; i < kept; i++) {
		buf_str(out, words[i]);
		buf_append(out, "\0\0", 3);
	}
}

bool words_of_ascii(const struct str *texts, size_t count, struct arena *arena, struct buf *out)
{
	size_t bytes = 0, found = 0;

	for (size_t i = 0; i < count; i++) {
		if (!all_ascii(texts[i]))
			return false;
		bytes += texts[i].len;
	}
	char *room = arena_array(arena, char, bytes + 1);
	struct str *words = arena_array(arena, struct str, bytes / 2 + count);
	if (room == NULL || words == NULL)
		return false;
	for (size_t i = 0; i < count; i++) {
		found += split(texts[i], room, words + found);
		room += texts[i].len;
	}
	write_words(out, words, found);
	return true;
}
