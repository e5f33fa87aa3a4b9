#include "device/measure.h"

#include "base/clock.h"
#include "device/inject.h"
#include "device/inside.h"

#include <stdio.h>

typedef struct bound_kernel {
    cl_kernel kernel;
    size_t global, local; /* local 0: the driver's choice */
} bound_kernel;

static kiln_status make_kernel(kiln_device *device, fma_shape shape, const char *name,
                               cl_kernel *kernel)
{
    char options[96];
    cl_program program;
    text source = {0};
    snprintf(options, sizeof options, "-DLANES=%d -DCHAINS=%d%s", shape.lanes, shape.chains,
             shape.half ? " -DHALF" : "");
    kiln_status status = source_file(&source, "peaks.cl");
    if (status == KILN_OK)
        status = device_program(device, "the measurement", source.data, options, &program);
    if (status == KILN_OK)
        status = device_kernel(device, program, name, kernel);
    text_free(&source);
    return status;
}

static kiln_status set_argument(kiln_device *device, cl_kernel kernel, cl_uint index, size_t size,
                                const void *value)
{
    return device_check(device, CL_RUN(clSetKernelArg, kernel, index, size, value),
                        "clSetKernelArg", "setting an argument of the measurement");
}

/* Seconds of `launches` launches with the wait after the last. */
static kiln_status time_launches(kiln_device *device, const bound_kernel *bound, int launches,
                                 double *seconds)
{
    static const device_launch_info info = {.name = "measurement"};
    double begin = clock_seconds();
    for (int i = 0; i < launches; i++)
        KILN_TRY(device_launch(device, bound->kernel, 1, &bound->global,
                               bound->local ? &bound->local : NULL, &info));
    KILN_TRY(device_finish(device));
    *seconds = clock_seconds() - begin;
    return KILN_OK;
}

/* The shortest time of one launch among those that fit into `budget` seconds, at least two. */
static kiln_status best_launch(kiln_device *device, const bound_kernel *bound, double budget,
                               double *best)
{
    double end = clock_seconds() + budget, seconds;
    *best = 1e30;
    for (int i = 0; i < 2 || (clock_seconds() < end && i < 1000); i++) {
        KILN_TRY(time_launches(device, bound, 1, &seconds));
        if (seconds < *best)
            *best = seconds;
    }
    return KILN_OK;
}

static kiln_status run_fma(kiln_device *device, fma_shape shape, bound_kernel *bound, cl_mem out,
                           double budget, double *gflops)
{
    const cl_float factor = 0.5f, rest = 0.5f;
    double seconds = 0;
    KILN_TRY(set_argument(device, bound->kernel, 0, sizeof out, &out));
    KILN_TRY(set_argument(device, bound->kernel, 2, sizeof factor, &factor));
    KILN_TRY(set_argument(device, bound->kernel, 3, sizeof rest, &rest));
    /* More work per launch until one takes a tenth of the budget: the first launch also compiles on
     * some drivers, and some devices are ten thousand times slower than others. */
    for (cl_int passes = 16;; passes *= 4) {
        KILN_TRY(set_argument(device, bound->kernel, 1, sizeof passes, &passes));
        if (passes == 16)
            KILN_TRY(time_launches(device, bound, 1, &seconds));
        KILN_TRY(time_launches(device, bound, 1, &seconds));
        if (seconds < budget / 10 && passes < 1 << 24)
            continue;
        KILN_TRY(best_launch(device, bound, budget, &seconds));
        *gflops =
            2.0 * shape.lanes * shape.chains * passes * (double)bound->global / seconds * 1e-9;
        return KILN_OK;
    }
}

kiln_status measure_fma(kiln_device *device, fma_shape shape, double seconds, double *gflops)
{
    size_t units = device->info.compute_units ? device->info.compute_units : 1;
    bound_kernel bound = {.global = units * (shape.many ? 2048 : 4), .local = shape.many ? 0 : 1};
    cl_mem out;
    *gflops = 0;
    KILN_TRY(make_kernel(device, shape, "kiln_peak_fma", &bound.kernel));
    kiln_status status =
        device_alloc(device, bound.global * sizeof(float), "the measurement", &out);
    if (status == KILN_OK)
        status = run_fma(device, shape, &bound, out, seconds, gflops);
    device_free(device, out);
    clReleaseKernel(bound.kernel);
    return status;
}

/* 64 MiB unless the device is small: far more than its caches would be better, but a measurement
 * must not take memory that is not there. */
static size_t large_buffer(const kiln_device *device)
{
    size_t bytes = (size_t)64 << 20;
    while (bytes > device->info.largest_allocation || bytes > device->info.memory / 8)
        bytes /= 2;
    return bytes;
}

/* There and back; the best of a few. */
static kiln_status time_transfers(kiln_device *device, cl_mem memory, void *host, size_t bytes,
                                  kiln_device_peaks *peaks)
{
    for (int i = 0; i < 4; i++) {
        double begin = clock_seconds();
        KILN_TRY(device_write(device, memory, 0, host, bytes));
        double middle = clock_seconds();
        KILN_TRY(device_read(device, memory, 0, host, bytes));
        double up = 1e-9 * (double)bytes / (middle - begin),
               down = 1e-9 * (double)bytes / (clock_seconds() - middle);
        peaks->upload_gbytes = up > peaks->upload_gbytes ? up : peaks->upload_gbytes;
        peaks->download_gbytes = down > peaks->download_gbytes ? down : peaks->download_gbytes;
    }
    return KILN_OK;
}

static kiln_status measure_transfers(kiln_device *device, kiln_device_peaks *peaks)
{
    size_t bytes = large_buffer(device);
    cl_mem memory = NULL;
    void *host = mem_new(bytes, 1);
    kiln_status status =
        host ? device_alloc(device, bytes, "the measurement", &memory) : KILN_ERROR_MEMORY;
    if (status == KILN_OK)
        status = time_transfers(device, memory, host, bytes, peaks);
    device_free(device, memory);
    free(host);
    return status;
}

static kiln_status measure_copy(kiln_device *device, double *gbytes)
{
    size_t bytes = large_buffer(device), units = device->info.compute_units;
    cl_uint vectors = (cl_uint)(bytes / 16);
    cl_mem from = NULL, to = NULL;
    bound_kernel bound = {0};
    double best = 0, seconds;
    kiln_status status = device_alloc(device, bytes, "the measurement", &from);
    if (status == KILN_OK)
        status = device_alloc(device, bytes, "the measurement", &to);
    if (status == KILN_OK)
        status = device_fill_zero(device, from, 0, bytes);
    for (int i = 0; i < 4 && status == KILN_OK; i++) {
        double begin = clock_seconds();
        status = device_copy(device, from, 0, to, 0, bytes);
        if (status == KILN_OK)
            status = device_finish(device);
        double speed = 2e-9 * (double)bytes / (clock_seconds() - begin);
        best = speed > best ? speed : best;
    }
    if (status == KILN_OK)
        status = make_kernel(device, (fma_shape){.lanes = 1, .chains = 12}, "kiln_peak_copy",
                             &bound.kernel);
    if (status == KILN_OK) {
        /* A few work-items with a run each, or many with neighbouring vectors. */
        bool runs = device->serial_kernels;
        bound.global = (units ? units : 1) * (runs ? 16 : 1024);
        while (bound.global > 1 && vectors % bound.global)
            bound.global--;
        bound.local = runs ? 1 : 0;
        cl_uint count = vectors / (cl_uint)bound.global;
        cl_uint begin = runs ? count : 1, between = runs ? 1 : (cl_uint)bound.global;
        status = set_argument(device, bound.kernel, 0, sizeof from, &from);
        const cl_uint numbers[] = {count, begin, between};
        if (status == KILN_OK)
            status = set_argument(device, bound.kernel, 1, sizeof to, &to);
        for (cl_uint i = 0; i < 3 && status == KILN_OK; i++)
            status = set_argument(device, bound.kernel, 2 + i, sizeof numbers[i], &numbers[i]);
        if (status == KILN_OK)
            status = best_launch(device, &bound, 0.15, &seconds);
        if (status == KILN_OK && 2e-9 * (double)bytes / seconds > best)
            best = 2e-9 * (double)bytes / seconds;
        clReleaseKernel(bound.kernel);
    }
    device_free(device, from);
    device_free(device, to);
    *gbytes = best;
    return status;
}

static kiln_status measure_launch(kiln_device *device, double *microseconds)
{
    bound_kernel bound = {.global = 1, .local = 1};
    cl_mem out = NULL;
    double seconds = 0, best = 1e30;
    int launches = 64;
    KILN_TRY(make_kernel(device, (fma_shape){.lanes = 1, .chains = 12}, "kiln_peak_empty",
                         &bound.kernel));
    kiln_status status = device_alloc(device, 4, "the measurement", &out);
    if (status == KILN_OK)
        status = set_argument(device, bound.kernel, 0, sizeof out, &out);
    if (status == KILN_OK)
        status = time_launches(device, &bound, 1, &seconds);
    for (int i = 0; i < 8 && status == KILN_OK; i++) {
        status = time_launches(device, &bound, launches, &seconds);
        if (seconds / launches < best)
            best = seconds / launches;
        if (seconds < 0.02)
            launches *= 2;
    }
    device_free(device, out);
    clReleaseKernel(bound.kernel);
    *microseconds = best * 1e6;
    return status;
}

kiln_status kiln_device_measure(kiln_device *device, kiln_device_peaks *peaks)
{
    /* Vectors on 32 and on 16 registers for CPU drivers; scalars in groups for GPUs and what
     * imitates them. */
    static const fma_shape shapes[] = {{.lanes = 16, .chains = 12},
                                       {.lanes = 16, .chains = 6},
                                       {.lanes = 1, .chains = 12, .many = true},
                                       {.lanes = 16, .chains = 12, .half = true},
                                       {.lanes = 2, .chains = 12, .many = true, .half = true}};
    if (device == NULL)
        return kiln_fail_null("device");
    *peaks = (kiln_device_peaks){0};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        double gflops;
        if ((device->info.type == KILN_DEVICE_GPU && !shapes[i].many) ||
            (shapes[i].half && !device->info.has_fp16))
            continue;
        KILN_TRY(measure_fma(device, shapes[i], 0.15, &gflops));
        double *peak = shapes[i].half ? &peaks->fp16_gflops : &peaks->fma_gflops;
        if (gflops > *peak)
            *peak = gflops;
    }
    KILN_TRY(measure_copy(device, &peaks->copy_gbytes));
    KILN_TRY(measure_transfers(device, peaks));
    return measure_launch(device, &peaks->launch_us);
}
