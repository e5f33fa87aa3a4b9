#include "blas/blas.h"

#include "device/inject.h"

#include <stdio.h>

kiln_status blas_tile_kernel(kiln_device *device, const blas_choice *choice, const char *hooks, cl_kernel *kernel)
{
    text source = {0};
    cl_program program;
    *kernel = NULL;
    text_add(&source, "#define KILN_NAME kiln_product\n%s%s", hooks, choice->defines);
    kiln_status status = source_file(&source, choice->file);
    if (status == KILN_OK && source.failed)
        status = kiln_fail_memory(source.length);
    if (status == KILN_OK)
        status = device_program(device, "a matrix product", source.data, NULL, &program);
    if (status == KILN_OK)
        status = device_kernel(device, program, "kiln_product", kernel);
    text_free(&source);
    return status;
}

kiln_status blas_tile_enqueue(kiln_device *device, const blas_product *p, const blas_choice *choice,
                              cl_kernel kernel, cl_mem a, size_t a_offset, cl_mem b,
                              size_t b_offset, cl_mem c, size_t c_offset)
{
    const cl_mem memory[3] = {a, b, c};
    const cl_ulong offset[3] = {a_offset, b_offset, c_offset};
    for (cl_uint i = 0; i < 3; i++) {
        KILN_TRY(device_check(device,
                              CL_RUN(clSetKernelArg, kernel, 2 * i, sizeof(cl_mem), &memory[i]),
                              "clSetKernelArg", "operand %u of a product", i));
        KILN_TRY(device_check(
            device, CL_RUN(clSetKernelArg, kernel, 2 * i + 1, sizeof(cl_ulong), &offset[i]),
            "clSetKernelArg", "operand %u of a product", i));
    }
    char what[64];
    snprintf(what, sizeof what, "%lld x %lld x %lld", (long long)p->m, (long long)p->n,
             (long long)p->k);
    const double count = (double)(p->batch[0] * p->batch[1]), m = (double)p->m, n = (double)p->n,
                 k = (double)p->k;
    const device_launch_info info = {.name = "kiln_product",
                                     .what = what,
                                     .flops = 2 * count * m * n * k,
                                     .bytes = 4 * count * (m * k + k * n + m * n)};
    return device_launch(device, kernel, choice->dims, choice->global, choice->local, &info);
}
