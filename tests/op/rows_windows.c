#include "op/picture.h"
#include "op/window.h"
#include "rows.h"

/* b: sizes of the window; c: its strides; which: the kind; keep: padding "same"; number[0]: of
 * equal values, how many there are. */
static ir_id pool(trial *t, const op_row *r)
{
    ir_graph *g = &t->graph;
    op_window w = {.axes = r->a.rank - 2};
    kiln_shape shape;
    ir_id x = r->dtype == KILN_FLOAT32 ? trial_float(t, r->a, -2, 2)
                                       : trial_whole(t, r->dtype, r->a, 0, 255);
    for (int i = 0; i < w.axes; i++) {
        w.size[i] = r->b.dims[i];
        w.stride[i] = r->c.dims[i];
        w.dilation[i] = 1;
    }
    if (op_window_place("a window", &w, r->keep ? PADDING_SAME : PADDING_VALID, r->a, &shape) !=
        KILN_OK)
        return IR_NONE;
    if (r->axis == 1) /* the way back */
        return op_unpool(g, trial_float(t, shape, -2, 2), &w, r->a);
    ir_id y = op_pool(g, (op_pooling)r->which, x, &w, shape);
    return r->axis == 2 ? op_unary(g, F_TANH, op_binary(g, F_MUL, y, op_unary(g, F_SIN, y))) : y;
}

/* b: sizes of the window, side by side; which: a function behind the sum of x and a bias. */
static ir_id pool_behind(trial *t, const op_row *r)
{
    ir_graph *g = &t->graph;
    op_window w = {.axes = r->a.rank - 2};
    kiln_shape shape;
    for (int i = 0; i < w.axes; i++) {
        w.size[i] = w.stride[i] = r->b.dims[i];
        w.dilation[i] = 1;
    }
    ir_id x = trial_float(t, r->a, -2, 2),
          bias = trial_float(t, (kiln_shape){1, {r->a.dims[r->a.rank - 1]}}, -1, 1);
    if (op_window_place("a window", &w, PADDING_VALID, r->a, &shape) != KILN_OK)
        return IR_NONE;
    ir_id y = op_unary_with(g, (op_function)r->which, op_binary(g, F_ADD, x, bias), 0.3, 0);
    ir_id z = op_pool(g, POOL_MAX, y, &w, shape);
    return r->keep ? op_binary(g, F_ADD, op_reduce(g, R_SUM, y, 0, -1, false), z) : z;
}

/* Ties: of equal elements the first has the gradient. Not smooth, so against the reference's own
 * gradient. */
static ir_id pool_ties(trial *t, const op_row *r)
{
    ir_graph *g = &t->graph;
    op_window w = {.axes = 2, .size = {3, 2}, .stride = {2, 1}, .dilation = {1, 1}};
    kiln_shape shape;
    ir_id x = trial_whole(t, KILN_INT32, r->a, 0, 2), dy, loss, dx[1] = {IR_NONE};
    if (op_window_place("a window", &w, r->keep ? PADDING_SAME : PADDING_VALID, r->a, &shape) !=
        KILN_OK)
        return IR_NONE;
    loss = op_pool(g, POOL_MAX, x, &w, shape);
    dy = trial_float(t, shape, -2, 2);
    if (loss == IR_NONE || g->items[loss].op->gradient(g, loss, dy, dx) != KILN_OK)
        return IR_NONE;
    return dx[0];
}

/* b: offsets; c: the shape of the box. */
static ir_id box(trial *t, const op_row *r)
{
    ir_id x = r->dtype == KILN_FLOAT32 ? trial_float(t, r->a, -2, 2)
                                       : trial_whole(t, r->dtype, r->a, 1, 255);
    return op_box(&t->graph, r->keep ? op_unary(&t->graph, F_SQUARE, x) : x, r->b.dims, r->c);
}

/* b: height and width; which: the interpolation. */
static ir_id resize(trial *t, const op_row *r)
{
    ir_id x = r->dtype == KILN_FLOAT32 ? trial_float(t, r->a, -2, 2)
                                       : trial_whole(t, r->dtype, r->a, 1, 255);
    return op_resize(&t->graph, r->keep ? op_unary(&t->graph, F_SQUARE, x) : x,
                     (op_interpolation)r->which, r->b.dims[0], r->b.dims[1]);
}

/* which: the interpolation; axis: what lies outside. */
static ir_id warp(trial *t, const op_row *r)
{
    double maps[8 * 6];
    for (int64_t i = 0; i < r->a.dims[0]; i++)
        for (int k = 0; k < 6; k++) /* all pixels inside, up to all of them outside */
            maps[6 * i + k] =
                (float)trial_random(t, k % 3 == 2 ? -12 : -1.5, k % 3 == 2 ? 12 : 1.5);
    ir_id map = trial_values(t, (kiln_shape){2, {r->a.dims[0], 6}}, maps);
    return op_warp(&t->graph, trial_float(t, r->a, -2, 2), map, (op_interpolation)r->which,
                   (op_fill)r->axis, 1.25);
}

#define W(function, ...)                                                                           \
    {                                                                                              \
        .name = #function, .build = function, .a = __VA_ARGS__                                     \
    }

const op_row rows_windows[] = {
    W(pool, S(3, 8, 6, 16), .b = S(2, 2), .c = S(2, 2), .which = POOL_MAX),
    W(pool, S(2, 7, 9, 3), .b = S(2, 2), .c = S(2, 2), .which = POOL_MAX, .axis = 2),
    W(pool, S(2, 7, 9, 33), .b = S(3, 3), .c = S(2, 2), .which = POOL_MAX, .keep = true),
    W(pool, S(2, 5, 6, 17), .b = S(3, 2), .c = S(1, 1), .which = POOL_MAX, .keep = true),
    W(pool, S(2, 9, 5, 4), .b = S(2, 1), .c = S(3, 2), .which = POOL_MAX),
    W(pool, S(3, 11, 16), .b = S(3), .c = S(2), .which = POOL_MAX),
    W(pool, S(2, 5, 4, 3, 16), .b = S(2, 2, 2), .c = S(2, 2, 1), .which = POOL_MAX),
    W(pool, S(2, 6, 6, 16), .b = S(2, 2), .c = S(2, 2), .dtype = KILN_UINT8, .flat = true),
    W(pool, S(3, 8, 6, 16), .b = S(2, 2), .c = S(2, 2), .which = POOL_AVERAGE),
    W(pool, S(2, 7, 9, 33), .b = S(3, 3), .c = S(2, 2), .which = POOL_AVERAGE, .keep = true),
    W(pool, S(2, 7, 9, 2), .b = S(3, 4), .c = S(1, 3), .which = POOL_AVERAGE, .axis = 2),
    W(pool, S(2, 13, 3), .b = S(4), .c = S(4), .which = POOL_AVERAGE, .keep = true),
    W(pool, S(2, 5, 4, 3, 2), .b = S(2, 3, 2), .c = S(1, 2, 2), .which = POOL_AVERAGE,
      .keep = true),
    W(pool, S(2, 7, 9, 16), .b = S(3, 3), .c = S(2, 2), .which = POOL_SUM, .keep = true),
    W(pool, S(2, 6, 9, 16), .b = S(2, 3), .c = S(2, 3), .axis = 1),
    W(pool, S(2, 6, 9, 5), .b = S(3, 3), .c = S(1, 2), .axis = 1, .keep = true),
    W(pool, S(2, 40, 3), .b = S(300), .c = S(7), .which = POOL_MAX, .keep = true),
    W(pool_behind, S(3, 6, 7, 16), .b = S(2, 2), .which = F_RELU),
    W(pool_behind, S(3, 9, 6, 5), .b = S(3, 2), .which = F_LEAKY_RELU, .keep = true),
    W(pool_behind, S(2, 8, 33), .b = S(2), .which = F_TANH),
    W(pool_ties, S(2, 7, 5, 16), .flat = true),
    W(pool_ties, S(2, 6, 6, 3), .keep = true, .flat = true),
    W(box, S(2, 3, 4, 16), .b = S(0, 1, 2, 0), .c = S(2, 6, 7, 16)),
    W(box, S(2, 3, 4, 5), .b = S(0, 2, 0, 0), .c = S(2, 6, 4, 5), .keep = true),
    W(box, S(2, 6, 7, 16), .b = S(0, -1, -2, 0), .c = S(2, 3, 4, 16)),
    W(box, S(2, 6, 7, 3), .b = S(0, -1, 2, 0), .c = S(2, 7, 8, 3), .keep = true),
    W(box, S(9, 33), .b = S(-2, 3), .c = S(6, 40)),
    W(box, S(5, 65), .b = S(1, 0), .c = S(7, 65)),
    W(box, S(2, 3, 4, 16), .b = S(0, 1, 1, 0), .c = S(2, 5, 6, 16), .dtype = KILN_UINT8,
      .flat = true),
    W(resize, S(2, 5, 7, 16), .b = S(9, 11), .which = PICTURE_BILINEAR),
    W(resize, S(2, 9, 11, 3), .b = S(4, 7), .which = PICTURE_BILINEAR, .keep = true),
    W(resize, S(2, 3, 8, 33), .b = S(12, 4), .which = PICTURE_BILINEAR),
    W(resize, S(1, 1, 5, 2), .b = S(6, 1), .which = PICTURE_BILINEAR),
    W(resize, S(2, 5, 7, 16), .b = S(9, 11), .which = PICTURE_NEAREST),
    W(resize, S(2, 9, 11, 3), .b = S(4, 7), .which = PICTURE_NEAREST, .keep = true),
    W(resize, S(2, 9, 11, 3), .b = S(4, 20), .dtype = KILN_UINT8, .flat = true),
    W(warp, S(5, 7, 9, 16), .which = PICTURE_BILINEAR, .axis = FILL_CONSTANT, .flat = true),
    W(warp, S(5, 7, 9, 3), .which = PICTURE_BILINEAR, .axis = FILL_NEAREST, .flat = true),
    W(warp, S(5, 7, 9, 3), .which = PICTURE_BILINEAR, .axis = FILL_REFLECT, .flat = true),
    W(warp, S(5, 7, 9, 1), .which = PICTURE_BILINEAR, .axis = FILL_WRAP, .flat = true),
    W(warp, S(5, 7, 9, 16), .which = PICTURE_NEAREST, .axis = FILL_REFLECT, .flat = true),
    W(warp, S(5, 7, 9, 3), .which = PICTURE_NEAREST, .axis = FILL_CONSTANT, .flat = true),
};
ROWS(rows_windows);
