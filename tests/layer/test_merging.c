/* Layers of several inputs against Keras: read from Keras's JSON, in a model of their own. */
#include "merging_figures.h"
#include "runner.h"

#include "format/keras_layer.h"
#include "graph/autodiff.h"

#define COUNT(ARRAY) (sizeof(ARRAY) / sizeof *(ARRAY))

static float *pattern(size_t count, int step, int base)
{
    float *values = malloc(count * sizeof *values);
    ck_assert_ptr_nonnull(values);
    for (size_t i = 0; i < count; i++)
        values[i] =
            (float)((double)((int)(i * (size_t)step % (size_t)base) - base / 2) * 0.31 + 0.07);
    return values;
}

static kiln_shape with_rows(kiln_shape shape)
{
    kiln_shape out = {.rank = shape.rank + 1, .dims = {MERGING_ROWS}};
    memcpy(out.dims + 1, shape.dims, sizeof *shape.dims * (size_t)shape.rank);
    return out;
}

static kiln_model *model_of(size_t number)
{
    const char *json = merging_figures[number].json;
    int count = merging_figures[number].count;
    json_t *object = json_loads(json, 0, NULL);
    ck_assert_ptr_nonnull(object);
    kiln_layer *layer = keras_layer_read(object, 1, NULL);
    json_decref(object);
    ck_assert_msg(layer != NULL, "%s", kiln_last_error());
    kiln_tensor *inputs[3] = {NULL};
    for (int i = 0; i < count; i++)
        inputs[i] = kiln_input(merging_figures[number].inputs[i]);
    kiln_tensor *y = kiln_apply_to(layer, (size_t)count, inputs);
    kiln_model *model = kiln_functional_with(&(kiln_functional_args){
        .inputs = {(size_t)count, inputs}, .outputs = {1, (kiln_tensor *const[]){y}}});
    ck_assert_msg(model != NULL, "%s: %s", merging_figures[number].name, kiln_last_error());
    return model;
}

static void run_layer(kiln_device *device, size_t number)
{
    const char *name = merging_figures[number].name;
    int count = merging_figures[number].count;
    kiln_shape out = with_rows(merging_figures[number].output);
    kiln_model *model = model_of(number);
    float *x[3] = {NULL}, *values[4] = {NULL};
    ir_id inputs[3], nodes[4], gradients[3];
    size_t sizes[4] = {(size_t)kiln_shape_size(out)};
    runner r;
    runner_start(&r, device);
    for (int i = 0; i < count; i++) {
        kiln_shape in = with_rows(merging_figures[number].inputs[i]);
        sizes[i + 1] = (size_t)kiln_shape_size(in);
        x[i] = pattern(sizes[i + 1], 11 + 2 * i, 23 + 6 * i);
        for (size_t k = 0; k < sizes[i + 1]; k++)
            x[i][k] += 0.05f * (float)i; /* no two are equal: that is a matter of taste */
        inputs[i] = runner_input(&r, in, x[i]);
    }
    float *w = pattern(sizes[0], 7, 19);
    ir_id factor = runner_input(&r, out, w);
    layer_call call = {.graph = &r.graph, .loss = IR_NONE};
    harness_ok(model_build_graph(model, &call, inputs, &nodes[0]));
    ck_assert_msg(ir_shape_equal(r.graph.items[nodes[0]].shape, out), "%s: output %s", name,
                  ir_shape_text(r.graph.items[nodes[0]].shape));
    ck_assert(ir_shape_equal(with_rows(kiln_model_output_shape(model, 0)), out));
    ir_id loss =
        op_reduce(&r.graph, R_SUM, op_binary(&r.graph, F_MUL, nodes[0], factor), 0, -1, false);
    harness_ok(graph_gradients(&r.graph, loss, count, inputs, gradients));
    for (int i = 0; i <= count; i++) {
        nodes[i] = op_unary(&r.graph, F_IDENTITY, i ? gradients[i - 1] : nodes[0]);
        values[i] = malloc(sizes[i] * sizeof *values[i]);
        ck_assert_ptr_nonnull(values[i]);
    }
    runner_run(&r, MERGING_ROWS, count + 1, nodes, values);
    runner_end(&r);
    const float *expected = merging_figures[number].dx;
    for (int i = 0; i <= count; i++) {
        char what[80];
        snprintf(what, sizeof what, "%s, value %d", name, i);
        runner_compare(what, values[i], i ? expected : merging_figures[number].y, sizes[i], 2e-5);
        expected += i ? sizes[i] : 0;
        free(values[i]);
    }
    for (int i = 0; i < count; i++)
        free(x[i]);
    free(w);
    kiln_model_free(model);
}

START_TEST(figures)
{
    HARNESS_EACH_DEVICE(device)
    {
        for (size_t i = 0; i < COUNT(merging_figures); i++)
            run_layer(device, i);
    }
}
END_TEST

/* Each layer is written as Keras writes it. */
START_TEST(read_and_written)
{
    for (size_t i = 0; i < COUNT(merging_figures); i++) {
        kiln_model *model = model_of(i);
        char *json = kiln_model_to_json(model, -1);
        ck_assert_msg(json != NULL, "%s", kiln_last_error());
        kiln_model *again = kiln_model_from_json(json);
        ck_assert_msg(again != NULL, "%s", kiln_last_error());
        char *second = kiln_model_to_json(again, -1);
        ck_assert_str_eq(json, second);
        ck_assert_ptr_nonnull(strstr(json, merging_figures[i].class_name));
        free(json);
        free(second);
        kiln_model_free(model);
        kiln_model_free(again);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("merging");
    TCase *tests = tcase_create("merging");
    tcase_add_test(tests, figures);
    tcase_add_test(tests, read_and_written);
    suite_add_tcase(suite, tests);
    return harness_run(suite);
}
