#include "cache/envelope.h"

#include "base/hash.h"

/* Offsets in the header. The name follows it, then the body, then the hash of everything before the hash. */
enum {
	AT_MAGIC = 0,
	AT_FORMAT = 4,
	AT_HISTORY = 8,
	AT_AS_OF = 16,
	AT_CREATED = 24,
	AT_VALID_UNTIL = 32,
	AT_NAME_BYTES = 40,
	AT_BODY_BYTES = 48,
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

void envelope_print(struct buf *out, const struct envelope *envelope)
{
	char header[ENVELOPE_HEADER_BYTES] = {0}, hash[ENVELOPE_HASH_BYTES];
	size_t start = out->len;

	memcpy(header + AT_MAGIC, magic, sizeof magic);
	header[AT_FORMAT] = ENVELOPE_FORMAT;
	put_u64(header + AT_HISTORY, envelope->history);
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
	put_u64(hash, hash_content((struct str){out->ptr + start, out->len - start}));
	buf_append(out, hash, sizeof hash);
}

bool envelope_parse(struct envelope *envelope, struct str bytes)
{
	if (bytes.len < ENVELOPE_HEADER_BYTES + ENVELOPE_HASH_BYTES)
		return false;
	const char *header = bytes.ptr;
	size_t room = bytes.len - ENVELOPE_HEADER_BYTES - ENVELOPE_HASH_BYTES;
	uint64_t name_bytes = get_u64(header + AT_NAME_BYTES), body_bytes = get_u64(header + AT_BODY_BYTES);
	if (memcmp(header + AT_MAGIC, magic, sizeof magic) != 0 || header[AT_FORMAT] != ENVELOPE_FORMAT)
		return false;
	if (name_bytes > room || body_bytes != room - name_bytes)
		return false;
	if (get_u64(bytes.ptr + bytes.len - ENVELOPE_HASH_BYTES) !=
	    hash_content((struct str){bytes.ptr, bytes.len - ENVELOPE_HASH_BYTES}))
		return false;
	*envelope = (struct envelope){
		.history = get_u64(header + AT_HISTORY),
		.as_of = get_u64(header + AT_AS_OF),
		.created_us = (int64_t)get_u64(header + AT_CREATED),
		.valid_until_us = (int64_t)get_u64(header + AT_VALID_UNTIL),
		.name = {header + ENVELOPE_HEADER_BYTES, name_bytes},
		.body = {header + ENVELOPE_HEADER_BYTES + name_bytes, body_bytes},
	};
	return true;
}
