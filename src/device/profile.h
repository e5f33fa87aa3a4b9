/* Per-launch times of a device, by kernel and place. */
#ifndef DEVICE_PROFILE_H
#define DEVICE_PROFILE_H

#include "device/device.h"

typedef struct profile_row {
    char *name, *what;   /* kernel; layer and shape */
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
void profile_free_rows(profile_row *rows, size_t count);

#endif
