/* Losses against Keras's values and gradients, and losses made of graph operations. */
#include "graph/autodiff.h"
#include "graph/plan.h"
#include "train/loss.h"

#include "harness/harness.h"

#include <math.h>

#include "fixtures/losses.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Puts numbers on the device, as float or int32. */
static cl_mem upload(kiln_device *device, const double *values, size_t count, bool whole)
{
    union {
        float real[128];
        int32_t number[128];
    } host;
    cl_mem memory;
    ck_assert_uint_le(count, 128);
    for (size_t i = 0; i < count; i++) {
        if (whole)
            host.number[i] = (int32_t)values[i];
        else
            host.real[i] = (float)values[i];
    }
    harness_ok(device_alloc(device, count * 4, "test", &memory));
    harness_ok(device_write(device, memory, 0, &host, count * 4));
    return memory;
}

static void check_near(const char *name, const char *what, const float *got, const double *expected,
                       size_t count, double tolerance)
{
    for (size_t i = 0; i < count; i++)
        ck_assert_msg(fabs(got[i] - expected[i]) <= tolerance * (1 + fabs(expected[i])),
                      "%s: %s %zu is %.9g instead of %.9g", name, what, i, (double)got[i],
                      expected[i]);
}

static void check_loss(kiln_device *device, const struct loss_case *c)
{
    ir_graph g = {0};
    ir_id target = op_input(&g, 0, c->whole ? KILN_INT32 : KILN_FLOAT32, c->target_shape);
    ir_id output = op_input(&g, 1, KILN_FLOAT32, c->output_shape);
    ir_id losses = loss_build(&g, &c->loss, target, output), gradient;
    ck_assert_msg(losses != IR_NONE, "%s: %s", c->name, kiln_last_error());
    ck_assert_str_eq(ir_shape_text(g.items[losses].shape), "(7,)");
    ir_id total = op_reduce(&g, R_SUM, losses, 0, 0, false);
    harness_ok(graph_gradients(&g, total, 1, &output, &gradient));
    ck_assert_int_ne(gradient, IR_NONE);
    ir_id outputs[] = {losses, gradient};
    plan_request request = {
        .name = "losses", .graph = &g, .output_count = 2, .outputs = outputs, .loss = IR_NONE};
    plan *p;
    harness_ok(plan_create(device, &request, &p));
    size_t targets = (size_t)kiln_shape_size(c->target_shape),
           count = (size_t)kiln_shape_size(c->output_shape);
    cl_mem t = upload(device, c->target, targets, c->whole),
           o = upload(device, c->output, count, false);
    harness_ok(plan_bind(p, 0, t, 0, 7));
    harness_ok(plan_bind(p, 1, o, 0, 7));
    harness_ok(plan_load_steps(p, &(plan_step){.rows = 7}, 1));
    harness_ok(plan_enqueue(p, 1));
    float got[128];
    harness_ok(plan_read_output(p, 0, got));
    check_near(c->name, "loss", got, c->losses, 7, 3e-6);
    harness_ok(plan_read_output(p, 1, got));
    check_near(c->name, "gradient", got, c->gradient, count, 5e-6);
    plan_free(p);
    device_free(device, t);
    device_free(device, o);
    ir_free(&g);
}

START_TEST(losses_are_as_in_keras)
{
    HARNESS_EACH_DEVICE(device)
    {
        size_t step = harness_is_slow(device) ? 4 : 1;
        for (size_t i = 0; i < COUNT(loss_cases); i += step)
            check_loss(device, &loss_cases[i]);
    }
}
END_TEST

START_TEST(shapes_are_checked)
{
    kiln_shape ten = {1, {10}}, none = {0}, one = {1, {1}}, three = {1, {3}};
    kiln_loss sparse = {.kind = KILN_LOSS_SPARSE_CATEGORICAL_CROSSENTROPY},
              dense = {.kind = KILN_LOSS_CATEGORICAL_CROSSENTROPY},
              squared = {.kind = KILN_LOSS_MEAN_SQUARED_ERROR};
    harness_ok(loss_check_shapes(&sparse, none, ten, "dense_1"));
    harness_ok(loss_check_shapes(&sparse, one, ten, "dense_1"));
    harness_ok(loss_check_shapes(&dense, ten, ten, "dense_1"));
    harness_ok(loss_check_shapes(&squared, none, one, "dense_1"));
    harness_ok(loss_check_shapes(&squared, one, none, "dense_1"));
    harness_fails(loss_check_shapes(&sparse, ten, ten, "dense_1"), KILN_ERROR_SHAPE, "dense_1");
    harness_fails(loss_check_shapes(&dense, none, ten, "dense_1"), KILN_ERROR_SHAPE,
                  "sparse_categorical_crossentropy");
    harness_fails(loss_check_shapes(&squared, three, ten, "out"), KILN_ERROR_SHAPE, "(3,)");
    harness_fails(loss_check_shapes(&squared, three, ten, "out"), KILN_ERROR_SHAPE, "(10,)");
}
END_TEST

START_TEST(names)
{
    kiln_loss_kind kind;
    harness_ok(loss_find("mse", &kind));
    ck_assert_int_eq(kind, KILN_LOSS_MEAN_SQUARED_ERROR);
    harness_ok(loss_find("BinaryCrossentropy", &kind));
    ck_assert_int_eq(kind, KILN_LOSS_BINARY_CROSSENTROPY);
    harness_fails(loss_find("cosine", &kind), KILN_ERROR_ARGUMENT, "\"cosine\"");
    harness_fails(loss_check(&(kiln_loss){.kind = KILN_LOSS_CUSTOM}), KILN_ERROR_ARGUMENT,
                  "function");
    harness_fails(loss_check(&kiln_categorical_crossentropy(.label_smoothing = 2)),
                  KILN_ERROR_ARGUMENT, "label_smoothing");
}
END_TEST

/* Keras's log-cosh, made of operations. */
static kiln_node log_cosh(struct kiln_ops *ops, kiln_node y_true, kiln_node y_pred, void *user)
{
    (void)user;
    kiln_node x = kiln_ops_sub(ops, y_pred, y_true);
    kiln_node y = kiln_ops_add(ops, x, kiln_ops_softplus(ops, kiln_ops_scale(ops, x, -2, 0)));
    return kiln_ops_reduce_mean(ops, kiln_ops_scale(ops, y, 1, -log(2)), -1);
}

static kiln_node wrong_shape(struct kiln_ops *ops, kiln_node y_true, kiln_node y_pred, void *user)
{
    (void)user, (void)y_true;
    return kiln_ops_reduce_sum(ops, y_pred, 0);
}

static kiln_node no_node(struct kiln_ops *ops, kiln_node y_true, kiln_node y_pred, void *user)
{
    (void)ops, (void)y_true, (void)y_pred, (void)user;
    return -1;
}

START_TEST(losses_of_ones_own)
{
    HARNESS_EACH_DEVICE(device)
    {
        struct loss_case c = {.name = "log-cosh",
                              .loss = {.kind = KILN_LOSS_CUSTOM, .function = log_cosh},
                              .target_shape = {2, {7, 2}},
                              .output_shape = {2, {7, 2}}};
        for (int i = 0; i < 14; i++) {
            c.target[i] = i % 5 - 2;
            c.output[i] = 0.3 * i - 1;
            double x = c.output[i] - c.target[i];
            c.losses[i / 2] += log(cosh(x)) / 2;
            c.gradient[i] = tanh(x) / 2;
        }
        check_loss(device, &c);
    }
    ir_graph g = {0};
    ir_id x = op_input(&g, 0, KILN_FLOAT32, (kiln_shape){2, {7, 2}});
    kiln_loss loss = {.kind = KILN_LOSS_CUSTOM, .function = wrong_shape};
    ck_assert_int_eq(loss_build(&g, &loss, x, x), IR_NONE);
    ck_assert_ptr_nonnull(strstr(kiln_last_error(), "one loss for each of the 7 samples"));
    kiln_clear_error();
    loss.function = no_node;
    ck_assert_int_eq(loss_build(&g, &loss, x, x), IR_NONE);
    ck_assert_ptr_nonnull(strstr(kiln_last_error(), "returned no node"));
    ir_free(&g);
}
END_TEST

/* Each public function against its own definition, on a column of numbers. */
START_TEST(operations)
{
    HARNESS_EACH_DEVICE(device)
    {
        ir_graph g = {0};
        struct kiln_ops ops = {&g};
        kiln_shape shape = {2, {2, 2}};
        kiln_node x = op_input(&g, 0, KILN_FLOAT32, shape);
        kiln_node two = kiln_ops_constant(&ops, 2), y = kiln_ops_abs(&ops, x);
        kiln_node nodes[] = {
            kiln_ops_mul(&ops, x, two),
            kiln_ops_div(&ops, x, two),
            kiln_ops_maximum(&ops, x, two),
            kiln_ops_minimum(&ops, x, two),
            kiln_ops_power(&ops, y, two),
            kiln_ops_where(&ops, kiln_ops_greater(&ops, x, two), x, kiln_ops_negative(&ops, x)),
            kiln_ops_sqrt(&ops, y),
            kiln_ops_square(&ops, x),
            kiln_ops_exp(&ops, x),
            kiln_ops_log(&ops, y),
            kiln_ops_log1p(&ops, y),
            kiln_ops_relu(&ops, x),
            kiln_ops_sigmoid(&ops, x),
            kiln_ops_tanh(&ops, x),
            kiln_ops_softmax(&ops, x),
            kiln_ops_exp(&ops, kiln_ops_log_softmax(&ops, x)),
            kiln_ops_matmul(&ops, x, x),
            kiln_ops_equal(&ops, x, kiln_ops_stop_gradient(&ops, two)),
        };
        const double in[4] = {-1.5, 0.25, 2, 3};
        double want[COUNT(nodes)][4];
        for (int i = 0; i < 4; i++) {
            double v = in[i], a = fabs(v), row = exp(in[i / 2 * 2]) + exp(in[i / 2 * 2 + 1]);
            const double values[] = {v * 2,
                                     v / 2,
                                     fmax(v, 2),
                                     fmin(v, 2),
                                     v * v,
                                     v > 2 ? v : -v,
                                     sqrt(a),
                                     v * v,
                                     exp(v),
                                     log(a),
                                     log1p(a),
                                     fmax(v, 0),
                                     1 / (1 + exp(-v)),
                                     tanh(v),
                                     exp(v) / row,
                                     exp(v) / row,
                                     in[i / 2 * 2] * in[i % 2] + in[i / 2 * 2 + 1] * in[2 + i % 2],
                                     v == 2};
            for (size_t k = 0; k < COUNT(nodes); k++)
                want[k][i] = values[k];
        }
        plan_request request = {.name = "operations",
                                .graph = &g,
                                .output_count = COUNT(nodes),
                                .outputs = nodes,
                                .loss = IR_NONE};
        plan *p;
        harness_ok(plan_create(device, &request, &p));
        cl_mem memory = upload(device, in, 4, false);
        harness_ok(plan_bind(p, 0, memory, 0, 2));
        harness_ok(plan_load_steps(p, &(plan_step){.rows = 2}, 1));
        harness_ok(plan_enqueue(p, 1));
        for (size_t k = 0; k < COUNT(nodes); k++) {
            float got[4];
            char name[32];
            snprintf(name, sizeof name, "operation %zu", k);
            harness_ok(plan_read_output(p, (int)k, got));
            check_near(name, "element", got, want[k], 4, 3e-6);
        }
        kiln_shape open = {2, {-1, 1}};
        ck_assert_str_eq(ir_shape_text(kiln_ops_shape(&ops, kiln_ops_reshape(&ops, x, open))),
                         "(4, 1)");
        ck_assert_int_eq(kiln_ops_shape(&ops, kiln_ops_one_hot(&ops, x, 9)).dims[2], 9);
        ck_assert_int_eq(kiln_ops_shape(&ops, kiln_ops_reduce_max(&ops, x, 0)).rank, 1);
        ck_assert_int_eq(kiln_ops_shape(&ops, kiln_ops_logsumexp(&ops, x, -1)).rank, 1);
        ck_assert_int_eq(kiln_ops_shape(&ops, -1).rank, 0);
        plan_free(p);
        device_free(device, memory);
        ir_free(&g);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("losses");
    TCase *tests = tcase_create("losses");
    tcase_add_test(tests, losses_are_as_in_keras);
    tcase_add_test(tests, shapes_are_checked);
    tcase_add_test(tests, names);
    tcase_add_test(tests, losses_of_ones_own);
    tcase_add_test(tests, operations);
    suite_add_tcase(suite, tests);
    return harness_run(suite);
}
