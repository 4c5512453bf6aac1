/* Verified tokens and whom they name: a small set-associative table of one thread.
 *
 * A token's keyed hash chooses a set of a few places; the whole token is compared. A full set loses its oldest entry.
 * Entries of another generation than the asked one count as absent. Bounded: TOKEN_TABLE_ENTRIES tokens of at most
 * TOKEN_TABLE_TOKEN_BYTES_MAX bytes, longer ones are not kept. Used by one thread at a time, takes no lock. */
#ifndef EVENTLY_AUTH_TOKEN_TABLE_H
#define EVENTLY_AUTH_TOKEN_TABLE_H

#include "auth/principal.h"
#include "base/check.h"

enum { TOKEN_TABLE_WAYS = 4, TOKEN_TABLE_SETS = 512, TOKEN_TABLE_ENTRIES = TOKEN_TABLE_WAYS * TOKEN_TABLE_SETS,
       TOKEN_TABLE_TOKEN_BYTES_MAX = 2048 };

struct token_table {
	struct token_entry *entries; /* TOKEN_TABLE_ENTRIES, set after set */
};

/* False without memory. */
MUST_CHECK bool token_table_init(struct token_table *table);
void token_table_finish(struct token_table *table); /* wipes the tokens */

/* NULL when the token is not kept for this generation. The principal lives until the next keep or finish. */
const struct principal *token_table_find(const struct token_table *table, struct str token, uint64_t generation);
/* Without memory, or for a long token, nothing is kept. */
void token_table_keep(struct token_table *table, struct str token, uint64_t generation,
                      const struct principal *principal);

#endif
