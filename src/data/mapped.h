/* Bytes that took time to make, kept in the cache and mapped when they are needed again. */
#ifndef DATA_MAPPED_H
#define DATA_MAPPED_H

#include "data/dataset.h"

/* What the bytes are made from, in full: other bytes have another stamp. One line, at most this
 * long. */
#define MAPPED_STAMP 3072

/* Maps `size` bytes kept under FOLDER/NAME in the cache; *data is where they start. NULL, without a
 * failure on record, when there are none, they have another stamp, or a check sum says that they
 * are damaged. */
data_block *mapped_open(const char *folder, const char *name, const char *stamp, size_t size,
                        const void **data);

/* Keeps bytes. Where there is no cache to write to, nothing happens. */
void mapped_keep(const char *folder, const char *name, const char *stamp, const void *bytes,
                 size_t size);

#endif
