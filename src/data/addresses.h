/* Where data sets are downloaded from: the one table of addresses. */
#ifndef DATA_ADDRESSES_H
#define DATA_ADDRESSES_H

#include <stddef.h>

/* The addresses of folders that hold the set's files ("mnist"), best first; without a slash at the
 * end. */
const char *const *addresses_of(const char *set, size_t *count);

#endif
