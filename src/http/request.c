#include "http/request.h"

#include "http/mailbox.h"

void request_suspend(struct request *request, handler_fn *next)
{
	CHECK(request->state == REQUEST_RUNNING);
	request->handler = next;
	request->state = REQUEST_SUSPENDED;
}

void request_resume(struct request *request)
{
	mailbox_post(request->connection);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Well-formed UTF-8 by table 3-7 of the Unicode standard: no overlong forms, no surrogates, at most U+10FFFF. */
bool request_utf8_valid(struct str text)
{
	const unsigned char *bytes = (const unsigned char *)text.ptr;
	size_t i = 0;

	while (i < text.len) {
		unsigned char lead = bytes[i];
		size_t tail = lead < 0x80 ? 0 : lead >= 0xc2 && lead <= 0xdf ? 1 : (lead & 0xf0) == 0xe0 ? 2 : lead >= 0xf0 && lead <= 0xf4 ? 3 : 4;
		if (tail == 4 || tail > text.len - i - 1)
			return false;
		for (size_t k = 1; k <= tail; k++) {
			if ((bytes[i + k] & 0xc0) != 0x80)
				return false;
		}
		unsigned char second = tail > 0 ? bytes[i + 1] : 0;
		if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f) ||
		    (lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second > 0x8f))
			return false;
		i += tail + 1;
	}
	return true;
}

bool request_decode(struct str text, bool plus_is_space, struct arena *arena, struct str *decoded)
{
	char *out = arena_alloc(arena, text.len + 1);
	size_t length = 0;

	if (out == NULL)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		if (c == '%') {
			if (text.len - i < 3)
				return false;
			int high = hex_digit(text.ptr[i + 1]), low = hex_digit(text.ptr[i + 2]);
			if (high < 0 || low < 0)
				return false;
			c = (char)(high * 16 + low);
			i += 2;
		} else if (c == '+' && plus_is_space) {
			c = ' ';
		}
		if (c == '\0')
			return false;
		out[length++] = c;
	}
	out[length] = '\0';
	*decoded = (struct str){out, length};
	return request_utf8_valid(*decoded);
}

bool request_parameters(struct request *request, struct query_parameter **parameters, size_t *count,
                        struct issues *issues)
{
	struct str rest = request->query, pair;
	struct query_parameter *list = arena_array(&request->arena, struct query_parameter, REQUEST_QUERY_PARAMETERS_MAX);
	size_t found = 0;

	*count = 0;
	if (list == NULL)
		return false;
	while (str_cut(&rest, '&', &pair)) {
		if (pair.len == 0)
			continue;
		if (found == REQUEST_QUERY_PARAMETERS_MAX) {
			issues_add(issues, "query", STR_NONE, "too_many", "at most %d parameters are allowed",
			           REQUEST_QUERY_PARAMETERS_MAX);
			return false;
		}
		struct str value = pair, name;
		if (!str_cut(&value, '=', &name) || value.ptr == NULL)
			value = STR("");
		if (!request_decode(name, true, &request->arena, &list[found].name) ||
		    !request_decode(value, true, &request->arena, &list[found].value)) {
			issues_add(issues, "query", STR_NONE, "malformed",
			           "a parameter is not valid percent-encoded UTF-8");
			return false;
		}
		found++;
	}
	*parameters = list;
	*count = found;
	return true;
}
