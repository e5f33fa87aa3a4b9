/* Per-launch times of a device, by kernel and place. */
#ifndef DEVICE_PROFILE_H
#define DEVICE_PROFILE_H

#include "device/device.h"

typedef struct profile_row {
    char *name, *what;   /* kernel; layer and shape */
    char *layer;         /* "" when it has none */
    uint64_t calls;
    double seconds;      /* sum of event times (start to end) */
    double flops, bytes; /* sums */
} profile_row;

/* Starts profiling (the queue is replaced by one with profiling enabled); profile_stop waits, sums up and
 * hands out rows in order of first call, the caller's to free with profile_free_rows. */
kiln_status profile_start(kiln_device *device);
kiln_status profile_stop(kiln_device *device, profile_row **rows, size_t *count);
/* While profiling: a call of a library that keeps its launches to itself, timed by the caller. */
kiln_status profile_add(kiln_device *device, const device_launch_info *info, double seconds);
/* Some drivers' events tell no times. From now on each launch is waited for and timed by the host's clock; until
 * profile_stop. */
void profile_from_outside(kiln_device *device);
/* One launch on the device's time line. */
typedef struct profile_span {
    size_t row;            /* of the rows that profile_stop will hand out */
    double start, seconds; /* start: since the first one's */
    double flops, bytes;
} profile_span;

/* While profiling: keeps launches one by one from now on, `most` of them at the most. profile_take_spans waits for
 * them, ends that, and hands them out in order of their start, the caller's to free with free(). */
kiln_status profile_keep_spans(kiln_device *device, size_t most);
kiln_status profile_take_spans(kiln_device *device, profile_span **spans, size_t *count);
void profile_free_rows(profile_row *rows, size_t count);

#endif
