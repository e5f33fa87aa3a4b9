#include "train/loss.h"

#define UNARY(name, function)                                                                      \
    kiln_node kiln_ops_##name(struct kiln_ops *ops, kiln_node x)                                   \
    {                                                                                              \
        return op_unary(ops->graph, function, x);                                                  \
    }

#define BINARY(name, function)                                                                     \
    kiln_node kiln_ops_##name(struct kiln_ops *ops, kiln_node x, kiln_node y)                      \
    {                                                                                              \
        return op_binary(ops->graph, function, x, y);                                              \
    }

#define REDUCTION(name, reduction)                                                                 \
    kiln_node kiln_ops_##name(struct kiln_ops *ops, kiln_node x, int axis)                         \
    {                                                                                              \
        return op_reduce(ops->graph, reduction, x, axis, axis, false);                             \
    }

BINARY(add, F_ADD)
BINARY(sub, F_SUB)
BINARY(mul, F_MUL)
BINARY(div, F_DIV)
BINARY(maximum, F_MAX)
BINARY(minimum, F_MIN)
BINARY(power, F_POW)
BINARY(equal, F_EQUAL)
BINARY(greater, F_GREATER)

UNARY(negative, F_NEG)
UNARY(abs, F_ABS)
UNARY(square, F_SQUARE)
UNARY(sqrt, F_SQRT)
UNARY(exp, F_EXP)
UNARY(log, F_LOG)
UNARY(log1p, F_LOG1P)
UNARY(relu, F_RELU)
UNARY(sigmoid, F_SIGMOID)
UNARY(softplus, F_SOFTPLUS)
UNARY(tanh, F_TANH)
UNARY(stop_gradient, F_STOP_GRADIENT)

REDUCTION(reduce_sum, R_SUM)
REDUCTION(reduce_max, R_MAX)
REDUCTION(logsumexp, R_LOGSUMEXP)

kiln_shape kiln_ops_shape(struct kiln_ops *ops, kiln_node x)
{
    if (x < 0 || (size_t)x >= ops->graph->count)
        return (kiln_shape){0};
    return ops->graph->items[x].shape;
}

kiln_node kiln_ops_constant(struct kiln_ops *ops, double value)
{
    return op_constant(ops->graph, value);
}

kiln_node kiln_ops_where(struct kiln_ops *ops, kiln_node condition, kiln_node x, kiln_node y)
{
    return op_select(ops->graph, condition, x, y);
}

kiln_node kiln_ops_scale(struct kiln_ops *ops, kiln_node x, double scale, double shift)
{
    return op_affine(ops->graph, x, scale, shift);
}

kiln_node kiln_ops_reduce_mean(struct kiln_ops *ops, kiln_node x, int axis)
{
    return op_mean(ops->graph, x, axis, axis, false);
}

kiln_node kiln_ops_softmax(struct kiln_ops *ops, kiln_node x)
{
    return op_softmax(ops->graph, x);
}

kiln_node kiln_ops_log_softmax(struct kiln_ops *ops, kiln_node x)
{
    return op_log_softmax(ops->graph, x);
}

kiln_node kiln_ops_take(struct kiln_ops *ops, kiln_node x, kiln_node index)
{
    return op_pick(ops->graph, x, index);
}

kiln_node kiln_ops_one_hot(struct kiln_ops *ops, kiln_node index, int64_t n)
{
    return op_one_hot(ops->graph, index, n);
}

kiln_node kiln_ops_matmul(struct kiln_ops *ops, kiln_node x, kiln_node y)
{
    return op_matmul(ops->graph, x, y, false, false);
}

kiln_node kiln_ops_reshape(struct kiln_ops *ops, kiln_node x, kiln_shape shape)
{
    if (x < 0)
        return IR_NONE;
    int64_t known = 1, whole = kiln_shape_size(kiln_ops_shape(ops, x));
    int open = -1;
    for (int i = 0; i < shape.rank; i++) {
        if (shape.dims[i] >= 0)
            known *= shape.dims[i];
        else
            open = i;
    }
    if (open >= 0 && known > 0)
        shape.dims[open] = whole / known;
    return op_reshape(ops->graph, x, shape);
}
