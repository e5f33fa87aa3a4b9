/* Measuring what a device can do. */
#ifndef DEVICE_MEASURE_H
#define DEVICE_MEASURE_H

#include "device/device.h"

/* A shape of the multiply-add kernel. */
typedef struct fma_shape {
    int lanes;  /* 16 or 1 */
    int chains; /* independent accumulators: 6 or 12 */
    bool many;  /* thousands of work-items in groups, not a few alone */
    bool half;  /* of halves; for devices that have cl_khr_fp16 */
} fma_shape;

/* GFLOP/s of one shape: the best of the launches that fit into `seconds`. */
kiln_status measure_fma(kiln_device *device, fma_shape shape, double seconds, double *gflops);

#endif
