/* Status and the last failure of each thread. */
#ifndef BASE_STATUS_H
#define BASE_STATUS_H

#include <kiln/status.h>
#include <stdbool.h>
#include <stddef.h>

/* Records a failure and returns its code: `return kiln_fail(KILN_ERROR_SHAPE, "layer %s: ...", name);`
 * One sentence: what failed, on which layer, file or device with which sizes; what to do. No newline. */
kiln_status kiln_fail(kiln_status code, const char *format, ...) KILN_PRINTF(2, 3);

/* Puts "PREFIX: " before the recorded failure and returns its code (for a caller that knows the place). */
kiln_status kiln_fail_in(const char *format, ...) KILN_PRINTF(1, 2);

/* Adds "; ADVICE", what to do, to the recorded failure, unless it has some already; returns its code. For the
 * doors of the library: what is inside need not know how its caller came by a file. */
kiln_status kiln_advise(const char *advice);

/* For a builder that was given NULL: keeps the failure on record, or records that `what` is NULL. */
kiln_status kiln_fail_null(const char *what);

/* Failure for lack of host memory. */
kiln_status kiln_fail_memory(size_t bytes);

/* Attempts that may fail without it being a failure: save before, restore after, and what they recorded
 * is forgotten while an older failure stays on record. */
typedef struct kiln_error_record {
    kiln_status code;
    char message[2048];
} kiln_error_record;
void kiln_error_save(kiln_error_record *record);
void kiln_error_restore(const kiln_error_record *record);

/* Returns from the calling function when EXPR is not KILN_OK. */
#define KILN_TRY(EXPR)                                                                             \
    do {                                                                                           \
        kiln_status try_status_ = (EXPR);                                                          \
        if (try_status_ != KILN_OK)                                                                \
            return try_status_;                                                                    \
    } while (0)

#endif
