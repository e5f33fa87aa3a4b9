/* Files inside a .tar, .tar.gz or .zip, one after the other. Whatever the archive says about itself
 * is checked: it never writes to the disk, and unpacks at most so many times its own size. */
#ifndef DATA_PACKED_H
#define DATA_PACKED_H

#include "base/memory.h"

typedef struct packed packed;

/* No file inside one may be larger. */
#define PACKED_MOST_FILE ((size_t)256 << 20)

/* NULL on failure. Close with packed_close. */
packed *packed_open(const char *path);
packed *packed_open_memory(const void *bytes, size_t size, const char *name);
void packed_close(packed *p); /* NULL is allowed */

/* The next file or folder; *path is valid until the next call, and NULL at the end. Links and
 * devices are passed over. */
kiln_status packed_next(packed *p, const char **path, bool *folder);

/* The content of the file that packed_next came to. free() it. Fails with KILN_ERROR_FORMAT where
 * only this file is damaged or too large and the next one may be good; packed_broken tells. */
kiln_status packed_read(packed *p, void **bytes, size_t *size);
bool packed_broken(const packed *p);

/* How much of the archive has been read, of how much. */
void packed_position(const packed *p, int64_t *done, int64_t *total);

/* Does a file (unpacked, where it is gzip) that begins like this look like a tar archive? */
bool packed_is_tar(const unsigned char *bytes, size_t size);

#endif
