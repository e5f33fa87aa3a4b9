/* How fast a device is, for choosing between several of one type. Measured once per device and
 * driver. */
#include "base/env.h"
#include "base/file.h"
#include "base/hash.h"
#include "device/list.h"
#include "device/measure.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Without a measurement: a guess by what the device says of itself. Nanoseconds of work is all it
 * stands for. */
static double guess(const found_device *device)
{
    cl_uint width = 1;
    clGetDeviceInfo(device->id, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT, sizeof width, &width, NULL);
    return 1e-3 * device->info.compute_units *
           (device->info.clock_mhz ? device->info.clock_mhz : 1) * (width ? width : 1);
}

static char *record_path(const found_device *device)
{
    char name[40];
    uint64_t hash = hash_string(0, device->info.name);
    hash = hash_string(hash, device->info.driver);
    hash = hash_string(hash, device->info.version);
    hash = hash_string(hash, device->platform_version);
    snprintf(name, sizeof name, "%016" PRIx64 ".speed", hash);
    return file_cache_path("devices", name);
}

static bool recall(const char *path, double *speed)
{
    void *data;
    size_t bytes;
    if (!file_exists(path) || file_read(path, 4096, &data, &bytes) != KILN_OK)
        return false;
    bool good = sscanf(data, "%lf GFLOP/s", speed) == 1 && *speed > 0 && *speed < 1e9;
    free(data);
    return good;
}

/* Both kinds of kernel, a few milliseconds each; the compiler takes most of the time. */
static double measure_quickly(const found_device *found)
{
    static const fma_shape shapes[] = {{.lanes = 16, .chains = 6},
                                       {.lanes = 1, .chains = 12, .many = true}};
    double best = 0, speed;
    kiln_device *device = device_open_found(found);
    if (device == NULL)
        return 0;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        if (found->info.type == KILN_DEVICE_GPU && !shapes[i].many)
            continue;
        if (measure_fma(device, shapes[i], 0.005, &speed) == KILN_OK && speed > best)
            best = speed;
    }
    kiln_device_close(device);
    return best;
}

double list_speed(const found_device *device)
{
    kiln_error_record before;
    kiln_error_save(&before);
    double speed = 0;
    char *path = record_path(device);
    if (path == NULL || !recall(path, &speed)) {
        if (env_tune_is_off()) {
            speed = guess(device);
        } else if ((speed = measure_quickly(device)) > 0 && path) {
            char line[600];
            int n = snprintf(line, sizeof line, "%.3f GFLOP/s: %s, %s, driver %s\n", speed,
                             device->info.name, device->info.platform, device->info.driver);
            file_write_atomic(path, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1);
        }
    }
    free(path);
    kiln_error_restore(&before);
    return speed;
}
