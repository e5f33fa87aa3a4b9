#include "op/conv.h"
#include "rows.h"

/* a: the input; b: sizes of the window, channels of a group, filters; c: strides, dilations; which:
 * the padding; axis: groups (0: 1); keep: bias and relu behind it; last: the transpose. */
static ir_id conv(trial *t, const op_row *r)
{
    ir_graph *g = &t->graph;
    op_window w = {.axes = r->a.rank - 2};
    kiln_shape shape, kernel = {.rank = 3, .dims = {1, r->b.dims[w.axes], r->b.dims[w.axes + 1]}};
    for (int i = 0; i < w.axes; i++) {
        kernel.dims[0] *= w.size[i] = r->b.dims[i];
        w.stride[i] = r->c.dims[i];
        w.dilation[i] = r->c.dims[w.axes + i];
    }
    ir_id k = trial_float(t, kernel, -1, 1);
    if (op_window_place("a window", &w, (op_padding)r->which, r->a, &shape) != KILN_OK)
        return IR_NONE;
    op_conv c = op_conv_of(&w, shape, r->axis ? r->axis : 1);
    if (r->last) {
        shape.dims[shape.rank - 1] = kernel.dims[2];
        return op_convolve_back(g, trial_float(t, shape, -1, 1), k, &c, &r->a.dims[1]);
    }
    ir_id x = r->dtype == KILN_FLOAT32 ? trial_float(t, r->a, -1, 1)
                                       : trial_whole(t, r->dtype, r->a, 0, 3);
    ir_id y = op_convolve(g, x, k, &c);
    if (!r->keep)
        return y;
    return op_unary(
        g, F_TANH,
        op_binary(g, F_ADD, y, trial_float(t, (kiln_shape){1, {kernel.dims[2]}}, -1, 1)));
}

/* A maximum pooling behind it: b, c, which as above; keep: bias and relu between them; last: the
 * pooling's window is (2, 2), (1, 2), (3, 2) or (2) wide; axis: the unpooled map is used too. */
static ir_id conv_pool(trial *t, const op_row *r)
{
    static const int64_t windows[][2] = {{2, 2}, {1, 2}, {3, 2}, {2, 1}};
    ir_graph *g = &t->graph;
    op_row plain = *r;
    op_window w = {.axes = r->a.rank - 2};
    kiln_shape shape;
    plain.last = plain.axis = 0;
    plain.keep = false;
    ir_id y = conv(t, &plain), z = y;
    if (y == IR_NONE)
        return y;
    if (r->keep)
        z = op_unary(g, F_RELU,
                     op_binary(g, F_ADD, y,
                               trial_float(t, (kiln_shape){1, {r->b.dims[r->b.rank - 1]}}, -1, 1)));
    for (int i = 0; i < w.axes; i++) {
        w.size[i] = w.stride[i] = windows[r->last][i];
        w.dilation[i] = 1;
    }
    if (op_window_place("a window", &w, PADDING_VALID, g->items[z].shape, &shape) != KILN_OK)
        return IR_NONE;
    ir_id pooled = op_pool(g, POOL_MAX, z, &w, shape);
    if (r->axis)
        return op_binary(g, F_ADD, pooled, op_mean(g, op_unary(g, F_TANH, y), 0, -1, false));
    return r->keep ? pooled : op_unary(g, F_TANH, pooled);
}

#define P(...)                                                                                     \
    {                                                                                              \
        .name = "conv_pool", .build = conv_pool, .tolerance = 3e-5, .a = __VA_ARGS__               \
    }
#define C(...)                                                                                     \
    {                                                                                              \
        .name = "conv", .build = conv, .tolerance = 3e-5, .a = __VA_ARGS__                         \
    }

const op_row rows_conv[] = {
    C(S(4, 8, 9, 3), .b = S(3, 3, 3, 16), .c = S(1, 1, 1, 1)),
    C(S(4, 8, 13, 1), .b = S(3, 3, 1, 32), .c = S(1, 1, 1, 1), .keep = true),
    C(S(3, 7, 7, 16), .b = S(3, 3, 16, 33), .c = S(1, 1, 1, 1), .which = PADDING_SAME,
      .keep = true),
    C(S(2, 9, 8, 4), .b = S(3, 3, 4, 20), .c = S(2, 2, 1, 1), .which = PADDING_SAME),
    C(S(2, 9, 11, 5), .b = S(3, 2, 5, 7), .c = S(2, 3, 1, 1)),
    C(S(2, 10, 9, 2), .b = S(3, 3, 2, 6), .c = S(1, 1, 2, 2), .which = PADDING_SAME),
    C(S(2, 6, 7, 8), .b = S(3, 3, 4, 32), .c = S(1, 1, 1, 1), .axis = 2, .which = PADDING_SAME,
      .keep = true),
    C(S(2, 6, 7, 6), .b = S(2, 3, 2, 9), .c = S(1, 2, 1, 1), .axis = 3),
    C(S(2, 5, 6, 17), .b = S(1, 1, 17, 12), .c = S(2, 2, 1, 1)),
    C(S(2, 5, 6, 8), .b = S(1, 1, 8, 16), .c = S(1, 1, 1, 1)),
    C(S(4, 15, 4), .b = S(4, 4, 18), .c = S(1, 2), .which = PADDING_CAUSAL),
    C(S(3, 11, 3), .b = S(5, 3, 16), .c = S(2, 1), .which = PADDING_SAME),
    C(S(2, 4, 5, 6, 2), .b = S(2, 3, 3, 2, 5), .c = S(1, 2, 1, 1, 1, 1), .which = PADDING_SAME),
    C(S(2, 4, 5, 4, 3), .b = S(3, 2, 2, 3, 17), .c = S(1, 1, 2, 1, 2, 1)),
    C(S(2, 8, 10, 4), .b = S(3, 3, 4, 18), .c = S(2, 2, 1, 1), .which = PADDING_SAME, .last = 1),
    C(S(2, 7, 9, 16), .b = S(4, 4, 16, 3), .c = S(2, 2, 1, 1), .last = 1),
    C(S(2, 5, 8, 1), .b = S(3, 3, 1, 6), .c = S(1, 1, 1, 1), .which = PADDING_SAME,
      .dtype = KILN_UINT8),
    C(S(1, 20, 3, 24), .b = S(3, 3, 24, 48), .c = S(1, 1, 1, 1), .which = PADDING_SAME),
    C(S(8, 4, 4, 3), .b = S(2, 2, 3, 20), .c = S(2, 2, 1, 1)),
    C(S(3, 7, 8, 16), .b = S(3, 3, 1, 16), .c = S(1, 1, 1, 1), .axis = 16, .keep = true),
    C(S(2, 9, 8, 33), .b = S(3, 3, 1, 33), .c = S(2, 2, 1, 1), .axis = 33, .which = PADDING_SAME),
    C(S(2, 9, 10, 5), .b = S(2, 3, 1, 5), .c = S(1, 1, 2, 3), .axis = 5, .which = PADDING_SAME,
      .keep = true),
    C(S(4, 15, 16), .b = S(4, 1, 16), .c = S(1, 2), .axis = 16, .which = PADDING_CAUSAL),
    C(S(2, 4, 5, 6, 3), .b = S(2, 2, 3, 1, 3), .c = S(1, 2, 1, 1, 1, 2), .axis = 3,
      .which = PADDING_SAME),
    P(S(4, 9, 13, 16), .b = S(3, 3, 16, 32), .c = S(1, 1, 1, 1), .keep = true),
    P(S(4, 8, 14, 1), .b = S(3, 3, 1, 32), .c = S(1, 1, 1, 1), .keep = true),
    P(S(3, 7, 8, 32), .b = S(3, 3, 32, 16), .c = S(1, 1, 1, 1), .which = PADDING_SAME),
    P(S(2, 11, 12, 48), .b = S(3, 2, 48, 48), .c = S(2, 1, 1, 2), .which = PADDING_SAME,
      .keep = true, .last = 2),
    P(S(2, 6, 9, 16), .b = S(5, 5, 16, 16), .c = S(1, 1, 1, 1), .which = PADDING_SAME, .last = 1),
    P(S(2, 9, 8, 2), .b = S(2, 3, 2, 16), .c = S(1, 2, 1, 1), .which = PADDING_SAME, .keep = true),
    P(S(2, 9, 8, 16), .b = S(3, 3, 16, 20), .c = S(1, 1, 1, 1), .keep = true),
    P(S(2, 8, 9, 16), .b = S(3, 3, 16, 16), .c = S(1, 1, 1, 1), .keep = true, .axis = 1),
    P(S(4, 21, 16), .b = S(3, 16, 32), .c = S(1, 2), .which = PADDING_CAUSAL, .last = 3),
    P(S(1, 41, 6, 16), .b = S(3, 3, 16, 16), .c = S(1, 1, 1, 1), .which = PADDING_SAME,
      .keep = true),
};
ROWS(rows_conv);

/* By minimal filtering, on devices with serial kernels. */
const op_row rows_filtered[] = {
    C(S(3, 7, 9, 16), .b = S(3, 3, 16, 32), .c = S(1, 1, 1, 1), .which = PADDING_SAME,
      .keep = true),
    C(S(4, 8, 10, 48), .b = S(3, 3, 48, 16), .c = S(1, 1, 1, 1)),
    C(S(1, 40, 6, 32), .b = S(3, 3, 32, 48), .c = S(1, 1, 1, 1), .which = PADDING_SAME),
    C(S(2, 6, 5, 80), .b = S(3, 3, 80, 64), .c = S(1, 1, 1, 1), .which = PADDING_SAME,
      .keep = true),
    C(S(2, 7, 8, 32), .b = S(3, 3, 16, 32), .c = S(1, 1, 1, 1), .which = PADDING_SAME, .last = 1),
};
ROWS(rows_filtered);
