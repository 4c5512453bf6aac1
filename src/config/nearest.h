/* "Did you mean …?": distances between names, for settings, commands and options. Pure. */
#ifndef EVENTLY_CONFIG_NEAREST_H
#define EVENTLY_CONFIG_NEAREST_H

#include <stddef.h>

enum { NEAREST_BYTES_MAX = 64 };

/* Insertions, deletions, replacements and swaps of neighbours that make `a` into `b` (optimal string alignment).
 * Names longer than NEAREST_BYTES_MAX are far from everything. */
size_t nearest_distance(const char *a, const char *b);
/* The closest of names[0..count) that is near enough to be meant: one edit for names below 8 bytes, else two; a name
 * that begins with `name`, or `name` with it, is near too. NULL when nothing is. */
const char *nearest_name(const char *name, const char *const *names, size_t count);

#endif
