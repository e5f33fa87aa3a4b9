/* Launches, and waiting for them. */
#include "base/clock.h"
#include "device/inject.h"
#include "device/inside.h"
#include "device/wait.h"

#include <stdio.h>

/* "NAME for WHAT" */
static const char *describe_launch(char *out, size_t size, const device_launch_info *info)
{
    const char *what = info && info->what ? info->what : "";
    snprintf(out, size, "%s%s%s", info && info->name ? info->name : "a kernel",
             *what ? " for " : "", what);
    return out;
}

/* The driver would refuse it with a number; and a device that only looks smaller, not at all. */
static kiln_status check_group(const kiln_device *device, int dims, const size_t *local,
                               const device_launch_info *info)
{
    char place[256];
    uint64_t items = 1, side = 0;
    int at = 0;
    for (int d = 0; d < dims; d++) {
        items *= local[d];
        if (d < 3 && local[d] > device->info.largest_work_items[d])
            side = local[at = d];
    }
    if (side == 0 && items <= device->info.largest_work_group)
        return KILN_OK;
    return kiln_fail(KILN_ERROR_DEVICE,
                     "launching %s: a work-group of %llu work-items, %zu along axis %d, is more than "
                     "\"%s\" runs: %llu, and %llu along that axis",
                     describe_launch(place, sizeof place, info), (unsigned long long)items,
                     local[at], at, device->info.name,
                     (unsigned long long)device->info.largest_work_group,
                     (unsigned long long)device->info.largest_work_items[at < 3 ? at : 2]);
}

kiln_status device_launch(kiln_device *device, cl_kernel kernel, int dims, const size_t *global,
                          const size_t *local, const device_launch_info *info)
{
    if (device->lost)
        return device_fail_lost(device);
    if (local)
        KILN_TRY(check_group(device, dims, local, info));
    char place[256];
    cl_event event = NULL;
    bool outside = profile_is_from_outside(device);
    if (outside)
        KILN_TRY(device_finish(device));
    double start = outside ? clock_seconds() : 0;
    cl_int error =
        CL_QUEUE(device, device->queue, clEnqueueNDRangeKernel, kernel, (cl_uint)dims, NULL, global,
                 local, 0, NULL, device->profile && !outside ? &event : NULL);
    if (error != CL_SUCCESS)
        return device_check(device, error, "clEnqueueNDRangeKernel", "launching %s",
                            describe_launch(place, sizeof place, info));
    if (event)
        KILN_TRY(profile_record(device, event, info));
    if (outside) {
        KILN_TRY(device_finish(device));
        KILN_TRY(profile_add(device, info, clock_seconds() - start));
    }
    if (device->synchronous && device_finish(device) != KILN_OK)
        return kiln_fail_in("%s", describe_launch(place, sizeof place, info));
    return KILN_OK;
}

kiln_status device_lose(kiln_device *device)
{
    device->lost = true;
    if (device->lost_because[0] == '\0')
        snprintf(device->lost_because, sizeof device->lost_because, "%s", kiln_last_error());
    return kiln_last_status();
}

kiln_status device_fail_lost(kiln_device *device)
{
    return kiln_fail(KILN_ERROR_DEVICE, "%s", device->lost_because);
}

kiln_status device_finish(kiln_device *device)
{
    if (device->lost)
        return device_fail_lost(device);
    bool timed_out;
    double seconds;
    /* An injected failure waits too: the driver is well and still reads memory that callers free.
     */
    cl_int injected = inject("clFinish", device, device->queue);
    cl_int error =
        waiter_finish(device->waiter, device->queue, device->transfer, device->flushed, &timed_out, &seconds);
    device->flushed = false;
    if (injected != CL_SUCCESS)
        error = injected;
    if (timed_out) {
        kiln_fail(KILN_ERROR_DEVICE,
                  "device lost: \"%s\" did not finish its work within %g seconds; run again "
                  "with a smaller batch or another --device",
                  device->info.name, seconds);
        return device_lose(device);
    }
    return device_check(device, error, "clFinish", "waiting");
}

kiln_status device_flush(kiln_device *device)
{
    if (device->lost)
        return device_fail_lost(device);
    cl_int error = inject("clFlush", device, device->queue);
    if (error == CL_SUCCESS)
        error = clFlush(device->queue);
    device->flushed = true;
    return device_check(device, error, "clFlush", "flushing the queue");
}
