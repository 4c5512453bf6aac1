#include "auth/base64url.h"

static const char letters[64] = {'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', 'P',
                                 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 'a', 'b', 'c', 'd', 'e', 'f',
                                 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's', 't', 'u', 'v',
                                 'w', 'x', 'y', 'z', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '-', '_'};

enum { FOREIGN = 0xff };

static unsigned char values[256];

__attribute__((constructor)) static void invert_letters(void)
{
	memset(values, FOREIGN, sizeof values);
	for (unsigned i = 0; i < sizeof letters; i++)
		values[(unsigned char)letters[i]] = (unsigned char)i;
}

bool base64url_decode(struct str text, unsigned char *bytes, size_t *count)
{
	uint32_t bits = 0;
	unsigned bit_count = 0;
	size_t length = 0;

	for (size_t i = 0; i < text.len; i++) {
		unsigned char value = values[(unsigned char)text.ptr[i]];
		if (value == FOREIGN)
			return false;
		bits = bits << 6 | value;
		bit_count += 6;
		if (bit_count >= 8) {
			bit_count -= 8;
			bytes[length++] = (unsigned char)(bits >> bit_count);
		}
		bits &= (1u << bit_count) - 1;
	}
	*count = length;
	return bit_count < 6 && bits == 0;
}

void base64url_encode(struct buf *out, const void *bytes, size_t count)
{
	const unsigned char *next = bytes;
	uint32_t bits = 0;
	unsigned bit_count = 0;

	for (size_t i = 0; i < count; i++) {
		bits = bits << 8 | next[i];
		bit_count += 8;
		while (bit_count >= 6) {
			bit_count -= 6;
			buf_char(out, letters[bits >> bit_count & 63]);
		}
		bits &= (1u << bit_count) - 1;
	}
	if (bit_count > 0)
		buf_char(out, letters[bits << (6 - bit_count) & 63]);
}
