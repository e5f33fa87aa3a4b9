/* Metrics against Keras's, over a whole batch and a partial one. */
#include "graph/plan.h"
#include "train/metric.h"

#include "harness/harness.h"

#include <math.h>

#include "fixtures/metrics.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define BATCH 8
#define ROWS 13

static kiln_shape batch_of(kiln_shape shape)
{
    kiln_shape out = {.rank = shape.rank + 1, .dims = {BATCH}};
    for (int i = 0; i < shape.rank; i++)
        out.dims[i + 1] = shape.dims[i];
    return out;
}

/* A batch from row `first`; rows past the data hold what must not count. */
static cl_mem upload(kiln_device *device, const double *values, size_t row, size_t first,
                     bool whole)
{
    union {
        float real[160];
        int32_t number[160];
    } host;
    cl_mem memory;
    for (size_t i = 0; i < BATCH * row; i++) {
        size_t at = first * row + i;
        double value = at < ROWS * row ? values[at] : 1;
        if (whole)
            host.number[i] = (int32_t)value;
        else
            host.real[i] = (float)value;
    }
    harness_ok(device_alloc(device, BATCH * row * 4, "test", &memory));
    harness_ok(device_write(device, memory, 0, &host, BATCH * row * 4));
    return memory;
}

static double run_batch(kiln_device *device, plan *p, const struct metric_case *c, const metric *m,
                        size_t first, uint32_t rows)
{
    cl_mem t = upload(device, c->target, (size_t)kiln_shape_size(c->target_shape), first, c->whole);
    cl_mem o = upload(device, c->output, (size_t)kiln_shape_size(c->output_shape), first, false);
    double sums[1024];
    harness_ok(plan_bind(p, 0, t, 0, BATCH));
    harness_ok(plan_bind(p, 1, o, 0, BATCH));
    harness_ok(plan_load_steps(p, &(plan_step){.rows = rows}, 1));
    harness_ok(plan_enqueue(p, 1));
    ck_assert_uint_le(plan_accumulator_size(p), 1024);
    harness_ok(plan_read_accumulators(p, sums));
    device_free(device, t);
    device_free(device, o);
    return metric_value(m, sums + 1, sums[0]);
}

static void check_metric(kiln_device *device, const struct metric_case *c)
{
    ir_graph g = {0};
    metric m;
    ir_id sums[1 + METRIC_MAX_SUMS];
    harness_ok(metric_parse(c->text, &m));
    harness_ok(metric_resolve(&m, c->target_shape, c->output_shape, "dense"));
    ir_id target = op_input(&g, 0, c->whole ? KILN_INT32 : KILN_FLOAT32, batch_of(c->target_shape));
    ir_id output = op_input(&g, 1, KILN_FLOAT32, batch_of(c->output_shape));
    sums[0] = op_row_count(&g);
    harness_ok(metric_build(&m, &g, target, output, op_row_mask(&g, BATCH), IR_NONE, sums + 1));
    plan_request request = {.name = "metric",
                            .graph = &g,
                            .accumulator_count = 1 + m.sum_count,
                            .accumulators = sums,
                            .loss = IR_NONE};
    plan *p;
    harness_ok(plan_create(device, &request, &p));
    double first = run_batch(device, p, c, &m, 0, BATCH);
    double both = run_batch(device, p, c, &m, BATCH, ROWS - BATCH);
    ck_assert_msg(fabs(first - c->first) <= 2e-6 * (1 + fabs(c->first)), "%s: %.9g instead of %.9g",
                  c->text, first, c->first);
    ck_assert_msg(fabs(both - c->both) <= 2e-6 * (1 + fabs(c->both)),
                  "%s, second batch: %.9g instead of %.9g", c->text, both, c->both);
    plan_free(p);
    ir_free(&g);
}

START_TEST(metrics_are_as_in_keras)
{
    HARNESS_EACH_DEVICE(device)
    {
        size_t step = harness_is_slow(device) ? 5 : 1;
        for (size_t i = 0; i < COUNT(metric_cases); i += step)
            check_metric(device, &metric_cases[i]);
    }
}
END_TEST

START_TEST(names_and_arguments)
{
    metric m;
    harness_ok(metric_parse("accuracy", &m));
    ck_assert_ptr_null(m.cls);
    ck_assert_str_eq(m.name, "accuracy");
    harness_ok(metric_parse("top_k_categorical_accuracy(k=3)", &m));
    ck_assert_str_eq(m.name, "top_k_categorical_accuracy");
    ck_assert(!metric_is_plain(&m));
    ck_assert_str_eq(metric_class_name(&m), "TopKCategoricalAccuracy");
    ck_assert_str_eq(metric_argument_name(&m), "k");
    ck_assert_double_eq(m.argument, 3);
    harness_ok(metric_parse("auc", &m));
    ck_assert(metric_is_plain(&m));
    harness_ok(metric_parse("auc(name=area, num_thresholds=20)", &m));
    ck_assert_str_eq(m.name, "area");
    ck_assert_double_eq(m.argument, 20);
    ck_assert(!metric_is_plain(&m));
    harness_ok(metric_parse("accuracy(name=right)", &m));
    ck_assert_str_eq(m.name, "right");
    ck_assert_int_eq(metric_better(&m), 1);
    harness_ok(metric_parse("binary_crossentropy(from_logits=1)", &m));
    ck_assert_str_eq(metric_class_name(&m), "BinaryCrossentropy");
    ck_assert_int_eq(metric_better(&m), -1);
    harness_fails(metric_parse("auc(name=3)", &m), KILN_ERROR_ARGUMENT, "name must be a word");
    harness_fails(metric_parse("accuracy(k=3)", &m), KILN_ERROR_ARGUMENT, "k");
    harness_fails(metric_parse("acuracy", &m), KILN_ERROR_ARGUMENT, "\"acuracy\"");
    harness_fails(metric_parse("auc(k=3)", &m), KILN_ERROR_ARGUMENT, "k");
    harness_fails(metric_parse("top_k_categorical_accuracy(k=0)", &m), KILN_ERROR_ARGUMENT,
                  "from 1 up");
    harness_fails(metric_parse("auc(num_thresholds=1)", &m), KILN_ERROR_ARGUMENT, "num_thresholds");
    ck_assert_int_eq(metric_direction("accuracy"), 1);
    ck_assert_int_eq(metric_direction("loss"), -1);
    ck_assert_int_eq(metric_direction("mae"), -1);
    ck_assert_int_eq(metric_direction("auc"), 1);
    ck_assert_int_eq(metric_direction("hinge"), -1);
    ck_assert_int_eq(metric_direction("beauty"), 0);
}
END_TEST

START_TEST(shapes_are_checked)
{
    metric m;
    kiln_shape ten = {1, {10}}, none = {0}, three = {1, {3}}, square = {2, {3, 3}};
    harness_ok(metric_parse("precision", &m));
    harness_fails(metric_resolve(&m, none, ten, "head"), KILN_ERROR_SHAPE, "layer head");
    harness_ok(metric_parse("sparse_categorical_accuracy", &m));
    harness_fails(metric_resolve(&m, three, ten, "head"), KILN_ERROR_SHAPE, "class number");
    harness_ok(metric_parse("r2_score", &m));
    harness_fails(metric_resolve(&m, square, square, "head"), KILN_ERROR_SHAPE, "one axis");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("metrics");
    TCase *tests = tcase_create("metrics");
    tcase_add_test(tests, metrics_are_as_in_keras);
    tcase_add_test(tests, names_and_arguments);
    tcase_add_test(tests, shapes_are_checked);
    suite_add_tcase(suite, tests);
    return harness_run(suite);
}
