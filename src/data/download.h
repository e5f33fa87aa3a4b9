/* Downloads of a data set's files, resumed where the last attempt stopped. */
#ifndef DATA_DOWNLOAD_H
#define DATA_DOWNLOAD_H

#include "base/status.h"

#include <stdint.h>

typedef struct download {
    const char *set;  /* "mnist" */
    const char *file; /* "train-images-idx3-ubyte.gz" */
    const char *path; /* where it goes; until it is complete and checked it is path.part */
    int64_t most;     /* a longer file is refused */
    int patience;     /* seconds without data after which it gives up; 0: 30 */
    /* Is the complete file at `path` the right one? */
    kiln_status (*check)(void *user, const char *path);
    void *user;
} download;

/* Fetches the file from $KILN_DATA_URL/SET/FILE where that is set, else from the first of the set's
 * addresses that works. When another process is at it, waits for that one. */
kiln_status download_get(const download *what);

#endif
