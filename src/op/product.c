/* Matrix products: integer[0] left transposed, integer[1] right transposed. A node's inputs have
 * rank 2 to 4; its batch axes (up to two) broadcast. */
#include "op/leaf.h"
#include "op/node.h"

static kiln_status matmul_gradient(ir_graph *g, ir_id node, ir_id dy, ir_id *dx)
{
    ir_node n = g->items[node];
    ir_id a = n.inputs[0], b = n.inputs[1];
    bool ta = n.attr.integer[0], tb = n.attr.integer[1];
    ir_id da = ta ? op_matmul(g, b, dy, tb, true) : op_matmul(g, dy, b, false, !tb);
    ir_id db = tb ? op_matmul(g, dy, a, true, ta) : op_matmul(g, a, dy, !ta, false);
    KILN_TRY(op_add_gradient(g, &dx[0], op_sum_to(g, da, g->items[a].shape)));
    return op_add_gradient(g, &dx[1], op_sum_to(g, db, g->items[b].shape));
}
const op_descriptor op_desc_matmul = {
    .name = "matmul", .kind = OP_PRODUCT, .inputs = 2, .gradient = matmul_gradient};

/* A product's kernel reads floats: another type is converted first. */
static ir_id as_float(ir_graph *g, ir_id x)
{
    return g->items[x].dtype == KILN_FLOAT32
               ? x
               : op_node(g, op_pointwise(F_IDENTITY), 1, &x, KILN_FLOAT32, g->items[x].shape, NULL);
}

ir_id op_matmul(ir_graph *g, ir_id a, ir_id b, bool transpose_a, bool transpose_b)
{
    if (a == IR_NONE || b == IR_NONE)
        return IR_NONE;
    kiln_shape sa = g->items[a].shape, sb = g->items[b].shape;
    if (sa.rank < 2 || sb.rank < 2)
        goto wrong;
    /* A plain right side: all leading axes of the left are rows of one product. */
    if (sb.rank == 2 && sa.rank > 2 && !transpose_a) {
        kiln_shape flat = {.rank = 2, .dims = {-1, sa.dims[sa.rank - 1]}}, shape = sa;
        ir_id y = op_matmul(g, op_reshape(g, a, flat), b, false, transpose_b);
        if (y == IR_NONE)
            return IR_NONE;
        shape.dims[shape.rank - 1] = g->items[y].shape.dims[1];
        return op_reshape(g, y, shape);
    }
    int64_t m = sa.dims[sa.rank - (transpose_a ? 1 : 2)],
            k = sa.dims[sa.rank - (transpose_a ? 2 : 1)];
    int64_t n = sb.dims[sb.rank - (transpose_b ? 2 : 1)],
            kb = sb.dims[sb.rank - (transpose_b ? 1 : 2)];
    kiln_shape ba = sa, bb = sb, shape;
    ba.rank -= 2;
    bb.rank -= 2;
    if (k != kb || ba.rank > 2 || bb.rank > 2 ||
        op_broadcast_shape("matmul", ba, bb, &shape) != KILN_OK)
        goto wrong;
    shape.dims[shape.rank++] = m;
    shape.dims[shape.rank++] = n;
    a = as_float(g, a);
    b = as_float(g, b);
    return op_node(g, &op_desc_matmul, 2, (ir_id[]){a, b}, KILN_FLOAT32, shape,
                   &(ir_attributes){.integer = {transpose_a, transpose_b}});
wrong:
    kiln_fail(KILN_ERROR_SHAPE,
              "matmul: %s%s times %s%s: the inner sizes must match, with at most two batch axes",
              ir_shape_text(sa), transpose_a ? " transposed" : "", ir_shape_text(sb),
              transpose_b ? " transposed" : "");
    return IR_NONE;
}
