/* Convolutions forward, their two gradients, and what maximum pooling behind one makes of both. */
#include "check/cases.h"
#include "graph/autodiff.h"
#include "op/conv.h"

/* 3 x 3 windows with padding as in "same", stride 1. */
typedef struct geometry {
    int batch, height, width, channels, filters;
} geometry;

static int64_t at(const geometry *s, int depth, int n, int i, int j)
{
    return (((int64_t)n * s->height + i) * s->width + j) * depth;
}

/* Calls for each pair of a pixel and a tap inside the map: y = sum x k, or the two gradients from dy. */
static void walk(const geometry *s, const float *x, const float *k, double *y, const double *dy, double *dx,
                 double *dk)
{
    for (int n = 0; n < s->batch; n++)
        for (int i = 0; i < s->height; i++)
            for (int j = 0; j < s->width; j++)
                for (int t = 0; t < 9; t++) {
                    int p = i + t / 3 - 1, q = j + t % 3 - 1;
                    if (p < 0 || q < 0 || p >= s->height || q >= s->width)
                        continue;
                    int64_t out = at(s, s->filters, n, i, j), in = at(s, s->channels, n, p, q);
                    for (int c = 0; c < s->channels; c++)
                        for (int f = 0; f < s->filters; f++) {
                            int64_t tap = ((int64_t)t * s->channels + c) * s->filters + f;
                            if (y)
                                y[out + f] += (double)x[in + c] * (double)k[tap];
                            if (dy) {
                                dx[in + c] += dy[out + f] * (double)k[tap];
                                dk[tap] += dy[out + f] * (double)x[in + c];
                            }
                        }
                }
}

static ir_id convolve(check_work *w, const geometry *s, const float **x, const float **k, ir_id *in, ir_id *kernel)
{
    kiln_shape map = {4, {s->batch, s->height, s->width, s->channels}}, windows;
    *x = check_floats(w, map, -1, 1, in);
    *k = check_floats(w, (kiln_shape){3, {9, s->channels, s->filters}}, -0.5, 0.5, kernel);
    op_window window = {.axes = 2, .size = {3, 3}, .stride = {1, 1}, .dilation = {1, 1}};
    if (op_window_place("convolution", &window, PADDING_SAME, map, &windows) != KILN_OK)
        w->failed = true;
    windows.dims[3] = s->filters;
    op_conv conv = op_conv_of(&window, windows, 1);
    return w->failed ? IR_NONE : op_convolve(&w->graph, *in, *kernel, &conv);
}

/* The gradients of sum(y r) in the input and the kernel. */
static void differentiate(check_work *w, ir_id y, ir_id r, ir_id x, ir_id k, ir_id gradients[2])
{
    gradients[0] = gradients[1] = IR_NONE;
    w->loss = op_reduce(&w->graph, R_SUM, op_binary(&w->graph, F_MUL, y, r), 0, 3, false);
    if (w->loss == IR_NONE ||
        graph_gradients(&w->graph, w->loss, 2, (ir_id[]){x, k}, gradients) != KILN_OK)
        w->failed = true;
}

static void plain(check_work *w, const geometry *s)
{
    ir_id in, kernel, weigh, gradients[2];
    const float *x, *k;
    ir_id y = convolve(w, s, &x, &k, &in, &kernel);
    const float *r = check_floats(w, (kiln_shape){4, {s->batch, s->height, s->width, s->filters}}, -1, 1, &weigh);
    differentiate(w, y, weigh, in, kernel, gradients);
    double *out = check_expect(w, "a convolution", y, 1e-4),
           *dx = check_expect(w, "the gradient of a convolution's input", gradients[0], 1e-4),
           *dk = check_expect(w, "the gradient of a convolution's kernel", gradients[1], 1e-4);
    int64_t count = at(s, s->filters, s->batch, 0, 0);
    double *dy = check_memory(w, count, sizeof *dy);
    if (w->failed)
        return;
    for (int64_t i = 0; i < count; i++)
        dy[i] = (double)r[i];
    walk(s, x, k, out, dy, dx, dk);
}

void check_convolutions(check_work *w)
{
    plain(w, &(geometry){2, 9, 7, 3, 16}); /* as behind a picture */
    ir_id first = w->loss;
    plain(w, &(geometry){2, 6, 5, 16, 17});
    if (!w->failed)
        w->loss = op_binary(&w->graph, F_ADD, first, w->loss);
}

/* Sizes that are computed in 16 multiplications for 36, where kernels can, forward and back. */
void check_winograd(check_work *w)
{
    plain(w, &(geometry){2, 8, 7, 16, 32});
}

void check_pooled_convolutions(check_work *w)
{
    const geometry s = {4, 8, 6, 16, 16};
    ir_graph *g = &w->graph;
    ir_id in, kernel, weigh, gradients[2];
    const float *x, *k;
    ir_id y = op_unary(g, F_RELU, convolve(w, &s, &x, &k, &in, &kernel));
    op_window two = {.axes = 2, .size = {2, 2}, .stride = {2, 2}, .dilation = {1, 1}};
    kiln_shape pooled;
    if (y == IR_NONE || op_window_place("pooling", &two, PADDING_VALID, g->items[y].shape, &pooled) != KILN_OK) {
        w->failed = true;
        return;
    }
    ir_id z = op_pool(g, POOL_MAX, y, &two, pooled);
    const float *r = check_floats(w, pooled, -1, 1, &weigh);
    differentiate(w, z, weigh, in, kernel, gradients);
    double *out = check_expect(w, "a pooled convolution", z, 1e-4),
           *dx = check_expect(w, "the gradient of a pooled convolution's input", gradients[0], 1e-4),
           *dk = check_expect(w, "the gradient of a pooled convolution's kernel", gradients[1], 1e-4);
    int64_t count = at(&s, s.filters, s.batch, 0, 0);
    double *map = check_memory(w, count, sizeof *map), *dy = check_memory(w, count, sizeof *dy);
    if (w->failed)
        return;
    walk(&s, x, k, map, NULL, NULL, NULL);
    for (int64_t p = 0; p < kiln_shape_size(pooled); p++) {
        int f = (int)(p % s.filters), j = (int)(p / s.filters % pooled.dims[2]),
            i = (int)(p / s.filters / pooled.dims[2] % pooled.dims[1]),
            n = (int)(p / s.filters / pooled.dims[2] / pooled.dims[1]);
        int64_t best = at(&s, s.filters, n, 2 * i, 2 * j) + f;
        for (int t = 1; t < 4; t++) {
            int64_t other = at(&s, s.filters, n, 2 * i + t / 2, 2 * j + t % 2) + f;
            if (map[other] > map[best])
                best = other;
        }
        out[p] = map[best] > 0 ? map[best] : 0;
        dy[best] = map[best] > 0 ? (double)r[p] : 0;
    }
    walk(&s, x, k, NULL, dy, dx, dk);
}
