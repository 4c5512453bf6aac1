#include "events/body.h"

#include "base/check.h"
#include "base/json_memory.h"

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Whereabouts in JSON text: inside a string, brackets and commas mean nothing. */
struct place {
	bool in_string, escaped;
	size_t depth;
};

/* True when `c` is read outside of any string, its quotes counting as inside. */
static bool step(struct place *place, char c)
{
	if (place->in_string) {
		if (place->escaped)
			place->escaped = false;
		else if (c == '\\')
			place->escaped = true;
		else if (c == '"')
			place->in_string = false;
		return false;
	}
	if (c == '"') {
		place->in_string = true;
		return false;
	}
	if (c == '{' || c == '[')
		place->depth++;
	else if ((c == '}' || c == ']') && place->depth > 0)
		place->depth--;
	return true;
}

static bool too_deep(struct str text)
{
	struct place place = {0};

	for (size_t i = 0; i < text.len; i++) {
		(void)step(&place, text.ptr[i]);
		if (place.depth > BODY_DEPTH_MAX)
			return true;
	}
	return false;
}

static bool is_number_part(char c)
{
	return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

static size_t digits_at(struct str text, size_t at)
{
	size_t end = at;

	while (end < text.len && text.ptr[end] >= '0' && text.ptr[end] <= '9')
		end++;
	return end - at;
}

/* RFC 8259 section 6. */
static bool is_number(struct str token)
{
	size_t at = token.len > 0 && token.ptr[0] == '-' ? 1 : 0;
	size_t digits = digits_at(token, at);

	if (digits == 0 || (digits > 1 && token.ptr[at] == '0'))
		return false;
	at += digits;
	if (at < token.len && token.ptr[at] == '.') {
		digits = digits_at(token, at + 1);
		if (digits == 0)
			return false;
		at += 1 + digits;
	}
	if (at < token.len && (token.ptr[at] | 0x20) == 'e') {
		at++;
		at += at < token.len && (token.ptr[at] == '+' || token.ptr[at] == '-');
		digits = digits_at(token, at);
		if (digits == 0)
			return false;
		at += digits;
	}
	return at == token.len;
}

/* A copy of the same length in which every number is 0. Jansson refuses numbers that do not fit a double, which says
 * nothing against the JSON: who asked for them reads them from the text as it came. */
static struct str without_numbers(struct str text, struct arena *arena)
{
	struct place place = {0};
	char *copy = arena_alloc(arena, text.len);

	if (copy == NULL)
		return STR_NONE;
	memcpy(copy, text.ptr, text.len);
	for (size_t i = 0; i < text.len;) {
		size_t end = i;
		if (step(&place, text.ptr[i])) {
			while (end < text.len && is_number_part(text.ptr[end]))
				end++;
		}
		if (is_number((struct str){text.ptr + i, end - i})) {
			memset(copy + i, ' ', end - i);
			copy[i] = '0';
		}
		i = end > i ? end : i + 1;
	}
	return (struct str){copy, text.len};
}

static const char *describe(const json_error_t *error)
{
	switch (json_error_code(error)) {
	case json_error_invalid_utf8: return "it is not valid UTF-8";
	case json_error_premature_end_of_input: return "it ends too early";
	case json_error_end_of_input_expected: return "something follows the value";
	case json_error_null_character:
	case json_error_null_byte_in_key: return "it holds the character NUL";
	case json_error_duplicate_key: return "a member is given twice";
	case json_error_stack_overflow: return "it is nested too deeply";
	default: return "unexpected text";
	}
}

enum body_result body_open(struct body *body, struct str text, struct arena *arena, struct str *problem)
{
	const size_t flags = JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL | JSON_DECODE_ANY;
	json_error_t error;

	*body = (struct body){.text = text};
	if (text.len == 0) {
		*problem = STR("The body is empty; a JSON object is expected.");
		return BODY_MALFORMED;
	}
	if (too_deep(text)) {
		*problem = arena_printf(arena, "The body is nested more than %d levels deep.", BODY_DEPTH_MAX);
		return BODY_MALFORMED;
	}
	json_memory_forget();
	body->root = json_loadb(text.ptr, text.len, flags, &error);
	if (body->root == NULL && json_error_code(&error) == json_error_numeric_overflow) {
		struct str plain = without_numbers(text, arena);
		if (plain.ptr == NULL)
			return BODY_OUT_OF_MEMORY;
		body->root = json_loadb(plain.ptr, plain.len, flags, &error);
	}
	if (json_memory_failed()) {
		json_decref(body->root);
		body->root = NULL;
		return BODY_OUT_OF_MEMORY;
	}
	if (body->root == NULL) {
		if (error.text[0] == '\0' || json_error_code(&error) == json_error_out_of_memory)
			return BODY_OUT_OF_MEMORY;
		*problem = arena_printf(arena, "The body is not valid JSON: line %d, column %d: %s.", error.line,
		                        error.column, describe(&error));
		return BODY_MALFORMED;
	}
	if (!json_is_object(body->root))
		return BODY_NOT_AN_OBJECT;
	body->next = json_object_iter(body->root);
	body->next_bytes = (size_t)((const char *)memchr(text.ptr, '{', text.len) - text.ptr) + 1;
	return BODY_OK;
}

/* The text is known to be an object from here on: only its shape is followed, never checked again. */
static size_t skip_string(struct str text, size_t at)
{
	struct place place = {0};

	do
		(void)step(&place, text.ptr[at++]);
	while (place.in_string);
	return at;
}

static size_t skip_spaces(struct str text, size_t at)
{
	while (is_space(text.ptr[at]))
		at++;
	return at;
}

/* To the comma or brace that ends a member's value. */
static size_t skip_value(struct str text, size_t at)
{
	struct place place = {.depth = 1};

	for (;; at++) {
		bool outside = step(&place, text.ptr[at]);
		if (place.depth == 0 || (outside && place.depth == 1 && text.ptr[at] == ','))
			return at;
		CHECK(at + 1 < text.len);
	}
}

bool body_next(struct body *body, struct body_member *member)
{
	if (body->next == NULL)
		return false;
	/* Jansson's objects keep the order of insertion, and without duplicates there is one value for each key. */
	const char *name = json_object_iter_key(body->next);
	*member = (struct body_member){
		.name = {name, json_object_iter_key_len(body->next)},
		.value = json_object_iter_value(body->next),
	};
	size_t colon = skip_spaces(body->text, skip_string(body->text, skip_spaces(body->text, body->next_bytes)));
	CHECK(body->text.ptr[colon] == ':');
	size_t first = skip_spaces(body->text, colon + 1);
	size_t end = skip_value(body->text, first);
	body->next_bytes = end + 1;
	body->next = json_object_iter_next(body->root, body->next);
	while (end > first && is_space(body->text.ptr[end - 1]))
		end--;
	member->raw = (struct str){body->text.ptr + first, end - first};
	return true;
}

void body_close(struct body *body)
{
	json_decref(body->root);
	body->root = NULL;
	body->next = NULL;
}
