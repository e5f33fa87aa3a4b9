/* Windows, boxes and pictures, by definition. */
#include "harness/reference.h"

#include "op/leaf.h"
#include "op/picture.h"
#include "op/window.h"

#include <math.h>

static void unravel(kiln_shape shape, int64_t flat, int64_t *at)
{
    for (int i = shape.rank; i-- > 0;) {
        at[i] = flat % shape.dims[i];
        flat /= shape.dims[i];
    }
}

static int64_t ravel(kiln_shape shape, const int64_t *at)
{
    int64_t flat = 0;
    for (int i = 0; i < shape.rank; i++)
        flat = flat * shape.dims[i] + at[i];
    return flat;
}

/* The elements of the window at coordinates `at`, in order: positions in the input; returns how
 * many. */
static int elements(const op_window *w, kiln_shape input, const int64_t *at, int64_t *positions)
{
    int count = 0;
    int64_t total = 1, k[KILN_MAX_RANK];
    kiln_shape sizes = {.rank = w->axes};
    for (int a = 0; a < w->axes; a++)
        total *= sizes.dims[a] = w->size[a];
    for (int64_t e = 0; e < total; e++) {
        int64_t in[KILN_MAX_RANK];
        bool inside = true;
        unravel(sizes, e, k);
        in[0] = at[0];
        in[w->axes + 1] = at[w->axes + 1];
        for (int a = 0; a < w->axes; a++) {
            in[a + 1] = at[a + 1] * w->stride[a] - w->before[a] + k[a] * w->dilation[a];
            inside &= in[a + 1] >= 0 && in[a + 1] < input.dims[a + 1];
        }
        if (inside)
            positions[count++] = ravel(input, in);
    }
    return count;
}

/* Where in the window at `at` the element at a position is, in row-major order, padding included.
 */
static double number(const op_window *w, kiln_shape input, const int64_t *at, int64_t position)
{
    int64_t in[KILN_MAX_RANK], result = 0;
    unravel(input, position, in);
    for (int a = 0; a < w->axes; a++)
        result = result * w->size[a] + in[a + 1] - (at[a + 1] * w->stride[a] - w->before[a]);
    return (double)result;
}

#define MOST 512

static void window(const ir_graph *g, const ir_node *n, const double *const *in, double *out)
{
    op_window w = op_window_of(&n->attr);
    bool pool = n->op == &op_desc_pool, max = n->op == &op_desc_max_pool_gradient,
         index = n->op == &op_desc_max_pool_index;
    kiln_shape of = g->items[n->inputs[0]].shape, input = pool || index ? of : n->shape,
               windows = pool || index ? n->shape : of;
    for (int64_t i = 0; i < kiln_shape_size(n->shape); i++)
        out[i] = 0;
    for (int64_t o = 0; o < kiln_shape_size(windows); o++) {
        int64_t at[KILN_MAX_RANK], positions[MOST];
        unravel(windows, o, at);
        int count = elements(&w, input, at, positions), best = 0;
        double sum = 0;
        if (pool || index)
            for (int k = 0; k < count; k++) {
                sum += in[0][positions[k]];
                if (in[0][positions[k]] > in[0][positions[best]])
                    best = k;
            }
        if (pool)
            out[o] = n->attr.integer[0] == POOL_MAX   ? in[0][positions[best]]
                     : n->attr.integer[0] == POOL_SUM ? sum
                                                      : sum / count;
        else if (index)
            out[o] = number(&w, input, at, positions[best]);
        else if (max)
            for (int k = 0; k < count; k++)
                out[positions[k]] += number(&w, input, at, positions[k]) == in[0][o] ? in[1][o] : 0;
        else
            for (int k = 0; k < count; k++)
                out[positions[k]] += in[0][o] / (n->attr.integer[0] == POOL_AVERAGE ? count : 1);
    }
}

static void box(const ir_graph *g, const ir_node *n, const double *in, double *out)
{
    kiln_shape x = g->items[n->inputs[0]].shape;
    for (int64_t i = 0; i < kiln_shape_size(n->shape); i++) {
        int64_t at[KILN_MAX_RANK];
        bool inside = true;
        unravel(n->shape, i, at);
        for (int a = 0; a < x.rank; a++) {
            at[a] -= n->attr.extra.dims[a];
            inside &= at[a] >= 0 && at[a] < x.dims[a];
        }
        out[i] = inside ? in[ravel(x, at)] : 0;
    }
}

/* How much of pixel `from` is in pixel `to` of `size`, made of `length`. */
static double share(bool linear, int64_t from, int64_t to, int64_t length, int64_t size)
{
    double middle = ((double)to + 0.5) * (double)length / (double)size;
    if (!linear)
        return (2 * to + 1) * length / (2 * size) == from;
    middle = fmin(fmax(middle - 0.5, 0), (double)length - 1);
    return fmax(0, 1 - fabs(middle - (double)from));
}

static void resize(const ir_graph *g, const ir_node *n, const double *in, double *out)
{
    kiln_shape x = g->items[n->inputs[0]].shape;
    bool back = n->op == &op_desc_resize_gradient, linear = n->attr.integer[0] == PICTURE_BILINEAR;
    kiln_shape small = back ? n->shape : x, large = back ? x : n->shape;
    for (int64_t i = 0; i < kiln_shape_size(n->shape); i++)
        out[i] = 0;
    for (int64_t l = 0; l < kiln_shape_size(large); l++) {
        int64_t at[4];
        unravel(large, l, at);
        for (int64_t v = 0; v < small.dims[1]; v++)
            for (int64_t u = 0; u < small.dims[2]; u++) {
                int64_t s = ravel(small, (int64_t[]){at[0], v, u, at[3]});
                double part = share(linear, v, at[1], small.dims[1], large.dims[1]) *
                              share(linear, u, at[2], small.dims[2], large.dims[2]);
                if (back)
                    out[s] += part * in[l];
                else
                    out[l] += part * in[s];
            }
    }
}

static int64_t modulo(int64_t a, int64_t b)
{
    return (a % b + b) % b;
}

static double pixel(const double *x, kiln_shape shape, const ir_node *n, int64_t b, int64_t v,
                    int64_t u, int64_t c)
{
    int64_t at[4] = {b, v, u, c};
    for (int a = 1; a < 3; a++) {
        int64_t length = shape.dims[a], i = at[a];
        switch ((op_fill)n->attr.integer[1]) {
        case FILL_CONSTANT:
            if (i < 0 || i >= length)
                return n->attr.number[0];
            break;
        case FILL_NEAREST:
            at[a] = i < 0 ? 0 : i >= length ? length - 1 : i;
            break;
        case FILL_WRAP:
            at[a] = modulo(i, length);
            break;
        case FILL_REFLECT:
            i = modulo(i, 2 * length);
            at[a] = i < length ? i : 2 * length - 1 - i;
        }
    }
    return x[ravel(shape, at)];
}

static void warp(const ir_graph *g, const ir_node *n, const double *const *in, double *out)
{
    kiln_shape x = g->items[n->inputs[0]].shape;
    for (int64_t i = 0; i < kiln_shape_size(x); i++) {
        int64_t at[4];
        unravel(x, i, at);
        const double *m = in[1] + 6 * at[0];
        double u = m[0] * (double)at[2] + m[1] * (double)at[1] + m[2],
               v = m[3] * (double)at[2] + m[4] * (double)at[1] + m[5];
        if (n->attr.integer[0] == PICTURE_NEAREST) {
            out[i] = pixel(in[0], x, n, at[0], (int64_t)round(v), (int64_t)round(u), at[3]);
            continue;
        }
        double sum = 0;
        for (int corner = 0; corner < 4; corner++) {
            int64_t left = (int64_t)floor(u) + (corner & 1), top = (int64_t)floor(v) + corner / 2;
            sum += (1 - fabs(u - (double)left)) * (1 - fabs(v - (double)top)) *
                   pixel(in[0], x, n, at[0], top, left, at[3]);
        }
        out[i] = sum;
    }
}

bool reference_window(const ir_graph *g, const ir_node *n, const double *const *in, double *out)
{
    if (n->op == &op_desc_pool || n->op == &op_desc_unpool || n->op == &op_desc_max_pool_index ||
        n->op == &op_desc_max_pool_gradient)
        window(g, n, in, out);
    else if (n->op == &op_desc_box)
        box(g, n, in[0], out);
    else if (n->op == &op_desc_resize || n->op == &op_desc_resize_gradient)
        resize(g, n, in[0], out);
    else if (n->op == &op_desc_warp)
        warp(g, n, in, out);
    else
        return false;
    return true;
}
