/* Views (the same elements under another shape) and reads at an index of their own. */
#include "op/leaf.h"
#include "op/node.h"

#include <inttypes.h>

/* ---- reshape ---- */
static kiln_status reshape_gradient(ir_graph *g, ir_id node, ir_id dy, ir_id *dx)
{
    return op_add_gradient(g, &dx[0], op_reshape(g, dy, g->items[g->items[node].inputs[0]].shape));
}
const op_descriptor op_desc_reshape = {
    .name = "reshape", .kind = OP_VIEW, .inputs = 1, .gradient = reshape_gradient};

ir_id op_reshape(ir_graph *g, ir_id x, kiln_shape shape)
{
    if (x == IR_NONE)
        return IR_NONE;
    kiln_shape from = g->items[x].shape;
    int64_t known = 1, total = kiln_shape_size(from);
    int open = -1;
    for (int i = 0; i < shape.rank; i++) {
        if (shape.dims[i] == -1 && open < 0)
            open = i;
        else
            known *= shape.dims[i];
    }
    if (open >= 0 && known > 0)
        shape.dims[open] = total / known;
    if (kiln_shape_size(shape) != total) {
        kiln_fail(KILN_ERROR_SHAPE, "%s has %" PRId64 " elements and cannot become %s",
                  ir_shape_text(from), total, ir_shape_text(shape));
        return IR_NONE;
    }
    if (ir_shape_equal(from, shape))
        return x;
    if (g->items[x].op == &op_desc_reshape)
        return op_reshape(g, g->items[x].inputs[0], shape);
    return op_node(g, &op_desc_reshape, 1, &x, g->items[x].dtype, shape, NULL);
}

ir_id op_through_views(const ir_graph *g, ir_id x)
{
    while (g->items[x].op == &op_desc_reshape)
        x = g->items[x].inputs[0];
    return x;
}

/* ---- transpose: attr.extra is the permutation, attr.shape the input's strides by output axis ----
 */
static kiln_status transpose_gradient(ir_graph *g, ir_id node, ir_id dy, ir_id *dx)
{
    ir_node n = g->items[node];
    int inverse[KILN_MAX_RANK];
    for (int i = 0; i < n.shape.rank; i++)
        inverse[n.attr.extra.dims[i]] = i;
    return op_add_gradient(g, &dx[0], op_transpose(g, dy, inverse));
}
const op_descriptor op_desc_transpose = {
    .name = "transpose", .kind = OP_INDEXED, .inputs = 1, .gradient = transpose_gradient};

ir_id op_transpose(ir_graph *g, ir_id x, const int *permutation)
{
    if (x == IR_NONE)
        return IR_NONE;
    kiln_shape from = g->items[x].shape, strides = ir_strides(from), shape = {.rank = from.rank};
    ir_attributes attr = {.shape = {.rank = from.rank}, .extra = {.rank = from.rank}};
    unsigned seen = 0;
    bool shuffled = false;
    int before = -1; /* the axis before, of those longer than 1 */
    for (int i = 0; i < from.rank; i++) {
        int p = permutation[i];
        if (p < 0 || p >= from.rank || (seen >> p & 1U)) {
            kiln_fail(KILN_ERROR_ARGUMENT,
                      "transpose: axis %d in the permutation of %s is out of range or named twice",
                      p, ir_shape_text(from));
            return IR_NONE;
        }
        seen |= 1U << p;
        if (from.dims[p] > 1) {
            shuffled |= p < before;
            before = p;
        }
        shape.dims[i] = from.dims[p];
        attr.shape.dims[i] = strides.dims[p];
        attr.extra.dims[i] = p;
    }
    if (!shuffled) /* the elements stay where they are */
        return op_reshape(g, x, shape);
    if (g->items[x].op == &op_desc_transpose) { /* there and back */
        bool back = true;
        for (int i = 0; i < from.rank; i++)
            back &= g->items[x].attr.extra.dims[permutation[i]] == i;
        if (back)
            return g->items[x].inputs[0];
    }
    return op_node(g, &op_desc_transpose, 1, &x, g->items[x].dtype, shape, &attr);
}

/* ---- slice: attr.shape strides, integer[0] the offset, integer[1] axis, integer[2] first;
 * number[0] step ---- */
static kiln_status slice_gradient(ir_graph *g, ir_id node, ir_id dy, ir_id *dx);
const op_descriptor op_desc_slice = {
    .name = "slice", .kind = OP_INDEXED, .inputs = 1, .gradient = slice_gradient};

ir_id op_slice(ir_graph *g, ir_id x, int axis, int64_t first, int64_t count, int64_t step)
{
    if (x == IR_NONE)
        return IR_NONE;
    kiln_shape from = g->items[x].shape;
    if ((axis = op_axis("slice", axis, from)) < 0)
        return IR_NONE;
    int64_t last = first + (count - 1) * step, length = from.dims[axis];
    if (count < 1 || first < 0 || first >= length || last < 0 || last >= length) {
        kiln_fail(KILN_ERROR_SHAPE,
                  "slice: elements %" PRId64 "..%" PRId64 " of axis %d are not all in %s", first,
                  last, axis, ir_shape_text(from));
        return IR_NONE;
    }
    if (count == length && first == 0)
        return x;
    const ir_node *n = &g->items[x];
    if (count == length && step == -1 && n->op == &op_desc_slice && n->attr.integer[1] == axis &&
        n->attr.number[0] == -1.0 && g->items[n->inputs[0]].shape.dims[axis] == length)
        return n->inputs[0]; /* turned round twice */
    ir_attributes attr = {
        .shape = ir_strides(from), .integer = {0, axis, first}, .number = {(double)step}};
    attr.integer[0] = first * attr.shape.dims[axis];
    attr.shape.dims[axis] *= step;
    kiln_shape shape = from;
    shape.dims[axis] = count;
    return op_node(g, &op_desc_slice, 1, &x, g->items[x].dtype, shape, &attr);
}

/* ---- pad: integer[0] axis, integer[1] zeros before, integer[2] distance of the input's elements
 * ---- */
static kiln_status pad_gradient(ir_graph *g, ir_id node, ir_id dy, ir_id *dx)
{
    ir_node n = g->items[node];
    int axis = (int)n.attr.integer[0];
    return op_add_gradient(g, &dx[0],
                           op_slice(g, dy, axis, n.attr.integer[1],
                                    g->items[n.inputs[0]].shape.dims[axis], n.attr.integer[2]));
}
const op_descriptor op_desc_pad = {
    .name = "pad", .kind = OP_INDEXED, .inputs = 1, .gradient = pad_gradient};

static ir_id spread(ir_graph *g, ir_id x, int axis, int64_t before, int64_t distance,
                    int64_t length)
{
    if (x == IR_NONE)
        return IR_NONE;
    kiln_shape shape = g->items[x].shape;
    shape.dims[axis] = length;
    return op_node(g, &op_desc_pad, 1, &x, KILN_FLOAT32, shape,
                   &(ir_attributes){.integer = {axis, before, distance}});
}

ir_id op_pad(ir_graph *g, ir_id x, int axis, int64_t before, int64_t after)
{
    if (x == IR_NONE || (axis = op_axis("pad", axis, g->items[x].shape)) < 0)
        return IR_NONE;
    if (before < 0 || after < 0) {
        kiln_fail(KILN_ERROR_ARGUMENT, "pad: negative padding (%" PRId64 ", %" PRId64 ")", before,
                  after);
        return IR_NONE;
    }
    return before + after == 0
               ? x
               : spread(g, x, axis, before, 1, g->items[x].shape.dims[axis] + before + after);
}

static kiln_status slice_gradient(ir_graph *g, ir_id node, ir_id dy, ir_id *dx)
{
    ir_node n = g->items[node];
    int axis = (int)n.attr.integer[1];
    int64_t step = (int64_t)n.attr.number[0];
    int64_t first = n.attr.integer[2], count = n.shape.dims[axis],
            length = g->items[n.inputs[0]].shape.dims[axis];
    if (step < 0) { /* the same elements from last to first */
        if (count > 1)
            dy = op_slice(g, dy, axis, count - 1, count, -1);
        first += (count - 1) * step;
        step = -step;
    }
    return op_add_gradient(g, &dx[0],
                           count == length ? dy : spread(g, dy, axis, first, step, length));
}

ir_id op_concatenate(ir_graph *g, int count, const ir_id *x, int axis)
{
    if (count < 1 || x[0] == IR_NONE)
        return IR_NONE;
    kiln_shape first = g->items[x[0]].shape;
    if ((axis = op_axis("concatenate", axis, first)) < 0)
        return IR_NONE;
    int64_t total = 0;
    for (int i = 0; i < count; i++) {
        if (x[i] == IR_NONE)
            return IR_NONE;
        kiln_shape shape = g->items[x[i]].shape, other = first;
        if (shape.rank == first.rank)
            other.dims[axis] = shape.dims[axis];
        if (!ir_shape_equal(shape, other)) {
            kiln_fail(KILN_ERROR_SHAPE, "concatenate: %s and %s differ outside axis %d",
                      ir_shape_text(first), ir_shape_text(shape), axis);
            return IR_NONE;
        }
        total += shape.dims[axis];
    }
    /* A sum of the parts, each padded to the whole: one fused launch, and its gradient is a slice.
     */
    ir_id sum = IR_NONE;
    int64_t at = 0;
    for (int i = 0; i < count; i++) {
        int64_t length = g->items[x[i]].shape.dims[axis];
        ir_id part = op_pad(g, x[i], axis, at, total - at - length);
        sum = i == 0 ? part : op_binary(g, F_ADD, sum, part);
        at += length;
    }
    return sum;
}

/* ---- gather: rows of a table ---- */
const op_descriptor op_desc_gather_gradient = {
    .name = "gather_gradient", .kind = OP_INDEXED, .inputs = 2};

static kiln_status gather_gradient(ir_graph *g, ir_id node, ir_id dy, ir_id *dx)
{
    ir_node n = g->items[node];
    ir_id part = op_node(g, &op_desc_gather_gradient, 2, (ir_id[]){dy, n.inputs[1]}, KILN_FLOAT32,
                         g->items[n.inputs[0]].shape, NULL);
    return op_add_gradient(g, &dx[0], part);
}
const op_descriptor op_desc_gather = {
    .name = "gather", .kind = OP_INDEXED, .inputs = 2, .gradient = gather_gradient};

ir_id op_gather(ir_graph *g, ir_id table, ir_id ids)
{
    if (table == IR_NONE || ids == IR_NONE)
        return IR_NONE;
    kiln_shape t = g->items[table].shape, shape = g->items[ids].shape;
    if (t.rank < 1 || shape.rank + t.rank - 1 > KILN_MAX_RANK) {
        kiln_fail(KILN_ERROR_SHAPE, "gather: a table of shape %s at indices of shape %s",
                  ir_shape_text(t), ir_shape_text(shape));
        return IR_NONE;
    }
    for (int i = 1; i < t.rank; i++)
        shape.dims[shape.rank++] = t.dims[i];
    return op_node(g, &op_desc_gather, 2, (ir_id[]){table, ids}, KILN_FLOAT32, shape, NULL);
}

/* ---- pick and one_hot along the last axis ---- */
static kiln_status pick_gradient(ir_graph *g, ir_id node, ir_id dy, ir_id *dx)
{
    ir_node n = g->items[node];
    kiln_shape x = g->items[n.inputs[0]].shape, column = g->items[dy].shape;
    column.dims[column.rank++] = 1;
    ir_id hot = op_one_hot(g, n.inputs[1], x.dims[x.rank - 1]);
    return op_add_gradient(g, &dx[0], op_binary(g, F_MUL, hot, op_reshape(g, dy, column)));
}
const op_descriptor op_desc_pick = {
    .name = "pick", .kind = OP_INDEXED, .inputs = 2, .gradient = pick_gradient};
const op_descriptor op_desc_one_hot = {.name = "one_hot", .kind = OP_INDEXED, .inputs = 1};

ir_id op_pick(ir_graph *g, ir_id x, ir_id index)
{
    if (x == IR_NONE || index == IR_NONE)
        return IR_NONE;
    kiln_shape rows = g->items[x].shape;
    rows.rank--;
    if (rows.rank < 0 || !ir_shape_equal(rows, g->items[index].shape)) {
        kiln_fail(KILN_ERROR_SHAPE, "pick: an index of shape %s into the last axis of %s",
                  ir_shape_text(g->items[index].shape), ir_shape_text(g->items[x].shape));
        return IR_NONE;
    }
    return op_node(g, &op_desc_pick, 2, (ir_id[]){x, index}, KILN_FLOAT32, rows, NULL);
}

ir_id op_one_hot(ir_graph *g, ir_id index, int64_t n)
{
    if (index == IR_NONE)
        return IR_NONE;
    kiln_shape shape = g->items[index].shape;
    shape.dims[shape.rank++] = n;
    return op_node(g, &op_desc_one_hot, 1, &index, KILN_FLOAT32, shape, NULL);
}
