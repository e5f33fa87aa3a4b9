/* What the self-check runs: the kernels that plans are made of, and what they have to give, computed
 * here from the definitions. Sizes are odd on purpose. */
#include "check/cases.h"
#include "graph/autodiff.h"
#include "op/conv.h"

#include <math.h>
#include <string.h>

static kiln_shape shape_of(int rank, int64_t a, int64_t b, int64_t c, int64_t d)
{
    return (kiln_shape){rank, {a, b, c, d}};
}

static double larger(double a, double b)
{
    return a > b ? a : b;
}

/* ---- element by element ---- */

static void elementwise(check_work *w)
{
    enum { R = 33, C = 65 };
    ir_graph *g = &w->graph;
    ir_id a, b, c;
    const float *x = check_floats(w, shape_of(2, R, C, 0, 0), -3, 3, &a),
                *y = check_floats(w, shape_of(2, R, C, 0, 0), -3, 3, &b),
                *z = check_floats(w, shape_of(1, C, 0, 0, 0), -1, 1, &c);
    double *mixed = check_expect(
        w, "tanh(a) b + c", op_binary(g, F_ADD, op_binary(g, F_MUL, op_unary(g, F_TANH, a), b), c), 1e-5);
    double *chosen = check_expect(
        w, "a > b ? exp(a) / (1 + |b|) : sqrt(|b|)",
        op_select(g, op_binary(g, F_GREATER, a, b),
                  op_binary(g, F_DIV, op_unary(g, F_EXP, a), op_affine(g, op_unary(g, F_ABS, b), 1, 1)),
                  op_unary(g, F_SQRT, op_unary(g, F_ABS, b))),
        1e-5);
    double *logistic = check_expect(w, "sigmoid(a)", op_unary(g, F_SIGMOID, a), 1e-5);
    for (int i = 0; i < R * C; i++) {
        double p = (double)x[i], q = (double)y[i];
        mixed[i] = tanh(p) * q + (double)z[i % C];
        chosen[i] = p > q ? exp(p) / (1 + fabs(q)) : sqrt(fabs(q));
        logistic[i] = 1 / (1 + exp(-p));
    }
}

/* ---- sums, maxima ---- */

static void reductions(check_work *w)
{
    enum { R = 31, C = 65, LONG = 1031, FEW = 3 };
    ir_graph *g = &w->graph;
    ir_id a, b;
    const float *x = check_floats(w, shape_of(2, R, C, 0, 0), -3, 3, &a),
                *y = check_floats(w, shape_of(2, LONG, FEW, 0, 0), -1, 1, &b);
    double *rows = check_expect(w, "sums of rows", op_reduce(g, R_SUM, a, 1, 1, false), 1e-5),
           *columns = check_expect(w, "sums of columns", op_reduce(g, R_SUM, a, 0, 0, false), 1e-5),
           *most = check_expect(w, "maxima of rows", op_reduce(g, R_MAX, a, 1, 1, false), 0),
           *least = check_expect(w, "minima of columns", op_reduce(g, R_MIN, a, 0, 0, false), 0),
           *logs = check_expect(w, "logsumexp of rows", op_reduce(g, R_LOGSUMEXP, a, 1, 1, false), 1e-5),
           *where = check_expect(w, "argmax of rows", op_reduce(g, R_ARGMAX, a, 1, 1, false), 0),
           *total = check_expect(w, "a sum over all", op_reduce(g, R_SUM, op_unary(g, F_SQUARE, a), 0, 1, false), 1e-5),
           *lengthy = check_expect(w, "sums of long columns", op_reduce(g, R_SUM, b, 0, 0, false), 1e-5);
    for (int c = 0; c < C; c++)
        least[c] = INFINITY;
    for (int r = 0; r < R; r++) {
        double sum = 0;
        most[r] = -INFINITY;
        for (int c = 0; c < C; c++) {
            double v = (double)x[r * C + c];
            rows[r] += v;
            columns[c] += v;
            total[0] += v * v;
            least[c] = v < least[c] ? v : least[c];
            if (v > most[r]) {
                most[r] = v;
                where[r] = c;
            }
        }
        for (int c = 0; c < C; c++)
            sum += exp((double)x[r * C + c] - most[r]);
        logs[r] = most[r] + log(sum);
    }
    for (int i = 0; i < LONG * FEW; i++)
        lengthy[i % FEW] += (double)y[i];
}

/* ---- reads at other indices ---- */

static void indexed(check_work *w)
{
    enum { A = 9, B = 5, C = 7, WORDS = 11, WIDE = 6, N = 15 };
    static const int turn[] = {2, 0, 1};
    ir_graph *g = &w->graph;
    ir_id a, table, ids, which;
    const float *x = check_floats(w, shape_of(3, A, B, C, 0), -1, 1, &a),
                *t = check_floats(w, shape_of(2, WORDS, WIDE, 0, 0), -1, 1, &table);
    const int32_t *id = check_whole(w, shape_of(1, N, 0, 0, 0), WORDS, &ids),
                  *pick = check_whole(w, shape_of(1, WORDS, 0, 0, 0), WIDE, &which);
    const ir_id both[] = {a, op_affine(g, a, 2, 0)};
    double *turned = check_expect(w, "a transpose", op_transpose(g, a, turn), 0),
           *cut = check_expect(w, "a slice", op_slice(g, a, 1, 3, 2, -2), 0),
           *padded = check_expect(w, "padding", op_pad(g, a, 2, 1, 2), 0),
           *joined = check_expect(w, "a concatenation", op_concatenate(g, 2, both, 1), 1e-6),
           *rows = check_expect(w, "rows of a table", op_gather(g, table, ids), 0),
           *picked = check_expect(w, "elements picked", op_pick(g, table, which), 0),
           *hot = check_expect(w, "one-hot rows", op_one_hot(g, ids, WORDS), 0);
    for (int i = 0; i < A; i++)
        for (int j = 0; j < B; j++)
            for (int k = 0; k < C; k++) {
                double v = (double)x[(i * B + j) * C + k];
                turned[(k * A + i) * B + j] = v;
                padded[(i * B + j) * (C + 3) + k + 1] = v;
                joined[(i * 2 * B + j) * C + k] = v;
                joined[(i * 2 * B + B + j) * C + k] = 2 * v;
                if (j == 3 || j == 1)
                    cut[(i * 2 + (j == 1)) * C + k] = v;
            }
    for (int i = 0; i < N; i++) {
        for (int k = 0; k < WIDE; k++)
            rows[i * WIDE + k] = (double)t[id[i] * WIDE + k];
        hot[i * WORDS + id[i]] = 1;
    }
    for (int i = 0; i < WORDS; i++)
        picked[i] = (double)t[i * WIDE + pick[i]];
}

/* ---- random draws ---- */

static void draws(check_work *w)
{
    enum { R = 7, C = 33, STREAM = 5 };
    double *u = check_expect(w, "uniform draws", op_uniform(&w->graph, shape_of(2, R, C, 0, 0), STREAM), 0);
    for (uint32_t r = 0; r < R; r++)
        for (uint32_t c = 0; c < C; c++) {
            uint32_t sample = w->steps[0].sample + r, words[4];
            philox4x32((uint32_t[]){STREAM, w->steps[0].step, sample >> 2, c}, (uint32_t[]){77, 0}, words);
            u[r * C + c] = (double)(words[sample & 3] >> 8) * 0x1p-24;
        }
}

/* ---- products ---- */

static void multiply(const float *a, const float *b, double *c, int m, int n, int k, bool ta, bool tb)
{
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            double sum = 0;
            for (int l = 0; l < k; l++)
                sum += (double)a[ta ? l * m + i : i * k + l] * (double)b[tb ? j * k + l : l * n + j];
            c[i * n + j] = sum;
        }
}

static void products(check_work *w)
{
    enum { M = 67, N = 129, K = 65, B0 = 2, B1 = 3, BM = 5, BN = 7, BK = 9 };
    static const char *const names[] = {"a b", "a b'", "a' b", "a' b'"};
    ir_graph *g = &w->graph;
    ir_id a[2], b[2], bias, x, y;
    const float *left[2], *right[2];
    for (int t = 0; t < 2; t++) {
        left[t] = check_floats(w, t ? shape_of(2, K, M, 0, 0) : shape_of(2, M, K, 0, 0), -1, 1, &a[t]);
        right[t] = check_floats(w, t ? shape_of(2, N, K, 0, 0) : shape_of(2, K, N, 0, 0), -1, 1, &b[t]);
    }
    for (int t = 0; t < 4; t++)
        multiply(left[t / 2], right[t % 2],
                 check_expect(w, names[t], op_matmul(g, a[t / 2], b[t % 2], t / 2, t % 2), 1e-4), M, N, K,
                 t / 2, t % 2);
    const float *add = check_floats(w, shape_of(1, N, 0, 0, 0), -1, 1, &bias);
    ir_id sum = op_binary(g, F_ADD, op_matmul(g, op_unary(g, F_ABS, a[0]), b[0], false, false), bias);
    double *dense = check_expect(w, "relu(|a| b + bias)", op_unary(g, F_RELU, sum), 1e-4);
    for (int i = 0; i < M; i++)
        for (int j = 0; j < N; j++) {
            double s = (double)add[j];
            for (int l = 0; l < K; l++)
                s += fabs((double)left[0][i * K + l]) * (double)right[0][l * N + j];
            dense[i * N + j] = larger(s, 0);
        }
    const float *p = check_floats(w, shape_of(4, B0, B1, BM, BK), -1, 1, &x),
                *q = check_floats(w, shape_of(4, B0, 1, BK, BN), -1, 1, &y);
    double *batched = check_expect(w, "products over two batch axes", op_matmul(g, x, y, false, false), 1e-4);
    for (int i = 0; i < B0 * B1; i++)
        multiply(p + i * BM * BK, q + i / B1 * BK * BN, batched + i * BM * BN, BM, BN, BK, false, false);
}

/* ---- loops over time ---- */

static void loops(check_work *w)
{
    enum { T = 6, R = 4, U = 5 };
    ir_graph *g = &w->graph;
    ir_id x, m, weigh, gradients[2];
    const float *in = check_floats(w, shape_of(3, T, R, U, 0), -1, 1, &x),
                *u = check_floats(w, shape_of(2, U, U, 0, 0), -0.7, 0.7, &m),
                *c = check_floats(w, shape_of(3, T, R, U, 0), -1, 1, &weigh);
    ir_id zero = op_broadcast(g, op_constant(g, 0), shape_of(2, R, U, 0, 0));
    if (op_scan_begin(g, T, false) != KILN_OK) {
        w->failed = true;
        return;
    }
    ir_id state = op_scan_state(g, zero);
    ir_id next = op_unary(g, F_TANH, op_binary(g, F_ADD, op_scan_slice(g, x), op_matmul(g, state, m, false, false)));
    if (op_scan_update(g, state, next) != KILN_OK || op_scan_end(g) != KILN_OK) {
        w->failed = true;
        return;
    }
    ir_id stack = op_scan_stack(g, op_scan_next(g, state));
    w->loss = op_reduce(g, R_SUM, op_binary(g, F_MUL, stack, weigh), 0, 2, false);
    if (w->loss == IR_NONE || graph_gradients(g, w->loss, 2, (ir_id[]){m, x}, gradients) != KILN_OK) {
        w->failed = true;
        return;
    }
    double *h = check_expect(w, "states of a loop", stack, 1e-5),
           *dm = check_expect(w, "a gradient through a loop", gradients[0], 1e-4),
           *dx = check_expect(w, "a gradient of what a loop reads", gradients[1], 1e-4), carry[R][U] = {{0}};
    for (int t = 0; t < T; t++)
        for (int r = 0; r < R; r++)
            for (int j = 0; j < U; j++) {
                double s = (double)in[(t * R + r) * U + j];
                for (int i = 0; i < U && t > 0; i++)
                    s += h[((t - 1) * R + r) * U + i] * (double)u[i * U + j];
                h[(t * R + r) * U + j] = tanh(s);
            }
    for (int t = T; t-- > 0;)
        for (int r = 0; r < R; r++) {
            double before[U] = {0};
            for (int j = 0; j < U; j++) {
                int at = (t * R + r) * U + j;
                double slope = (carry[r][j] + (double)c[at]) * (1 - h[at] * h[at]);
                dx[at] = slope;
                for (int i = 0; i < U && t > 0; i++) {
                    dm[i * U + j] += h[((t - 1) * R + r) * U + i] * slope;
                    before[i] += slope * (double)u[i * U + j];
                }
            }
            memcpy(carry[r], before, sizeof before);
        }
}

/* ---- training: a batch by index, two layers, their gradients, an optimizer, a partial batch ---- */

enum { SAMPLES = 40, BATCH = 16, IN = 12, HIDDEN = 20, OUT = 3 };

/* One step of gradient descent with momentum on the host. */
static void descend(const unsigned char *data, const int32_t *order, int rows, double *w1, double *w2,
                    double *m1, double *m2, double rate)
{
    double d1[IN * HIDDEN] = {0}, d2[HIDDEN * OUT] = {0};
    for (int r = 0; r < rows; r++) {
        const unsigned char *x = data + order[r] * IN;
        double h[HIDDEN], dh[HIDDEN] = {0};
        for (int j = 0; j < HIDDEN; j++) {
            double s = 0;
            for (int i = 0; i < IN; i++)
                s += x[i] / 255.0 * w1[i * HIDDEN + j];
            h[j] = larger(s, 0);
        }
        for (int k = 0; k < OUT; k++) {
            double y = 0;
            for (int j = 0; j < HIDDEN; j++)
                y += h[j] * w2[j * OUT + k];
            double dy = 2 * (y - 1) / rows;
            for (int j = 0; j < HIDDEN; j++) {
                d2[j * OUT + k] += h[j] * dy;
                dh[j] += dy * w2[j * OUT + k];
            }
        }
        for (int i = 0; i < IN; i++)
            for (int j = 0; j < HIDDEN; j++)
                d1[i * HIDDEN + j] += x[i] / 255.0 * (h[j] > 0 ? dh[j] : 0);
    }
    for (int i = 0; i < IN * HIDDEN; i++)
        w1[i] += m1[i] = 0.5 * m1[i] - rate * d1[i];
    for (int i = 0; i < HIDDEN * OUT; i++)
        w2[i] += m2[i] = 0.5 * m2[i] - rate * d2[i];
}

static void training(check_work *w)
{
    ir_graph *g = &w->graph;
    int data_slot, order_slot;
    unsigned char *data = check_slot(w, KILN_UINT8, SAMPLES * IN, SAMPLES, &data_slot);
    int32_t *order = check_slot(w, KILN_INT32, SAMPLES, SAMPLES, &order_slot);
    for (int i = 0; i < SAMPLES * IN; i++)
        data[i] = (unsigned char)philox_below(&w->draws, 256);
    for (int i = 0; i < SAMPLES; i++)
        order[i] = (i * 7 + 3) % SAMPLES;
    ir_id w1, w2, gradients[2];
    const float *first = check_weight(w, shape_of(2, IN, HIDDEN, 0, 0), -0.5, 0.5, &w1),
                *second = check_weight(w, shape_of(2, HIDDEN, OUT, 0, 0), -0.5, 0.5, &w2);
    ir_id x = op_batch(g, data_slot, order_slot, KILN_UINT8, shape_of(2, BATCH, IN, 0, 0), 1.0 / 255);
    ir_id h = op_unary(g, F_RELU, op_matmul(g, x, w1, false, false));
    ir_id y = op_matmul(g, h, w2, false, false);
    ir_id errors = op_reduce(g, R_SUM, op_unary(g, F_SQUARE, op_affine(g, y, 1, -1)), 1, 1, false);
    ir_id sum = op_reduce(g, R_SUM, op_binary(g, F_MUL, errors, op_row_mask(g, BATCH)), 0, 0, false);
    w->loss = op_binary(g, F_DIV, sum, op_row_count(g));
    double *after1 = check_memory(w, IN * HIDDEN, sizeof *after1), *after2 = check_memory(w, HIDDEN * OUT, sizeof *after2);
    if (w->failed || w->loss == IR_NONE ||
        graph_gradients(g, w->loss, 2, (ir_id[]){w1, w2}, gradients) != KILN_OK) {
        w->failed = true;
        return;
    }
    w->step_count = 2;
    w->steps[0] = (plan_step){.position = 0, .rows = BATCH, .step = 0, .rate = 0.1f};
    w->steps[1] = (plan_step){.position = BATCH, .rows = BATCH - 5, .step = 1, .rate = 0.05f};
    double m1[IN * HIDDEN] = {0}, m2[HIDDEN * OUT] = {0};
    for (int i = 0; i < IN * HIDDEN; i++)
        after1[i] = (double)first[i];
    for (int i = 0; i < HIDDEN * OUT; i++)
        after2[i] = (double)second[i];
    for (int s = 0; s < 2; s++)
        descend(data, order + w->steps[s].position, (int)w->steps[s].rows, after1, after2, m1, m2,
                (double)w->steps[s].rate);
    w->weights[0].after = after1;
    w->weights[1].after = after2;
    w->weights[0].gradient = gradients[0];
    w->weights[1].gradient = gradients[1];
}

/* First what takes no time: where it is wrong, no other way needs to be gone through. */
const check_case check_cases[] = {
    {.name = "whole numbers, halves and atomics", .direct = check_numbers},
    {.name = "element-wise kernels", .make = elementwise},
    {.name = "sums and maxima", .make = reductions},
    {.name = "reads by index", .make = indexed},
    {.name = "random draws", .make = draws},
    {.name = "products", .make = products},
    {.name = "convolutions", .make = check_convolutions},
    {.name = "convolutions with pooling", .make = check_pooled_convolutions},
    {.name = "convolutions by Winograd", .make = check_winograd},
    {.name = "windows", .make = check_windows},
    {.name = "loops over time", .make = loops},
    {.name = "training", .make = training},
    {.name = "drawn tokens", .make = check_samples},
};
const size_t check_case_count = sizeof check_cases / sizeof *check_cases;

const check_case check_clblast = {
    .name = "products by CLBlast", .make = products, .engine = BLAS_CLBLAST};
