/* Windows without products: poolings whose windows overlap and hang over the edge, a convolution of each
 * channel by itself, and their gradients. */
#include "check/cases.h"
#include "graph/autodiff.h"
#include "op/conv.h"

#include <math.h>

enum { N = 2, H = 7, W = 5, C = 3, TAPS = 9 };

/* An element of the input under tap t of window (i, j), channel c of map n; -1: padding. */
static int64_t under(const op_window *w, int64_t n, int64_t i, int64_t j, int t, int64_t c)
{
    int64_t p = i * w->stride[0] - w->before[0] + t / 3, q = j * w->stride[1] - w->before[1] + t % 3;
    return p < 0 || q < 0 || p >= H || q >= W ? -1 : ((n * H + p) * W + q) * C + c;
}

/* One window: what comes out of each of the three, and what gradient r of their sum gives back. */
static void one_window(const op_window *w, const float *x, const float *k, double r, const int64_t at[4],
                       double out[3], double *dx, double *dk)
{
    int64_t best = -1, count = 0;
    for (int t = 0; t < TAPS; t++) {
        int64_t in = under(w, at[0], at[1], at[2], t, at[3]);
        if (in < 0)
            continue;
        if (best < 0 || x[in] > x[best])
            best = in;
        count++;
        out[1] += (double)x[in];
        out[2] += (double)x[in] * (double)k[t * C + at[3]];
        dx[in] += r * (double)k[t * C + at[3]];
        dk[t * C + at[3]] += r * (double)x[in];
    }
    out[0] = (double)x[best];
    out[1] /= (double)count;
    dx[best] += r;
    for (int t = 0; t < TAPS; t++) {
        int64_t in = under(w, at[0], at[1], at[2], t, at[3]);
        if (in >= 0)
            dx[in] += r / (double)count;
    }
}

void check_windows(check_work *w)
{
    ir_graph *g = &w->graph;
    const kiln_shape map = {4, {N, H, W, C}};
    kiln_shape windows;
    op_window window = {.axes = 2, .size = {3, 3}, .stride = {2, 2}, .dilation = {1, 1}};
    ir_id in, kernel, weigh, gradients[2];
    const float *x = check_floats(w, map, -1, 1, &in),
                *k = check_floats(w, (kiln_shape){3, {TAPS, 1, C}}, -0.5, 0.5, &kernel);
    if (w->failed || op_window_place("pooling", &window, PADDING_SAME, map, &windows) != KILN_OK) {
        w->failed = true;
        return;
    }
    const float *r = check_floats(w, windows, -1, 1, &weigh);
    ir_id most = op_pool(g, POOL_MAX, in, &window, windows), mean = op_pool(g, POOL_AVERAGE, in, &window, windows),
          each = op_depthwise(g, in, kernel, &window, &windows.dims[1]);
    ir_id sum = op_binary(g, F_ADD, op_binary(g, F_ADD, most, mean), each);
    w->loss = op_reduce(g, R_SUM, op_binary(g, F_MUL, sum, weigh), 0, 3, false);
    if (w->loss == IR_NONE || graph_gradients(g, w->loss, 2, (ir_id[]){in, kernel}, gradients) != KILN_OK) {
        w->failed = true;
        return;
    }
    double *outs[] = {check_expect(w, "maxima of windows", most, 0), check_expect(w, "means of windows", mean, 1e-5),
                      check_expect(w, "a convolution of each channel", each, 1e-5)},
           *dx = check_expect(w, "the gradient of windows' input", gradients[0], 1e-5),
           *dk = check_expect(w, "the gradient of a kernel for each channel", gradients[1], 1e-5);
    for (int64_t o = 0; !w->failed && o < kiln_shape_size(windows); o++) {
        const int64_t c = o % C, j = o / C % windows.dims[2], i = o / C / windows.dims[2] % windows.dims[1],
                      n = o / C / windows.dims[2] / windows.dims[1];
        double out[3] = {0};
        one_window(&window, x, k, (double)r[o], (const int64_t[]){n, i, j, c}, out, dx, dk);
        for (int f = 0; f < 3; f++)
            outs[f][o] = out[f];
    }
}
