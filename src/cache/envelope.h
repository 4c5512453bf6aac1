/* The binary form of one value in Redis: a header, the key's own text, the body, and a hash over all of it.
 *
 * Pure; any thread. Numbers are little-endian, so instances on any machine read each other. A change of the form takes
 * another ENVELOPE_FORMAT, and instances of both versions then ignore each other's values. */
#ifndef EVENTLY_CACHE_ENVELOPE_H
#define EVENTLY_CACHE_ENVELOPE_H

#include "base/buf.h"

enum { ENVELOPE_FORMAT = 1, ENVELOPE_HEADER_BYTES = 56, ENVELOPE_HASH_BYTES = 8 };

struct envelope {
	uint64_t history;
	uint64_t as_of;
	int64_t created_us;
	int64_t valid_until_us;
	struct str name; /* what the value is about: it must be what was asked for */
	struct str body;
};

void envelope_print(struct buf *out, const struct envelope *envelope);
/* Texts point into `bytes`. False when the bytes are not a whole, undamaged envelope of this format. */
MUST_CHECK bool envelope_parse(struct envelope *envelope, struct str bytes);

#endif
