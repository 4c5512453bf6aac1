/* Unpredictable bytes, from the kernel. Any thread. */
#ifndef EVENTLY_BASE_RANDOM_H
#define EVENTLY_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* Cannot fail once the kernel's pool is up (getrandom(2)). */
void random_bytes(void *bytes, size_t count);
uint64_t random_u64(void);
/* Cheap and per thread: for jitter and ids that need only be unlikely to repeat, never for secrets. */
uint64_t random_fast_u64(void);

#endif
