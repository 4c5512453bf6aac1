#include "base/str.h"

static bool is_letter(unsigned char c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

bool str_equal_caseless(struct str a, struct str b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++) {
		unsigned char x = (unsigned char)a.ptr[i], y = (unsigned char)b.ptr[i];
		if (x != y && ((x ^ y) != 0x20 || !is_letter(x)))
			return false;
	}
	return true;
}

bool str_starts_with(struct str text, struct str prefix)
{
	return text.len >= prefix.len && (prefix.len == 0 || memcmp(text.ptr, prefix.ptr, prefix.len) == 0);
}

struct str str_trim(struct str text)
{
	while (text.len > 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\t'))
		text = str_skip(text, 1);
	while (text.len > 0 && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t'))
		text.len--;
	return text;
}

bool str_cut(struct str *rest, char separator, struct str *part)
{
	if (rest->ptr == NULL)
		return false;
	const char *found = rest->len > 0 ? memchr(rest->ptr, separator, rest->len) : NULL;
	if (found == NULL) {
		*part = *rest;
		*rest = STR_NONE;
		return true;
	}
	*part = (struct str){rest->ptr, (size_t)(found - rest->ptr)};
	*rest = str_skip(*rest, part->len + 1);
	return true;
}

bool str_to_u64(struct str text, uint64_t max, uint64_t *value)
{
	uint64_t sum = 0;

	if (text.len == 0)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
		uint64_t digit = (uint64_t)(text.ptr[i] - '0');
		if (sum > (UINT64_MAX - digit) / 10)
			return false;
		sum = sum * 10 + digit;
	}
	if (sum > max)
		return false;
	*value = sum;
	return true;
}

bool str_to_i64(struct str text, int64_t *value)
{
	bool negative = text.len > 0 && text.ptr[0] == '-';
	uint64_t magnitude;

	if (!str_to_u64(negative ? str_skip(text, 1) : text, INT64_MAX, &magnitude))
		return false;
	*value = negative ? -(int64_t)magnitude : (int64_t)magnitude;
	return true;
}
