/* OpenCL devices: what there is, and which one to use. */
#ifndef KILN_DEVICE_H
#define KILN_DEVICE_H

#include "status.h"
#include "values.h"

KILN_BEGIN_DECLS

/* A chosen device with its context, queues, programs and memory account. Several may be open; one thread
 * at a time uses each. */
typedef struct kiln_device kiln_device;

typedef enum kiln_device_type {
    KILN_DEVICE_OTHER = 0,
    KILN_DEVICE_CPU,
    KILN_DEVICE_GPU,
    KILN_DEVICE_ACCELERATOR
} kiln_device_type;

/* What a device says of itself. Sizes in bytes. */
typedef struct kiln_device_info {
    int index;           /* in the list of all devices */
    int platform_index;  /* platform:device address */
    int device_index;
    char platform[128];
    char name[256];
    char vendor[128];
    char driver[128];    /* driver version */
    char version[128];   /* CL_DEVICE_VERSION */
    char pci[32];        /* "0000:01:00.0", or "" where unknown */
    kiln_device_type type;
    uint32_t compute_units;
    uint32_t clock_mhz;
    uint64_t memory;
    uint64_t largest_allocation;
    uint64_t local_memory;
    uint64_t largest_work_group;     /* work-items of a work-group */
    uint64_t largest_work_items[3];  /* of a work-group along each dimension */
    uint32_t base_alignment;      /* of sub-buffers, in bytes */
    int has_fp16, has_fp64, has_subgroups, has_unified_memory;
    int is_default;               /* what kiln_device_open(NULL) would take */
} kiln_device_info;

/* Lists every device of every platform. *devices is the caller's, freed with free(). A platform that fails
 * or has no device is skipped; *skipped (if not NULL) gets a line for each, "" when there is none, the
 * caller's to free. No device at all is no error here: *count is 0. */
KILN_API kiln_status kiln_devices_list(kiln_device_info **devices, size_t *count, char **skipped);

/* Opens a device. selector: an index ("1"), "platform:device" ("0:1"), part of a name, "gpu", "cpu",
 * "accelerator" or a PCI address; NULL: $KILN_DEVICE, else the best by type and measured speed. NULL on
 * failure. Close with kiln_device_close. */
KILN_API kiln_device *kiln_device_open(const char *selector);

/* What the device says of itself; owned by the device. */
KILN_API const kiln_device_info *kiln_device_describe(const kiln_device *device);

/* Bytes allocated on the device now, and the most there were. */
KILN_API uint64_t kiln_device_memory_used(const kiln_device *device);
KILN_API uint64_t kiln_device_memory_peak(const kiln_device *device);

/* Runs the check of a device in the ways that it can be used: every family of kernels on small tensors, compared
 * with the host's results. *report is a text of a line for each, the caller's, freed with free(); it is also there
 * where the check fails, which is where no way gives right results. What is wrong is left out of the plans made
 * for this open device from now on. The first use of a device by a model runs the check by itself, once, and keeps
 * the verdict in the cache. */
KILN_API kiln_status kiln_device_check(kiln_device *device, char **report);

/* Which of OpenCL's faster ways (local memory, subgroups, command buffers ...) Kiln uses on the device, and why it does
 * not use the others: a line for each, "WAY  yes|no  WHY". The caller's, freed with free(); NULL on failure. */
KILN_API char *kiln_device_paths(const kiln_device *device);

/* Gives a device back. Models that use it keep it open until they are freed. NULL is allowed. */
KILN_API void kiln_device_close(kiln_device *device);

/* "CPU", "GPU", "accelerator" or "other". */
KILN_API const char *kiln_device_type_name(kiln_device_type type);

/* Figures of a device, measured in about a second. */
typedef struct kiln_device_peaks {
    double fma_gflops;       /* float multiply-adds, counted as two */
    double copy_gbytes;      /* buffer to buffer, bytes read plus bytes written, a second */
    double launch_us;        /* an empty launch in an in-order queue */
    double upload_gbytes;    /* host to device, a second; blocking writes of up to 64 MiB */
    double download_gbytes;  /* device to host likewise */
    double fp16_gflops;      /* half multiply-adds; 0 on a device without cl_khr_fp16 */
} kiln_device_peaks;
KILN_API kiln_status kiln_device_measure(kiln_device *device, kiln_device_peaks *peaks);

KILN_END_DECLS

#endif
