/* A time line of launches in Chrome's trace event format, which chrome://tracing and Perfetto open.
 */
#ifndef CLI_TRACE_H
#define CLI_TRACE_H

#include "device/profile.h"

typedef struct trace {
    const char *title; /* "mlp, batch size 32" */
    const kiln_device_info *device;
    const profile_row *rows;
    const profile_span *spans; /* of whole steps, in order of their start */
    size_t count;
    size_t launches; /* a step */
} trace;

kiln_status trace_write(const trace *t, const char *path);

#endif
