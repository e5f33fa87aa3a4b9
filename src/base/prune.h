/* Keeping a cache folder small. Several processes may do so, and use its files, at once: what
 * another one removed first is no failure, and a file that is gone is one that is made again. */
#ifndef BASE_PRUNE_H
#define BASE_PRUNE_H

#include <stdint.h>

/* Removes from a folder what interrupted writes of file_begin left there, once it is an hour old;
 * and, when its files whose names end as `end` says (".bin"; NULL: none) take more than `limit`
 * bytes together, those that were not used for longest, until three quarters are left. Records no
 * failure. */
void prune_folder(const char *folder, const char *end, uint64_t limit);

/* Marks a file as used now. */
void prune_used(const char *path);

#endif
