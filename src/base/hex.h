/* Numbers as hexadecimal digits, many at a time. */
#ifndef EVENTLY_BASE_HEX_H
#define EVENTLY_BASE_HEX_H

#include <stdint.h>
#include <string.h>

/* 8 digits, the most significant first: the nibbles are spread to bytes, and those over 9 moved to the letters. */
static inline void hex_write_u32(char *text, uint32_t value)
{
	uint64_t spread = __builtin_bswap32(value);

	spread = (spread | spread << 16) & 0x0000ffff0000ffffu;
	spread = (spread | spread << 8) & 0x00ff00ff00ff00ffu;
	spread = (spread >> 4 | spread << 8) & 0x0f0f0f0f0f0f0f0fu;
	uint64_t letters = (spread + 0x0606060606060606u) >> 4 & 0x0101010101010101u;
	spread += 0x3030303030303030u + letters * ('a' - '0' - 10);
	memcpy(text, &spread, sizeof spread);
}

/* 16 digits. */
static inline void hex_write_u64(char *text, uint64_t value)
{
	hex_write_u32(text, (uint32_t)(value >> 32));
	hex_write_u32(text + 8, (uint32_t)value);
}

#endif
