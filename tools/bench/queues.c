/* Ways to give a device its work that Kiln could take, each beside the one it takes, in turn in the same run:
 * independent launches in an out-of-order queue, launches in a command buffer (cl_khr_command_buffer), and batches
 * gathered into mapped memory.
 *
 * usage: queues [DEVICE]
 *
 * Prints the best of some windows and the ratio; below 1 the other way is faster. */
#include "base/clock.h"
#include "device/device.h"
#include "device/program.h"

#include <CL/cl_ext.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LAUNCHES = 16, WINDOWS = 40, ROW = 784 };

static const char source[] = "__kernel void kiln_work(__global float *x, const int count)\n"
                             "{\n"
                             "    size_t i = get_global_id(0);\n"
                             "    float v = x[i];\n"
                             "    for (int k = 0; k < count; k++)\n"
                             "        v = v * 0.999f + 1.0f;\n"
                             "    x[i] = v;\n"
                             "}\n";

typedef struct bench {
    kiln_device *device;
    cl_command_queue out_of_order; /* NULL: there is none */
    cl_mem memory[LAUNCHES];
    cl_kernel kernels[LAUNCHES];
} bench;

static void show(const char *what, double plain, double other)
{
    printf("%-58s %9.2f %9.2f us  %.2f\n", what, plain * 1e6, other * 1e6, other / plain);
}

static void keep_least(double *least, double value)
{
    if (value < *least)
        *least = value;
}

static double time_launches(const bench *b, cl_command_queue queue, size_t items)
{
    double start = clock_seconds();
    for (int i = 0; i < LAUNCHES; i++)
        clEnqueueNDRangeKernel(queue, b->kernels[i], 1, NULL, &items, &(size_t){1}, 0, NULL, NULL);
    clFinish(queue);
    return (clock_seconds() - start) / LAUNCHES;
}

static void launches_out_of_order(bench *b)
{
    static const int counts[] = {1, 2000, 40000};
    char what[80];
    for (size_t c = 0; c < sizeof counts / sizeof *counts && b->out_of_order; c++)
        for (size_t items = 1; items <= 4; items *= 4) {
            double plain = 1, other = 1;
            for (int i = 0; i < LAUNCHES; i++)
                clSetKernelArg(b->kernels[i], 1, sizeof *counts, &counts[c]);
            for (int w = 0; w < WINDOWS; w++) {
                keep_least(&plain, time_launches(b, b->device->queue, items));
                keep_least(&other, time_launches(b, b->out_of_order, items));
            }
            snprintf(what, sizeof what, "out of order: %zu work-items of %d steps, a launch", items, counts[c]);
            show(what, plain, other);
        }
    if (b->out_of_order == NULL)
        printf("out of order: the driver has no such queue\n");
}

#ifdef cl_khr_command_buffer
typedef struct functions {
    clCreateCommandBufferKHR_fn create;
    clCommandNDRangeKernelKHR_fn launch;
    clFinalizeCommandBufferKHR_fn finalize;
    clEnqueueCommandBufferKHR_fn enqueue;
    clReleaseCommandBufferKHR_fn release;
} functions;

static void find(cl_platform_id platform, const char *name, void *function)
{
    void *address = clGetExtensionFunctionAddressForPlatform(platform, name);
    memcpy(function, &address, sizeof address);
}

static cl_command_buffer_khr record(const bench *b, const functions *f)
{
    cl_int error;
    cl_sync_point_khr point = 0, before;
    cl_command_buffer_khr buffer = f->create(1, &b->device->queue, NULL, &error);
    for (int i = 0; i < LAUNCHES && error == CL_SUCCESS; i++) {
        before = point;
        error = f->launch(buffer, NULL, NULL, b->kernels[i], 1, NULL, &(size_t){1}, &(size_t){1}, i ? 1 : 0,
                          i ? &before : NULL, &point, NULL);
    }
    return error == CL_SUCCESS && f->finalize(buffer) == CL_SUCCESS ? buffer : NULL;
}

static void launches_in_a_buffer(bench *b)
{
    cl_platform_id platform;
    clGetDeviceInfo(b->device->id, CL_DEVICE_PLATFORM, sizeof platform, &platform, NULL);
    functions f;
    find(platform, "clCreateCommandBufferKHR", &f.create);
    find(platform, "clCommandNDRangeKernelKHR", &f.launch);
    find(platform, "clFinalizeCommandBufferKHR", &f.finalize);
    find(platform, "clEnqueueCommandBufferKHR", &f.enqueue);
    find(platform, "clReleaseCommandBufferKHR", &f.release);
    cl_command_buffer_khr buffer =
        f.create && f.launch && f.finalize && f.enqueue && f.release ? record(b, &f) : NULL;
    double plain = 1, other = 1;
    for (int i = 0; i < LAUNCHES; i++)
        clSetKernelArg(b->kernels[i], 1, sizeof(int), &(int){1});
    for (int w = 0; w < WINDOWS && buffer; w++) {
        keep_least(&plain, time_launches(b, b->device->queue, 1));
        double start = clock_seconds();
        f.enqueue(0, NULL, buffer, 0, NULL, NULL);
        clFinish(b->device->queue);
        keep_least(&other, (clock_seconds() - start) / LAUNCHES);
    }
    if (buffer == NULL) {
        printf("command buffer: the driver has none\n");
        return;
    }
    show("command buffer: a launch", plain, other);
    f.release(buffer);
}
#else
static void launches_in_a_buffer(bench *b)
{
    (void)b;
    printf("command buffer: the headers of OpenCL are too old\n");
}
#endif

/* Rows in a shuffled order, as a batch is gathered. */
static void gather(unsigned char *to, const unsigned char *from, size_t rows)
{
    for (size_t i = 0; i < rows; i++)
        memcpy(to + i * ROW, from + i * 7919 % rows * ROW, ROW);
}

static int batches_in_a_map(bench *b)
{
    static const size_t rows[] = {32, 512, 3072};
    char what[80];
    cl_command_queue queue = b->device->queue;
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        const size_t bytes = rows[r] * ROW;
        unsigned char *data = calloc(1, bytes), *batch = malloc(bytes);
        cl_int error;
        cl_mem memory = clCreateBuffer(b->device->context, CL_MEM_ALLOC_HOST_PTR, bytes, NULL, &error);
        double plain = 1, other = 1;
        for (int w = 0; w < WINDOWS && data && batch && error == CL_SUCCESS; w++) {
            double start = clock_seconds();
            gather(batch, data, rows[r]);
            clEnqueueWriteBuffer(queue, memory, CL_FALSE, 0, bytes, batch, 0, NULL, NULL);
            clFinish(queue);
            keep_least(&plain, clock_seconds() - start);
            start = clock_seconds();
            void *map = clEnqueueMapBuffer(queue, memory, CL_TRUE, CL_MAP_WRITE, 0, bytes, 0, NULL, NULL, &error);
            if (error != CL_SUCCESS)
                break;
            gather(map, data, rows[r]);
            clEnqueueUnmapMemObject(queue, memory, map, 0, NULL, NULL);
            clFinish(queue);
            keep_least(&other, clock_seconds() - start);
        }
        free(data);
        free(batch);
        if (error == CL_SUCCESS)
            clReleaseMemObject(memory);
        else
            return 1;
        snprintf(what, sizeof what, "mapped: a batch of %zu KiB", bytes / 1024);
        show(what, plain, other);
    }
    return 0;
}

static kiln_status prepare(bench *b, const char *selector)
{
    cl_program program;
    cl_int error;
    b->device = kiln_device_open(selector);
    if (b->device == NULL)
        return kiln_last_status();
    KILN_TRY(device_program(b->device, "the benchmark", source, "", &program));
    for (int i = 0; i < LAUNCHES; i++) {
        KILN_TRY(device_alloc(b->device, 4096, "the benchmark", &b->memory[i]));
        KILN_TRY(device_kernel(b->device, program, "kiln_work", &b->kernels[i]));
        clSetKernelArg(b->kernels[i], 0, sizeof b->memory[i], &b->memory[i]);
    }
    b->out_of_order = clCreateCommandQueue(b->device->context, b->device->id,
                                           CL_QUEUE_OUT_OF_ORDER_EXEC_MODE_ENABLE, &error);
    if (error != CL_SUCCESS)
        b->out_of_order = NULL;
    return KILN_OK;
}

int main(int count, char **words)
{
    static bench b;
    int failed = 0;
    if (count > 2) {
        fprintf(stderr, "usage: queues [DEVICE]\n");
        return 2;
    }
    if (prepare(&b, count > 1 ? words[1] : NULL) != KILN_OK) {
        kiln_report_errors(stderr);
        failed = 1;
    } else {
        printf("%s\n%-58s %9s %9s\n", b.device->info.name, "", "Kiln's", "other");
        launches_out_of_order(&b);
        launches_in_a_buffer(&b);
        failed = batches_in_a_map(&b);
    }
    if (b.out_of_order)
        clReleaseCommandQueue(b.out_of_order);
    for (int i = 0; i < LAUNCHES && b.device; i++) {
        if (b.kernels[i])
            clReleaseKernel(b.kernels[i]);
        if (b.memory[i])
            device_free(b.device, b.memory[i]);
    }
    kiln_device_close(b.device);
    return failed;
}
