/* Argument conventions: what a field that was left zero means, and how to say "off" or "zero".
 *
 * Functions with many arguments take a structure. A field left zero means Keras's default; KILN_NO
 * switches something off whose default is on (and is the 0 of a count whose default is more), and KILN_ZERO is the number 0 where the default is
 * another number. Each macro that builds such a structure has a plain function beside it (the name
 * with _with), which C++ can call too. */
#ifndef KILN_VALUES_H
#define KILN_VALUES_H

#include "export.h"

#include <stddef.h>
#include <stdint.h>

KILN_BEGIN_DECLS

/* Yes, no, or Keras's default. */
typedef enum kiln_choice { KILN_NO = -1, KILN_DEFAULT = 0, KILN_YES = 1 } kiln_choice;

/* The number zero, said on purpose: a floating-point field that is -0.0 was set to zero, one that is
 * +0.0 was left out. */
#define KILN_ZERO (-0.0)

/* Keras's None, for a whole number whose default is a number. */
#define KILN_NONE INT32_MIN

/* Axes a tensor can have at most. */
#define KILN_MAX_RANK 8

/* A shape, without the batch axis unless said otherwise. Rank 0 is a scalar (or "not given"). */
typedef struct kiln_shape {
    int rank;
    int64_t dims[KILN_MAX_RANK];
} kiln_shape;

/* Element types of arrays that enter or leave the library. */
typedef enum kiln_dtype {
    KILN_FLOAT32 = 0,
    KILN_INT32,
    KILN_UINT8,
    KILN_INT64,  /* host arrays only; becomes KILN_INT32 */
    KILN_FLOAT64 /* host arrays only; becomes KILN_FLOAT32 */
} kiln_dtype;

/* Bytes of one element. */
KILN_API size_t kiln_dtype_size(kiln_dtype dtype);

/* "float32", "int32", "uint8", "int64", "float64". */
KILN_API const char *kiln_dtype_name(kiln_dtype dtype);

/* Product of the dimensions; 1 for rank 0. */
KILN_API int64_t kiln_shape_size(kiln_shape shape);

#ifndef __cplusplus
/* KILN_SHAPE(28, 28) */
#define KILN_SHAPE(...)                                                                            \
    ((kiln_shape){.rank = (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)),               \
                  .dims = {__VA_ARGS__}})
#endif

/* The plain form of KILN_SHAPE: copies rank dimensions (at most KILN_MAX_RANK). */
KILN_API kiln_shape kiln_shape_of(int rank, const int64_t *dims);

KILN_END_DECLS

#endif
