/* Hashes (XXH3). `hash_keyed` is for tables whose keys come from outside: its seed is drawn once a process, so
 * that nobody can aim at one bucket. `hash_content` is the same in every process and version: ETags and checks. */
#ifndef EVENTLY_BASE_HASH_H
#define EVENTLY_BASE_HASH_H

#include "base/str.h"

uint64_t hash_content(struct str bytes);
uint64_t hash_keyed(struct str bytes);
uint64_t hash_keyed_u64(uint64_t value);

#endif
