#include "cache/envelope.h"

#include <gnutls/crypto.h>

/* Offsets in the header. The name follows it, then the body, then the seal of everything before the seal. */
enum {
	AT_MAGIC = 0,
	AT_FORMAT = 4,
	AT_AS_OF = 8,
	AT_CREATED = 16,
	AT_VALID_UNTIL = 24,
	AT_NAME_BYTES = 32,
	AT_BODY_BYTES = 40,
};
static const char magic[4] = {'E', 'v', 'n', 't'};

static void put_u64(char *place, uint64_t value)
{
	for (size_t i = 0; i < 8; i++)
		place[i] = (char)(value >> (8 * i) & 0xff);
}

static uint64_t get_u64(const char *place)
{
	uint64_t value = 0;

	for (size_t i = 0; i < 8; i++)
		value |= (uint64_t)(unsigned char)place[i] << (8 * i);
	return value;
}

void envelope_seal(struct str bytes, uint64_t history, unsigned char seal[ENVELOPE_SEAL_BYTES])
{
	unsigned char digest[32];
	char key[8];

	put_u64(key, history);
	CHECK(gnutls_hmac_fast(GNUTLS_MAC_SHA256, key, sizeof key, bytes.ptr, bytes.len, digest) == 0);
	memcpy(seal, digest, ENVELOPE_SEAL_BYTES);
}

void envelope_print(struct buf *out, const struct envelope *envelope)
{
	char header[ENVELOPE_HEADER_BYTES] = {0};
	unsigned char seal[ENVELOPE_SEAL_BYTES];
	size_t start = out->len;

	memcpy(header + AT_MAGIC, magic, sizeof magic);
	header[AT_FORMAT] = ENVELOPE_FORMAT;
	put_u64(header + AT_AS_OF, envelope->as_of);
	put_u64(header + AT_CREATED, (uint64_t)envelope->created_us);
	put_u64(header + AT_VALID_UNTIL, (uint64_t)envelope->valid_until_us);
	put_u64(header + AT_NAME_BYTES, envelope->name.len);
	put_u64(header + AT_BODY_BYTES, envelope->body.len);
	buf_append(out, header, sizeof header);
	buf_str(out, envelope->name);
	buf_str(out, envelope->body);
	if (out->failed)
		return;
	envelope_seal((struct str){out->ptr + start, out->len - start}, envelope->history, seal);
	buf_append(out, seal, sizeof seal);
}

bool envelope_parse(struct envelope *envelope, struct str bytes, uint64_t history)
{
	unsigned char seal[ENVELOPE_SEAL_BYTES];

	if (bytes.len < ENVELOPE_HEADER_BYTES + ENVELOPE_SEAL_BYTES)
		return false;
	const char *header = bytes.ptr;
	size_t room = bytes.len - ENVELOPE_HEADER_BYTES - ENVELOPE_SEAL_BYTES;
	uint64_t name_bytes = get_u64(header + AT_NAME_BYTES), body_bytes = get_u64(header + AT_BODY_BYTES);
	if (memcmp(header + AT_MAGIC, magic, sizeof magic) != 0 || header[AT_FORMAT] != ENVELOPE_FORMAT)
		return false;
	if (name_bytes > room || body_bytes != room - name_bytes)
		return false;
	envelope_seal((struct str){bytes.ptr, bytes.len - ENVELOPE_SEAL_BYTES}, history, seal);
	if (gnutls_memcmp(seal, bytes.ptr + bytes.len - ENVELOPE_SEAL_BYTES, ENVELOPE_SEAL_BYTES) != 0)
		return false;
	*envelope = (struct envelope){
		.history = history,
		.as_of = get_u64(header + AT_AS_OF),
		.created_us = (int64_t)get_u64(header + AT_CREATED),
		.valid_until_us = (int64_t)get_u64(header + AT_VALID_UNTIL),
		.name = {header + ENVELOPE_HEADER_BYTES, name_bytes},
		.body = {header + ENVELOPE_HEADER_BYTES + name_bytes, body_bytes},
	};
	return true;
}
