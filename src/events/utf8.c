#include "events/utf8.h"

static bool continues(struct str text, size_t at)
{
	return at < text.len && ((unsigned char)text.ptr[at] & 0xc0) == 0x80;
}

bool utf8_next(struct str *rest, uint32_t *code)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned char lead = (unsigned char)rest->ptr[0];

	if (lead < 0x80) {
		*code = lead;
		*rest = str_skip(*rest, 1);
		return true;
	}
	size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
	if (lead < 0xc2 || lead > 0xf4)
		return false;
	uint32_t value = lead & (0xffu >> (length + 1));
	for (size_t i = 1; i < length; i++) {
		if (!continues(*rest, i))
			return false;
		value = value << 6 | ((unsigned char)rest->ptr[i] & 0x3f);
	}
	if (value < least[length] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
		return false;
	*code = value;
	*rest = str_skip(*rest, length);
	return true;
}

bool utf8_valid(struct str text)
{
	uint32_t code;

	while (text.len > 0) {
		if (!utf8_next(&text, &code))
			return false;
	}
	return true;
}

struct str utf8_prefix(struct str text, size_t bytes_max)
{
	if (text.len <= bytes_max)
		return text;
	size_t end = bytes_max;
	/* A character has at most three continuing bytes: more of them is no UTF-8, and is cut anywhere. */
	for (int i = 0; i < 3 && end > 0 && continues(text, end); i++)
		end--;
	return (struct str){text.ptr, end};
}

bool utf8_is_space(uint32_t code)
{
	return (code >= 0x09 && code <= 0x0d) || code == 0x20 || code == 0x85 || code == 0xa0 || code == 0x1680 ||
	       (code >= 0x2000 && code <= 0x200a) || code == 0x2028 || code == 0x2029 || code == 0x202f ||
	       code == 0x205f || code == 0x3000;
}

bool utf8_is_control(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code <= 0x9f);
}
