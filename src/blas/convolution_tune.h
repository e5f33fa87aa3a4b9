/* Convolutions by name, the sizes that their serial kernels may have, and their results beside the
 * host's. */
#ifndef BLAS_CONVOLUTION_TUNE_H
#define BLAS_CONVOLUTION_TUNE_H

#include "blas/convolution.h"
#include "blas/record.h"

/* Called for each convolution that is asked for. NULL: nobody asks. */
extern void (*blas_on_convolution)(const blas_convolution *c);

/* As the record names it: "conv 32x16x32 groups=1 splits=0 in=1,28,28 ...", with " pool=1,2,2" or " unpool=1,2,2" at
 * the end where it has one; reading fails for anything else. */
void convolution_write(const blas_convolution *c, char out[RECORD_TEXT]);
bool convolution_read(const char *from, blas_convolution *c);

/* "direct rm=6 rn=16 rows=14 tn=64", "winograd ..." */
void convolution_tile_write(const convolution_tile *t, char *out, size_t size);
bool convolution_tile_read(const char *from, convolution_tile *t);

enum { CONVOLUTION_NEIGHBOURS = 12 };
/* Sizes like `from` but for one, and the other way if there is one. Returns how many. */
int convolution_neighbours(const kiln_device *device, const blas_convolution *c,
                           const convolution_tile *from,
                           convolution_tile out[CONVOLUTION_NEIGHBOURS]);

/* Writes the hooks that a trial of it needs, for a kernel of the name kiln_product. What convolution_is_right looks
 * for depends on them. */
void convolution_hooks(const blas_convolution *c, bool serial, text *out);

/* Elements of both operands and of the result. */
void convolution_sizes(const blas_convolution *c, size_t size[3]);

/* Is it the convolution of x and y, its kernel or its result's gradient? It was filled with NaN
 * before; every element was written, a sample of them is right: with `pool` values, and of every other
 * window the index in its place. */
bool convolution_is_right(const blas_convolution *c, const float *x, const float *y,
                          const float *result);

#endif
