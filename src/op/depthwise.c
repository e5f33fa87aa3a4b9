/* Convolutions of each channel by itself: sums over windows, each element with a weight of its tap
 * and channel. Inputs: x (batch, axes..., channels), or the gradient of the result, and the kernel
 * (taps, channels). */
#include "op/conv.h"

#include "op/leaf.h"
#include "op/node.h"

const op_descriptor op_desc_depthwise_back = {
    .name = "depthwise_back", .kind = OP_INDEXED, .inputs = 2};

/* What one tap of each window reads, 0 outside of x. more: the tap's place in the window. */
const op_descriptor op_desc_window_tap = {.name = "window_tap", .kind = OP_INDEXED, .inputs = 1};

/* (taps, channels): for each tap the sum over all windows of what it reads times dy. */
static ir_id kernel_gradient(ir_graph *g, ir_id x, ir_id dy, const ir_node *n)
{
    op_window w = op_window_of(&n->attr);
    kiln_shape kernel = g->items[n->inputs[1]].shape;
    ir_id *sums = mem_new((size_t)kernel.dims[0], sizeof *sums), all = IR_NONE;
    if (sums == NULL)
        return IR_NONE;
    bool made = true;
    for (int64_t tap = 0; tap < kernel.dims[0] && made; tap++) {
        ir_attributes attr = n->attr;
        attr.more = (kiln_shape){.rank = w.axes};
        for (int64_t a = w.axes, rest = tap; a-- > 0; rest /= w.size[a])
            attr.more.dims[a] = rest % w.size[a];
        ir_id read = op_node(g, &op_desc_window_tap, 1, &x, KILN_FLOAT32, n->shape, &attr);
        sums[tap] =
            op_reshape(g, op_reduce(g, R_SUM, op_binary(g, F_MUL, read, dy), 0, w.axes, false),
                       (kiln_shape){2, {1, kernel.dims[1]}});
        made = sums[tap] != IR_NONE;
    }
    if (made)
        all = kernel.dims[0] > 1 ? op_concatenate(g, (int)kernel.dims[0], sums, 0) : sums[0];
    free(sums);
    return all;
}

static kiln_status depthwise_gradient(ir_graph *g, ir_id node, ir_id dy, ir_id *dx)
{
    ir_node n = g->items[node];
    KILN_TRY(op_add_gradient(g, &dx[0],
                             op_node(g, &op_desc_depthwise_back, 2, (ir_id[]){dy, n.inputs[1]},
                                     KILN_FLOAT32, g->items[n.inputs[0]].shape, &n.attr)));
    return op_add_gradient(g, &dx[1], kernel_gradient(g, n.inputs[0], dy, &n));
}

const op_descriptor op_desc_depthwise = {
    .name = "depthwise", .kind = OP_INDEXED, .inputs = 2, .gradient = depthwise_gradient};

ir_id op_depthwise(ir_graph *g, ir_id x, ir_id kernel, const op_window *w, const int64_t *output)
{
    ir_attributes attr = {.integer = {0}};
    if (x == IR_NONE || kernel == IR_NONE)
        return IR_NONE;
    kiln_shape shape = g->items[x].shape, taps = g->items[kernel].shape;
    op_window_store(w, &attr);
    for (int a = 0; a < w->axes; a++)
        shape.dims[a + 1] = output[a];
    return op_node(
        g, &op_desc_depthwise, 2,
        (ir_id[]){x, op_reshape(g, kernel, (kiln_shape){2, {taps.dims[0], taps.dims[2]}})},
        KILN_FLOAT32, shape, &attr);
}
