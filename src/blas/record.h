/* What measuring has found, kept in a readable file per device and driver in the cache: lines
 * "PRODUCT = CHOICE". A line that makes no sense is ignored, a file that cannot be read or written
 * costs nothing but another measurement. */
#ifndef BLAS_RECORD_H
#define BLAS_RECORD_H

#include "device/device.h"

enum { RECORD_TEXT = 256 };

/* Copies the value kept for key; false when there is none. */
bool record_find(kiln_device *device, const char *key, char value[RECORD_TEXT]);

/* Keeps a value; NULL removes the key. */
void record_keep(kiln_device *device, const char *key, const char *value);

/* Fails, with the reason, when what was kept last could not be written. */
kiln_status record_is_saved(kiln_device *device);

/* Removes every key that begins so. */
void record_forget_all(kiln_device *device, const char *start);

/* A candidate that is about to run, so that the next process knows what ended this one. NULL: it
 * came to its end. */
void record_trying(kiln_device *device, const char *key, const char *candidate);

/* Did a process end while it tried this candidate, twice or more? */
bool record_is_fatal(kiln_device *device, const char *key, const char *candidate);

/* Forgets what was read; the file stays. */
void record_forget(kiln_device *device);

#endif
