/* kiln_fit with models of all kinds: penalties, frozen and shared layers, several inputs and
 * outputs, layers that adapt, losses of one's own. */
#include "problem.h"

#include "model/model.h"

#include <math.h>

#define SIDE 6

START_TEST(penalties_are_in_the_loss)
{
    HARNESS_EACH_DEVICE(device)
    {
        kiln_dataset *data = problem_images(64, SIDE);
        double losses[2], squares = 0;
        for (int i = 0; i < 2; i++) {
            kiln_model *model =
                kiln_sequential(kiln_flatten(.input_shape = KILN_SHAPE(SIDE, SIDE)),
                                kiln_dense(10, .kernel_regularizer = i ? "l2(0.1)" : NULL));
            harness_ok(kiln_model_set_seed(model, 4));
            problem_compile(model, device, kiln_sgd());
            const kiln_logs *logs =
                kiln_evaluate(model, data, .verbose = KILN_NO, .batch_size = 20);
            ck_assert_msg(logs != NULL, "%s", kiln_last_error());
            losses[i] = kiln_logs_get(logs, "loss");
            float kernel[SIDE * SIDE * 10];
            harness_ok(kiln_get_weights(model, 0, kernel, SIDE * SIDE * 10));
            for (int k = 0; i && k < SIDE * SIDE * 10; k++)
                squares += (double)kernel[k] * (double)kernel[k];
            kiln_model_free(model);
        }
        ck_assert_double_eq_tol(losses[1] - losses[0], 0.1 * squares, 1e-5);
        kiln_dataset_free(data);
    }
}
END_TEST

/* Columns of a kernel that are brought to length 1 after each step, in kiln_fit and on single
 * batches; a frozen layer's are left. */
START_TEST(constraints_hold_after_each_step)
{
    HARNESS_EACH_DEVICE(device)
    {
        kiln_dataset *data = problem_images(64, SIDE);
        kiln_model *model = kiln_sequential(
            kiln_flatten(.input_shape = KILN_SHAPE(SIDE, SIDE)),
            kiln_dense(8, .kernel_constraint = "unit_norm", .trainable = KILN_NO, .name = "frozen"),
            kiln_dense(10, .kernel_constraint = "unit_norm(axis='0')",
                       .bias_constraint = "non_neg"));
        harness_ok(kiln_model_set_seed(model, 4));
        problem_compile(model, device, kiln_sgd(.learning_rate = 0.5));
        float frozen[2][SIDE * SIDE * 8], kernel[80], bias[10];
        harness_ok(kiln_get_weights(model, 0, frozen[0], SIDE * SIDE * 8));
        for (int round = 0; round < 2; round++) {
            float x[2 * SIDE * SIDE] = {1, 0.5};
            int32_t y[2] = {3, 4};
            kiln_array xs = {.dtype = KILN_FLOAT32, .shape = {2, {SIDE, SIDE}}, .data = x},
                       ys = {.dtype = KILN_INT32, .data = y};
            if (round == 0)
                problem_fitted(kiln_fit(model, data, .verbose = KILN_NO, .epochs = 2));
            else
                ck_assert_msg(kiln_train_on_batch(model, 2, &xs, &ys, NULL) != NULL, "%s",
                              kiln_last_error());
            harness_ok(kiln_get_weights(model, 2, kernel, 80));
            harness_ok(kiln_get_weights(model, 3, bias, 10));
            for (int j = 0; j < 10; j++) {
                double squares = 0;
                for (int i = 0; i < 8; i++)
                    squares += (double)kernel[i * 10 + j] * (double)kernel[i * 10 + j];
                ck_assert_double_eq_tol(squares, 1, 1e-5);
                ck_assert(bias[j] >= 0);
            }
        }
        harness_ok(kiln_get_weights(model, 0, frozen[1], SIDE * SIDE * 8));
        ck_assert_mem_eq(frozen[0], frozen[1], sizeof frozen[0]);
        kiln_model_free(model);
        kiln_dataset_free(data);
    }
}
END_TEST

START_TEST(frozen_layers_stay)
{
    HARNESS_EACH_DEVICE(device)
    {
        kiln_dataset *data = problem_images(64, SIDE);
        kiln_model *model = problem_model(SIDE, 16, 0, 1);
        harness_ok(kiln_layer_set_trainable(kiln_model_layer(model, 1), 0));
        problem_compile(model, device, kiln_adam());
        float before[36 * 16], after[36 * 16], head[160], moved[160];
        harness_ok(kiln_get_weights(model, 0, before, 36 * 16));
        harness_ok(kiln_get_weights(model, 2, head, 160));
        problem_fitted(kiln_fit(model, data, .verbose = KILN_NO));
        harness_ok(kiln_get_weights(model, 0, after, 36 * 16));
        harness_ok(kiln_get_weights(model, 2, moved, 160));
        ck_assert_mem_eq(before, after, sizeof before);
        ck_assert_mem_ne(head, moved, sizeof head);
        kiln_model_free(model);
        kiln_dataset_free(data);
    }
}
END_TEST

/* Two models over the same layers, with an optimizer each, one of them with the first layer frozen.
 */
START_TEST(two_models_in_turn)
{
    HARNESS_EACH_DEVICE(device)
    {
        kiln_dataset *data = problem_images(96, SIDE);
        kiln_model *one = problem_model(SIDE, 16, 0, 1), *two = kiln_model_share(one);
        ck_assert_msg(two != NULL, "%s", kiln_last_error());
        problem_compile(one, device, kiln_adam(.learning_rate = 0.01));
        harness_ok(kiln_layer_set_trainable(kiln_model_layer(two, 1), 0));
        problem_compile(two, device, kiln_sgd(.learning_rate = 0.1, .momentum = 0.9));
        for (int turn = 0; turn < 3; turn++) {
            float before[36 * 16], after[36 * 16];
            problem_fitted(kiln_fit(one, data, .verbose = KILN_NO));
            ck_assert(problem_same(one, two));
            harness_ok(kiln_get_weights(one, 0, before, 36 * 16));
            problem_fitted(kiln_fit(two, data, .verbose = KILN_NO));
            harness_ok(kiln_get_weights(one, 0, after, 36 * 16));
            ck_assert_msg(memcmp(before, after, sizeof before) == 0, "frozen in the second model");
            ck_assert(problem_same(one, two));
        }
        double loss = kiln_logs_get(kiln_evaluate(one, data, .verbose = KILN_NO), "loss");
        kiln_model_free(one);
        double again = kiln_logs_get(kiln_evaluate(two, data, .verbose = KILN_NO), "loss");
        ck_assert_double_eq(loss, again);
        kiln_model_free(two);
        kiln_dataset_free(data);
    }
}
END_TEST

/* A model of models is trained like the flat one: the same draws, the same bits. */
START_TEST(nested_models_are_like_flat_ones)
{
    HARNESS_EACH_DEVICE(device)
    {
        kiln_dataset *data = problem_images(96, SIDE);
        kiln_model *flat =
            kiln_sequential(kiln_flatten(.input_shape = KILN_SHAPE(SIDE, SIDE)),
                            kiln_dense(16, .activation = "relu", .kernel_regularizer = "l2(0.01)"),
                            kiln_dropout(0.3), kiln_batch_normalization(), kiln_dense(10));
        kiln_model *front =
            kiln_sequential(kiln_flatten(.input_shape = KILN_SHAPE(SIDE, SIDE)),
                            kiln_dense(16, .activation = "relu", .kernel_regularizer = "l2(0.01)"),
                            kiln_dropout(0.3));
        kiln_model *back = kiln_sequential(kiln_batch_normalization(.input_shape = KILN_SHAPE(16)),
                                           kiln_dense(10));
        kiln_model *models[] = {
            flat, kiln_sequential(kiln_model_as_layer(front), kiln_model_as_layer(back))};
        double losses[2];
        for (int i = 0; i < 2; i++) {
            ck_assert_msg(models[i] != NULL, "%s", kiln_last_error());
            harness_ok(kiln_model_set_seed(models[i], 6));
            problem_compile(models[i], device, kiln_adam());
            const kiln_history *history =
                kiln_fit(models[i], data, .epochs = 2, .verbose = KILN_NO);
            ck_assert_msg(history != NULL, "%s", kiln_last_error());
            losses[i] = kiln_history_get(history, "loss", 1);
        }
        ck_assert_double_eq(losses[0], losses[1]);
        ck_assert(problem_same(models[0], models[1]));
        /* Its parts are models of their own, with the weights that were trained. */
        float *codes = NULL;
        int64_t samples = 0;
        problem_compile(back, device, kiln_sgd());
        codes = kiln_predict(&samples, front, data);
        ck_assert_msg(codes != NULL, "%s", kiln_last_error());
        ck_assert_int_eq(samples, 96);
        free(codes);
        for (int i = 0; i < 2; i++)
            kiln_model_free(models[i]);
        kiln_model_free(front);
        kiln_model_free(back);
        kiln_dataset_free(data);
    }
}
END_TEST

/* A generator is trained through a critic that it cannot move, which is trained on its own. */
START_TEST(a_frozen_model_in_another)
{
    HARNESS_EACH_DEVICE(device)
    {
        float x[32 * 3], y[32];
        for (uint32_t i = 0; i < 96; i++)
            x[i] = problem_weight(i, 1);
        for (uint32_t i = 0; i < 32; i++)
            y[i] = (float)(i % 2);
        kiln_array input = {.dtype = KILN_FLOAT32, .shape = KILN_SHAPE(3), .data = x},
                   target = {.dtype = KILN_FLOAT32, .shape = KILN_SHAPE(1), .data = y};
        kiln_dataset *data = kiln_dataset_from_arrays(32, 1, &input, 1, &target);
        kiln_model *generator = kiln_sequential(kiln_dense(3, .input_shape = KILN_SHAPE(3))),
                   *critic = kiln_sequential(
                       kiln_dense(4, .activation = "tanh", .input_shape = KILN_SHAPE(3)),
                       kiln_batch_normalization(), kiln_dense(1, .activation = "sigmoid"));
        const kiln_loss loss = kiln_binary_crossentropy();
        harness_ok(kiln_compile(critic, .loss = loss, .device = device));
        kiln_model *both =
            kiln_sequential(kiln_model_as_layer(generator, .name = "generator"),
                            kiln_model_as_layer(critic, .name = "critic", .trainable = KILN_NO));
        ck_assert_msg(both != NULL, "%s", kiln_last_error());
        harness_ok(kiln_compile(both, .loss = loss, .device = device));
        float before[12], after[12], own[9], moved[9];
        harness_ok(kiln_get_weights(critic, 0, before, 12));
        harness_ok(kiln_get_weights(generator, 0, own, 9));
        problem_fitted(kiln_fit(both, data, .verbose = KILN_NO));
        harness_ok(kiln_get_weights(critic, 0, after, 12));
        harness_ok(kiln_get_weights(generator, 0, moved, 9));
        ck_assert_mem_eq(before, after, sizeof before);
        ck_assert_mem_ne(own, moved, sizeof own);
        problem_fitted(kiln_fit(critic, data, .verbose = KILN_NO));
        harness_ok(kiln_get_weights(critic, 0, after, 12));
        ck_assert_mem_ne(before, after, sizeof before);
        kiln_model_free(generator);
        kiln_model_free(critic);
        kiln_model_free(both);
        kiln_dataset_free(data);
    }
}
END_TEST

/* Also within a model that stands at the input. */
START_TEST(normalization_in_a_nested_model_adapts)
{
    HARNESS_EACH_DEVICE(device)
    {
        float x[40], y[40], mean[1];
        for (int i = 0; i < 40; i++) {
            x[i] = (float)(100 + i % 20);
            y[i] = x[i] / 100;
        }
        kiln_array input = {.dtype = KILN_FLOAT32, .shape = KILN_SHAPE(1), .data = x},
                   target = {.dtype = KILN_FLOAT32, .data = y};
        kiln_dataset *data = kiln_dataset_from_arrays(40, 1, &input, 1, &target);
        kiln_model *front = kiln_sequential(kiln_normalization(.input_shape = KILN_SHAPE(1)));
        kiln_model *model = kiln_sequential(kiln_model_as_layer(front), kiln_dense(1));
        harness_ok(kiln_compile(model, .loss = kiln_mean_squared_error(), .device = device));
        problem_fitted(kiln_fit(model, data, .verbose = KILN_NO));
        harness_ok(kiln_get_weights(front, 0, mean, 1));
        ck_assert_float_eq_tol(mean[0], 109.5f, 1e-4f);
        kiln_model_free(front);
        kiln_model_free(model);
        kiln_dataset_free(data);
    }
}
END_TEST

START_TEST(goals_of_outputs_are_checked)
{
    kiln_tensor *x = kiln_input(KILN_SHAPE(2));
    kiln_model *model =
        kiln_functional(KILN_TENSORS(x), KILN_TENSORS(kiln_apply(kiln_dense(1, .name = "a"), x),
                                                      kiln_apply(kiln_dense(3, .name = "b"), x)));
    const kiln_loss mse = kiln_mean_squared_error();
    const struct {
        kiln_output_goal goals[3];
        size_t count;
        kiln_loss loss;
        const char *part;
    } cases[] = {
        {{{.name = "c", .loss = mse}}, 1, {0}, "model functional has no output named c"},
        {{{.name = "b", .loss = mse}, {.name = "b", .loss = mse}},
         2,
         {0},
         "output b is given twice"},
        {{{.name = NULL, .loss = mse}, {.name = NULL, .loss = mse}, {.name = NULL, .loss = mse}},
         3,
         {0},
         "3 outputs are given"},
        {{{.name = "a", .loss = mse, .weight = -1}}, 1, {0}, "output a: a loss's weight is -1"},
        {{{.name = "a", .loss = mse, .metrics = KILN_METRICS("beauty")}}, 1, {0}, "beauty"},
        {{{.name = "a", .loss = kiln_huber(.delta = -1)}}, 1, {0}, "output a: huber: delta is -1"},
        {{{.name = "a", .loss = mse}}, 1, mse, "not both"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ck_assert_int_ne(
            kiln_compile(model, .loss = cases[i].loss, .outputs = {cases[i].count, cases[i].goals}),
            KILN_OK);
        ck_assert_msg(strstr(kiln_last_error(), cases[i].part) != NULL, "%s: %s", cases[i].part,
                      kiln_last_error());
    }
    /* a target of the output that is not trained is no help */
    float values[4] = {0};
    kiln_array in = {NULL, KILN_FLOAT32, KILN_SHAPE(2), values},
               out = {"b", KILN_FLOAT32, KILN_SHAPE(1), values};
    kiln_dataset *data = kiln_dataset_from_arrays(2, 1, &in, 1, &out);
    harness_ok(kiln_compile(model, .outputs = KILN_OUTPUT_GOALS({.name = "a", .loss = mse})));
    ck_assert(kiln_fit(model, data, .verbose = KILN_NO) == NULL);
    ck_assert_msg(strstr(kiln_last_error(), "no target named a") != NULL, "%s", kiln_last_error());
    kiln_dataset_free(data);
    kiln_model_free(model);
}
END_TEST

/* Two inputs that share a layer, two outputs. */
START_TEST(several_inputs_and_outputs)
{
    HARNESS_EACH_DEVICE(device)
    {
        kiln_model *model = model_new("pair", false);
        int a, b, first, second, shared_a, shared_b;
        kiln_layer *shared = kiln_dense(4, .activation = "tanh", .name = "shared");
        harness_ok(model_apply(model, kiln_input_layer(KILN_SHAPE(3), .name = "a"), 0, NULL, &a));
        harness_ok(model_apply(model, kiln_input_layer(KILN_SHAPE(3), .name = "b"), 0, NULL, &b));
        harness_ok(model_apply(model, shared, 1, &a, &shared_a));
        harness_ok(model_apply(model, shared, 1, &b, &shared_b));
        harness_ok(model_apply(model, kiln_dense(2, .name = "first"), 1, &shared_a, &first));
        harness_ok(model_apply(model, kiln_dense(1, .name = "second"), 1, &shared_b, &second));
        harness_ok(model_set_ends(model, 2, (int[]){a, b}, 2, (int[]){first, second}));
        harness_ok(kiln_model_set_seed(model, 3));
        harness_ok(kiln_compile(model, .optimizer = kiln_adam(.learning_rate = 0.02),
                                .loss = kiln_mean_squared_error(), .metrics = KILN_METRICS("mae"),
                                .device = device));
        float x[2][40 * 3], y0[80], y1[40];
        for (uint32_t i = 0; i < 120; i++)
            for (uint32_t k = 0; k < 2; k++)
                x[k][i] = problem_weight(i + 1000 * k, 1);
        for (int i = 0; i < 40; i++) {
            y0[2 * i] = x[0][3 * i];
            y0[2 * i + 1] = -x[0][3 * i + 1];
            y1[i] = x[1][3 * i + 2];
        }
        /* given in another order, by name */
        kiln_array inputs[] = {{"b", KILN_FLOAT32, KILN_SHAPE(3), x[1]},
                               {"a", KILN_FLOAT32, KILN_SHAPE(3), x[0]}};
        kiln_array targets[] = {{"second", KILN_FLOAT32, {0}, y1},
                                {"first", KILN_FLOAT32, KILN_SHAPE(2), y0}};
        kiln_dataset *data = kiln_dataset_from_arrays(40, 2, inputs, 2, targets);
        const kiln_history *history =
            kiln_fit(model, data, .epochs = 60, .batch_size = 16, .verbose = KILN_NO);
        ck_assert_msg(history != NULL, "%s", kiln_last_error());
        const kiln_logs *logs = kiln_history_logs(history, 59);
        const char *const names[] = {"first_loss", "first_mae", "loss", "second_loss",
                                     "second_mae"};
        ck_assert_uint_eq(kiln_logs_count(logs), 5);
        for (size_t i = 0; i < 5; i++)
            ck_assert_str_eq(kiln_logs_name(logs, i), names[i]);
        ck_assert_double_eq_tol(
            kiln_logs_get(logs, "loss"),
            kiln_logs_get(logs, "first_loss") + kiln_logs_get(logs, "second_loss"), 1e-6);
        ck_assert_double_lt(kiln_logs_get(logs, "loss"),
                            0.3 * kiln_history_get(history, "loss", 0));
        int64_t samples;
        float *out = kiln_predict_with(
            &(kiln_predict_args){.model = model, .data = data, .output = 1, .verbose = KILN_NO},
            &samples);
        ck_assert_int_eq(samples, 40);
        double error = 0;
        for (int i = 0; i < 40; i++)
            error += fabs((double)(out[i] - y1[i])) / 40;
        const kiln_logs *now = kiln_evaluate(model, data, .verbose = KILN_NO);
        ck_assert_double_eq_tol(kiln_logs_get(now, "second_mae"), error, 1e-5);
        free(out);
        kiln_dataset_free(data);
        kiln_model_free(model);
    }
}
END_TEST

START_TEST(normalization_adapts_to_the_training_part)
{
    HARNESS_EACH_DEVICE(device)
    {
        float x[40 * 2], y[40];
        for (int i = 0; i < 40; i++) {
            x[2 * i] = (float)(100 + i % 30);
            x[2 * i + 1] = (float)(i < 30 ? i % 3 : 1000);
            y[i] = x[2 * i] / 100;
        }
        kiln_array input = {.dtype = KILN_FLOAT32, .shape = KILN_SHAPE(2), .data = x};
        kiln_array target = {.dtype = KILN_FLOAT32, .data = y};
        kiln_dataset *data = kiln_dataset_from_arrays(40, 1, &input, 1, &target);
        kiln_model *model =
            kiln_sequential(kiln_normalization(.input_shape = KILN_SHAPE(2)), kiln_dense(1));
        harness_ok(kiln_compile(model, .loss = kiln_mean_squared_error(), .device = device));
        const kiln_history *history =
            kiln_fit(model, data, .validation_split = 0.25, .verbose = KILN_NO);
        ck_assert_msg(history != NULL, "%s", kiln_last_error());
        float mean[2], variance[2];
        harness_ok(kiln_get_weights(model, 0, mean, 2));
        harness_ok(kiln_get_weights(model, 1, variance, 2));
        ck_assert_float_eq_tol(mean[0], 114.5f, 1e-4f);
        ck_assert_float_eq_tol(mean[1], 1, 1e-5f);
        ck_assert_float_eq_tol(variance[1], 2.0f / 3, 1e-5f);
        problem_fitted(kiln_fit(model, data, .verbose = KILN_NO)); /* not again */
        harness_ok(kiln_get_weights(model, 0, mean, 2));
        ck_assert_float_eq_tol(mean[0], 114.5f, 1e-4f);
        kiln_model_free(model);
        kiln_dataset_free(data);
    }
}
END_TEST

static kiln_node squared(struct kiln_ops *ops, kiln_node y_true, kiln_node y_pred, void *user)
{
    ++*(int *)user;
    kiln_node error = kiln_ops_sub(ops, y_pred, y_true);
    return kiln_ops_reduce_mean(ops, kiln_ops_square(ops, error), -1);
}

START_TEST(a_loss_of_ones_own)
{
    HARNESS_EACH_DEVICE(device)
    {
        float x[40 * 3], y[40 * 2];
        for (uint32_t i = 0; i < 120; i++)
            x[i] = problem_weight(i, 1);
        for (uint32_t i = 0; i < 80; i++)
            y[i] = problem_weight(1000 + i, 1);
        kiln_array input = {.dtype = KILN_FLOAT32, .shape = KILN_SHAPE(3), .data = x};
        kiln_array target = {.dtype = KILN_FLOAT32, .shape = KILN_SHAPE(2), .data = y};
        kiln_dataset *data = kiln_dataset_from_arrays(40, 1, &input, 1, &target);
        kiln_model *models[2];
        int called = 0;
        for (int i = 0; i < 2; i++) {
            models[i] = kiln_sequential(kiln_dense(2, .input_shape = KILN_SHAPE(3)));
            harness_ok(kiln_model_set_seed(models[i], 8));
            kiln_loss loss =
                i ? (kiln_loss){.kind = KILN_LOSS_CUSTOM, .function = squared, .user = &called}
                  : kiln_loss_of(KILN_LOSS_MEAN_SQUARED_ERROR);
            harness_ok(
                kiln_compile(models[i], .optimizer = kiln_adam(), .loss = loss, .device = device));
            problem_fitted(kiln_fit(models[i], data, .epochs = 3, .verbose = KILN_NO));
        }
        ck_assert_int_eq(called, 1); /* once for the graph, not for each step */
        ck_assert(problem_same(models[0], models[1]));
        kiln_model_free(models[0]);
        kiln_model_free(models[1]);
        kiln_dataset_free(data);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("models");
    TCase *tests = tcase_create("models");
    tcase_add_test(tests, penalties_are_in_the_loss);
    tcase_add_test(tests, constraints_hold_after_each_step);
    tcase_add_test(tests, frozen_layers_stay);
    tcase_add_test(tests, two_models_in_turn);
    tcase_add_test(tests, nested_models_are_like_flat_ones);
    tcase_add_test(tests, a_frozen_model_in_another);
    tcase_add_test(tests, normalization_in_a_nested_model_adapts);
    tcase_add_test(tests, goals_of_outputs_are_checked);
    tcase_add_test(tests, several_inputs_and_outputs);
    tcase_add_test(tests, normalization_adapts_to_the_training_part);
    tcase_add_test(tests, a_loss_of_ones_own);
    suite_add_tcase(suite, tests);
    return harness_run(suite);
}
