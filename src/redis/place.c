#include "redis/place.h"

bool redis_place_set(struct redis_place *place, struct str host, struct str port)
{
	uint64_t number;

	if (host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
		host = (struct str){host.ptr + 1, host.len - 2};
	if (host.len == 0 || host.len > REDIS_HOST_BYTES_MAX || !str_to_u64(port, 65535, &number) || number == 0)
		return false;
	memcpy(place->host, host.ptr, host.len);
	place->host[host.len] = '\0';
	place->port = (unsigned)number;
	return true;
}

bool redis_place_parse(struct redis_place *place, struct str text)
{
	const char *colon = text.len > 0 ? memrchr(text.ptr, ':', text.len) : NULL;

	if (colon == NULL)
		return false;
	size_t host_len = (size_t)(colon - text.ptr);
	return redis_place_set(place, (struct str){text.ptr, host_len}, str_skip(text, host_len + 1));
}

bool redis_place_same(const struct redis_place *one, const struct redis_place *other)
{
	return one->port == other->port && strcmp(one->host, other->host) == 0;
}

bool redis_place_next(struct str *list, struct redis_place *place)
{
	struct str part;

	while (list->len > 0 && str_cut(list, ',', &part)) {
		if (redis_place_parse(place, str_trim(part)))
			return true;
	}
	return false;
}

/* CRC16 as in XMODEM: polynomial 0x1021, beginning with 0. Bit by bit: a batch has some sixty keys. */
static unsigned crc16(struct str text)
{
	unsigned crc = 0;

	for (size_t i = 0; i < text.len; i++) {
		crc ^= (unsigned)(unsigned char)text.ptr[i] << 8;
		for (int bit = 0; bit < 8; bit++)
			crc = (crc & 0x8000) != 0 ? (crc << 1) ^ 0x1021 : crc << 1;
	}
	return crc & 0xffff;
}

unsigned redis_slot(struct str key)
{
	const char *open = key.len > 0 ? memchr(key.ptr, '{', key.len) : NULL;

	if (open != NULL) {
		struct str rest = str_skip(key, (size_t)(open - key.ptr) + 1);
		const char *close = rest.len > 0 ? memchr(rest.ptr, '}', rest.len) : NULL;
		if (close != NULL && close > rest.ptr)
			key = (struct str){rest.ptr, (size_t)(close - rest.ptr)};
	}
	return crc16(key) % REDIS_SLOTS;
}
