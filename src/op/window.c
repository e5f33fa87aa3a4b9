/* Windows, and pooling over them. */
#include "op/window.h"

#include "op/leaf.h"
#include "op/node.h"

#include <inttypes.h>

kiln_status op_window_place(const char *what, op_window *w, op_padding padding, kiln_shape input,
                            kiln_shape *output)
{
    if (input.rank != w->axes + 2)
        return kiln_fail(KILN_ERROR_SHAPE, "%s: a window over %d axes does not fit the input %s",
                         what, w->axes, ir_shape_text(input));
    *output = input;
    for (int a = 0; a < w->axes; a++) {
        if (w->size[a] < 1 || w->stride[a] < 1 || w->dilation[a] < 1 || w->size[a] > INT32_MAX ||
            w->stride[a] > INT32_MAX || w->dilation[a] > INT32_MAX)
            return kiln_fail(KILN_ERROR_ARGUMENT,
                             "%s: size %" PRId64 ", stride %" PRId64 " and dilation %" PRId64
                             " of a window must all be 1 or more",
                             what, w->size[a], w->stride[a], w->dilation[a]);
        int64_t length = input.dims[a + 1], reach = (w->size[a] - 1) * w->dilation[a] + 1, count;
        w->before[a] = 0;
        if (padding == PADDING_SAME) {
            count = (length + w->stride[a] - 1) / w->stride[a];
            int64_t needed = (count - 1) * w->stride[a] + reach - length;
            w->before[a] = needed > 0 ? needed / 2 : 0;
        } else if (padding == PADDING_CAUSAL) {
            w->before[a] = reach - 1;
            count = (length + w->stride[a] - 1) / w->stride[a];
        } else {
            count = length < reach ? 0 : (length - reach) / w->stride[a] + 1;
        }
        if (count < 1)
            return kiln_fail(KILN_ERROR_SHAPE,
                             "%s: a window that covers %" PRId64
                             " elements does not fit axis %d of "
                             "the input %s",
                             what, reach, a + 1, ir_shape_text(input));
        output->dims[a + 1] = count;
    }
    return KILN_OK;
}

void op_window_store(const op_window *w, ir_attributes *attr)
{
    attr->shape = attr->extra = (kiln_shape){.rank = 2 * w->axes};
    for (int a = 0; a < w->axes; a++) {
        attr->shape.dims[a] = w->size[a];
        attr->shape.dims[w->axes + a] = w->stride[a];
        attr->extra.dims[a] = w->dilation[a];
        attr->extra.dims[w->axes + a] = w->before[a];
    }
}

op_window op_window_of(const ir_attributes *attr)
{
    op_window w = {.axes = attr->shape.rank / 2};
    for (int a = 0; a < w.axes; a++) {
        w.size[a] = attr->shape.dims[a];
        w.stride[a] = attr->shape.dims[w.axes + a];
        w.dilation[a] = attr->extra.dims[a];
        w.before[a] = attr->extra.dims[w.axes + a];
    }
    return w;
}

bool op_window_inside(const op_window *w, int axis, int64_t length, int64_t count)
{
    return w->before[axis] <= 0 && (count - 1) * w->stride[axis] - w->before[axis] +
                                           (w->size[axis] - 1) * w->dilation[axis] <
                                       length;
}

/* ---- pooling: integer[0] the kind. The gradient of max wants to know, of each window, which of
 * its elements it was: inputs of the index are x and y, of the gradient the index and dy ---- */
const op_descriptor op_desc_max_pool_index = {
    .name = "max_pool_index", .kind = OP_INDEXED, .inputs = 2};
const op_descriptor op_desc_max_pool_gradient = {
    .name = "max_pool_gradient", .kind = OP_INDEXED, .inputs = 2};

static kiln_status pool_gradient(ir_graph *g, ir_id node, ir_id dy, ir_id *dx)
{
    ir_node n = g->items[node];
    kiln_shape shape = g->items[n.inputs[0]].shape;
    if (n.attr.integer[0] != POOL_MAX)
        return op_add_gradient(g, &dx[0],
                               op_node(g, &op_desc_unpool, 1, &dy, KILN_FLOAT32, shape, &n.attr));
    int64_t size = 1;
    for (int a = 0; a < n.attr.shape.rank / 2; a++)
        size *= n.attr.shape.dims[a];
    ir_id index = op_node(g, &op_desc_max_pool_index, 2, (ir_id[]){n.inputs[0], node},
                          size <= 256 ? KILN_UINT8 : KILN_INT32, n.shape, &n.attr);
    return op_add_gradient(g, &dx[0],
                           op_node(g, &op_desc_max_pool_gradient, 2, (ir_id[]){index, dy},
                                   KILN_FLOAT32, shape, &n.attr));
}

static kiln_status unpool_gradient(ir_graph *g, ir_id node, ir_id dy, ir_id *dx)
{
    ir_node n = g->items[node];
    return op_add_gradient(
        g, &dx[0],
        op_node(g, &op_desc_pool, 1, &dy, KILN_FLOAT32, g->items[n.inputs[0]].shape, &n.attr));
}

const op_descriptor op_desc_pool = {
    .name = "pool", .kind = OP_INDEXED, .inputs = 1, .gradient = pool_gradient};
const op_descriptor op_desc_unpool = {
    .name = "unpool", .kind = OP_INDEXED, .inputs = 1, .gradient = unpool_gradient};

/* Whether `windows` (batch, axes..., channels) are of w over `input`. */
static bool fits(const char *what, const op_window *w, kiln_shape input, kiln_shape windows)
{
    bool ok = w->axes >= 1 && w->axes <= WINDOW_MAX_AXES && input.rank == w->axes + 2 &&
              windows.rank == input.rank && windows.dims[0] == input.dims[0] &&
              windows.dims[input.rank - 1] == input.dims[input.rank - 1];
    for (int a = 0; ok && a < w->axes; a++)
        ok = w->size[a] >= 1 && w->stride[a] >= 1 && w->dilation[a] == 1 && w->before[a] >= 0 &&
             w->before[a] < w->size[a] && windows.dims[a + 1] >= 1 &&
             (windows.dims[a + 1] - 1) * w->stride[a] - w->before[a] < input.dims[a + 1] &&
             input.dims[a + 1] + w->size[a] + w->stride[a] < INT32_MAX;
    if (!ok)
        kiln_fail(KILN_ERROR_SHAPE, "%s: windows %s do not fit the input %s", what,
                  ir_shape_text(windows), ir_shape_text(input));
    return ok;
}

/* Functions that do not decrease, and have no gradient where they are constant. */
static bool is_monotone(const ir_node *n)
{
    static const op_function functions[] = {F_RELU, F_RELU6, F_TANH, F_SIGMOID, F_SOFTPLUS, F_SELU};
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        if (n->op == op_pointwise(functions[i]))
            return true;
    return (n->op == op_pointwise(F_LEAKY_RELU) || n->op == op_pointwise(F_ELU)) &&
           n->attr.number[0] >= 0;
}

/* Whether x has one value for a whole window: nothing but channels. */
static bool by_channel(const ir_graph *g, ir_id x)
{
    kiln_shape s = g->items[x].shape;
    return kiln_shape_size(s) == (s.rank ? s.dims[s.rank - 1] : 1);
}

ir_id op_pool(ir_graph *g, op_pooling pooling, ir_id x, const op_window *w, kiln_shape output)
{
    ir_attributes attr = {.integer = {pooling}};
    if (x == IR_NONE || !fits("pool", w, g->items[x].shape, output))
        return IR_NONE;
    /* The largest of f(x + b) is f(the largest of x, + b), to the bit: rounding does not decrease
     * either. There is less of it behind the pooling, and x may be a product whose launch can pool
     * what it makes. */
    ir_node n = g->items[x];
    if (pooling == POOL_MAX && n.scope == g->scope) {
        if (is_monotone(&n))
            return op_node(g, n.op, 1, (ir_id[]){op_pool(g, pooling, n.inputs[0], w, output)},
                           KILN_FLOAT32, output, &n.attr);
        if (n.op == op_pointwise(F_ADD) && by_channel(g, n.inputs[1]) &&
            ir_shape_equal(g->items[n.inputs[0]].shape, n.shape))
            return op_binary(g, F_ADD, op_pool(g, pooling, n.inputs[0], w, output), n.inputs[1]);
    }
    op_window_store(w, &attr);
    return op_node(g, &op_desc_pool, 1, &x, KILN_FLOAT32, output, &attr);
}

ir_id op_unpool(ir_graph *g, ir_id x, const op_window *w, kiln_shape output)
{
    ir_attributes attr = {.integer = {POOL_SUM}};
    if (x == IR_NONE || !fits("unpool", w, output, g->items[x].shape))
        return IR_NONE;
    op_window_store(w, &attr);
    return op_node(g, &op_desc_unpool, 1, &x, KILN_FLOAT32, output, &attr);
}
