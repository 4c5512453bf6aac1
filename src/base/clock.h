/* The three clocks, behind one seam.
 *
 * Wall time dates things (µs since 1970, UTC). Monotonic time measures and sets deadlines. Boot time counts through
 * suspend as well, which is what a lease needs. A test may shift wall time with EVENTLY_CLOCK_OFFSET_MS, read once. */
#ifndef EVENTLY_BASE_CLOCK_H
#define EVENTLY_BASE_CLOCK_H

#include <stdint.h>

int64_t clock_wall_us(void);
uint64_t clock_monotonic_ns(void);
uint64_t clock_boottime_ns(void);

/* Milliseconds left until a monotonic deadline, 0 when it has passed, at most INT32_MAX. */
int clock_left_ms(uint64_t deadline_ns);

#define CLOCK_MS ((uint64_t)1000000)
#define CLOCK_SECOND ((uint64_t)1000000000)

#endif
