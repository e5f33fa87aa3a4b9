#include "reference.h"

#include "harness/harness.h"

#include <math.h>
#include <stdlib.h>

enum { GUARD = 37 };
static const float untouched = 12345.5f;

/* Elements from the first to the last of a matrix with its batches. */
static size_t extent(int64_t rows, int64_t cols, int64_t ld, const int64_t batch[2],
                     const int64_t stride[2])
{
    return (size_t)((rows - 1) * ld + cols + (batch[0] - 1) * stride[0] +
                    (batch[1] - 1) * stride[1]);
}

void operands_make(kiln_device *device, const blas_product *p, size_t offset, operands *o)
{
    static uint32_t state = 1;
    o->product = *p;
    const size_t size[3] = {extent(p->transpose_a ? p->k : p->m, p->transpose_a ? p->m : p->k,
                                   p->lda, p->batch, p->stride_a),
                            extent(p->transpose_b ? p->n : p->k, p->transpose_b ? p->k : p->n,
                                   p->ldb, p->batch, p->stride_b),
                            extent(p->m, p->n, p->ldc, p->batch, p->stride_c)};
    for (int i = 0; i < 3; i++) {
        o->offset[i] = offset ? offset + (size_t)i : 0;
        /* Operands end with their last element, so that Oclgrind sees what reads beyond it. */
        o->size[i] = o->offset[i] + size[i] + (i == 2 ? GUARD : 0);
        o->host[i] = malloc(o->size[i] * sizeof(float));
        ck_assert_ptr_nonnull(o->host[i]);
        for (size_t j = 0; j < o->size[i]; j++) {
            state = state * 1664525u + 1013904223u;
            o->host[i][j] = i == 2             ? untouched
                            : j < o->offset[i] ? NAN
                                               : (float)(int32_t)(state >> 8) / 8388608.0f - 1.0f;
        }
        harness_ok(device_alloc(device, o->size[i] * sizeof(float), "operand", &o->device[i]));
        harness_ok(device_write(device, o->device[i], 0, o->host[i], o->size[i] * sizeof(float)));
    }
}

void operands_free(kiln_device *device, operands *o)
{
    for (int i = 0; i < 3; i++) {
        free(o->host[i]);
        device_free(device, o->device[i]);
    }
}

double reference_element(const operands *o, size_t batch0, size_t batch1, size_t row, size_t col,
                         double *magnitude)
{
    const blas_product *p = &o->product;
    const float *a = o->host[0] + o->offset[0] + batch0 * (size_t)p->stride_a[0] +
                     batch1 * (size_t)p->stride_a[1];
    const float *b = o->host[1] + o->offset[1] + batch0 * (size_t)p->stride_b[0] +
                     batch1 * (size_t)p->stride_b[1];
    double sum = 0;
    *magnitude = 0;
    for (size_t k = 0; k < (size_t)p->k; k++) {
        double x = p->transpose_a ? a[k * (size_t)p->lda + row] : a[row * (size_t)p->lda + k];
        double y = p->transpose_b ? b[col * (size_t)p->ldb + k] : b[k * (size_t)p->ldb + col];
        sum += x * y;
        *magnitude += fabs(x * y);
    }
    return sum;
}

void operands_check(kiln_device *device, const operands *o, const char *label,
                    double (*finish)(double value, size_t row, size_t col))
{
    const blas_product *p = &o->product;
    float *c = malloc(o->size[2] * sizeof(float));
    ck_assert_ptr_nonnull(c);
    harness_ok(device_read(device, o->device[2], 0, c, o->size[2] * sizeof(float)));
    for (size_t i = 0; i < (size_t)p->batch[0]; i++)
        for (size_t j = 0; j < (size_t)p->batch[1]; j++)
            for (size_t row = 0; row < (size_t)p->m; row++)
                for (size_t col = 0; col < (size_t)p->n; col++) {
                    double magnitude, want = reference_element(o, i, j, row, col, &magnitude);
                    if (finish)
                        want = finish(want, row, col);
                    float *got = &c[o->offset[2] + i * (size_t)p->stride_c[0] +
                                    j * (size_t)p->stride_c[1] + row * (size_t)p->ldc + col];
                    ck_assert_msg(fabs(*got - want) <= 2e-6 * (magnitude + 1),
                                  "%s: C[%zu][%zu][%zu][%zu] is %.9g, should be %.9g", label, i, j,
                                  row, col, (double)*got, want);
                    *got = untouched;
                }
    for (size_t at = 0; at < o->size[2]; at++)
        ck_assert_msg(c[at] == untouched, "%s: wrote outside C, at element %zu", label, at);
    free(c);
}
