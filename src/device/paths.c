/* Which of OpenCL's faster ways Kiln uses on a device, and why it does not use the others. */
#include "device/inside.h"
#include "device/list.h"
#include "device/program_cache.h"
#include "device/wait.h"

#include <stdlib.h>

static void add(text *out, const char *way, const char *used, const char *why)
{
    text_add(out, "%-20s %-5s %s\n", way, used, why);
}

/* What Kiln has no use for, whether it is there or not. */
static void add_unused(text *out, const char *way, bool there, const char *why)
{
    char *line = str_format("%s%s", there ? "" : "not there; ", why);
    add(out, way, "no", line ? line : why);
    free(line);
}

char *kiln_device_paths(const kiln_device *device)
{
    text out = {0};
    char extensions[8192] = "";
    cl_command_queue_properties queues = 0;
    if (device == NULL) {
        kiln_fail_null("the device");
        return NULL;
    }
    const kiln_device_info *info = &device->info;
    const bool serial = device->serial_kernels, cpu = info->type == KILN_DEVICE_CPU;
    clGetDeviceInfo(device->id, CL_DEVICE_EXTENSIONS, sizeof extensions - 1, extensions, NULL);
    clGetDeviceInfo(device->id, CL_DEVICE_QUEUE_PROPERTIES, sizeof queues, &queues, NULL);
    add(&out, "serial kernels", serial ? "yes" : "no",
        serial ? "a work-item is a thread of the CPU and owns a tile of the result"
        : cpu  ? "the driver computes work-items side by side"
               : "work-items are threads of the device");
    add(&out, "local memory", serial ? "no" : "yes",
        serial ? "it is memory like any other here" : "work-groups share tiles of their operands");
    add(&out, "fused launches",
        device->avoid & DEVICE_AVOID_GROUPS ? "no" : "yes",
        device->avoid & DEVICE_AVOID_GROUPS ? "KILN_DEBUG or the check of the device rules them out"
        : serial ? "launches that do not wait for each other are one kernel"
                 : "launches that do not wait for each other are one kernel, products apart");
    const bool phases = serial && !(device->avoid & (DEVICE_AVOID_PHASES | DEVICE_AVOID_GROUPS));
    add(&out, "one launch a step", phases ? "yes" : "no",
        phases   ? "of small ones: its work-items wait for each other where launches would"
        : serial ? "KILN_DEBUG, the check of the device or its driver rules it out: known to work on PoCL"
                 : "only threads of a CPU can wait for each other");
    add(&out, "chains of rows",
        device->avoid & DEVICE_AVOID_CHAINS ? "no"
        : serial                            ? "yes"
                                            : "no",
        device->avoid & DEVICE_AVOID_CHAINS ? "KILN_DEBUG or the check of the device rules them out"
        : serial ? "layers, and loops over time, go through a block of rows in one kernel"
                 : "the rows' values would not stay in a cache");
    add(&out, "pooling in place", device->avoid & DEVICE_AVOID_POOLING ? "no" : "yes",
        device->avoid & DEVICE_AVOID_POOLING
            ? "KILN_DEBUG or the check of the device rules it out"
            : "maximum pooling is done in the convolution before it");
    add(&out, "queue for transfers", device->transfer ? "yes" : "no",
        device->transfer ? "batches are copied while the device computes"
                         : "this driver has been seen to err with two queues");
    add(&out, "sleeping waits", waiter_sleeps(device->waiter) ? "yes" : "no",
        waiter_sleeps(device->waiter) ? "the host's processor is left to others"
                                      : "the host is the device: it waits in clFinish");
    add(&out, "cached programs", "yes",
        program_cache_driver_keeps(device) ? "the driver keeps them" : "Kiln keeps them");
    add_unused(&out, "unified memory", info->has_unified_memory,
               "batches are gathered and copied: a map takes three times as long at 25 KB, and 0.8 at 2 MB (PoCL)");
    add_unused(&out, "fp16 arithmetic", info->has_fp16, "Kiln computes with float32");
    add(&out, "half storage", "yes",
        serial ? "for models of mixed_float16 (--dtype); the convolutions of a CPU read float32"
               : "for models of mixed_float16 (--dtype): activations and their gradients");
    add_unused(&out, "subgroups", info->has_subgroups, "no kernel is written for them");
    add_unused(&out, "command buffers", list_has_extension(extensions, "cl_khr_command_buffer"),
               "launches one by one are as fast where it was tried (PoCL)");
    add_unused(&out, "out-of-order queue", queues & CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE,
               serial ? "what could run side by side is one kernel" : "launches run in the order of the plan");
    if (out.failed) {
        text_free(&out);
        kiln_fail_memory(4096);
        return NULL;
    }
    return out.data;
}
