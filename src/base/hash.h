/* A 64-bit hash of bytes, the same on every machine. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* Start with any seed; feed the result of one part as the seed of the next to hash several. */
uint64_t hash_bytes(uint64_t seed, const void *data, size_t bytes);
uint64_t hash_string(uint64_t seed, const char *string);

#endif
