/* The binary form of one value in Redis: a header, the key's own text, the body, and a seal over all of it.
 *
 * The seal is HMAC-SHA-256, cut to 128 bits (RFC 2104), and its key the catalogue's history number, which only the
 * database and the instances know: whoever can write to Redis cannot make a value that is taken for ours, and a value of
 * another catalogue, or from before a fork, does not open.
 *
 * Pure; any thread. Numbers are little-endian, so instances on any machine read each other. A change of the form takes
 * another ENVELOPE_FORMAT, and instances of both versions then ignore each other's values. */
#ifndef EVENTLY_CACHE_ENVELOPE_H
#define EVENTLY_CACHE_ENVELOPE_H

#include "base/buf.h"

enum { ENVELOPE_FORMAT = 2, ENVELOPE_HEADER_BYTES = 48, ENVELOPE_SEAL_BYTES = 16 };

struct envelope {
	uint64_t history; /* the key; not part of the value */
	uint64_t as_of;
	int64_t created_us;
	int64_t valid_until_us;
	struct str name; /* what the value is about: it must be what was asked for */
	struct str body;
};

void envelope_print(struct buf *out, const struct envelope *envelope);
/* Texts point into `bytes`. False when the bytes are not a whole, undamaged envelope of this format and history. */
MUST_CHECK bool envelope_parse(struct envelope *envelope, struct str bytes, uint64_t history);
void envelope_seal(struct str bytes, uint64_t history, unsigned char seal[ENVELOPE_SEAL_BYTES]);

#endif
