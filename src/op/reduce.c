/* Reductions over a run of axes: integer[0] first axis, integer[1] last. */
#include "op/leaf.h"
#include "op/node.h"

static kiln_status reduce_gradient(ir_graph *g, ir_id node, ir_id dy, ir_id *dx);

const op_descriptor op_desc_reduce[] = {
    [R_SUM] = {.name = "sum", .kind = OP_REDUCE, .inputs = 1, .gradient = reduce_gradient},
    [R_MAX] = {.name = "max", .kind = OP_REDUCE, .inputs = 1, .gradient = reduce_gradient},
    [R_MIN] = {.name = "min", .kind = OP_REDUCE, .inputs = 1, .gradient = reduce_gradient},
    [R_LOGSUMEXP] = {.name = "logsumexp",
                     .kind = OP_REDUCE,
                     .inputs = 1,
                     .gradient = reduce_gradient},
    [R_ARGMAX] = {.name = "argmax", .kind = OP_REDUCE, .inputs = 1},
};

/* The input's shape with the reduced axes 1. */
static kiln_shape kept(kiln_shape shape, int first, int last)
{
    for (int i = first; i <= last; i++)
        shape.dims[i] = 1;
    return shape;
}

/* A long sum of few columns is split: a work-item does a column (or sixteen), and there were not
 * enough of them. Into how many parts; 1: it is not. */
static int64_t parts_of(kiln_shape shape, int first, int last)
{
    int64_t outer = 1, depth = 1, width = 1;
    for (int k = 0; k < shape.rank; k++)
        *(k < first ? &outer : k <= last ? &depth : &width) *= shape.dims[k];
    if (depth < 2048 || outer * ((width + 15) / 16) >= 32)
        return 1;
    for (int64_t parts = 256; parts >= 8; parts--)
        if (depth % parts == 0)
            return parts;
    return 1;
}

static ir_id sum_in_parts(ir_graph *g, ir_id x, int first, int last, int64_t parts,
                          kiln_shape result)
{
    kiln_shape from = g->items[x].shape, split = {.rank = 4, .dims = {1, parts, 1, 1}};
    for (int k = 0; k < from.rank; k++)
        split.dims[k < first ? 0 : k <= last ? 2 : 3] *= from.dims[k];
    split.dims[2] /= parts;
    kiln_shape middle = {.rank = 3, .dims = {split.dims[0], parts, split.dims[3]}},
               end = {.rank = 2, .dims = {split.dims[0], split.dims[3]}};
    x = op_reshape(g, x, split);
    ir_id y = op_node(g, &op_desc_reduce[R_SUM], 1, &x, KILN_FLOAT32, middle,
                      &(ir_attributes){.integer = {2, 2}});
    y = op_node(g, &op_desc_reduce[R_SUM], 1, &y, KILN_FLOAT32, end,
                &(ir_attributes){.integer = {1, 1}});
    return op_reshape(g, y, result);
}

ir_id op_reduce(ir_graph *g, op_reduction r, ir_id x, int first, int last, bool keep)
{
    if (x == IR_NONE)
        return IR_NONE;
    kiln_shape from = g->items[x].shape, shape = {0};
    if (from.rank == 0)
        return x;
    const char *name = op_desc_reduce[r].name;
    if ((first = op_axis(name, first, from)) < 0 || (last = op_axis(name, last, from)) < 0)
        return IR_NONE;
    if (first > last) {
        kiln_fail(KILN_ERROR_ARGUMENT, "%s: axes %d..%d of %s run backwards", name, first, last,
                  ir_shape_text(from));
        return IR_NONE;
    }
    for (int i = 0; i < from.rank; i++)
        if (i < first || i > last)
            shape.dims[shape.rank++] = from.dims[i];
    ir_id y;
    if (kiln_shape_size(kept(from, first, last)) == kiln_shape_size(from) && r != R_ARGMAX)
        y = op_reshape(g, x, shape); /* over axes of one element: max, min, sum and logsumexp are
                                        the element itself */
    else if (r == R_SUM && g->scope == 0 && parts_of(from, first, last) > 1)
        y = sum_in_parts(g, x, first, last, parts_of(from, first, last), shape);
    else
        y = op_node(g, &op_desc_reduce[r], 1, &x, KILN_FLOAT32, shape,
                    &(ir_attributes){.integer = {first, last}});
    return keep && y != IR_NONE ? op_reshape(g, y, kept(from, first, last)) : y;
}

ir_id op_mean(ir_graph *g, ir_id x, int first, int last, bool keep)
{
    ir_id sum = op_reduce(g, R_SUM, x, first, last, keep);
    if (sum == IR_NONE)
        return IR_NONE;
    double count =
        (double)kiln_shape_size(g->items[x].shape) / (double)kiln_shape_size(g->items[sum].shape);
    return op_affine(g, sum, 1.0 / count, 0.0);
}

ir_id op_sum_to(ir_graph *g, ir_id x, kiln_shape shape)
{
    if (x == IR_NONE)
        return IR_NONE;
    int extra = g->items[x].shape.rank - shape.rank;
    if (extra < 0)
        return op_broadcast(g, x, shape); /* a gradient that did not depend on the index */
    if (extra > 0)
        x = op_reduce(g, R_SUM, x, 0, extra - 1, false);
    for (int i = shape.rank; i-- > 0 && x != IR_NONE;)
        if (shape.dims[i] == 1 && g->items[x].shape.dims[i] != 1) {
            int first = i;
            while (first > 0 && shape.dims[first - 1] == 1 &&
                   g->items[x].shape.dims[first - 1] != 1)
                first--;
            x = op_reduce(g, R_SUM, x, first, i, true);
            i = first;
        }
    return op_broadcast(g, x, shape);
}

/* A gradient that was broadcast itself is broadcast once more from what it was, so that nothing is
 * kept in between: of the shape `column`, whose axes from `first` on are those of dy and reduced
 * ones. */
static ir_id narrow(ir_graph *g, ir_id dy, kiln_shape column, int first, ir_id otherwise)
{
    const ir_node *n = &g->items[dy];
    if (n->op != op_pointwise(F_IDENTITY))
        return otherwise;
    kiln_shape from = g->items[n->inputs[0]].shape, shape = column;
    int reduced = column.rank - n->shape.rank;
    for (int k = 0; k < n->shape.rank; k++) {
        int have = k - (n->shape.rank - from.rank);
        shape.dims[k < first ? k : k + reduced] = have < 0 ? 1 : from.dims[have];
    }
    return op_reshape(g, n->inputs[0], shape);
}

static kiln_status reduce_gradient(ir_graph *g, ir_id node, ir_id dy, ir_id *dx)
{
    ir_node n = g->items[node];
    ir_id x = n.inputs[0];
    kiln_shape full = g->items[x].shape,
               column = kept(full, (int)n.attr.integer[0], (int)n.attr.integer[1]);
    ir_id spread = op_reshape(g, dy, column), y = op_reshape(g, node, column), part;
    if (n.op == &op_desc_reduce[R_SUM]) {
        part = op_broadcast(g, narrow(g, dy, column, (int)n.attr.integer[0], spread), full);
    } else if (n.op == &op_desc_reduce[R_LOGSUMEXP]) {
        part = op_binary(g, F_MUL, spread, op_unary(g, F_EXP, op_binary(g, F_SUB, x, y)));
    } else { /* max, min: shared evenly among ties */
        ir_id hit = op_binary(g, F_EQUAL, x, y);
        ir_id ties = op_reduce(g, R_SUM, hit, (int)n.attr.integer[0], (int)n.attr.integer[1], true);
        part = op_binary(g, F_MUL, hit, op_binary(g, F_DIV, spread, ties));
    }
    return op_add_gradient(g, &dx[0], part);
}

ir_id op_log_softmax(ir_graph *g, ir_id x)
{
    return op_binary(g, F_SUB, x, op_reduce(g, R_LOGSUMEXP, x, -1, -1, true));
}

ir_id op_softmax(ir_graph *g, ir_id x)
{
    return op_unary(g, F_EXP, op_log_softmax(g, x));
}
