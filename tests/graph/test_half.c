/* Values kept as half between launches: what kernels of each kind read and write, against the reference in
 * double precision; what must stay float32; and the loss's scale. */
#include "graph/autodiff.h"
#include "harness/harness.h"
#include "harness/trial.h"
#include "op/conv.h"
#include "op/picture.h"

#include <math.h>

static kiln_shape shape2(int64_t a, int64_t b)
{
    return (kiln_shape){2, {a, b}};
}

static kiln_shape shape3(int64_t a, int64_t b, int64_t c)
{
    return (kiln_shape){3, {a, b, c}};
}

static kiln_shape shape4(int64_t a, int64_t b, int64_t c, int64_t d)
{
    return (kiln_shape){4, {a, b, c, d}};
}

/* ---- networks, small, of ragged sizes ---- */

static void dense(trial *t)
{
    ir_graph *g = &t->graph;
    ir_id x = trial_float(t, shape2(37, 20), -1, 1);
    int64_t widths[] = {20, 67, 33, 16, 5};
    for (int i = 0; i < 4; i++) {
        ir_id w = trial_weight(t, shape2(widths[i], widths[i + 1]), -0.4, 0.4),
              b = trial_weight(t, (kiln_shape){1, {widths[i + 1]}}, -0.3, 0.3);
        x = op_binary(g, F_ADD, op_matmul(g, x, w, false, false), b);
        if (i < 3)
            x = op_unary(g, i == 1 ? F_SIGMOID : F_TANH, x);
    }
    trial_output(t, op_log_softmax(g, x));
}

static void attention(trial *t)
{
    ir_graph *g = &t->graph;
    static const int heads[] = {0, 2, 1, 3};
    ir_id table = trial_weight(t, shape2(3000, 24), -1, 1),
          words = trial_whole(t, KILN_INT32, shape2(3, 18), 2049, 2999);
    ir_id x = op_gather(g, table, words), part[3];
    for (int i = 0; i < 3; i++) {
        ir_id w = trial_weight(t, shape2(24, 24), -0.4, 0.4);
        ir_id y = op_reshape(g, op_matmul(g, x, w, false, false), shape4(3, 18, 2, 12));
        part[i] = op_transpose(g, y, heads);
    }
    ir_id scores = op_softmax(g, op_affine(g, op_matmul(g, part[0], part[1], false, true), 0.3, 0));
    ir_id y = op_transpose(g, op_matmul(g, scores, part[2], false, false), heads);
    trial_output(t, op_reshape(g, y, shape3(3, 18, 24)));
}

static ir_id convolved(trial *t, ir_id x, int64_t filters, op_padding padding)
{
    ir_graph *g = &t->graph;
    kiln_shape in = g->items[x].shape, out;
    op_window w = {.axes = 2, .size = {3, 3}, .stride = {1, 1}, .dilation = {1, 1}};
    harness_ok(op_window_place("test", &w, padding, in, &out));
    op_conv c = op_conv_of(&w, out, 1);
    ir_id kernel = trial_weight(t, shape3(9, in.dims[3], filters), -0.3, 0.3);
    return op_convolve(g, x, kernel, &c);
}

static ir_id pooled(trial *t, ir_id x, op_pooling pooling, int64_t size)
{
    kiln_shape out;
    op_window w = {.axes = 2, .size = {size, size}, .stride = {size, size}, .dilation = {1, 1}};
    harness_ok(op_window_place("test", &w, PADDING_VALID, t->graph.items[x].shape, &out));
    return op_pool(&t->graph, pooling, x, &w, out);
}

static void pictures(trial *t)
{
    ir_graph *g = &t->graph;
    ir_id x = trial_float(t, shape4(2, 12, 12, 3), -1, 1);
    x = op_unary(g, F_TANH, convolved(t, x, 16, PADDING_SAME));
    ir_id mean = op_mean(g, x, 0, 2, true), apart = op_binary(g, F_SUB, x, mean),
          variance = op_mean(g, op_unary(g, F_SQUARE, apart), 0, 2, true);
    x = op_binary(g, F_MUL, apart, op_unary(g, F_RSQRT, op_affine(g, variance, 1, 0.01)));
    x = pooled(t, x, POOL_AVERAGE, 2);
    x = op_unary(g, F_SIGMOID, convolved(t, x, 7, PADDING_VALID));
    x = op_resize(g, x, PICTURE_BILINEAR, 6, 6);
    kiln_shape out;
    op_window w = {.axes = 2, .size = {3, 3}, .stride = {1, 1}, .dilation = {1, 1}};
    harness_ok(op_window_place("test", &w, PADDING_SAME, g->items[x].shape, &out));
    ir_id kernel = trial_weight(t, shape3(9, 1, 7), -0.4, 0.4);
    x = op_unary(g, F_TANH, op_depthwise(g, x, kernel, &w, out.dims + 1));
    trial_output(t, op_mean(g, x, 1, 2, false));
}

static void moved(trial *t)
{
    ir_graph *g = &t->graph;
    static const int turn[] = {2, 0, 1};
    ir_id w = trial_weight(t, shape2(6, 20), -0.5, 0.5), u = trial_weight(t, shape2(5, 8), -0.5, 0.5);
    ir_id x = trial_float(t, shape3(4, 7, 6), -1, 1);
    x = op_unary(g, F_TANH, op_matmul(g, x, w, false, false)); /* (4, 7, 20) */
    ir_id first = op_slice(g, x, 2, 0, 12, 1), rest = op_slice(g, x, 2, 12, 8, 1);
    ir_id both = op_concatenate(g, 2, (ir_id[]){rest, first}, 2);
    ir_id y = op_transpose(g, op_pad(g, both, 1, 2, 1), turn); /* (20, 4, 10) */
    y = op_reshape(g, y, shape3(20, 8, 5));
    trial_output(t, op_matmul(g, y, u, false, false));
}

/* What leads to a loop and follows it is half; its carried values are float32. */
static void loop(trial *t)
{
    ir_graph *g = &t->graph;
    ir_id x = trial_float(t, shape3(6, 9, 5), -1, 1), w = trial_weight(t, shape2(5, 20), -0.5, 0.5),
          u = trial_weight(t, shape2(20, 20), -0.2, 0.2), v = trial_weight(t, shape2(20, 3), -0.5, 0.5);
    ir_id in = op_unary(g, F_TANH, op_matmul(g, x, w, false, false));
    ir_id zero = op_broadcast(g, op_constant(g, 0), shape2(9, 20));
    harness_ok(op_scan_begin(g, 6, false));
    ir_id h = op_scan_state(g, zero);
    ir_id next = op_unary(
        g, F_TANH, op_binary(g, F_ADD, op_scan_slice(g, in), op_matmul(g, h, u, false, false)));
    harness_ok(op_scan_update(g, h, next));
    harness_ok(op_scan_end(g));
    ir_id all = op_scan_stack(g, next);
    trial_output(t, op_unary(g, F_SIGMOID, op_matmul(g, all, v, false, false)));
}

typedef struct network {
    const char *name;
    void (*build)(trial *t);
} network;

static const network networks[] = {{"dense", dense},
                                   {"attention", attention},
                                   {"pictures", pictures},
                                   {"moved", moved},
                                   {"loop", loop}};

/* Rounded to eleven bits at each store; wrong indices or types give numbers of another size. */
START_TEST(values_and_gradients)
{
    const network *n = &networks[_i];
    trial t;
    trial_start(&t, (uint64_t)(40 + _i));
    t.half = true;
    t.tolerance = 4e-3;
    t.gradient_tolerance = 1e-2;
    n->build(&t);
    trial_differentiate(&t);
    trial_run_everywhere(&t, n->name);
    trial_end(&t);
}
END_TEST

/* Half the bytes between launches, where they are activations. */
START_TEST(less_memory)
{
    HARNESS_EACH_DEVICE(device)
    {
        bool usual = device->serial_kernels;
        size_t bytes[2];
        device->serial_kernels = false;
        for (int half = 0; half < 2; half++) {
            trial t;
            trial_start(&t, 41);
            t.half = half;
            t.tolerance = 4e-3;
            t.gradient_tolerance = 1e-2;
            dense(&t);
            trial_run(&t, device, "dense");
            bytes[half] = t.arena_bytes;
            trial_end(&t);
        }
        device->serial_kernels = usual;
        ck_assert_msg(bytes[1] < 0.75 * (double)bytes[0], "%zu bytes with half, %zu without",
                      bytes[1], bytes[0]);
    }
}
END_TEST

/* ---- the loss's scale ---- */

typedef struct scaled {
    kiln_device *device;
    ir_weight w, scale;
    cl_mem slab, state, data, order;
} scaled;

enum { ROWS = 8, IN = 4, OUT = 3 };

/* loss = mean over rows and columns of `size` (x w)^2 / 2, times the scale before its gradient is taken. */
static plan *scaled_plan(scaled *s, kiln_device *device, float scale, double size,
                         const plan_optimizer *rule)
{
    float start[64] = {0}, state[2] = {scale, 0}, data[ROWS * IN];
    int order[ROWS];
    *s = (scaled){.device = device,
                  .w = {.path = "w", .shape = shape2(IN, OUT)},
                  .scale = {.path = "loss_scale", .shape = {1, {2}}}};
    for (int i = 0; i < IN * OUT; i++)
        start[i] = 0.25f + 0.125f * (float)i;
    for (int i = 0; i < ROWS * IN; i++)
        data[i] = (float)(1 + i % 5);
    for (int i = 0; i < ROWS; i++)
        order[i] = i;
    harness_ok(device_alloc(device, sizeof start, "weights", &s->slab));
    harness_ok(device_alloc(device, sizeof state, "the loss's scale", &s->state));
    harness_ok(device_alloc(device, sizeof data, "data", &s->data));
    harness_ok(device_alloc(device, sizeof order, "order", &s->order));
    harness_ok(device_write(device, s->slab, 0, start, sizeof start));
    harness_ok(device_write(device, s->state, 0, state, sizeof state));
    harness_ok(device_write(device, s->data, 0, data, sizeof data));
    harness_ok(device_write(device, s->order, 0, order, sizeof order));
    s->w.memory = s->slab;
    s->scale.memory = s->state;
    ir_graph g = {0};
    ir_id x = op_batch(&g, 0, 1, KILN_FLOAT32, shape2(ROWS, IN), 1), w = op_weight(&g, &s->w);
    ir_id y = op_matmul(&g, x, w, false, false);
    ir_id loss = op_mean(&g, op_affine(&g, op_unary(&g, F_SQUARE, y), 0.5 * size, 0), 0, -1, false);
    ir_id factor = op_reshape(&g, op_slice(&g, op_weight(&g, &s->scale), 0, 0, 1, 1), (kiln_shape){0});
    ir_id gradient, own = op_binary(&g, F_MUL, loss, factor);
    harness_ok(graph_gradients(&g, own, 1, &w, &gradient));
    plan_optimizer optimizer = *rule;
    optimizer.scale = &s->scale;
    optimizer.scale_growth = 3;
    plan_request r = {.name = "scaled",
                      .graph = &g,
                      .loss = loss,
                      .update_count = 1,
                      .updates = &(plan_update){&s->w, gradient},
                      .optimizer = &optimizer,
                      .half = true,
                      .seed = 1};
    plan *p;
    harness_ok(plan_create(device, &r, &p));
    harness_ok(plan_bind(p, 0, s->data, 0, ROWS));
    harness_ok(plan_bind(p, 1, s->order, 0, ROWS));
    ir_free(&g);
    return p;
}

static void scaled_end(scaled *s, plan *p)
{
    plan_free(p);
    device_free(s->device, s->slab);
    device_free(s->device, s->state);
    device_free(s->device, s->data);
    device_free(s->device, s->order);
}

static void scaled_run(scaled *s, plan *p, uint32_t first, size_t steps, float rate, float *weights,
                       float *state)
{
    plan_step list[8];
    for (size_t i = 0; i < steps; i++)
        list[i] = (plan_step){.rows = ROWS, .step = first + (uint32_t)i, .rate = rate};
    harness_ok(plan_load_steps(p, list, steps));
    harness_ok(plan_enqueue(p, steps));
    harness_ok(device_read(s->device, s->slab, 0, weights, IN * OUT * 4));
    harness_ok(device_read(s->device, s->state, 0, state, 8));
}

/* w - rate * size * x'x w / (ROWS OUT), in double precision. */
static void expect_step(double *w, double rate, double size)
{
    double step[IN * OUT] = {0};
    for (int r = 0; r < ROWS; r++)
        for (int o = 0; o < OUT; o++) {
            double y = 0;
            for (int i = 0; i < IN; i++)
                y += (1 + (r * IN + i) % 5) * w[i * OUT + o];
            for (int i = 0; i < IN; i++)
                step[i * OUT + o] += (1 + (r * IN + i) % 5) * y * size / (ROWS * OUT);
        }
    for (int i = 0; i < IN * OUT; i++)
        w[i] -= rate * step[i];
}

static void start_weights(double *w)
{
    for (int i = 0; i < IN * OUT; i++)
        w[i] = 0.25 + 0.125 * i;
}

static void check_weights(const char *what, const float *got, const double *expected)
{
    trial_compare(what, "weights", got, expected, IN * OUT, 2e-3);
}

static const plan_optimizer sgd = {.defines = "#define KILN_RULE_SGD 1\n"};

/* A step with a gradient that is not finite changes no weight and halves the scale; then steps go
 * on, and three good ones double it. */
START_TEST(scale_falls_and_grows)
{
    HARNESS_EACH_DEVICE(device)
    {
        scaled s;
        float w[IN * OUT], state[2];
        double expected[IN * OUT];
        int64_t bad;
        /* The gradient of y is 2^17 y / 24: above 65504 for the largest, below it when halved. */
        plan *p = scaled_plan(&s, device, 0x1p17f, 1, &sgd);
        start_weights(expected);
        scaled_run(&s, p, 0, 1, 0.01f, w, state);
        trial_compare("a lost step", "weights", w, expected, IN * OUT, 0);
        ck_assert_msg(state[0] == 0x1p16f && state[1] == 0, "scale %g, %g good", state[0], state[1]);
        scaled_run(&s, p, 1, 2, 0.01f, w, state);
        ck_assert_msg(state[0] == 0x1p16f && state[1] == 2, "scale %g, %g good", state[0], state[1]);
        expect_step(expected, 0.01, 1);
        expect_step(expected, 0.01, 1);
        check_weights("good steps", w, expected);
        scaled_run(&s, p, 3, 1, 0.01f, w, state);
        ck_assert_msg(state[0] == 0x1p17f && state[1] == 0, "scale %g, %g good", state[0], state[1]);
        harness_ok(plan_read_bad_step(p, &bad));
        ck_assert_int_eq(bad, -1);
        scaled_end(&s, p);
    }
}
END_TEST

/* What half cannot hold is 0 without a scale, and right with it. */
START_TEST(scale_saves_small_gradients)
{
    HARNESS_EACH_DEVICE(device)
    {
        scaled s;
        float w[IN * OUT], state[2];
        double expected[IN * OUT];
        start_weights(expected);
        plan *p = scaled_plan(&s, device, 1, 1e-9, &sgd);
        scaled_run(&s, p, 0, 1, 1e7f, w, state);
        trial_compare("without a scale", "weights", w, expected, IN * OUT, 0);
        scaled_end(&s, p);
        p = scaled_plan(&s, device, 0x1p30f, 1e-9, &sgd);
        scaled_run(&s, p, 0, 1, 1e7f, w, state);
        expect_step(expected, 1e7, 1e-9);
        check_weights("with a scale", w, expected);
        scaled_end(&s, p);
    }
}
END_TEST

/* Clipping sees the gradient without its scale. */
START_TEST(scale_and_clipping)
{
    HARNESS_EACH_DEVICE(device)
    {
        for (int k = 0; k < 3; k++) {
            scaled s;
            float with[IN * OUT], without[IN * OUT], state[2];
            double expected[IN * OUT];
            plan_optimizer rule = sgd;
            *(k == 0 ? &rule.clipnorm : k == 1 ? &rule.global_clipnorm : &rule.clipvalue) = 0.5f;
            plan *p = scaled_plan(&s, device, 1, 1, &rule);
            scaled_run(&s, p, 0, 2, 0.5f, without, state);
            scaled_end(&s, p);
            p = scaled_plan(&s, device, 1024, 1, &rule);
            scaled_run(&s, p, 0, 2, 0.5f, with, state);
            scaled_end(&s, p);
            for (int i = 0; i < IN * OUT; i++)
                expected[i] = without[i];
            check_weights("clipped with a scale", with, expected);
        }
    }
}
END_TEST

/* Of two accumulated steps one is lost: it counts as nothing. */
START_TEST(scale_and_accumulation)
{
    HARNESS_EACH_DEVICE(device)
    {
        scaled s;
        float w[IN * OUT], state[2];
        double expected[IN * OUT];
        plan_optimizer rule = sgd;
        rule.accumulate = 2;
        rule.slot_count = 1;
        harness_ok(device_alloc(device, 256, "accumulator", &rule.slots[0]));
        harness_ok(device_fill_zero(device, rule.slots[0], 0, 256));
        plan *p = scaled_plan(&s, device, 0x1p17f, 1, &rule);
        scaled_run(&s, p, 0, 2, 0.01f, w, state);
        start_weights(expected);
        expect_step(expected, 0.005, 1);
        check_weights("accumulated", w, expected);
        scaled_end(&s, p);
        device_free(device, rule.slots[0]);
    }
}
END_TEST

/* Where halving does not help, the watch for values that are not finite is told. */
START_TEST(scale_at_its_end)
{
    HARNESS_EACH_DEVICE(device)
    {
        scaled s;
        float w[IN * OUT], state[2];
        double expected[IN * OUT];
        int64_t bad;
        plan *p = scaled_plan(&s, device, 0x1p-13f, 1, &sgd);
        harness_ok(device_write(device, s.data, 0, &(float){NAN}, 4));
        start_weights(expected);
        scaled_run(&s, p, 0, 3, 0.01f, w, state);
        ck_assert_msg(state[0] == 0x1p-14f, "scale %g", state[0]);
        trial_compare("no good step", "weights", w, expected, IN * OUT, 0);
        harness_ok(plan_read_bad_step(p, &bad));
        ck_assert_int_ge(bad, 0);
        scaled_end(&s, p);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("half");
    TCase *all = tcase_create("all");
    tcase_set_timeout(all, 600);
    tcase_add_loop_test(all, values_and_gradients, 0, sizeof networks / sizeof *networks);
    tcase_add_test(all, less_memory);
    tcase_add_test(all, scale_falls_and_grows);
    tcase_add_test(all, scale_saves_small_gradients);
    tcase_add_test(all, scale_and_clipping);
    tcase_add_test(all, scale_and_accumulation);
    tcase_add_test(all, scale_at_its_end);
    suite_add_tcase(suite, all);
    return harness_run(suite);
}
