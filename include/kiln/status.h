/* Status codes and the message of the last failure. */
#ifndef KILN_STATUS_H
#define KILN_STATUS_H

#include "export.h"

#include <stdio.h>

KILN_BEGIN_DECLS

/* What a fallible function returns. Everything but KILN_OK comes with a sentence in kiln_last_error(). */
typedef enum kiln_status {
    KILN_OK = 0,
    KILN_ERROR_ARGUMENT,    /* an argument, option or name that means nothing */
    KILN_ERROR_SHAPE,       /* shapes that do not fit each other */
    KILN_ERROR_FILE,        /* a file that cannot be opened, read or written */
    KILN_ERROR_FORMAT,      /* a file whose content is not what it should be */
    KILN_ERROR_MEMORY,      /* no memory, on the host or on the device */
    KILN_ERROR_DEVICE,      /* no device, or a device that failed */
    KILN_ERROR_BUILD,       /* a kernel that does not compile */
    KILN_ERROR_UNSUPPORTED, /* something Keras has and Kiln does not */
    KILN_ERROR_NUMERIC,     /* a loss that is not finite */
    KILN_ERROR_DOWNLOAD,    /* an address that cannot be reached, or that sent something else */
    KILN_INTERRUPTED        /* kiln_stop_training() was called */
} kiln_status;

/* The sentence that describes this thread's last failure, or "" when there was none. Owned by the
 * library, valid until this thread's next call into it. */
KILN_API const char *kiln_last_error(void);

/* The code that belongs to kiln_last_error(), or KILN_OK. */
KILN_API kiln_status kiln_last_status(void);

/* Forgets this thread's last failure. */
KILN_API void kiln_clear_error(void);

/* Prints "kiln: SENTENCE" to stream if this thread has a failure on record, and forgets it; a sentence that
 * does not say what to do gets a general advice. Returns 1 if there was one, else 0: what main() returns. */
KILN_API int kiln_report_errors(FILE *stream);

/* The library's version, "0.1.0". */
KILN_API const char *kiln_version(void);

KILN_END_DECLS

#endif
