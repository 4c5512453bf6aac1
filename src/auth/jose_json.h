/* JSON as tokens and key sets carry it: one object, no member twice, bounded nesting (RFC 7515 section 4, RFC 8725
 * section 2.4). Pure; any thread. */
#ifndef EVENTLY_AUTH_JOSE_JSON_H
#define EVENTLY_AUTH_JOSE_JSON_H

#include <jansson.h>

#include "base/check.h"
#include "base/str.h"

enum { JOSE_JSON_DEPTH_MAX = 16 };

/* NULL when the text is anything else (or without memory); json_decref gives it back. */
MUST_CHECK json_t *jose_json_object(struct str text);
/* The text of a string; absent for NULL and every other type. Lives as long as `value`. */
struct str jose_json_text(const json_t *value);

#endif
