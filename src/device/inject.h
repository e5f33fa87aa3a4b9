/* OpenCL calls that KILN_DEBUG can make fail or hang.
 *
 * fail:CALL:N     the Nth call of CALL in this process fails with CL_OUT_OF_RESOURCES
 * vanish:CALL:N   from the Nth call of CALL on, every call fails with CL_DEVICE_NOT_AVAILABLE
 * hang:CALL:N     the Nth call of CALL, which uses a queue, leaves that queue stuck for good
 *
 * Counting starts when a device list is made or a device is opened under a new value of KILN_DEBUG.
 */
#ifndef DEVICE_INJECT_H
#define DEVICE_INJECT_H

#include "device/device.h"

#include <stdatomic.h>

/* Reads KILN_DEBUG again if it changed. Fails for a rule that could never act. */
kiln_status inject_load(void);

extern atomic_bool inject_on;

/* The error this call is to fail with, or CL_SUCCESS. A hang is put into queue (NULL: none can be).
 */
cl_int inject_call(const char *call, kiln_device *device, cl_command_queue queue);

/* The error that this thread's last inject_call returned. */
cl_int inject_code(void);

/* Was a hang asked for? Waits are short then. */
bool inject_hangs(void);

static inline cl_int inject(const char *call, kiln_device *device, cl_command_queue queue)
{
    if (!atomic_load_explicit(&inject_on, memory_order_relaxed))
        return CL_SUCCESS;
    return inject_call(call, device, queue);
}

/* CLBlast's products are the call CLBlastSgemm: its own calls of OpenCL are out of reach. */

/* error = CL_RUN(clGetPlatformIDs, 0, NULL, &count) */
#define CL_RUN(call, ...) (inject(#call, NULL, NULL) ? inject_code() : call(__VA_ARGS__))

/* memory = CL_MAKE(&error, clCreateBuffer, context, ...) without the last argument */
#define CL_MAKE(error, call, ...)                                                                  \
    (inject(#call, NULL, NULL) ? (*(error) = inject_code(), (void *)NULL)                          \
                               : call(__VA_ARGS__, (error)))

/* error = CL_QUEUE(device, queue, clEnqueueNDRangeKernel, kernel, ...) */
#define CL_QUEUE(device, queue, call, ...)                                                         \
    (inject(#call, device, queue) ? inject_code() : call(queue, __VA_ARGS__))

#endif
