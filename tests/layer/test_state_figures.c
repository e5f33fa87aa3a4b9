/* States of recurrent layers: returned, started with, kept from batch to batch; stacked cells; all
 * against Keras. */
#include "runner.h"

#include "graph/autodiff.h"

#include <kiln/kiln.h>

#include <math.h>

/* A functional model, its inputs and outputs, and the gradients of the sum of outputs times
 * factors. */
typedef struct figure {
    const char *name, *json;
    int inputs;
    const float *x[4];
    int outputs;
    size_t sizes[8];
    const float *y[8], *dx, *dw;
} figure;

#include "conv_lstm_figures.h"
#include "states_figures.h"

#define COUNT(ARRAY) (sizeof(ARRAY) / sizeof *(ARRAY))
#define MOST 48

static kiln_model *read_model(const char *name, const char *json)
{
    kiln_model *model = kiln_model_from_json(json);
    ck_assert_msg(model != NULL, "%s: %s", name, kiln_last_error());
    return model;
}

static kiln_shape with_rows(kiln_shape shape)
{
    kiln_shape out = {.rank = shape.rank + 1, .dims = {STATES_ROWS}};
    memcpy(out.dims + 1, shape.dims, sizeof *shape.dims * (size_t)shape.rank);
    return out;
}

/* What a call makes of the inputs, and the gradients of sum(output * factors), against the figures
 * of one model. */
static void compare(kiln_device *device, const figure *f, kiln_model *model)
{
    const char *name = f->name;
    int inputs = f->inputs, outputs = f->outputs, count = 0;
    ir_id x[MOST], y[MOST], wrt[MOST], nodes[MOST], loss = IR_NONE;
    ir_weight *weights[MOST];
    float *values[MOST];
    size_t sizes[MOST], weight_count = model_weight_count(model);
    ck_assert_int_eq((int)kiln_model_input_count(model), inputs);
    ck_assert_int_eq((int)kiln_model_output_count(model), outputs);
    runner_set_weights(model, 1);
    for (size_t i = 0; i < weight_count; i++)
        weights[i] = &model_weight(model, i, NULL)->weight;
    harness_ok(store_place(device, weights, weight_count));
    runner r;
    runner_start(&r, device);
    layer_call call = {.graph = &r.graph, .loss = IR_NONE};
    for (int i = 0; i < inputs; i++)
        wrt[count++] = x[i] = runner_input(&r, with_rows(kiln_model_input_shape(model, (size_t)i)),
                                           f->x[i]);
    harness_ok(model_build_graph(model, &call, x, y));
    for (int i = 0; i < outputs; i++) {
        kiln_shape shape = with_rows(kiln_model_output_shape(model, (size_t)i));
        size_t size = (size_t)kiln_shape_size(shape);
        ck_assert_uint_eq(size, f->sizes[i]);
        ck_assert(ir_shape_equal(shape, r.graph.items[y[i]].shape));
        float *factors = runner_pattern(size, 7, 19);
        ir_id part = op_reduce(
            &r.graph, R_SUM, op_binary(&r.graph, F_MUL, y[i], runner_input(&r, shape, factors)), 0,
            -1, false);
        loss = loss == IR_NONE ? part : op_binary(&r.graph, F_ADD, loss, part);
        free(factors);
    }
    for (size_t i = 0; i < weight_count; i++)
        wrt[count++] = op_weight(&r.graph, weights[i]);
    memcpy(nodes, y, (size_t)outputs * sizeof *nodes);
    harness_ok(graph_gradients(&r.graph, loss, count, wrt, nodes + outputs));
    for (int i = 0; i < outputs + count; i++) {
        ck_assert_msg(nodes[i] != IR_NONE, "%s: no value %d", name, i);
        nodes[i] = op_unary(&r.graph, F_IDENTITY, nodes[i]);
        sizes[i] = (size_t)kiln_shape_size(r.graph.items[nodes[i]].shape);
        values[i] = malloc(sizes[i] * sizeof **values);
        ck_assert_ptr_nonnull(values[i]);
    }
    runner_run(&r, STATES_ROWS, outputs + count, nodes, values);
    const float *dx = f->dx, *dw = f->dw;
    for (int i = 0; i < outputs + count; i++) {
        char what[80];
        const float **next = i < outputs + inputs ? &dx : &dw,
                    *expected = i < outputs ? f->y[i] : *next;
        snprintf(what, sizeof what, "%s, value %d", name, i);
        runner_compare(what, values[i], expected, sizes[i], 3e-5);
        if (i >= outputs)
            *next += sizes[i];
        free(values[i]);
    }
    runner_end(&r);
    free(call.assigns);
}

/* Models of Keras; and the same after Kiln wrote and read them. */
static void compare_all(kiln_device *device, const figure *figures, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        kiln_model *model = read_model(figures[i].name, figures[i].json);
        compare(device, &figures[i], model);
        char *json = kiln_model_to_json(model, 2);
        ck_assert_msg(json != NULL, "%s", kiln_last_error());
        kiln_model *again = read_model("its own JSON", json);
        free(json);
        compare(device, &figures[i], again);
        kiln_model_free(again);
        kiln_model_free(model);
    }
}

START_TEST(figures)
{
    HARNESS_EACH_DEVICE(device)
    {
        compare_all(device, states_figures, COUNT(states_figures));
    }
}
END_TEST

START_TEST(convolutions)
{
    HARNESS_EACH_DEVICE(device)
    {
        compare_all(device, conv_lstm_figures, COUNT(conv_lstm_figures));
    }
}
END_TEST

/* The first of the figures' models by the library's own calls. */
START_TEST(builders)
{
    const kiln_choice yes = KILN_YES;
    HARNESS_EACH_DEVICE(device)
    {
        for (size_t i = 0; i < COUNT(states_figures); i++) {
            kiln_model *model = NULL;
            kiln_tensor *x = kiln_input(KILN_SHAPE(6, 4)), *y, *z;
            if (strcmp(states_figures[i].name, "return_state") == 0) {
                y = kiln_apply(kiln_lstm(3, .return_state = yes, .return_sequences = yes), x);
                model = kiln_functional(
                    KILN_TENSORS(x),
                    KILN_TENSORS(y, kiln_tensor_output(y, 1), kiln_tensor_output(y, 2)));
            } else if (strcmp(states_figures[i].name, "both_started") == 0) {
                y = kiln_apply(
                    kiln_bidirectional(kiln_gru(2, .return_state = yes), .merge_mode = "mul"), x);
                z = kiln_apply(kiln_bidirectional(kiln_gru(2, .return_sequences = yes),
                                                  .merge_mode = "ave"),
                               x, kiln_tensor_output(y, 1), kiln_tensor_output(y, 2));
                model = kiln_functional(KILN_TENSORS(x), KILN_TENSORS(y, z));
            } else if (strcmp(states_figures[i].name, "both_none") == 0) {
                y = kiln_apply(kiln_masking(), x);
                y = kiln_apply(
                    kiln_bidirectional(kiln_lstm(2, .return_state = yes, .return_sequences = yes),
                                       .merge_mode = "none"),
                    y);
                model = kiln_functional(
                    KILN_TENSORS(x),
                    KILN_TENSORS(y, kiln_tensor_output(y, 1), kiln_tensor_output(y, 2),
                                 kiln_tensor_output(y, 3), kiln_tensor_output(y, 4),
                                 kiln_tensor_output(y, 5)));
            } else if (strcmp(states_figures[i].name, "stacked_both") == 0) {
                y = kiln_apply(kiln_masking(), x);
                y = kiln_apply(
                    kiln_bidirectional(kiln_rnn(kiln_stacked_rnn_cells(kiln_gru_cell(2),
                                                                       kiln_lstm_cell(3),
                                                                       kiln_lstm_cell(2)),
                                                .return_sequences = yes)),
                    y);
                model = kiln_functional(KILN_TENSORS(x), KILN_TENSORS(y));
            } else {
                kiln_tensor_free(x);
                continue;
            }
            ck_assert_msg(model != NULL, "%s: %s", states_figures[i].name, kiln_last_error());
            compare(device, &states_figures[i], model);
            kiln_model_free(model);
        }
    }
}
END_TEST

static void predict(kiln_model *model, size_t number, int batch, const char *what)
{
    size_t size = kept_figures[number].size;
    kiln_shape shape = kiln_model_input_shape(model, 0);
    float *y = malloc(size * sizeof *y);
    ck_assert_ptr_nonnull(y);
    kiln_array x = {.dtype = KILN_FLOAT32,
                    .shape = shape,
                    .data = kept_figures[number].x +
                            (int64_t)batch * STATES_ROWS * kiln_shape_size(shape)};
    harness_ok(kiln_predict_on_batch(model, STATES_ROWS, &x, &y));
    runner_compare(what, y, kept_figures[number].y + (size_t)batch * size, size, 2e-5);
    free(y);
}

/* States go on from batch to batch, through every way of running a model, until they are reset. */
START_TEST(kept)
{
    HARNESS_EACH_DEVICE(device)
    {
        for (size_t i = 0; i < COUNT(kept_figures); i++) {
            const char *name = kept_figures[i].name;
            kiln_model *model = read_model(name, kept_figures[i].json);
            size_t size = kept_figures[i].size,
                   in = STATES_ROWS * (size_t)kiln_shape_size(kiln_model_input_shape(model, 0));
            runner_set_weights(model, 1);
            harness_ok(kiln_compile(model, .device = device, .optimizer = kiln_sgd(),
                                    .loss = kiln_mean_squared_error()));
            /* One by one, and the second by another way of running. */
            predict(model, i, 0, name);
            kiln_array x = {.dtype = KILN_FLOAT32, .shape = kiln_model_input_shape(model, 0), .data = kept_figures[i].x + in},
                       y = {.dtype = KILN_FLOAT32, .shape = kiln_model_output_shape(model, 0), .data =
                            kept_figures[i].y + size};
            const kiln_logs *logs = kiln_test_on_batch(model, STATES_ROWS, &x, &y, NULL);
            ck_assert_msg(logs != NULL, "%s", kiln_last_error());
            ck_assert_msg(fabs(kiln_logs_get(logs, "loss")) < 1e-9, "%s: loss %g", name,
                          kiln_logs_get(logs, "loss"));
            predict(model, i, 2, name);
            harness_ok(kiln_reset_states(model));
            predict(model, i, 3, name);
            /* Three batches of one data set. */
            harness_ok(kiln_reset_states(model));
            x.data = kept_figures[i].x;
            kiln_dataset *data = kiln_dataset_from_arrays((int64_t)3 * STATES_ROWS, 1, &x, 0, NULL);
            ck_assert_msg(data != NULL, "%s", kiln_last_error());
            int64_t samples;
            float *all = kiln_predict(&samples, model, data, .verbose = KILN_NO);
            ck_assert_msg(all != NULL, "%s: %s", name, kiln_last_error());
            ck_assert_int_eq(samples, 3 * STATES_ROWS);
            runner_compare(name, all, kept_figures[i].y, 3 * size, 2e-5);
            free(all);
            kiln_dataset_free(data);
            kiln_model_free(model);
        }
    }
}
END_TEST

/* Training on batches of which each goes on where the one before ended. */
START_TEST(trained)
{
    HARNESS_EACH_DEVICE(device)
    {
        kiln_model *model = kiln_sequential(kiln_input_layer(KILN_SHAPE(6, 4), .batch_size = 3),
                                            kiln_lstm(3, .stateful = KILN_YES), kiln_dense(2));
        ck_assert_msg(model != NULL, "%s", kiln_last_error());
        runner_set_weights(model, 1);
        float *target = runner_pattern(STATES_ROWS * 2, 7, 19);
        harness_ok(kiln_compile(model, .device = device, .optimizer = kiln_sgd(.learning_rate = 0.5),
                                .loss = kiln_mean_squared_error()));
        for (int i = 0; i < 3; i++) {
            kiln_array x = {.dtype = KILN_FLOAT32, .shape = KILN_SHAPE(6, 4), .data = kept_figures[0].x + i * 72},
                       y = {.dtype = KILN_FLOAT32, .shape = KILN_SHAPE(2), .data = target};
            const kiln_logs *logs = kiln_train_on_batch(model, STATES_ROWS, &x, &y, NULL);
            ck_assert_msg(logs != NULL, "%s", kiln_last_error());
            double loss = kiln_logs_get(logs, "loss");
            ck_assert_msg(fabs(loss - kept_losses[i]) < 2e-5 * fmax(1, loss), "%d: %.9g, not %.9g",
                          i, loss, kept_losses[i]);
        }
        free(target);
        kiln_model_free(model);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("states");
    TCase *tests = tcase_create("states");
    tcase_add_test(tests, figures);
    tcase_add_test(tests, convolutions);
    tcase_add_test(tests, builders);
    tcase_add_test(tests, kept);
    tcase_add_test(tests, trained);
    suite_add_tcase(suite, tests);
    return harness_run(suite);
}
