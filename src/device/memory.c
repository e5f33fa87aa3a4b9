/* Device memory: allocation with an account, copies. */
#include "device/inject.h"
#include "device/inside.h"

#include <stdio.h>

/* "12.5 MiB" */
static const char *size_words(char *out, size_t room, double bytes)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB"};
    int unit = 0;
    while (bytes >= 1024 && unit < 5) {
        bytes /= 1024;
        unit++;
    }
    snprintf(out, room, unit ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
    return out;
}

/* Most drivers give memory only when it is first used, and some give none then. Better now than in
 * the middle of a training: a byte at either end makes them show. */
enum { TOUCHED_BYTES = 16 << 20 };

static kiln_status touch(kiln_device *device, cl_mem memory, size_t bytes, const char *what)
{
    const cl_uchar zero = 0;
    char wanted[32], total[32], used[32];
    size_words(wanted, sizeof wanted, (double)bytes);
    cl_int error =
        CL_QUEUE(device, device->queue, clEnqueueFillBuffer, memory, &zero, 1, 0, 1, 0, NULL, NULL);
    if (error == CL_SUCCESS)
        error = CL_QUEUE(device, device->queue, clEnqueueFillBuffer, memory, &zero, 1, bytes - 1, 1,
                         0, NULL, NULL);
    if (error != CL_SUCCESS)
        return kiln_fail(KILN_ERROR_MEMORY,
                         "no memory for %s: it takes %s, which \"%s\" could not provide (%s), with "
                         "%s of its %s in "
                         "use; use a smaller network or batch, or another device",
                         what, wanted, device->info.name, device_error_name(error),
                         size_words(used, sizeof used, (double)device->used),
                         size_words(total, sizeof total, (double)device->info.memory));
    return device_finish(device) == KILN_OK ? KILN_OK
                                            : kiln_fail_in("no memory for %s of %s", what, wanted);
}

kiln_status device_alloc(kiln_device *device, size_t bytes, const char *what, cl_mem *memory)
{
    const kiln_device_info *info = &device->info;
    char wanted[32], largest[32], total[32], used[32];
    cl_int error;
    *memory = NULL;
    if (device->lost)
        return device_fail_lost(device);
    if (bytes == 0)
        bytes = 4;
    if (bytes > info->largest_allocation)
        return kiln_fail(KILN_ERROR_MEMORY,
                         "no memory for %s: it takes %s, more than the largest single allocation "
                         "of \"%s\" (%s of %s); "
                         "use a smaller network or batch, or another device",
                         what, size_words(wanted, sizeof wanted, (double)bytes), info->name,
                         size_words(largest, sizeof largest, (double)info->largest_allocation),
                         size_words(total, sizeof total, (double)info->memory));
    if (bytes > info->memory || device->used > info->memory - bytes)
        return kiln_fail(KILN_ERROR_MEMORY,
                         "no memory for %s: it takes %s, and %s of the %s of \"%s\" are in use; "
                         "use a smaller network or batch, or "
                         "another device",
                         what, size_words(wanted, sizeof wanted, (double)bytes),
                         size_words(used, sizeof used, (double)device->used),
                         size_words(total, sizeof total, (double)info->memory), info->name);
    *memory = CL_MAKE(&error, clCreateBuffer, device->context, CL_MEM_READ_WRITE, bytes, NULL);
    if (*memory == NULL || error != CL_SUCCESS) {
        *memory = NULL;
        return device_check(device, error ? error : CL_MEM_OBJECT_ALLOCATION_FAILURE,
                            "clCreateBuffer", "allocating %s for %s",
                            size_words(wanted, sizeof wanted, (double)bytes), what);
    }
    if (bytes >= TOUCHED_BYTES) {
        kiln_status status = touch(device, *memory, bytes, what);
        if (status != KILN_OK) {
            if (!device->lost)
                clReleaseMemObject(*memory);
            *memory = NULL;
            return status;
        }
    }
    device->used += bytes;
    if (device->used > device->peak)
        device->peak = device->used;
    return KILN_OK;
}

void device_free(kiln_device *device, cl_mem memory)
{
    if (memory == NULL)
        return;
    size_t bytes = 0;
    if (clGetMemObjectInfo(memory, CL_MEM_SIZE, sizeof bytes, &bytes, NULL) == CL_SUCCESS)
        device->used -= bytes < device->used ? bytes : device->used;
    if (!device->lost) /* a lost device may still use it */
        clReleaseMemObject(memory);
}

kiln_status device_write_later(kiln_device *device, cl_mem memory, size_t offset, const void *data,
                               size_t bytes)
{
    if (device->lost)
        return device_fail_lost(device);
    if (bytes == 0)
        return KILN_OK;
    cl_int error = CL_QUEUE(device, device->queue, clEnqueueWriteBuffer, memory, CL_FALSE, offset,
                            bytes, data, 0, NULL, NULL);
    return device_check(device, error, "clEnqueueWriteBuffer", "writing %zu bytes", bytes);
}

kiln_status device_write(kiln_device *device, cl_mem memory, size_t offset, const void *data,
                         size_t bytes)
{
    KILN_TRY(device_write_later(device, memory, offset, data, bytes));
    return bytes ? device_finish(device) : KILN_OK;
}

kiln_status device_upload(kiln_device *device, cl_mem memory, size_t offset, const void *data,
                          size_t bytes)
{
    if (device->lost)
        return device_fail_lost(device);
    if (bytes == 0)
        return KILN_OK;
    cl_command_queue queue = device->transfer ? device->transfer : device->queue;
    cl_int error = CL_QUEUE(device, queue, clEnqueueWriteBuffer, memory, CL_FALSE,
                            offset, bytes, data, 0, NULL, NULL);
    KILN_TRY(device_check(device, error, "clEnqueueWriteBuffer", "uploading %zu bytes", bytes));
    device->flushed = true;
    return device_check(device, clFlush(queue), "clFlush", "flushing the queue");
}

kiln_status device_read(kiln_device *device, cl_mem memory, size_t offset, void *data, size_t bytes)
{
    if (device->lost)
        return device_fail_lost(device);
    if (bytes == 0)
        return KILN_OK;
    cl_int error = CL_QUEUE(device, device->queue, clEnqueueReadBuffer, memory, CL_FALSE, offset,
                            bytes, data, 0, NULL, NULL);
    KILN_TRY(device_check(device, error, "clEnqueueReadBuffer", "reading %zu bytes", bytes));
    return device_finish(device);
}

kiln_status device_fill_zero(kiln_device *device, cl_mem memory, size_t offset, size_t bytes)
{
    if (device->lost)
        return device_fail_lost(device);
    if (bytes == 0)
        return KILN_OK;
    /* The pattern must divide offset and size. */
    const cl_uint zero = 0;
    size_t pattern = offset % 4 || bytes % 4 ? 1 : 4;
    cl_int error = CL_QUEUE(device, device->queue, clEnqueueFillBuffer, memory, &zero, pattern,
                            offset, bytes, 0, NULL, NULL);
    return device_check(device, error, "clEnqueueFillBuffer", "clearing %zu bytes", bytes);
}

kiln_status device_copy(kiln_device *device, cl_mem from, size_t from_offset, cl_mem to,
                        size_t to_offset, size_t bytes)
{
    if (device->lost)
        return device_fail_lost(device);
    if (bytes == 0)
        return KILN_OK;
    cl_int error = CL_QUEUE(device, device->queue, clEnqueueCopyBuffer, from, to, from_offset,
                            to_offset, bytes, 0, NULL, NULL);
    return device_check(device, error, "clEnqueueCopyBuffer", "copying %zu bytes", bytes);
}
