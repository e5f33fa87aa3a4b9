#include "device/device.h"

#include "base/env.h"
#include "base/file.h"
#include "device/inject.h"
#include "device/limits.h"
#include "device/list.h"
#include "device/profile.h"
#include "device/program.h"
#include "device/wait.h"

#include <ctype.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

/* References of all devices; a device itself is used by one thread at a time. */
static pthread_mutex_t reference_lock = PTHREAD_MUTEX_INITIALIZER;

/* A CPU driver that reports vector registers maps a work-item to them when the kernel uses vectors;
 * one that reports scalars (as GPUs do) vectorizes across work-items itself and wants large groups.
 */
static bool prefers_serial_kernels(const found_device *found)
{
    cl_uint width = 0;
    clGetDeviceInfo(found->id, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT, sizeof width, &width, NULL);
    return found->info.type == KILN_DEVICE_CPU && width > 1 && !limits_threads();
}

/* Whether work-items of a kernel can wait for others that have begun: where it was tried. Mesa 22.3's llvmpipe, whose
 * work-item is a lane of a vector, computes such kernels wrongly. */
static bool has_waiting_items(const kiln_device_info *info)
{
    return info->type == KILN_DEVICE_CPU && strstr(info->platform, "Portable Computing Language");
}

static kiln_status open_found(kiln_device *device, const found_device *found)
{
    cl_int error;
    device->info = found->info;
    device->platform = found->platform;
    device->id = found->id;
    device->synchronous = env_debug("sync");
    device->serial_kernels = prefers_serial_kernels(found);
    device->group_limit = found->info.largest_work_group;
    /* Every work-group has one dimension. */
    if (found->info.largest_work_items[0] < device->group_limit)
        device->group_limit = found->info.largest_work_items[0];
    device->avoid = (env_debug("no-pooling") ? DEVICE_AVOID_POOLING : 0u) |
                    (env_debug("no-groups") ? DEVICE_AVOID_GROUPS : 0u) |
                    (env_debug("no-chains") ? DEVICE_AVOID_CHAINS : 0u) |
                    (env_debug("no-winograd") ? DEVICE_AVOID_WINOGRAD : 0u) |
                    (env_debug("no-phases") || !has_waiting_items(&found->info) ? DEVICE_AVOID_PHASES : 0u);
    device->references = 1;
    const cl_context_properties properties[] = {CL_CONTEXT_PLATFORM,
                                                (cl_context_properties)found->platform, 0};
    device->context = CL_MAKE(&error, clCreateContext, properties, 1, &device->id, NULL, NULL);
    KILN_TRY(device_check(device, error, "clCreateContext", "opening the device"));
    device->queue = CL_MAKE(&error, clCreateCommandQueue, device->context, device->id, 0);
    KILN_TRY(device_check(device, error, "clCreateCommandQueue", "opening the device"));
    /* Copies gain nothing from a queue of their own on the host's memory; and with two queues busy at
     * once, on a loaded machine, results of Mesa 22.3's rusticl were seen to differ from run to run. */
    if (!(found->info.type == KILN_DEVICE_CPU && strstr(found->info.platform, "rusticl"))) {
        device->transfer = CL_MAKE(&error, clCreateCommandQueue, device->context, device->id, 0);
        KILN_TRY(device_check(device, error, "clCreateCommandQueue", "opening the device"));
    }
    device->programs = program_table_new(device, found->platform_version);
    if (device->programs == NULL)
        return kiln_last_status();
    device->waiter = waiter_new(device->info.type != KILN_DEVICE_CPU || limits_threads());
    return device->waiter ? KILN_OK : kiln_last_status();
}

kiln_device *device_open_found(const found_device *found)
{
    kiln_device *device = mem_new(1, sizeof *device);
    if (device && open_found(device, found) != KILN_OK) {
        kiln_device_close(device);
        device = NULL;
    }
    return device;
}

kiln_device *kiln_device_open(const char *selector)
{
    found_device *found;
    size_t count, chosen = 0;
    text skipped = {0};
    kiln_device *device = NULL;
    if (list_devices(&found, &count, &skipped) == KILN_OK &&
        list_select(found, count, selector, skipped.data, &chosen) == KILN_OK)
        device = device_open_found(&found[chosen]);
    if (device && selector == NULL)
        device->info.is_default = 1;
    free(found);
    text_free(&skipped);
    return device;
}

char *device_record_path(const kiln_device *device, const char *folder, const char *more)
{
    char limits[32] = "";
    if (limits_mark())
        snprintf(limits, sizeof limits, "-limits-%016" PRIx64, limits_mark());
    char *name = str_format("%s-%s-%u%s%s%s.txt", device->info.name, device->info.driver,
                            (unsigned)device->info.compute_units, limits, more ? "-" : "", more ? more : "");
    if (name == NULL)
        return NULL;
    for (char *at = name; *at; at++)
        if (!isalnum((unsigned char)*at) && *at != '.' && *at != '-')
            *at = '_';
    if (strlen(name) > 200)
        memmove(name, name + strlen(name) - 200, 201);
    char *path = file_cache_path(folder, name);
    free(name);
    return path;
}

kiln_device *device_retain(kiln_device *device)
{
    if (device) {
        pthread_mutex_lock(&reference_lock);
        device->references++;
        pthread_mutex_unlock(&reference_lock);
    }
    return device;
}

void kiln_device_close(kiln_device *device)
{
    if (device == NULL)
        return;
    pthread_mutex_lock(&reference_lock);
    bool last = --device->references <= 0;
    pthread_mutex_unlock(&reference_lock);
    if (!last)
        return;
    /* A lost device may never finish what it was given, and releasing a queue waits for that: what
     * belongs to the driver is left to it. What goes wrong here is nobody's failure any more. */
    kiln_error_record before;
    profile_row *rows;
    size_t count;
    kiln_error_save(&before);
    if (device->profile && profile_stop(device, &rows, &count) == KILN_OK)
        profile_free_rows(rows, count);
    if (!device->lost && device->waiter)
        device_finish(device);
    kiln_error_restore(&before);
    waiter_free(device->waiter);
    program_table_free(device->programs, device->lost);
    if (!device->lost) {
        if (device->transfer)
            clReleaseCommandQueue(device->transfer);
        if (device->queue)
            clReleaseCommandQueue(device->queue);
        if (device->context)
            clReleaseContext(device->context);
    }
    free(device);
}

const kiln_device_info *kiln_device_describe(const kiln_device *device)
{
    return device ? &device->info : NULL;
}

uint64_t kiln_device_memory_used(const kiln_device *device)
{
    return device ? device->used : 0;
}

uint64_t kiln_device_memory_peak(const kiln_device *device)
{
    return device ? device->peak : 0;
}
