#include "auth/token_table.h"

#include <stdlib.h>

#include "base/hash.h"

struct kept {
	struct principal principal;
	size_t token_len;
	char token[];
};

struct token_entry {
	uint64_t hash, generation;
	struct kept *kept; /* NULL: the place is free, and so are those behind it in its set */
};

bool token_table_init(struct token_table *table)
{
	table->entries = calloc(TOKEN_TABLE_ENTRIES, sizeof *table->entries);
	return table->entries != NULL;
}

static void forget(struct kept *kept)
{
	if (kept != NULL)
		explicit_bzero(kept, sizeof *kept + kept->token_len);
	free(kept);
}

void token_table_finish(struct token_table *table)
{
	if (table->entries == NULL)
		return;
	for (size_t i = 0; i < TOKEN_TABLE_ENTRIES; i++)
		forget(table->entries[i].kept);
	free(table->entries);
	table->entries = NULL;
}

static struct token_entry *set_of(const struct token_table *table, uint64_t hash)
{
	return &table->entries[hash % TOKEN_TABLE_SETS * TOKEN_TABLE_WAYS];
}

/* The comparison may stop early: it is reached only by a token whose 64-bit hash, under a seed that nobody outside
 * knows, is that of a kept one. */
static bool holds(const struct token_entry *entry, uint64_t hash, struct str token)
{
	return entry->kept != NULL && entry->hash == hash &&
	       str_equal((struct str){entry->kept->token, entry->kept->token_len}, token);
}

const struct principal *token_table_find(const struct token_table *table, struct str token, uint64_t generation)
{
	if (token.len > TOKEN_TABLE_TOKEN_BYTES_MAX)
		return NULL;
	uint64_t hash = hash_keyed(token);
	const struct token_entry *set = set_of(table, hash);
	for (size_t i = 0; i < TOKEN_TABLE_WAYS; i++) {
		if (set[i].generation == generation && holds(&set[i], hash, token))
			return &set[i].kept->principal;
	}
	return NULL;
}

void token_table_keep(struct token_table *table, struct str token, uint64_t generation,
                      const struct principal *principal)
{
	if (token.len > TOKEN_TABLE_TOKEN_BYTES_MAX)
		return;
	struct kept *kept = malloc(sizeof *kept + token.len);
	if (kept == NULL)
		return;
	kept->principal = *principal;
	kept->token_len = token.len;
	memcpy(kept->token, token.ptr, token.len);

	/* The newest stands first; what falls out is this token's stale copy, or else the set's oldest. */
	uint64_t hash = hash_keyed(token);
	struct token_entry *set = set_of(table, hash);
	size_t last = 0;
	while (last < TOKEN_TABLE_WAYS - 1 && !holds(&set[last], hash, token))
		last++;
	forget(set[last].kept);
	memmove(&set[1], &set[0], last * sizeof *set);
	set[0] = (struct token_entry){hash, generation, kept};
}
