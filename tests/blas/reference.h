/* Products in double precision, and buffers with guard bands. */
#ifndef TESTS_BLAS_REFERENCE_H
#define TESTS_BLAS_REFERENCE_H

#include "blas/blas.h"

/* The operands of a product: filled with numbers in [-1, 1] between guard bands. */
typedef struct operands {
    blas_product product;
    size_t offset[3], size[3]; /* of A, B, C, in elements; offset and guard band included in size */
    float *host[3];            /* C: a pattern that no product writes */
    cl_mem device[3];
} operands;

/* The sizes, transposes and strides are the product's; offset: where each matrix begins. */
void operands_make(kiln_device *device, const blas_product *product, size_t offset, operands *out);
void operands_free(kiln_device *device, operands *o);

/* One element of C, and the sum of the terms' magnitudes that bounds its error. */
double reference_element(const operands *o, size_t batch0, size_t batch1, size_t row, size_t col,
                         double *magnitude);

/* Reads C back: every element is finish(reference, row, col) (NULL: the reference) within rounding,
 * and everything between and around is untouched. Fails the test otherwise, with `label`. */
void operands_check(kiln_device *device, const operands *o, const char *label,
                    double (*finish)(double value, size_t row, size_t col));

#endif
