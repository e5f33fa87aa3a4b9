/* Ten steps of each rule and option against Keras's weights. */
#include "graph/autodiff.h"
#include "model/model.h"
#include "train/optimizer.h"

#include "harness/harness.h"

#include <kiln/kiln.h>
#include <math.h>

#include "fixtures/optimizers.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static cl_mem upload(kiln_device *device, const float *values, size_t bytes)
{
    cl_mem memory;
    harness_ok(device_alloc(device, bytes, "test", &memory));
    harness_ok(device_write(device, memory, 0, values, bytes));
    return memory;
}

static ir_weight make_weight(char *path, const float *values, size_t count)
{
    ir_weight weight = {.path = path, .shape = {1, {(int64_t)count}}, .trainable = true};
    weight.host = mem_new(count, sizeof *values);
    memcpy(weight.host, values, count * sizeof *values);
    return weight;
}

/* sum((w x - y)^2) with x and y in slots */
static ir_id squares(ir_graph *g, ir_weight *weight, int slot)
{
    ir_id x = op_input(g, slot, KILN_FLOAT32, weight->shape);
    ir_id y = op_input(g, slot + 1, KILN_FLOAT32, weight->shape);
    ir_id error = op_binary(g, F_SUB, op_binary(g, F_MUL, op_weight(g, weight), x), y);
    return op_reduce(g, R_SUM, op_unary(g, F_SQUARE, error), 0, -1, false);
}

static void check_weight(const char *name, ir_weight *weight, const double *expected)
{
    float values[64];
    harness_ok(store_download(weight, values));
    for (int64_t i = 0; i < weight->shape.dims[0]; i++)
        ck_assert_msg(fabs(values[i] - expected[i]) <= 1e-5 * (1 + fabs(expected[i])),
                      "%s: %s[%lld] is %.9g instead of %.9g", name, weight->path, (long long)i,
                      (double)values[i], expected[i]);
}

static void check_case(kiln_device *device, const struct optimizer_case *c, const cl_mem *data)
{
    kiln_optimizer args;
    optimizer o;
    ir_graph g = {0};
    char a_path[] = "a", b_path[] = "b";
    ir_weight a = make_weight(a_path, optimizer_a, COUNT(optimizer_a)),
              b = make_weight(b_path, optimizer_b, COUNT(optimizer_b)), *both[] = {&a, &b};
    harness_ok(store_place(device, both, 2));
    ir_id loss = op_binary(&g, F_ADD, squares(&g, &a, 0), squares(&g, &b, 2));
    ir_id wrt[] = {op_weight(&g, &a), op_weight(&g, &b)}, gradients[2];
    harness_ok(graph_gradients(&g, loss, 2, wrt, gradients));
    plan_update updates[] = {{&a, gradients[0]}, {&b, gradients[1]}};
    harness_ok(optimizer_resolve(&c->optimizer, &args));
    optimizer_init(&o, &args);
    harness_ok(optimizer_place(&o, device, 2, updates));
    plan_request request = {.name = "optimizer",
                            .graph = &g,
                            .loss = loss,
                            .update_count = 2,
                            .updates = updates,
                            .optimizer = &o.plan};
    plan *p;
    harness_ok(plan_create(device, &request, &p));
    for (int i = 0; i < 4; i++)
        harness_ok(plan_bind(p, i, data[i], 0, 1));
    plan_step steps[10] = {{0}};
    for (uint32_t i = 0; i < 10; i++) {
        steps[i].rows = 1;
        steps[i].step = i;
        optimizer_step(&o, i, &steps[i]);
    }
    harness_ok(plan_load_steps(p, steps, 10));
    harness_ok(plan_enqueue(p, 10));
    check_weight(c->text, &a, c->a);
    check_weight(c->text, &b, c->b);
    plan_free(p);
    optimizer_free(&o);
    ir_free(&g);
    for (int i = 0; i < 2; i++) {
        store_release(both[i]);
        free(both[i]->host);
    }
}

START_TEST(rules_are_as_in_keras)
{
    HARNESS_EACH_DEVICE(device)
    {
        size_t step = harness_is_slow(device) ? 5 : 1;
        cl_mem data[] = {upload(device, optimizer_x, sizeof optimizer_x),
                         upload(device, optimizer_y, sizeof optimizer_y),
                         upload(device, optimizer_u, sizeof optimizer_u),
                         upload(device, optimizer_v, sizeof optimizer_v)};
        for (size_t i = 0; i < COUNT(optimizer_cases); i += step)
            check_case(device, &optimizer_cases[i], data);
        for (int i = 0; i < 4; i++)
            device_free(device, data[i]);
    }
}
END_TEST

START_TEST(rates_can_be_set)
{
    HARNESS_EACH_DEVICE(device)
    {
        kiln_model *model = kiln_sequential(kiln_dense(2, .input_shape = KILN_SHAPE(3)));
        kiln_array x = {.dtype = KILN_FLOAT32, .shape = KILN_SHAPE(3), .data = optimizer_x};
        kiln_array y = {.dtype = KILN_FLOAT32, .shape = KILN_SHAPE(2), .data = optimizer_y};
        harness_fails(kiln_set_learning_rate(model, 0.1), KILN_ERROR_ARGUMENT, "kiln_compile");
        harness_ok(kiln_compile(model, .optimizer = kiln_sgd(.learning_rate = 0.1),
                                .loss = kiln_mean_squared_error(), .device = device));
        ck_assert_double_eq(kiln_learning_rate(model), 0.1);
        harness_ok(kiln_set_learning_rate(model, 0));
        float before[6], after[6];
        harness_ok(kiln_get_weights(model, 0, before, 6));
        ck_assert_ptr_nonnull(kiln_train_on_batch(model, 12, &x, &y, NULL));
        harness_ok(kiln_get_weights(model, 0, after, 6));
        ck_assert_mem_eq(before, after, sizeof before);
        harness_fails(kiln_set_learning_rate(model, -1), KILN_ERROR_ARGUMENT, "-1");
        kiln_optimizer scheduled = kiln_sgd(.schedule = kiln_exponential_decay(0.2, 4, 0.5));
        harness_ok(kiln_compile(model, .optimizer = scheduled, .loss = kiln_mean_squared_error(),
                                .device = device));
        harness_fails(kiln_set_learning_rate(model, 1), KILN_ERROR_ARGUMENT, "schedule");
        ck_assert_double_eq_tol(kiln_learning_rate(model), 0.2, 1e-12);
        for (int i = 0; i < 4; i++)
            ck_assert_ptr_nonnull(kiln_train_on_batch(model, 12, &x, &y, NULL));
        ck_assert_double_eq_tol(kiln_learning_rate(model), 0.1, 1e-12);
        kiln_model_free(model);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("optimizers");
    TCase *tests = tcase_create("optimizers");
    tcase_add_test(tests, rules_are_as_in_keras);
    tcase_add_test(tests, rates_can_be_set);
    suite_add_tcase(suite, tests);
    return harness_run(suite);
}
