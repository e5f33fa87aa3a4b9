/* A device that looks smaller than it is: KILN_DEBUG=limits:WHAT, for trying on one device what another
 * one has to do without.
 *
 *   memory:BYTES, allocation:BYTES, local:BYTES   all memory, the largest allocation, local memory
 *   group:N, items:X:Y:Z                          work-items of a work-group, and along each dimension
 *   alignment:BYTES                               the alignment of a buffer's base is coarser
 *   version:1.2                                   no later OpenCL
 *   no-fp16, no-fp64, no-subgroups                not there
 *   threads                                       work-items are threads that share local memory, as on a GPU
 *
 * What a device seems not to have cannot be used: launches over the limits fail, and programs with a
 * type that is not there do not compile. */
#ifndef DEVICE_LIMITS_H
#define DEVICE_LIMITS_H

#include "device/device.h"

/* Fails for a limit that means nothing. */
kiln_status limits_check_words(void);

void limits_apply(kiln_device_info *info);

/* A number that tells devices of the same limits from others, whatever the limits' order; 0 without any. */
uint64_t limits_mark(void);

/* limits:threads */
bool limits_threads(void);

/* Lines that go before a program's source: types that must not be used. */
void limits_source(const kiln_device_info *info, text *source);

#endif
