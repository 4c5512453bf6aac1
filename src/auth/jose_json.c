#include "auth/jose_json.h"

#include "base/json_memory.h"

/* Jansson descends by recursion, so depth is bounded before it is asked. */
static bool is_shallow(struct str text)
{
	unsigned depth = 0;
	bool in_string = false;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];
		if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
		} else if (c == '"') {
			in_string = true;
		} else if (c == '{' || c == '[') {
			if (++depth > JOSE_JSON_DEPTH_MAX)
				return false;
		} else if ((c == '}' || c == ']') && depth > 0) {
			depth--;
		}
	}
	return true;
}

json_t *jose_json_object(struct str text)
{
	if (text.len == 0 || !is_shallow(text))
		return NULL;
	json_memory_forget();
	json_t *value = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, NULL);
	if (json_is_object(value) && !json_memory_failed())
		return value;
	json_decref(value);
	return NULL;
}

struct str jose_json_text(const json_t *value)
{
	if (!json_is_string(value))
		return STR_NONE;
	return (struct str){json_string_value(value), json_string_length(value)};
}
