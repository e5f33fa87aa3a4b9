/* Normalization by the statistics of a batch. Backward is written down once, for the whole of it:
 * with w the weights, n their count, s = gamma / sqrt(variance + epsilon),
 *
 *     dx = s * (dy - w * (sum(dy) + (x - mean) * sum(dy * (x - mean)) / (variance + epsilon)) / n)
 *
 * Both sums are what the gradients of beta and gamma need anyway. */
#include "op/normalize.h"

#include "op/leaf.h"
#include "op/node.h"

/* $0 * ($1 - $2) and $0 * ($1 - $2)^2: nodes of their own, each to be computed in front of the sum
 * that it leads to, without a difference that would be kept in memory. */
const op_descriptor op_desc_centered_product = {
    .name = "centered", .kind = OP_POINTWISE, .inputs = 3, .expression = "$0 * ($1 - $2)"};
const op_descriptor op_desc_centered_square = {.name = "centered_square",
                                               .kind = OP_POINTWISE,
                                               .inputs = 3,
                                               .expression = "$0 * (($1 - $2) * ($1 - $2))"};

static ir_id add(ir_graph *g, const op_descriptor *op, int count, const ir_id *inputs,
                 const ir_attributes *attr)
{
    kiln_shape shape = {0};
    for (int i = 0; i < count; i++)
        if (inputs[i] == IR_NONE ||
            op_broadcast_shape(op->name, shape, g->items[inputs[i]].shape, &shape) != KILN_OK)
            return IR_NONE;
    return op_node(g, op, count, inputs, KILN_FLOAT32, shape, attr);
}

kiln_status op_batch_moments(ir_graph *g, ir_id x, kiln_shape shape, ir_id near, op_moments *m)
{
    ir_id inputs[] = {m->weight, x, near};
    ir_id sum = op_sum_to(g, add(g, &op_desc_centered_product, 3, inputs, NULL), shape);
    ir_id squares = op_sum_to(g, add(g, &op_desc_centered_square, 3, inputs, NULL), shape);
    ir_id away = op_binary(g, F_DIV, sum, m->count); /* the mean, from `near` */
    m->mean = op_binary(g, F_ADD, near, away);
    m->variance = op_binary(
        g, F_MAX,
        op_binary(g, F_SUB, op_binary(g, F_DIV, squares, m->count), op_unary(g, F_SQUARE, away)),
        op_constant(g, 0));
    return m->mean == IR_NONE || m->variance == IR_NONE ? kiln_last_status() : KILN_OK;
}

/* Inputs x, mean, scale, offset; integer[0..2]: the nodes of 1 / sqrt(variance + epsilon), the
 * weights and the count. */
static kiln_status normalize_gradient(ir_graph *g, ir_id node, ir_id dy, ir_id *dx)
{
    ir_node n = g->items[node];
    ir_id x = n.inputs[0], mean = n.inputs[1], scale = n.inputs[2];
    ir_id inverse = (ir_id)n.attr.integer[0], weight = (ir_id)n.attr.integer[1],
          count = (ir_id)n.attr.integer[2];
    kiln_shape shape = g->items[mean].shape;
    ir_id sum = op_sum_to(g, dy, shape),
          product = op_sum_to(g, add(g, &op_desc_centered_product, 3, (ir_id[]){dy, x, mean}, NULL),
                              shape);
    ir_id slope = op_binary(g, F_DIV, op_binary(g, F_MUL, product, op_unary(g, F_SQUARE, inverse)),
                            count),
          level = op_binary(g, F_DIV, sum, count);
    ir_id part = op_binary(g, F_ADD, level,
                           add(g, &op_desc_centered_product, 3, (ir_id[]){slope, x, mean}, NULL));
    KILN_TRY(op_add_gradient(
        g, &dx[0],
        op_binary(g, F_MUL, scale, op_binary(g, F_SUB, dy, op_binary(g, F_MUL, weight, part)))));
    KILN_TRY(op_add_gradient(g, &dx[2], product));
    return op_add_gradient(g, &dx[3], op_sum_to(g, sum, g->items[n.inputs[3]].shape));
}

const op_descriptor op_desc_batch_normalize = {.name = "normalize",
                                               .kind = OP_POINTWISE,
                                               .inputs = 4,
                                               .expression = "($0 - $1) * $2 + $3",
                                               .gradient = normalize_gradient};

ir_id op_batch_normalize(ir_graph *g, ir_id x, const op_moments *m, double epsilon, ir_id gamma,
                         ir_id beta)
{
    ir_id inverse = op_unary(g, F_RSQRT, op_affine(g, m->variance, 1, epsilon));
    ir_id scale = gamma == IR_NONE ? inverse : op_binary(g, F_MUL, inverse, gamma);
    if (beta == IR_NONE)
        beta = op_constant(g, 0);
    return add(g, &op_desc_batch_normalize, 4, (ir_id[]){x, m->mean, scale, beta},
               &(ir_attributes){.integer = {inverse, m->weight, m->count}});
}
