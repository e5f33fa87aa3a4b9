/* Arithmetic that the kernels take for granted: whole numbers of 32 and 64 bits, storage as halves, atomic
 * additions. */
#include "check/cases.h"
#include "device/inject.h"

#include <math.h>

enum { N = 67 };

static kiln_status launch(kiln_device *device, const char *name, size_t items, cl_mem in, cl_mem out)
{
    text source = {0};
    cl_program program;
    cl_kernel kernel = NULL;
    kiln_status status = source_file(&source, "check.cl");
    if (status == KILN_OK)
        status = device_program(device, "the self-check", source.data, NULL, &program);
    if (status == KILN_OK)
        status = device_kernel(device, program, name, &kernel);
    text_free(&source);
    const cl_uint count = N;
    if (status == KILN_OK)
        status = device_check(device, CL_RUN(clSetKernelArg, kernel, 0, sizeof in, &in), "clSetKernelArg", "%s", name);
    if (status == KILN_OK)
        status = device_check(device, CL_RUN(clSetKernelArg, kernel, 1, sizeof out, &out), "clSetKernelArg", "%s", name);
    if (status == KILN_OK)
        status = device_check(device, CL_RUN(clSetKernelArg, kernel, 2, sizeof count, &count), "clSetKernelArg", "%s", name);
    const device_launch_info info = {.name = name};
    if (status == KILN_OK)
        status = device_launch(device, kernel, 1, &items, NULL, &info);
    if (status == KILN_OK)
        status = device_finish(device);
    if (kernel)
        clReleaseKernel(kernel);
    return status;
}

static kiln_status whole_numbers(kiln_device *device, cl_mem in, cl_mem out)
{
    uint32_t x[N], got[4 * N];
    philox_sequence draws = philox_start(3, 1);
    for (int i = 0; i < N; i++)
        x[i] = philox_word(&draws);
    KILN_TRY(device_write(device, in, 0, x, sizeof x));
    KILN_TRY(launch(device, "kiln_check_whole", 128, in, out));
    KILN_TRY(device_read(device, out, 0, got, sizeof got));
    for (int i = 0; i < N; i++) {
        const uint32_t want[] = {(uint32_t)((uint64_t)x[i] * 0xD2511F53u >> 32), x[i] << 7 | x[i] >> 25,
                                 (uint32_t)((uint64_t)x[i] * x[i] >> 17), (uint32_t)((int32_t)x[i] >> 5) % 1021u};
        for (int k = 0; k < 4; k++)
            if (got[4 * i + k] != want[k])
                return check_wrong("whole numbers", (size_t)(4 * i + k), got[4 * i + k], want[k]);
    }
    return KILN_OK;
}

static kiln_status halves(kiln_device *device, cl_mem in, cl_mem out)
{
    float x[N], got[N];
    philox_sequence draws = philox_start(3, 2);
    philox_fill_uniform(&draws, x, N, -1000, 1000);
    x[0] = 0, x[1] = 65504, x[2] = -0x1p-14f;
    KILN_TRY(device_write(device, in, 0, x, sizeof x));
    KILN_TRY(launch(device, "kiln_check_half", 128, in, out));
    KILN_TRY(device_read(device, out, 0, got, sizeof got));
    for (int i = 0; i < N; i++)
        if (!(fabs((double)got[i] - (double)x[i]) <= 0x1p-11 * fabs((double)x[i])))
            return check_wrong("numbers kept as halves", (size_t)i, (double)got[i], (double)x[i]);
    return KILN_OK;
}

static kiln_status atomics(kiln_device *device, cl_mem in, cl_mem out)
{
    uint32_t x[N], got, want = 0;
    for (uint32_t i = 0; i < N; i++)
        want += x[i] = i * i + 1;
    KILN_TRY(device_write(device, in, 0, x, sizeof x));
    KILN_TRY(device_fill_zero(device, out, 0, 4));
    KILN_TRY(launch(device, "kiln_check_atomic", 128, in, out));
    KILN_TRY(device_read(device, out, 0, &got, sizeof got));
    return got == want ? KILN_OK : check_wrong("an atomic sum", 0, got, want);
}

kiln_status check_numbers(kiln_device *device)
{
    cl_mem in = NULL, out = NULL;
    kiln_status status = device_alloc(device, N * 4, "the self-check", &in);
    if (status == KILN_OK)
        status = device_alloc(device, N * 16, "the self-check", &out);
    if (status == KILN_OK)
        status = whole_numbers(device, in, out);
    if (status == KILN_OK)
        status = halves(device, in, out);
    if (status == KILN_OK)
        status = atomics(device, in, out);
    kiln_error_record failure;
    kiln_error_save(&failure);
    device_free(device, in);
    device_free(device, out);
    kiln_error_restore(&failure);
    return status;
}
