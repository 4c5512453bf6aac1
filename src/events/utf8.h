/* UTF-8 (RFC 3629), one code point at a time, and the two classes of code points that the domain's rules speak of. */
#ifndef EVENTLY_EVENTS_UTF8_H
#define EVENTLY_EVENTS_UTF8_H

#include "base/check.h"
#include "base/str.h"

/* Takes the first code point off a text that is not empty. False, with nothing taken, where the text is not UTF-8
 * (overlong forms, surrogates and anything above U+10FFFF are not). */
MUST_CHECK bool utf8_next(struct str *rest, uint32_t *code);
/* The whole text is UTF-8. */
MUST_CHECK bool utf8_valid(struct str text);
/* The longest prefix of at most bytes_max bytes that does not end inside a character. */
struct str utf8_prefix(struct str text, size_t bytes_max);
/* White space by Unicode's property White_Space (Unicode 15, PropList.txt). */
bool utf8_is_space(uint32_t code);
/* Control characters, category Cc: C0, DEL and C1. */
bool utf8_is_control(uint32_t code);

#endif
