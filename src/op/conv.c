/* Convolutions. A node is a product: the convolution's is (pixels of the output, filters), the
 * gradient's of its kernel (splits, taps * channels of a group, filters). Attributes: the window;
 * more: spreads, then the output's sizes; integer[0] groups, integer[1] splits; integer[2] and [3],
 * where there is one group, the operands of the matrix product that it is. */
#include "op/conv.h"

#include "op/leaf.h"
#include "op/node.h"

#include <inttypes.h>

/* Partial sums of a kernel's gradient: enough for the threads of a CPU, and to fill a small device;
 * no more floats than this in all. */
enum { MOST_SPLITS = 8, MOST_SPLIT_SUMS = 4 << 20 };

op_conv op_conv_of(const op_window *w, kiln_shape output, int64_t groups)
{
    op_conv c = {.window = *w, .groups = groups};
    for (int a = 0; a < w->axes; a++) {
        c.spread[a] = 1;
        c.output[a] = output.dims[a + 1];
    }
    return c;
}

static void store(const op_conv *c, ir_attributes *attr)
{
    int axes = c->window.axes;
    op_window_store(&c->window, attr);
    attr->more = (kiln_shape){.rank = 2 * axes};
    for (int a = 0; a < axes; a++) {
        attr->more.dims[a] = c->spread[a];
        attr->more.dims[axes + a] = c->output[a];
    }
    attr->integer[0] = c->groups;
}

static op_conv conv_of(const ir_attributes *attr)
{
    op_conv c = {.window = op_window_of(attr), .groups = attr->integer[0]};
    for (int a = 0; a < c.window.axes; a++) {
        c.spread[a] = attr->more.dims[a];
        c.output[a] = attr->more.dims[c.window.axes + a];
    }
    return c;
}

/* What each window of x reads, written down: (pixels of the output, taps * channels). Nothing reads
 * it unless an engine without an operand loader of ours does the convolution. */
const op_descriptor op_desc_conv_windows = {
    .name = "conv_windows", .kind = OP_INDEXED, .inputs = 1};

static int64_t taps_of(const op_conv *c)
{
    int64_t taps = 1;
    for (int a = 0; a < c->window.axes; a++)
        taps *= c->window.size[a];
    return taps;
}

static int64_t pixels_of(const op_conv *c)
{
    int64_t pixels = 1;
    for (int a = 0; a < c->window.axes; a++)
        pixels *= c->output[a];
    return pixels;
}

blas_convolution op_conv_product(const ir_graph *g, const ir_node *n)
{
    op_conv c = conv_of(&n->attr);
    kiln_shape x = g->items[n->inputs[0]].shape;
    blas_convolution b = {.batch = x.dims[0],
                          .channels = x.dims[x.rank - 1],
                          .filters = n->shape.dims[n->shape.rank - 1],
                          .groups = c.groups,
                          .splits = n->attr.integer[1]};
    int missing = CONVOLUTION_AXES - c.window.axes;
    for (int i = 0; i < CONVOLUTION_AXES; i++) {
        int a = i - missing;
        b.input[i] = a < 0 ? 1 : x.dims[a + 1];
        b.output[i] = a < 0 ? 1 : c.output[a];
        b.size[i] = a < 0 ? 1 : c.window.size[a];
        b.stride[i] = a < 0 ? 1 : c.window.stride[a];
        b.dilation[i] = a < 0 ? 1 : c.window.dilation[a];
        b.spread[i] = a < 0 ? 1 : c.spread[a];
        b.before[i] = a < 0 ? 0 : c.window.before[a];
    }
    return b;
}

static ir_id windows(ir_graph *g, ir_id x, const op_conv *c)
{
    kiln_shape from = g->items[x].shape;
    ir_attributes attr = {.integer = {0}};
    store(c, &attr);
    return op_node(
        g, &op_desc_conv_windows, 1, &x, KILN_FLOAT32,
        (kiln_shape){2, {from.dims[0] * pixels_of(c), taps_of(c) * from.dims[from.rank - 1]}},
        &attr);
}

/* Makes a convolution, or its kernel's gradient, the matrix product that it is. */
void op_conv_to_matmul(ir_node *n)
{
    ir_id operands[2] = {(ir_id)n->attr.integer[2], (ir_id)n->attr.integer[3]};
    bool gradient = n->op == &op_desc_conv_weight_gradient;
    n->op = &op_desc_matmul;
    n->attr = (ir_attributes){.integer = {gradient}};
    n->inputs[0] = operands[0];
    n->inputs[1] = operands[1];
}

static ir_id as_float(ir_graph *g, ir_id x)
{
    return g->items[x].dtype == KILN_FLOAT32
               ? x
               : op_node(g, op_pointwise(F_IDENTITY), 1, &x, KILN_FLOAT32, g->items[x].shape, NULL);
}

/* (taps, channels of a group, filters) to (taps from last to first, filters of a group, channels).
 */
static ir_id turned(ir_graph *g, ir_id kernel, int64_t groups)
{
    kiln_shape k = g->items[kernel].shape;
    int64_t taps = k.dims[0], channels = k.dims[1], filters = k.dims[2] / groups;
    ir_id x = op_reshape(g, kernel, (kiln_shape){4, {taps, channels, groups, filters}});
    if (taps > 1)
        x = op_slice(g, x, 0, taps - 1, taps, -1);
    x = op_transpose(g, x, (const int[]){0, 3, 2, 1});
    return op_reshape(g, x, (kiln_shape){3, {taps, filters, groups * channels}});
}

ir_id op_convolve_back(ir_graph *g, ir_id x, ir_id kernel, const op_conv *c, const int64_t *input)
{
    if (x == IR_NONE || kernel == IR_NONE)
        return IR_NONE;
    op_conv back = *c;
    for (int a = 0; a < c->window.axes; a++) {
        back.window.stride[a] = c->spread[a];
        back.spread[a] = c->window.stride[a];
        back.window.before[a] =
            (c->window.size[a] - 1) * c->window.dilation[a] - c->window.before[a];
        back.output[a] = input[a];
    }
    return op_convolve(g, x, turned(g, kernel, c->groups), &back);
}

/* Parts of the batch whose sums of a kernel's gradient are made apart. */
static int64_t splits_of(int64_t batch, int64_t sums)
{
    int64_t most = batch < MOST_SPLITS ? batch : MOST_SPLITS;
    while (most > 1 && (batch % most || most * sums > MOST_SPLIT_SUMS))
        most--;
    return most;
}

const op_descriptor op_desc_conv_weight_gradient = {
    .name = "conv_kernel_gradient", .kind = OP_PRODUCT, .inputs = 2};

static ir_id weight_gradient(ir_graph *g, ir_id x, ir_id dy, kiln_shape kernel, const op_conv *c)
{
    int64_t rows = kernel.dims[0] * kernel.dims[1], filters = kernel.dims[2];
    ir_attributes attr = {.integer = {0, splits_of(g->items[x].shape.dims[0], rows * filters)}};
    store(c, &attr);
    if (c->groups == 1) {
        int64_t parts = attr.integer[1], pixels = g->items[x].shape.dims[0] * pixels_of(c) / parts;
        attr.integer[2] = op_reshape(g, windows(g, x, c), (kiln_shape){3, {parts, pixels, rows}});
        attr.integer[3] = op_reshape(g, dy, (kiln_shape){3, {parts, pixels, filters}});
        if (attr.integer[2] == IR_NONE || attr.integer[3] == IR_NONE)
            return IR_NONE;
    }
    ir_id parts = op_node(g, &op_desc_conv_weight_gradient, 2, (ir_id[]){x, dy}, KILN_FLOAT32,
                          (kiln_shape){3, {attr.integer[1], rows, filters}}, &attr);
    return op_reshape(g, op_reduce(g, R_SUM, parts, 0, 0, false), kernel);
}

ir_id op_conv_kernel_gradient(ir_graph *g, const ir_node *n, ir_id x, ir_id dy)
{
    op_conv c = conv_of(&n->attr);
    return x == IR_NONE || dy == IR_NONE
               ? IR_NONE
               : weight_gradient(g, x, dy, g->items[n->inputs[1]].shape, &c);
}

ir_id op_conv_input_gradient(ir_graph *g, const ir_node *n, ir_id dy)
{
    op_conv c = conv_of(&n->attr);
    kiln_shape x = g->items[n->inputs[0]].shape, windows = x;
    for (int a = 0; a < c.window.axes; a++)
        windows.dims[a + 1] = c.output[a];
    windows.dims[windows.rank - 1] = n->shape.dims[1];
    return op_convolve_back(g, op_reshape(g, dy, windows), n->inputs[1], &c, &x.dims[1]);
}

static kiln_status conv_gradient(ir_graph *g, ir_id node, ir_id dy, ir_id *dx)
{
    ir_node n = g->items[node];
    /* The kernel's first: what it reads of the input may make room for the input's. */
    KILN_TRY(op_add_gradient(g, &dx[1], op_conv_kernel_gradient(g, &n, n.inputs[0], dy)));
    return op_add_gradient(g, &dx[0], op_conv_input_gradient(g, &n, dy));
}

const op_descriptor op_desc_conv = {
    .name = "conv", .kind = OP_PRODUCT, .inputs = 2, .gradient = conv_gradient};

static bool fits(const char *what, const op_conv *c, kiln_shape x, kiln_shape kernel,
                 int64_t groups)
{
    bool ok = c->window.axes >= 1 && c->window.axes <= WINDOW_MAX_AXES &&
              x.rank == c->window.axes + 2 && kernel.rank == 3 && c->groups >= 1 &&
              kernel.dims[0] == taps_of(c) && kernel.dims[1] * groups == x.dims[x.rank - 1] &&
              kernel.dims[2] % groups == 0;
    for (int a = 0; ok && a < c->window.axes; a++)
        ok = c->output[a] >= 1 && c->spread[a] >= 1 &&
             x.dims[a + 1] * c->spread[a] + c->window.size[a] * c->window.dilation[a] +
                     c->window.stride[a] <
                 INT32_MAX &&
             c->output[a] * c->window.stride[a] < INT32_MAX;
    if (!ok)
        kiln_fail(KILN_ERROR_SHAPE, "%s: a kernel of %s and %" PRId64 " groups does not fit %s",
                  what, ir_shape_text(kernel), groups, ir_shape_text(x));
    return ok;
}

/* Whether each window is one element, and all elements have one. */
static bool is_matmul(const op_conv *c, kiln_shape x)
{
    bool one = c->groups == 1;
    for (int a = 0; a < c->window.axes; a++)
        one &= c->window.size[a] == 1 && c->window.stride[a] == 1 && c->spread[a] == 1 &&
               c->window.before[a] == 0 && c->output[a] == x.dims[a + 1];
    return one;
}

static bool is_depthwise(const op_conv *c, kiln_shape x, kiln_shape kernel)
{
    bool plain = c->groups > 1 && c->groups == x.dims[x.rank - 1] && kernel.dims[2] == c->groups;
    for (int a = 0; a < c->window.axes; a++)
        plain &= c->spread[a] == 1;
    return plain;
}

ir_id op_convolve(ir_graph *g, ir_id x, ir_id kernel, const op_conv *c)
{
    if (x == IR_NONE || kernel == IR_NONE)
        return IR_NONE;
    kiln_shape from = g->items[x].shape, taps = g->items[kernel].shape, shape = from;
    if (!fits("convolution", c, from, taps, c->groups))
        return IR_NONE;
    if (is_matmul(c, from))
        return op_matmul(g, x, op_reshape(g, kernel, (kiln_shape){2, {taps.dims[1], taps.dims[2]}}),
                         false, false);
    if (is_depthwise(c, from, taps))
        return op_depthwise(g, as_float(g, x), as_float(g, kernel), &c->window, c->output);
    ir_attributes attr = {.integer = {0}};
    store(c, &attr);
    x = as_float(g, x);
    kernel = as_float(g, kernel);
    if (c->groups == 1) {
        attr.integer[2] = windows(g, x, c);
        attr.integer[3] =
            op_reshape(g, kernel, (kiln_shape){2, {taps.dims[0] * taps.dims[1], taps.dims[2]}});
        if (attr.integer[2] == IR_NONE || attr.integer[3] == IR_NONE)
            return IR_NONE;
    }
    ir_id y = op_node(g, &op_desc_conv, 2, (ir_id[]){x, kernel}, KILN_FLOAT32,
                      (kiln_shape){2, {from.dims[0] * pixels_of(c), taps.dims[2]}}, &attr);
    for (int a = 0; a < c->window.axes; a++)
        shape.dims[a + 1] = c->output[a];
    shape.dims[shape.rank - 1] = taps.dims[2];
    return op_reshape(g, y, shape);
}
