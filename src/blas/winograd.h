/* Convolutions of 3 x 3 taps by Winograd's minimal filtering, with 16 multiply-adds in place of 36
 * (cl/conv_winograd_serial.cl). Inside blas/: convolution.c decides. */
#ifndef BLAS_WINOGRAD_H
#define BLAS_WINOGRAD_H

#include "blas/convolution.h"

/* Whether it can do the convolution, or its kernel's gradient, and saves time. The device has
 * serial kernels. */
bool winograd_fits(const blas_convolution *c);

/* Sets the choice, without its defines, which go to t, and the sizes; what is 0 in them before, or
 * cannot be, goes by rule. */
void winograd_choose(const kiln_device *device, const blas_convolution *c, blas_choice *choice,
                     convolution_tile *sizes, text *t);

/* Appends "#define KILN_NAME value". */
void convolution_define(text *t, const char *name, int64_t value);

#endif
