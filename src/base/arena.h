/* Memory that lives and dies with its owner: a request, a batch, a command.
 *
 * Blocks are taken as needed up to a bound and all freed together; single pieces are never freed. An arena belongs
 * to one thread at a time. Allocation fails (NULL) at the bound or when memory is out; `failed` then stays set, so
 * a caller may build a whole structure and look once. */
#ifndef EVENTLY_BASE_ARENA_H
#define EVENTLY_BASE_ARENA_H

#include "base/check.h"
#include "base/str.h"

struct arena_block;

struct arena {
	struct arena_block *blocks; /* newest first */
	char *next;                 /* free space of the newest block */
	size_t left;                /* bytes free there */
	size_t used_bytes;          /* of all blocks */
	size_t bytes_max;           /* the bound of used_bytes */
	bool failed;                /* an allocation was refused */
};

void arena_init(struct arena *arena, size_t bytes_max);
/* Takes `bytes` at `memory` (the owner's, aligned to 16) as the first space, before any block is allocated. */
void arena_init_with(struct arena *arena, void *memory, size_t bytes, size_t bytes_max);
/* Frees every block; the arena may be used again, empty. */
void arena_reset(struct arena *arena);
void arena_finish(struct arena *arena);

/* Aligned to 16 bytes, not zeroed. NULL at the bound or without memory. */
MUST_CHECK void *arena_alloc(struct arena *arena, size_t bytes);
/* Zeroed; refuses a product that overflows. */
MUST_CHECK void *arena_calloc(struct arena *arena, size_t count, size_t bytes);
/* A NUL-terminated copy (`len` without the NUL). Absent stays absent; ptr NULL with arena->failed set when refused. */
struct str arena_str(struct arena *arena, struct str text);
PRINTF_LIKE(2, 3) struct str arena_printf(struct arena *arena, const char *format, ...);

#define arena_new(arena, type) ((type *)arena_calloc((arena), 1, sizeof(type)))
#define arena_array(arena, type, count) ((type *)arena_calloc((arena), (count), sizeof(type)))

#endif
