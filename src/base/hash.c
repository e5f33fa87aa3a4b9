#include "base/hash.h"

#include <string.h>
#include <xxhash.h>

uint64_t hash_bytes(uint64_t seed, const void *data, size_t bytes)
{
    return XXH64(data, bytes, seed);
}

/* The terminating zero counts, so that ("ab", "c") and ("a", "bc") differ. */
uint64_t hash_string(uint64_t seed, const char *string)
{
    return XXH64(string, strlen(string) + 1, seed);
}
