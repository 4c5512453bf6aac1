#include "config/nearest.h"

#include <stdint.h>
#include <string.h>

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

size_t nearest_distance(const char *a, const char *b)
{
	size_t rows[3][NEAREST_BYTES_MAX + 1];
	size_t a_len = strlen(a), b_len = strlen(b);

	if (a_len > NEAREST_BYTES_MAX || b_len > NEAREST_BYTES_MAX)
		return SIZE_MAX;
	size_t *before = rows[0], *above = rows[1], *row = rows[2];
	for (size_t j = 0; j <= b_len; j++)
		row[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t *oldest = before;
		before = above;
		above = row;
		row = oldest;
		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t replaced = above[j - 1] + (a[i - 1] != b[j - 1]);
			row[j] = least(replaced, least(above[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = least(row[j], before[j - 2] + 1);
		}
	}
	return row[b_len];
}

const char *nearest_name(const char *name, const char *const *names, size_t count)
{
	const char *nearest = NULL;
	size_t nearest_edits = SIZE_MAX, len = strlen(name);

	for (size_t i = 0; i < count; i++) {
		size_t known_len = strlen(names[i]);
		size_t shorter = least(len, known_len);
		size_t edits = nearest_distance(name, names[i]);
		size_t edits_max = shorter < 8 ? 1 : 2;
		int extends = shorter >= 4 && strncmp(name, names[i], shorter) == 0;
		if ((edits <= edits_max || extends) && edits < nearest_edits) {
			nearest = names[i];
			nearest_edits = edits;
		}
	}
	return nearest;
}
