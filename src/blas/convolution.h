/* Convolutions: a product whose left side is read from the windows of a tensor.
 *
 * x is (batch, depth, height, width, channels), the kernel (taps, channels of a group, filters),
 * the result (batch, output depth, height, width, filters), row-major float32. Along an axis, tap k
 * of output o reads the element (o * stride - before + k * dilation) / spread, or zero where that
 * is no whole number or outside the input. With spread 1 this is what Keras calls a convolution (a
 * cross-correlation, with these strides, dilation_rate and padding); spread is the stride of the
 * convolution whose gradient, or transpose, it is. Axes that are not there have sizes of 1. */
#ifndef BLAS_CONVOLUTION_H
#define BLAS_CONVOLUTION_H

#include "base/memory.h"
#include "blas/blas.h"

#define CONVOLUTION_AXES 3

typedef struct blas_convolution {
    int64_t batch, channels, filters, groups; /* groups divide channels and filters */
    int64_t input[CONVOLUTION_AXES], output[CONVOLUTION_AXES];
    int64_t size[CONVOLUTION_AXES], stride[CONVOLUTION_AXES], dilation[CONVOLUTION_AXES],
        spread[CONVOLUTION_AXES], before[CONVOLUTION_AXES];
    /* 0: the convolution. Else the gradient of its kernel: of x and the result's gradient, (splits,
     * taps * channels of a group, filters), each of the first axis the sum over a part of the
     * batch, which `splits` divides. */
    int64_t splits;
    /* Windows side by side of a maximum pooling, of sizes of 0 without one.
     * pool: the result is the largest of each window, with its index in the window.
     * unpool: x (of a kernel's gradient: the result's gradient) is zero but for one element of each
     * window, and it is these that are given, with their indices (uchar). Further rows and columns,
     * which make no window, are zero. */
    int64_t pool[CONVOLUTION_AXES], unpool[CONVOLUTION_AXES];
} blas_convolution;

/* The product it is, for the templates of cl/: its left side is op(A)[row][k] = window(row, k), of
 * the gradient's, transposed, window(k, row). Its batch axes are splits and groups. */
blas_product blas_convolution_product(const blas_convolution *c);

/* Whether the device has kernels for what `pool` or `unpool` asks for. */
bool blas_convolution_pools(const kiln_device *device, const blas_convolution *c);

/* Like blas_choose; the engine is BLAS_TILE. Sizes of serial kernels are those that tuning has put
 * on record, else go by rule; tiles of other kernels are measured as a product's are. */
kiln_status blas_choose_convolution(kiln_device *device, const blas_convolution *c,
                                    blas_choice *choice);

/* Like blas_choose_convolution, for a serial kernel whose item i owns all of image i % batch (of
 * some filters), so that images can go on by themselves. c: no pooling, no gradient of a kernel, a
 * depth of 1. */
kiln_status blas_choose_images(kiln_device *device, const blas_convolution *c, blas_choice *choice);

/* Sizes of a serial kernel: Winograd's, or one with all multiply-adds; its register tile of pixels (of
 * a kernel's gradient: taps and channels) by filters; rows of the output at a time (Winograd's: tiles
 * of 2 x 2); and the filters of an item. With `unpool` the rows are those of the result or of windows,
 * rn the channels of an item, and rm says nothing. whole: see blas_choose_images. */
typedef struct convolution_tile {
    bool winograd;
    int rm, rn, rows, tn;
    bool whole;
} convolution_tile;

/* The product of what there is along the axes. */
int64_t convolution_all(const int64_t *of_axes);

/* Fills in the choice by `wanted`: what is 0 there, or cannot be, goes by rule; NULL: all does.
 * `taken` (not NULL) receives what it came to. */
kiln_status convolution_describe(const kiln_device *device, const blas_convolution *c,
                                 const convolution_tile *wanted, blas_choice *choice,
                                 convolution_tile *taken);

/* Writes a function `name` (a, a_offset, group, pixel, k): what window `pixel` of the batch reads
 * at k of its taps and channels. */
void blas_convolution_window(const blas_convolution *c, const char *name, const char *stored,
                             text *out);

/* Writes the hook KILN_LOAD_A that gemm_local.cl needs for it; `name` begins the names it defines. */
void blas_convolution_loader(const blas_convolution *c, const char *name, const char *stored, text *out);

#endif
