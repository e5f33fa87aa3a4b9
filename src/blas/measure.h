/* Candidates for a product are run on the device, checked against a double-precision reference on
 * the host, and timed side by side. */
#ifndef BLAS_MEASURE_H
#define BLAS_MEASURE_H

#include "blas/convolution_tune.h"
#include "blas/tile.h"

typedef struct candidate {
    blas_engine engine;
    tile tile; /* BLAS_TILE, of a product, or of a convolution as one where tiles are not serial */
    bool convolves;
    convolution_tile sizes; /* of a convolution's serial kernel */
    /* Found by measuring: */
    bool right;
    double seconds; /* a product takes, the median of windows */
    double least;   /* and the best window */
    bool ran;       /* to its end, rightly or not */
} candidate;

/* "serial tm=8 ...", "clblast", "direct rm=6 ...": one word and its numbers; parsing fails for
 * anything else. */
void candidate_write(const candidate *c, char *out, size_t size);
bool candidate_read(const char *from, candidate *c);

enum { MEASURE_WINDOWS = 5, MEASURE_MOST_WINDOWS = 15 };
typedef struct measure_effort {
    int certain;    /* candidates that are measured in any case */
    int windows;    /* of about 3 ms for each; MEASURE_MOST_WINDOWS at most */
    double seconds; /* until it has to end */
    double warm_up; /* seconds of windows before the first that counts */
} measure_effort;

/* Measures candidates in order until the time is up; those not reached, failed or wrong are not
 * `right`. Fails only when the device is lost. key names the product in the record. */
kiln_status measure(kiln_device *device, const blas_product *product, const char *key,
                    candidate *candidates, int count, measure_effort effort);

/* The same for a convolution. */
kiln_status measure_convolution(kiln_device *device, const blas_convolution *convolution,
                                const char *key, candidate *candidates, int count,
                                measure_effort effort);

/* The first that is right, unless a later one is clearly faster; NULL when none is. A failure when
 * candidates ran and none of them was right: such a device cannot be trusted with a product. */
kiln_status candidates_best(const kiln_device *device, const blas_product *product,
                            const candidate *candidates, int count, const candidate **best);

/* Not measured: the operands, those of the convolution that the product is (or NULL), take more memory than measuring is
 * worth. */
bool measure_is_too_large(const kiln_device *device, const blas_product *product, const blas_convolution *convolution);

/* Is c the product of a and b? c was filled with NaN before. Every element was written; the corners
 * and a sample of the rest are right. */
bool product_is_right(const blas_product *product, const float *a, const float *b, const float *c);

double product_flops(const blas_product *product);

#endif
