/* What must hold, and what must be looked at.
 *
 * CHECK is for what cannot happen: it stays on in release builds, writes one line and aborts. What can happen
 * (bad input, a dead peer, no memory) is an error value, and MUST_CHECK makes the compiler insist on a look. */
#ifndef EVENTLY_BASE_CHECK_H
#define EVENTLY_BASE_CHECK_H

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_index, first_index) __attribute__((format(printf, format_index, first_index)))

_Noreturn void check_failed(const char *expression, const char *file, int line);

#define CHECK(expression) ((expression) ? (void)0 : check_failed(#expression, __FILE__, __LINE__))

#define ARRAY_LENGTH(array) (sizeof(array) / sizeof((array)[0]))
#define CONTAINER_OF(pointer, type, member) ((type *)(void *)((char *)(pointer) - offsetof(type, member)))

#endif
