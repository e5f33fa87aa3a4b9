/* OpenCL errors in words. */
#include "device/inside.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    cl_int code;
    const char *name, *meaning; /* meaning: what it is; what to do */
} errors[] = {
    {0, "CL_SUCCESS", ""},
    {-1, "CL_DEVICE_NOT_FOUND", "there is no device; install a driver"},
    {-2, "CL_DEVICE_NOT_AVAILABLE", "the device is gone; check that it still works and run again"},
    {-3, "CL_COMPILER_NOT_AVAILABLE", "the driver has no compiler; install a complete one"},
    {-4, "CL_MEM_OBJECT_ALLOCATION_FAILURE",
     "the device has no memory left; use a smaller batch or close other programs"},
    {-5, "CL_OUT_OF_RESOURCES",
     "the device ran out of something or a kernel crashed; use a smaller batch, and update the "
     "driver if that does not help"},
    {-6, "CL_OUT_OF_HOST_MEMORY",
     "the host has no memory left; use a smaller batch or close other programs"},
    {-7, "CL_PROFILING_INFO_NOT_AVAILABLE", "the queue keeps no times"},
    {-8, "CL_MEM_COPY_OVERLAP", "two ranges of a copy overlap"},
    {-9, "CL_IMAGE_FORMAT_MISMATCH", ""},
    {-10, "CL_IMAGE_FORMAT_NOT_SUPPORTED", ""},
    {-11, "CL_BUILD_PROGRAM_FAILURE", "the driver's compiler gave up; update the driver"},
    {-12, "CL_MAP_FAILURE", "memory could not be mapped"},
    {-13, "CL_MISALIGNED_SUB_BUFFER_OFFSET", "a part of a buffer begins at the wrong place"},
    {-14, "CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST", "an earlier command failed"},
    {-15, "CL_COMPILE_PROGRAM_FAILURE", "the driver's compiler gave up; update the driver"},
    {-16, "CL_LINKER_NOT_AVAILABLE", ""},
    {-17, "CL_LINK_PROGRAM_FAILURE", ""},
    {-18, "CL_DEVICE_PARTITION_FAILED", ""},
    {-19, "CL_KERNEL_ARG_INFO_NOT_AVAILABLE", ""},
    {-30, "CL_INVALID_VALUE", ""},
    {-31, "CL_INVALID_DEVICE_TYPE", ""},
    {-32, "CL_INVALID_PLATFORM", ""},
    {-33, "CL_INVALID_DEVICE", ""},
    {-34, "CL_INVALID_CONTEXT", ""},
    {-35, "CL_INVALID_QUEUE_PROPERTIES", ""},
    {-36, "CL_INVALID_COMMAND_QUEUE", ""},
    {-37, "CL_INVALID_HOST_PTR", ""},
    {-38, "CL_INVALID_MEM_OBJECT", ""},
    {-39, "CL_INVALID_IMAGE_FORMAT_DESCRIPTOR", ""},
    {-40, "CL_INVALID_IMAGE_SIZE", ""},
    {-41, "CL_INVALID_SAMPLER", ""},
    {-42, "CL_INVALID_BINARY", ""},
    {-43, "CL_INVALID_BUILD_OPTIONS", ""},
    {-44, "CL_INVALID_PROGRAM", ""},
    {-45, "CL_INVALID_PROGRAM_EXECUTABLE", ""},
    {-46, "CL_INVALID_KERNEL_NAME", ""},
    {-47, "CL_INVALID_KERNEL_DEFINITION", ""},
    {-48, "CL_INVALID_KERNEL", ""},
    {-49, "CL_INVALID_ARG_INDEX", ""},
    {-50, "CL_INVALID_ARG_VALUE", ""},
    {-51, "CL_INVALID_ARG_SIZE", ""},
    {-52, "CL_INVALID_KERNEL_ARGS", ""},
    {-53, "CL_INVALID_WORK_DIMENSION", ""},
    {-54, "CL_INVALID_WORK_GROUP_SIZE", ""},
    {-55, "CL_INVALID_WORK_ITEM_SIZE", ""},
    {-56, "CL_INVALID_GLOBAL_OFFSET", ""},
    {-57, "CL_INVALID_EVENT_WAIT_LIST", ""},
    {-58, "CL_INVALID_EVENT", ""},
    {-59, "CL_INVALID_OPERATION", ""},
    {-60, "CL_INVALID_GL_OBJECT", ""},
    {-61, "CL_INVALID_BUFFER_SIZE", "a buffer is larger than the device allows"},
    {-62, "CL_INVALID_MIP_LEVEL", ""},
    {-63, "CL_INVALID_GLOBAL_WORK_SIZE", ""},
    {-64, "CL_INVALID_PROPERTY", ""},
    {-66, "CL_INVALID_COMPILER_OPTIONS", ""},
    {-67, "CL_INVALID_LINKER_OPTIONS", ""},
    {-1001, "CL_PLATFORM_NOT_FOUND_KHR", "no driver is installed"},
    {-9999, "CL_ILLEGAL_MEMORY_ACCESS", "a kernel touched memory it does not own"},
};

static const char *meaning_of(cl_int error)
{
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (errors[i].code == error && errors[i].meaning[0])
            return errors[i].meaning;
    return "the driver refused it; run again with KILN_DEBUG=sync to see which call it was";
}

const char *device_error_name(cl_int error)
{
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (errors[i].code == error)
            return errors[i].name;
    return "unknown OpenCL error";
}

/* Does this error mean that no later call can work? An exhausted resource does, when it comes from
 * a wait: the launch was accepted and then died. From the launch itself it may only be this kernel
 * that asks for too much, so the device is asked. */
static bool means_lost(kiln_device *device, cl_int error, const char *call)
{
    switch (error) {
    case CL_DEVICE_NOT_AVAILABLE:
    case CL_INVALID_COMMAND_QUEUE:
    case CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST:
    case -9999:
        return true;
    case CL_OUT_OF_RESOURCES:
        return strcmp(call, "clEnqueueNDRangeKernel") != 0 || clFlush(device->queue) != CL_SUCCESS;
    default:
        return false;
    }
}

static bool is_wait(const char *call)
{
    static const char *const waits[] = {"clFinish", "clFlush", "clWaitForEvents"};
    for (size_t i = 0; i < sizeof waits / sizeof *waits; i++)
        if (strcmp(call, waits[i]) == 0)
            return true;
    return strncmp(call, "clEnqueue", 9) == 0;
}

kiln_status device_check(kiln_device *device, cl_int error, const char *call, const char *format,
                         ...)
{
    if (error == CL_SUCCESS)
        return KILN_OK;
    va_list args;
    char what[512];
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    bool lost = is_wait(call) && means_lost(device, error, call);
    bool memory = error == CL_MEM_OBJECT_ALLOCATION_FAILURE || error == CL_OUT_OF_HOST_MEMORY;
    kiln_status status = kiln_fail(memory ? KILN_ERROR_MEMORY : KILN_ERROR_DEVICE,
                                   "%s failed on \"%s\": %s: %s (%d)%s: %s", what,
                                   device->info.name, call, device_error_name(error), error,
                                   lost ? ", the device is lost" : "", meaning_of(error));
    return lost ? device_lose(device) : status;
}
