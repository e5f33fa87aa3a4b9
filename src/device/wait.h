/* Waiting for a queue with a time limit.
 *
 * clFinish has none, and a device that hangs would take the caller with it. So a thread of its own
 * calls clFinish, and the caller waits for that thread. A few microseconds dearer than clFinish; a
 * thread that never comes back is given up together with the device. */
#ifndef DEVICE_WAIT_H
#define DEVICE_WAIT_H

#include "device/device.h"

/* sleeps: the processor is left to others meanwhile; for devices that are none themselves. NULL with a failure on
 * record when there is no memory or thread. */
device_waiter *waiter_new(bool sleeps);
bool waiter_sleeps(const device_waiter *waiter);
void waiter_free(device_waiter *waiter); /* NULL is allowed */

/* Waits until both queues (the second may be NULL) are empty. flushed: since they last were, one was flushed.
 * *timed_out says that there is no hope any more, after *seconds. Returns what clFinish said. */
cl_int waiter_finish(device_waiter *waiter, cl_command_queue first, cl_command_queue second, bool flushed,
                     bool *timed_out, double *seconds);

#endif
