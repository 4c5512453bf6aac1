#include "base/clock.h"

#include <stdlib.h>
#include <time.h>

static uint64_t read_ns(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (uint64_t)now.tv_sec * CLOCK_SECOND + (uint64_t)now.tv_nsec;
}

static int64_t offset_us;

__attribute__((constructor)) static void read_offset(void)
{
	const char *text = getenv("EVENTLY_CLOCK_OFFSET_MS");
	offset_us = text != NULL ? strtoll(text, NULL, 10) * 1000 : 0;
}

int64_t clock_wall_us(void)
{
	return (int64_t)(read_ns(CLOCK_REALTIME) / 1000) + offset_us;
}

uint64_t clock_monotonic_ns(void)
{
	return read_ns(CLOCK_MONOTONIC);
}

uint64_t clock_boottime_ns(void)
{
	return read_ns(CLOCK_BOOTTIME);
}

int clock_left_ms(uint64_t deadline_ns)
{
	uint64_t now = clock_monotonic_ns();

	if (deadline_ns <= now)
		return 0;
	uint64_t left = (deadline_ns - now) / CLOCK_MS;
	return left > INT32_MAX ? INT32_MAX : (int)left;
}
