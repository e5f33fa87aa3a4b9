/* Graph operations, for a loss of one's own (kiln_loss.function).
 *
 * A node is a tensor whose first axis is the batch. Each function adds a node to the graph that is being built and
 * returns it; the gradient follows by itself. A failed node (negative) is accepted as an argument and passed on, so
 * that a loss is checked once, by kiln_compile's caller. Shapes broadcast as in NumPy; axes count from 0, and from the
 * end when negative.
 *
 *     static kiln_node log_cosh(struct kiln_ops *ops, kiln_node y_true, kiln_node y_pred, void *user)
 *     {
 *         kiln_node x = kiln_ops_sub(ops, y_pred, y_true);
 *         kiln_node y = kiln_ops_add(ops, x, kiln_ops_softplus(ops, kiln_ops_scale(ops, x, -2, 0)));
 *         return kiln_ops_reduce_mean(ops, kiln_ops_scale(ops, y, 1, -log(2)), -1);
 *     }
 */
#ifndef KILN_OPS_H
#define KILN_OPS_H

#include "train.h"

KILN_BEGIN_DECLS

/* The shape of a node, with the batch axis; rank 0 for a failed node. */
KILN_API kiln_shape kiln_ops_shape(struct kiln_ops *ops, kiln_node x);

KILN_API kiln_node kiln_ops_constant(struct kiln_ops *ops, double value);

/* Two tensors, element by element; comparisons yield 1 or 0. */
KILN_API kiln_node kiln_ops_add(struct kiln_ops *ops, kiln_node x, kiln_node y);
KILN_API kiln_node kiln_ops_sub(struct kiln_ops *ops, kiln_node x, kiln_node y);
KILN_API kiln_node kiln_ops_mul(struct kiln_ops *ops, kiln_node x, kiln_node y);
KILN_API kiln_node kiln_ops_div(struct kiln_ops *ops, kiln_node x, kiln_node y);
KILN_API kiln_node kiln_ops_maximum(struct kiln_ops *ops, kiln_node x, kiln_node y);
KILN_API kiln_node kiln_ops_minimum(struct kiln_ops *ops, kiln_node x, kiln_node y);
KILN_API kiln_node kiln_ops_power(struct kiln_ops *ops, kiln_node x, kiln_node y);
KILN_API kiln_node kiln_ops_equal(struct kiln_ops *ops, kiln_node x, kiln_node y);
KILN_API kiln_node kiln_ops_greater(struct kiln_ops *ops, kiln_node x, kiln_node y);
/* condition != 0 ? x : y */
KILN_API kiln_node kiln_ops_where(struct kiln_ops *ops, kiln_node condition, kiln_node x, kiln_node y);

/* One tensor, element by element. */
KILN_API kiln_node kiln_ops_scale(struct kiln_ops *ops, kiln_node x, double scale, double shift); /* x * scale + shift */
KILN_API kiln_node kiln_ops_negative(struct kiln_ops *ops, kiln_node x);
KILN_API kiln_node kiln_ops_abs(struct kiln_ops *ops, kiln_node x);
KILN_API kiln_node kiln_ops_square(struct kiln_ops *ops, kiln_node x);
KILN_API kiln_node kiln_ops_sqrt(struct kiln_ops *ops, kiln_node x);
KILN_API kiln_node kiln_ops_exp(struct kiln_ops *ops, kiln_node x);
KILN_API kiln_node kiln_ops_log(struct kiln_ops *ops, kiln_node x);
KILN_API kiln_node kiln_ops_log1p(struct kiln_ops *ops, kiln_node x);
KILN_API kiln_node kiln_ops_relu(struct kiln_ops *ops, kiln_node x);
KILN_API kiln_node kiln_ops_sigmoid(struct kiln_ops *ops, kiln_node x);
KILN_API kiln_node kiln_ops_softplus(struct kiln_ops *ops, kiln_node x);
KILN_API kiln_node kiln_ops_tanh(struct kiln_ops *ops, kiln_node x);
/* x as a constant: no gradient goes through it. */
KILN_API kiln_node kiln_ops_stop_gradient(struct kiln_ops *ops, kiln_node x);

/* Over one axis, which disappears. */
KILN_API kiln_node kiln_ops_reduce_sum(struct kiln_ops *ops, kiln_node x, int axis);
KILN_API kiln_node kiln_ops_reduce_mean(struct kiln_ops *ops, kiln_node x, int axis);
KILN_API kiln_node kiln_ops_reduce_max(struct kiln_ops *ops, kiln_node x, int axis);
KILN_API kiln_node kiln_ops_logsumexp(struct kiln_ops *ops, kiln_node x, int axis);

/* Over the last axis, which stays. */
KILN_API kiln_node kiln_ops_softmax(struct kiln_ops *ops, kiln_node x);
KILN_API kiln_node kiln_ops_log_softmax(struct kiln_ops *ops, kiln_node x);

/* x (..., n) at an integer index (...) along the last axis: (...). */
KILN_API kiln_node kiln_ops_take(struct kiln_ops *ops, kiln_node x, kiln_node index);
/* index (...) to (..., n): 1 at the index, else 0. */
KILN_API kiln_node kiln_ops_one_hot(struct kiln_ops *ops, kiln_node index, int64_t n);

/* (batch, ..., m, k) x (..., k, n). */
KILN_API kiln_node kiln_ops_matmul(struct kiln_ops *ops, kiln_node x, kiln_node y);
/* The same elements under another shape (with the batch axis); one dimension may be -1. */
KILN_API kiln_node kiln_ops_reshape(struct kiln_ops *ops, kiln_node x, kiln_shape shape);

KILN_END_DECLS

#endif
