/* Normalization by the statistics of a batch. */
#ifndef OP_NORMALIZE_H
#define OP_NORMALIZE_H

#include "op/op.h"

/* What a batch is normalized by. Rows of `weight` 0 (those behind the end of a partial batch) do
 * not count. */
typedef struct op_moments {
    ir_id weight;         /* 1 or 0; broadcasts to x */
    ir_id count;          /* a scalar: elements that count for each mean */
    ir_id mean, variance; /* of a shape that broadcasts to x; no gradient passes through them */
} op_moments;

/* Sets mean and variance (of shape `shape`) of x, given weight and count, in one pass over x.
 * `near` (of that shape) is best a value near the mean: squares of differences from it are summed.
 */
kiln_status op_batch_moments(ir_graph *g, ir_id x, kiln_shape shape, ir_id near, op_moments *m);

/* (x - mean) * gamma / sqrt(variance + epsilon) + beta, with the gradient of all that mean and
 * variance are made of, in two passes over x and the result's gradient. gamma and beta may be
 * IR_NONE. */
ir_id op_batch_normalize(ir_graph *g, ir_id x, const op_moments *m, double epsilon, ir_id gamma,
                         ir_id beta);

#endif
