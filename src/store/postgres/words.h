/* The words of an event's texts for the full-text index, in PostgreSQL's binary form of a tsvector.
 *
 * The rules are evently_words' (migrations/postgres/0003_lists.up.sql): letters in lower case without their accents, digits;
 * everything else separates words. Texts of nothing but ASCII, most of them, are taken apart here at a tenth of what the
 * server would need; all others are left to it. No I/O, any thread. */
#ifndef EVENTLY_STORE_POSTGRES_WORDS_H
#define EVENTLY_STORE_POSTGRES_WORDS_H

#include "base/arena.h"
#include "base/buf.h"

/* Appends the words of all texts (absent ones are none) to `out`. False, and nothing is appended, when the server has to do
 * it: a text is not all ASCII, or memory is short. */
MUST_CHECK bool words_of_ascii(const struct str *texts, size_t count, struct arena *arena, struct buf *out);

#endif
