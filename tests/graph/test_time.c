/* Loops over time: values and gradients of repeated bodies against the interpreter and its finite
 * differences. */
#include "harness/trial.h"

#include "harness/harness.h"
#include "op/conv.h"

#define ROWS 3
#define UNITS 5
#define FEATURES 4

static kiln_shape shape2(int64_t a, int64_t b)
{
    return (kiln_shape){2, {a, b}};
}

static kiln_shape shape3(int64_t a, int64_t b, int64_t c)
{
    return (kiln_shape){3, {a, b, c}};
}

/* h' = tanh(x w + h u + b) over `steps`, forward or backward in time; asks for all h and the last.
 */
static void simple_rnn(trial *t, int64_t steps, bool reverse)
{
    ir_graph *g = &t->graph;
    double keep = steps > 16 ? 0.25 : 0.5; /* small enough for a long product of Jacobians */
    ir_id x = trial_float(t, shape3(steps, ROWS, FEATURES), -1, 1);
    ir_id w = trial_weight(t, shape2(FEATURES, UNITS), -0.5, 0.5);
    ir_id u = trial_weight(t, shape2(UNITS, UNITS), -keep, keep);
    ir_id b = trial_weight(t, (kiln_shape){1, {UNITS}}, -0.3, 0.3);
    ir_id first = trial_float(t, shape2(ROWS, UNITS), -0.5, 0.5);
    harness_ok(op_scan_begin(g, steps, reverse));
    ir_id h = op_scan_state(g, first);
    ir_id in = op_matmul(g, op_scan_slice(g, x), w, false, false);
    ir_id next =
        op_unary(g, F_TANH,
                 op_binary(g, F_ADD, op_binary(g, F_ADD, in, op_matmul(g, h, u, false, false)), b));
    harness_ok(op_scan_update(g, h, next));
    harness_ok(op_scan_end(g));
    trial_output(t, op_scan_stack(g, next));
    trial_output(t, op_scan_final(g, h));
}

/* Two carried values and four gates from one product, as in an LSTM. */
static void lstm_of(trial *t, int64_t steps, int64_t rows, int64_t units)
{
    ir_graph *g = &t->graph;
    ir_id x = trial_float(t, shape3(steps, rows, FEATURES), -1, 1);
    ir_id w = trial_weight(t, shape2(FEATURES, 4 * units), -0.5, 0.5);
    ir_id u = trial_weight(t, shape2(units, 4 * units), -0.4, 0.4);
    ir_id b = trial_weight(t, (kiln_shape){1, {4 * units}}, -0.3, 0.3);
    ir_id zero = op_broadcast(g, op_constant(g, 0), shape2(rows, units));
    ir_id c0 = trial_float(t, shape2(rows, units), -0.5, 0.5);
    /* The input product of all steps is one product in front of the loop. */
    ir_id inputs = op_binary(g, F_ADD, op_matmul(g, x, w, false, false), b);
    harness_ok(op_scan_begin(g, steps, false));
    ir_id h = op_scan_state(g, zero), c = op_scan_state(g, c0);
    ir_id z = op_binary(g, F_ADD, op_scan_slice(g, inputs), op_matmul(g, h, u, false, false)),
          gate[4];
    for (int i = 0; i < 4; i++)
        gate[i] = op_unary(g, i == 2 ? F_TANH : F_SIGMOID, op_slice(g, z, 1, i * units, units, 1));
    ir_id cell =
        op_binary(g, F_ADD, op_binary(g, F_MUL, gate[1], c), op_binary(g, F_MUL, gate[0], gate[2]));
    ir_id out = op_binary(g, F_MUL, gate[3], op_unary(g, F_TANH, cell));
    harness_ok(op_scan_update(g, h, out));
    harness_ok(op_scan_update(g, c, cell));
    harness_ok(op_scan_end(g));
    trial_output(t, op_scan_stack(g, out));
    trial_output(t, op_scan_final(g, c));
}

static void lstm(trial *t, int64_t steps)
{
    lstm_of(t, steps, ROWS, UNITS);
}

/* Wide enough that a right side is laid out in panels and gates are joined sixteen at a time; rows
 * that work-items share evenly, and a gate of odd width. */
static void lstm_wide(trial *t, int64_t steps)
{
    lstm_of(t, steps, 8, 48);
}

static void lstm_odd(trial *t, int64_t steps)
{
    lstm_of(t, steps, 10, 20);
}

/* Both products of the loop have outer right sides, one behind the other's gate, and the gates part
 * ways, as in a GRU whose reset comes first; from the last step to the first. */
static void gru_wide(trial *t, int64_t steps)
{
    const int64_t rows = 4, units = 48;
    ir_graph *g = &t->graph;
    ir_id x = trial_float(t, shape3(steps, rows, 3 * units), -1, 1);
    ir_id u = trial_weight(t, shape2(units, 2 * units), -0.2, 0.2);
    ir_id v = trial_weight(t, shape2(units, units), -0.2, 0.2);
    ir_id first = trial_float(t, shape2(rows, units), -0.5, 0.5);
    harness_ok(op_scan_begin(g, steps, true));
    ir_id h = op_scan_state(g, first), in = op_scan_slice(g, x),
          sums = op_matmul(g, h, u, false, false), gate[2];
    for (int i = 0; i < 2; i++)
        gate[i] = op_unary(g, F_SIGMOID,
                           op_binary(g, F_ADD, op_slice(g, in, 1, i * units, units, 1),
                                     op_slice(g, sums, 1, i * units, units, 1)));
    ir_id wait = op_matmul(g, op_binary(g, F_MUL, gate[1], h), v, false, false);
    ir_id next =
        op_unary(g, F_TANH, op_binary(g, F_ADD, op_slice(g, in, 1, 2 * units, units, 1), wait));
    harness_ok(op_scan_update(g, h,
                              op_binary(g, F_ADD, op_binary(g, F_MUL, gate[0], h),
                                        op_binary(g, F_MUL, op_affine(g, gate[0], -1, 1), next))));
    harness_ok(op_scan_end(g));
    trial_output(t, op_scan_stack(g, op_scan_next(g, h)));
    trial_output(t, op_scan_final(g, h));
}

/* Images go through time, each by itself: a gate and a value from one convolution of the state;
 * from the last step to the first. */
static void images_of(trial *t, int64_t steps, int64_t rows, int64_t filters, op_window w)
{
    ir_graph *g = &t->graph;
    kiln_shape image = {4, {rows, 5, 6, filters}}, all = {5, {steps, rows, 5, 6, 2 * filters}},
               result;
    harness_ok(op_window_place("convolution", &w, PADDING_SAME, image, &result));
    op_conv conv = op_conv_of(&w, result, 1);
    ir_id x = trial_float(t, all, -1, 1);
    ir_id u = trial_weight(t, shape3(w.size[0] * w.size[1], filters, 2 * filters), -0.2, 0.2);
    ir_id first = trial_float(t, image, -0.5, 0.5);
    harness_ok(op_scan_begin(g, steps, true));
    ir_id h = op_scan_state(g, first);
    ir_id sums = op_binary(g, F_ADD, op_scan_slice(g, x), op_convolve(g, h, u, &conv));
    harness_ok(op_scan_update(
        g, h,
        op_binary(g, F_MUL, op_unary(g, F_SIGMOID, op_slice(g, sums, 3, 0, filters, 1)),
                  op_unary(g, F_TANH, op_slice(g, sums, 3, filters, filters, 1)))));
    harness_ok(op_scan_end(g));
    trial_output(t, op_scan_stack(g, op_scan_next(g, h)));
    trial_output(t, op_scan_final(g, h));
}

static void images(trial *t, int64_t steps)
{
    images_of(t, steps, 4, 3, (op_window){2, {3, 2}, {1, 1}, {1, 2}, {0}});
}

/* Small kernels of many channels, which have a way of their own (minimal filtering). */
static void images_wide(trial *t, int64_t steps)
{
    images_of(t, steps, 3, 16, (op_window){2, {3, 3}, {1, 1}, {1, 1}, {0}});
}

/* A convolution that is a matrix product. */
static void images_of_pixels(trial *t, int64_t steps)
{
    images_of(t, steps, 2, 4, (op_window){2, {1, 1}, {1, 1}, {1, 1}, {0}});
}

/* A state that depends on the weights through its updates alone; asks for the last value only. */
static void from_zero(trial *t, int64_t steps)
{
    ir_graph *g = &t->graph;
    ir_id x = trial_float(t, shape3(steps, ROWS, UNITS), -1, 1);
    ir_id u = trial_weight(t, shape2(UNITS, UNITS), -0.4, 0.4);
    harness_ok(op_scan_begin(g, steps, false));
    ir_id h = op_scan_state(g, op_broadcast(g, op_constant(g, 0), shape2(ROWS, UNITS)));
    ir_id sum = op_binary(g, F_ADD, op_scan_slice(g, x), op_matmul(g, h, u, false, false));
    harness_ok(op_scan_update(g, h, op_unary(g, F_TANH, sum)));
    harness_ok(op_scan_end(g));
    trial_output(t, op_scan_final(g, h));
}

static void check(void (*build)(trial *, int64_t), int64_t steps, const char *label)
{
    trial t;
    trial_start(&t, 7 + (uint64_t)steps);
    build(&t, steps);
    trial_differentiate(&t);
    trial_run_everywhere(&t, label);
    trial_end(&t);
}

static void rnn_forward(trial *t, int64_t steps)
{
    simple_rnn(t, steps, false);
}

static void rnn_reverse(trial *t, int64_t steps)
{
    simple_rnn(t, steps, true);
}

START_TEST(short_loops)
{
    check(rnn_forward, 1, "one step");
    check(rnn_forward, 5, "five steps");
    check(rnn_reverse, 5, "five steps backward");
    check(lstm, 4, "lstm of four steps");
    check(lstm_wide, 5, "wide lstm of five steps");
    check(lstm_odd, 2, "lstm of odd width");
    check(gru_wide, 5, "wide gru of five steps");
    check(images, 3, "images");
    check(images_wide, 3, "images of many channels");
    check(images_of_pixels, 3, "images pixel by pixel");
    check(from_zero, 4, "a state that starts at zero");
}
END_TEST

/* Sizes that take long are left to the fast drivers. */
START_TEST(long_loops)
{
    bool slow = false;
    HARNESS_EACH_DEVICE(device)
    slow |= harness_is_slow(device);
    if (slow)
        return;
    check(rnn_forward, 64, "64 steps");
    check(lstm, 64, "lstm of 64 steps");
    check(rnn_forward, 512, "512 steps");
}
END_TEST

START_TEST(misuse)
{
    ir_graph g = {0};
    ir_id x = op_input(&g, 0, KILN_FLOAT32, shape3(4, 2, 3));
    ck_assert_int_eq(op_scan_slice(&g, x), IR_NONE);
    ck_assert(strstr(kiln_last_error(), "outside a loop over time"));
    harness_fails(op_scan_begin(&g, 0, false), KILN_ERROR_ARGUMENT, "0 time steps");
    harness_ok(op_scan_begin(&g, 5, false));
    ck_assert_int_eq(op_scan_slice(&g, x), IR_NONE);
    ck_assert(
        strstr(kiln_last_error(), "a loop over 5 time steps reads a sequence of shape (4, 2, 3)"));
    harness_fails(op_scan_begin(&g, 5, false), KILN_ERROR_UNSUPPORTED, "inside another");
    op_scan_state(&g, op_constant(&g, 0));
    harness_fails(op_scan_end(&g), KILN_ERROR_ARGUMENT, "never updated");
    ir_free(&g);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("time");
    TCase *all = tcase_create("all");
    tcase_add_test(all, short_loops);
    tcase_add_test(all, long_loops);
    tcase_add_test(all, misuse);
    suite_add_tcase(suite, all);
    return harness_run(suite);
}
