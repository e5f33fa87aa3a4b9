#include "harness/reference.h"

#include "base/philox.h"
#include "harness/harness.h"
#include "op/leaf.h"

#include <math.h>
#include <stdlib.h>

void reference_start(reference *r, const ir_graph *graph)
{
    *r = (reference){.graph = graph};
}

void reference_slot(reference *r, int slot, const double *values)
{
    ck_assert_int_lt(slot, REFERENCE_SLOTS);
    r->slots[slot] = values;
}

void reference_weight(reference *r, const ir_weight *weight, const double *values)
{
    int i = 0;
    while (i < r->weight_count && r->weights[i].weight != weight)
        i++;
    ck_assert_int_lt(i, REFERENCE_SLOTS);
    r->weights[i].weight = weight;
    r->weights[i].values = values;
    if (i == r->weight_count)
        r->weight_count++;
}

void reference_forget(reference *r)
{
    for (size_t i = 0; i < r->count; i++) {
        free(r->values[i]);
        r->values[i] = NULL;
    }
}

void reference_end(reference *r)
{
    reference_forget(r);
    free(r->values);
    *r = (reference){0};
}

static size_t size_of(const ir_node *n)
{
    return (size_t)kiln_shape_size(n->shape);
}

/* The coordinates of element `flat` of a shape. */
static void unravel(kiln_shape shape, int64_t flat, int64_t *at)
{
    for (int i = shape.rank; i-- > 0;) {
        at[i] = flat % shape.dims[i];
        flat /= shape.dims[i];
    }
}

/* The element of a smaller shape that is broadcast to coordinates of a larger one. */
static int64_t broadcast_at(kiln_shape shape, int rank, const int64_t *at)
{
    int64_t flat = 0;
    for (int i = 0; i < shape.rank; i++)
        flat = flat * shape.dims[i] + (shape.dims[i] == 1 ? 0 : at[rank - shape.rank + i]);
    return flat;
}

static void evaluate(reference *r, ir_id id, const double *const *in, double *out);

/* The values of a node's inputs, of a body's nodes at time t. */
static void find_inputs(reference *r, const ir_node *n, int64_t t, const double **in)
{
    for (int i = 0; i < n->input_count; i++) {
        const ir_node *x = &r->graph->items[n->inputs[i]];
        in[i] = r->values[n->inputs[i]] + (x->scope ? (size_t)t * size_of(x) : 0);
    }
}

static bool is_live(const ir_graph *g, bool *live, ir_id id)
{
    if (live[id])
        return false;
    live[id] = true;
    return g->items[id].scope != 0;
}

/* Runs a loop over time; all its nodes that lead to `wanted` or to a state are evaluated. */
static void run_loop(reference *r, int scope, ir_id wanted)
{
    const ir_graph *g = r->graph;
    const ir_scan *scan = &g->scans[scope - 1];
    bool *live = calloc(g->count, sizeof *live);
    ck_assert_ptr_nonnull(live);
    is_live(g, live, wanted);
    for (bool more = true; more;) {
        more = false;
        for (size_t i = g->count; i-- > 0;) {
            const ir_node *n = &g->items[i];
            if (!live[i] || n->scope != scope)
                continue;
            for (int k = 0; k < n->input_count; k++)
                more |= is_live(g, live, n->inputs[k]) && n->inputs[k] > (ir_id)i;
            if (n->op == &op_desc_scan_state)
                more |= is_live(g, live, scan->states[n->attr.integer[0]].next);
        }
    }
    for (size_t i = 0; i < g->count; i++)
        if (live[i] && g->items[i].scope == 0)
            reference_value(r, (ir_id)i);
    for (size_t i = 0; i < g->count; i++)
        if (live[i] && g->items[i].scope == scope && r->values[i] == NULL)
            r->values[i] = calloc((size_t)scan->steps * size_of(&g->items[i]), sizeof(double));
    for (int64_t k = 0; k < scan->steps; k++) {
        int64_t t = scan->reverse ? scan->steps - 1 - k : k, before = scan->reverse ? t + 1 : t - 1;
        for (size_t i = 0; i < g->count; i++) {
            const ir_node *n = &g->items[i];
            if (!live[i] || n->scope != scope)
                continue;
            size_t size = size_of(n);
            double *out = r->values[i] + (size_t)t * size;
            if (n->op == &op_desc_scan_state) {
                const ir_scan_state *s = &scan->states[n->attr.integer[0]];
                const double *from =
                    k == 0 ? r->values[s->initial] : r->values[s->next] + (size_t)before * size;
                memcpy(out, from, size * sizeof *out);
            } else if (n->op == &op_desc_scan_slice) {
                memcpy(out, r->values[n->inputs[0]] + (size_t)t * size, size * sizeof *out);
            } else {
                const double *in[IR_MAX_INPUTS];
                find_inputs(r, n, t, in);
                evaluate(r, (ir_id)i, in, out);
            }
        }
    }
    free(live);
}

const double *reference_value(reference *r, ir_id id)
{
    ck_assert_int_ge(id, 0);
    const ir_graph *g = r->graph;
    if (r->count < g->count) {
        r->values = realloc(r->values, g->count * sizeof *r->values);
        ck_assert_ptr_nonnull(r->values);
        memset(r->values + r->count, 0, (g->count - r->count) * sizeof *r->values);
        r->count = g->count;
    }
    if (r->values[id])
        return r->values[id];
    const ir_node *n = &g->items[id];
    if (n->scope) {
        run_loop(r, n->scope, id);
        return r->values[id];
    }
    double *out = malloc((size_of(n) + 1) * sizeof *out);
    ck_assert_ptr_nonnull(out);
    if (n->op == &op_desc_scan_stack) {
        memcpy(out, reference_value(r, n->inputs[0]), size_of(n) * sizeof *out);
    } else if (n->op == &op_desc_scan_final) {
        const ir_node *state = &g->items[n->inputs[0]];
        const ir_scan *scan = &g->scans[state->scope - 1];
        const double *next = reference_value(r, scan->states[state->attr.integer[0]].next);
        memcpy(out, next + (scan->reverse ? 0 : (size_t)(scan->steps - 1) * size_of(n)),
               size_of(n) * sizeof *out);
    } else {
        const double *in[IR_MAX_INPUTS];
        for (int i = 0; i < n->input_count; i++)
            reference_value(r, n->inputs[i]);
        find_inputs(r, n, 0, in);
        evaluate(r, id, in, out);
    }
    return r->values[id] = out;
}

/* ---- sources and leaves ---- */
static double draw(const reference *r, uint32_t stream, int64_t row, int64_t element)
{
    uint32_t sample = r->step.sample + (uint32_t)row, words[4],
             counter[4] = {stream, r->step.step, sample / 4, (uint32_t)element},
             key[2] = {(uint32_t)r->seed, (uint32_t)(r->seed >> 32)};
    philox4x32(counter, key, words);
    return (words[sample % 4] >> 8) / 16777216.0;
}

static bool source(reference *r, const ir_node *n, double *out)
{
    int64_t count = (int64_t)size_of(n), rows = n->shape.rank ? n->shape.dims[0] : 1,
            width = count / rows;
    if (n->op == &op_desc_input) {
        const double *values = r->slots[n->attr.integer[0]];
        ck_assert_msg(values != NULL, "slot %d has no values", (int)n->attr.integer[0]);
        memcpy(out, values, (size_t)count * sizeof *out);
    } else if (n->op == &op_desc_weight) {
        const double *values = NULL;
        for (int i = 0; i < r->weight_count; i++)
            if (r->weights[i].weight == n->attr.object)
                values = r->weights[i].values;
        ck_assert_msg(values != NULL, "a weight has no values");
        memcpy(out, values, (size_t)count * sizeof *out);
    } else if (n->op == &op_desc_constant) {
        out[0] = n->attr.number[0];
    } else if (n->op == &op_desc_row_count) {
        out[0] = r->step.rows;
    } else if (n->op == &op_desc_row_mask) {
        for (int64_t i = 0; i < count; i++)
            out[i] = i < r->step.rows;
    } else if (n->op == &op_desc_iota) {
        for (int64_t i = 0; i < count; i++)
            out[i] = (double)i;
    } else if (n->op == &op_desc_uniform) {
        for (int64_t i = 0; i < count; i++)
            out[i] = draw(r, n->attr.stream, i / width, i % width);
    } else if (n->op == &op_desc_batch) {
        const double *data = r->slots[n->attr.integer[0]], *order = r->slots[n->attr.integer[1]];
        for (int64_t i = 0; i < rows; i++) {
            int64_t from = (int64_t)order[r->step.position + (i < r->step.rows ? i : 0)];
            for (int64_t k = 0; k < width; k++)
                out[i * width + k] = data[from * n->attr.extra.dims[0] +
                                          k / n->attr.extra.dims[2] * n->attr.extra.dims[1] +
                                          k % n->attr.extra.dims[2]] *
                                     n->attr.number[0];
        }
    } else {
        return false;
    }
    return true;
}

/* ---- indexed reads ---- */
static bool indexed(reference *r, const ir_node *n, const double *const *in, double *out)
{
    const ir_graph *g = r->graph;
    int64_t count = (int64_t)size_of(n), at[KILN_MAX_RANK] = {0}, from[KILN_MAX_RANK] = {0};
    kiln_shape x = n->input_count ? g->items[n->inputs[0]].shape : (kiln_shape){0};
    if (n->op == &op_desc_reshape) {
        memcpy(out, in[0], (size_t)count * sizeof *out);
    } else if (n->op == &op_desc_transpose) {
        for (int64_t i = 0; i < count; i++) {
            unravel(n->shape, i, at);
            for (int k = 0; k < x.rank; k++)
                from[n->attr.extra.dims[k]] = at[k];
            out[i] = in[0][broadcast_at(x, x.rank, from)];
        }
    } else if (n->op == &op_desc_slice) {
        int64_t axis = n->attr.integer[1], first = n->attr.integer[2],
                step = (int64_t)n->attr.number[0];
        for (int64_t i = 0; i < count; i++) {
            unravel(n->shape, i, at);
            at[axis] = first + at[axis] * step;
            out[i] = in[0][broadcast_at(x, x.rank, at)];
        }
    } else if (n->op == &op_desc_pad) {
        int64_t axis = n->attr.integer[0], before = n->attr.integer[1],
                distance = n->attr.integer[2];
        for (int64_t i = 0; i < count; i++)
            out[i] = 0;
        for (int64_t i = 0; i < kiln_shape_size(x); i++) {
            unravel(x, i, at);
            at[axis] = before + at[axis] * distance;
            int64_t to = 0;
            for (int k = 0; k < n->shape.rank; k++)
                to = to * n->shape.dims[k] + at[k];
            out[to] = in[0][i];
        }
    } else if (n->op == &op_desc_gather) {
        int64_t width = kiln_shape_size(x) / x.dims[0];
        for (int64_t i = 0; i < count; i++) {
            double row = in[1][i / width];
            out[i] =
                row >= 0 && row < (double)x.dims[0] ? in[0][(int64_t)row * width + i % width] : 0;
        }
    } else if (n->op == &op_desc_gather_gradient) {
        int64_t width = count / n->shape.dims[0],
                ids = kiln_shape_size(g->items[n->inputs[1]].shape);
        for (int64_t i = 0; i < count; i++)
            out[i] = 0;
        for (int64_t k = 0; k < ids; k++)
            if (in[1][k] >= 0 && in[1][k] < (double)n->shape.dims[0])
                for (int64_t c = 0; c < width; c++)
                    out[(int64_t)in[1][k] * width + c] += in[0][k * width + c];
    } else if (n->op == &op_desc_pick) {
        int64_t classes = x.dims[x.rank - 1];
        for (int64_t i = 0; i < count; i++)
            out[i] = in[1][i] >= 0 && in[1][i] < (double)classes
                         ? in[0][i * classes + (int64_t)in[1][i]]
                         : 0;
    } else if (n->op == &op_desc_one_hot) {
        int64_t classes = n->shape.dims[n->shape.rank - 1];
        for (int64_t i = 0; i < count; i++)
            out[i] = (double)(i % classes) == in[0][i / classes];
    } else {
        return false;
    }
    return true;
}

/* ---- reductions and products ---- */
static bool reduction(reference *r, const ir_node *n, const double *const *in, double *out)
{
    int which = -1;
    for (int k = R_SUM; k <= R_ARGMAX; k++)
        if (n->op == &op_desc_reduce[k])
            which = k;
    if (which < 0)
        return false;
    kiln_shape x = r->graph->items[n->inputs[0]].shape;
    int64_t outer = 1, depth = 1, width = 1;
    for (int k = 0; k < x.rank; k++)
        *(k < n->attr.integer[0] ? &outer : k <= n->attr.integer[1] ? &depth : &width) *= x.dims[k];
    for (int64_t o = 0; o < outer; o++)
        for (int64_t w = 0; w < width; w++) {
            const double *p = in[0] + o * depth * width + w;
            double sum = 0, top = -INFINITY, least = INFINITY, powers = 0;
            int64_t best = 0;
            for (int64_t d = 0; d < depth; d++) {
                double v = p[d * width];
                sum += v;
                if (v > p[best * width])
                    best = d;
                top = isnan(v) || isnan(top) ? (double)NAN : v > top ? v : top;
                least = isnan(v) || isnan(least) ? (double)NAN : v < least ? v : least;
            }
            for (int64_t d = 0; d < depth; d++)
                powers += exp(p[d * width] - (isfinite(top) ? top : 0));
            out[o * width + w] = which == R_SUM         ? sum
                                 : which == R_MAX       ? top
                                 : which == R_MIN       ? least
                                 : which == R_LOGSUMEXP ? (isfinite(top) ? top : 0) + log(powers)
                                                        : (double)best;
        }
    return true;
}

static void product(reference *r, const ir_node *n, const double *const *in, double *out)
{
    kiln_shape a = r->graph->items[n->inputs[0]].shape, b = r->graph->items[n->inputs[1]].shape,
               c = n->shape;
    bool ta = n->attr.integer[0], tb = n->attr.integer[1];
    int64_t inner = a.dims[a.rank - (ta ? 2 : 1)], at[KILN_MAX_RANK];
    for (int64_t i = 0; i < kiln_shape_size(c); i++) {
        double sum = 0;
        unravel(c, i, at);
        int64_t row = at[c.rank - 2], column = at[c.rank - 1];
        for (int64_t k = 0; k < inner; k++) {
            int64_t x[KILN_MAX_RANK], y[KILN_MAX_RANK];
            memcpy(x, at, sizeof x);
            memcpy(y, at, sizeof y);
            x[c.rank - 2] = ta ? k : row;
            x[c.rank - 1] = ta ? row : k;
            y[c.rank - 2] = tb ? column : k;
            y[c.rank - 1] = tb ? k : column;
            sum += in[0][broadcast_at(a, c.rank, x)] * in[1][broadcast_at(b, c.rank, y)];
        }
        out[i] = sum;
    }
}

static void evaluate(reference *r, ir_id id, const double *const *in, double *out)
{
    const ir_node *n = &r->graph->items[id];
    if (source(r, n, out) || indexed(r, n, in, out) || reduction(r, n, in, out) ||
        reference_window(r->graph, n, in, out) || reference_convolution(r->graph, n, in, out))
        return;
    if (n->op == &op_desc_matmul) {
        product(r, n, in, out);
        return;
    }
    int f = 0;
    while (f < F_COUNT && n->op != op_pointwise((op_function)f))
        f++;
    bool product = n->op == &op_desc_centered_product, square = n->op == &op_desc_centered_square,
         normalize = n->op == &op_desc_batch_normalize;
    ck_assert_msg(f < F_COUNT || product || square || normalize, "the reference does not know %s",
                  n->op->name);
    for (int64_t i = 0; i < (int64_t)size_of(n); i++) {
        int64_t at[KILN_MAX_RANK];
        double x[IR_MAX_INPUTS] = {0};
        unravel(n->shape, i, at);
        for (int k = 0; k < n->input_count; k++)
            x[k] = in[k][broadcast_at(r->graph->items[n->inputs[k]].shape, n->shape.rank, at)];
        out[i] = product     ? x[0] * (x[1] - x[2])
                 : square    ? x[0] * (x[1] - x[2]) * (x[1] - x[2])
                 : normalize ? (x[0] - x[1]) * x[2] + x[3]
                             : reference_function((op_function)f, x, n->attr.number);
    }
}
