/* What the files of convolutions share. */
#ifndef BLAS_CONVOLUTION_INSIDE_H
#define BLAS_CONVOLUTION_INSIDE_H

#include "blas/convolution.h"
#include "blas/tile.h"

/* Floats that an item may keep beside its sums. */
enum { CONVOLUTION_PACKED = 48 * 1024 };

static inline int64_t convolution_blocks(int64_t size, int64_t block)
{
    return (size + block - 1) / block;
}

static inline int64_t convolution_smaller(int64_t x, int64_t y)
{
    return x < y ? x : y;
}

/* Windows of a pooling along an axis. */
static inline int64_t convolution_cells(const int64_t *pool, const int64_t *of, int axis)
{
    return pool[axis] ? of[axis] / pool[axis] : of[axis];
}

/* All windows. */
int64_t convolution_all_cells(const int64_t *pool, const int64_t *of);

/* Appends "#define KILN_NAME value". */
void convolution_define(text *t, const char *name, int64_t value);

/* A register tile for m rows by n columns whose left side has elements `distance` apart. */
tile convolution_registers(const kiln_device *device, int64_t m, int64_t n, int64_t k, int64_t distance);

/* Sets a register tile for the convolution before a maximum pooling: whole cells of it. Sizes that are wished
 * for are taken where they can be. */
void convolution_pooled_tile(const kiln_device *device, const blas_convolution *c, const convolution_tile *wished, tile *t);

/* Sets the choice for a gradient of such a convolution, without its defines, which go to t, and the sizes; what is 0 in
 * them before, or cannot be, goes by rule. */
void convolution_unpooled(const kiln_device *device, const blas_convolution *c, blas_choice *choice,
                          convolution_tile *sizes, text *t);

/* ---- winograd.c: convolutions of 3 x 3 taps by Winograd's minimal filtering, with 16 multiply-adds in place of 36
 * (cl/conv_winograd_serial.cl) ---- */

/* Whether it can do the convolution, or its kernel's gradient, and saves time. The device has
 * serial kernels. */
bool winograd_fits(const blas_convolution *c);

/* Like convolution_unpooled. */
void winograd_choose(const kiln_device *device, const blas_convolution *c, blas_choice *choice,
                     convolution_tile *sizes, text *t);

#endif
