/* Files: read whole, written whole or not at all, and where caches lie. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "base/status.h"

#include <stdint.h>
#include <stdio.h>

/* Reads a whole file of at most limit bytes. *data gets a zero byte after the last, which *bytes
 * does not count; free it with free(). */
kiln_status file_read(const char *path, size_t limit, void **data, size_t *bytes);

/* A file in the making: a temporary one in the folder of path. Write to stream, then call
 * file_commit, which flushes it to the disk and renames it to path, or file_abandon. Either removes
 * the temporary. Until file_commit succeeds, a file that was at path before is untouched. */
typedef struct file_writer {
    FILE *stream;
    char *path, *temporary;
} file_writer;
kiln_status file_begin(file_writer *writer, const char *path);
kiln_status file_commit(file_writer *writer);
void file_abandon(file_writer *writer); /* allowed after a failure too */

/* The three steps at once. */
kiln_status file_write_atomic(const char *path, const void *data, size_t bytes);

/* Holds off other processes that would change files of the folder of path, after the same call: for what is read, changed
 * and written again. Waits for a few seconds at most. A number for file_unlock; -1 where there is no lock to be had: go on
 * without. */
int file_lock(const char *path);
void file_unlock(int lock);

/* Removes temporary files for path whose process is no more: it was killed while it wrote. */
void file_remove_parts(const char *path);

/* Can a file be written at path? Fails with a sentence when not; leaves nothing behind. */
kiln_status file_writable(const char *path);

/* Is there something at path? */
bool file_exists(const char *path);

/* Makes a folder and those above it. */
kiln_status file_make_directories(const char *path);

/* Free bytes of the disk that a path is on, or would be on; UINT64_MAX when that cannot be told. */
uint64_t file_room(const char *path);

/* "FOLDER/NAME" in the cache: $KILN_CACHE_DIR, else $XDG_CACHE_HOME/kiln, else ~/.cache/kiln.
 * folder may be "a/b"; it is made when missing. name NULL: the folder. The path is the caller's;
 * NULL on failure. */
char *file_cache_path(const char *folder, const char *name);

#endif
