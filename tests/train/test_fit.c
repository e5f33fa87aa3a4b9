/* kiln_fit, kiln_evaluate, kiln_predict: the same steps by every road. */
#include "problem.h"

#include "train/feed.h"

#include <math.h>

#define SIDE 6
#define COUNT 200

static kiln_model *compiled(kiln_device *device, double dropout, uint64_t seed)
{
    kiln_model *model = problem_model(SIDE, 16, dropout, seed);
    problem_compile(model, device, kiln_adam(.learning_rate = 0.01));
    return model;
}

START_TEST(it_learns)
{
    HARNESS_EACH_DEVICE(device)
    {
        kiln_dataset *data = problem_images(COUNT, SIDE), *rest = kiln_dataset_slice(data, 0, 50);
        kiln_model *model = compiled(device, 0, 1);
        const kiln_history *history = kiln_fit(model, data, .epochs = 12, .batch_size = 16,
                                               .validation_data = rest, .verbose = KILN_NO);
        ck_assert_msg(history != NULL, "%s", kiln_last_error());
        ck_assert_uint_eq(kiln_history_epochs(history), 12);
        const kiln_logs *logs = kiln_history_logs(history, 11);
        const char *const names[] = {"accuracy", "loss", "val_accuracy", "val_loss"};
        ck_assert_uint_eq(kiln_logs_count(logs), 4);
        for (size_t i = 0; i < 4; i++)
            ck_assert_str_eq(kiln_logs_name(logs, i), names[i]);
        ck_assert_double_lt(kiln_history_get(history, "loss", 11),
                            0.85 * kiln_history_get(history, "loss", 0));
        ck_assert_double_gt(kiln_logs_get(logs, "accuracy"), 0.35);
        double val_loss = kiln_logs_get(logs, "val_loss");
        const kiln_logs *now = kiln_evaluate(model, rest, .verbose = KILN_NO);
        ck_assert_msg(now != NULL, "%s", kiln_last_error());
        ck_assert_double_eq_tol(kiln_logs_get(now, "loss"), val_loss, 1e-5);
        kiln_model_free(model);
        kiln_dataset_free(rest);
        kiln_dataset_free(data);
    }
}
END_TEST

START_TEST(the_same_bits_again)
{
    HARNESS_EACH_DEVICE(device)
    {
        kiln_dataset *data = problem_images(COUNT, SIDE);
        kiln_model *models[5];
        for (int i = 0; i < 5; i++) {
            models[i] = compiled(device, 0.3, i == 3 ? 2 : 1);
            problem_fitted(kiln_fit(models[i], data, .epochs = i == 2 ? 1 : 3, .verbose = KILN_NO,
                                    .batch_size = 33, .seed = i == 4 ? 9 : 0));
        }
        problem_fitted(kiln_fit(models[2], data, .initial_epoch = 1, .epochs = 3,
                                .verbose = KILN_NO, .batch_size = 33));
        ck_assert(problem_same(models[0], models[1]));
        ck_assert_msg(problem_same(models[0], models[2]), "in two calls");
        ck_assert_msg(!problem_same(models[0], models[3]), "with another seed");
        ck_assert_msg(!problem_same(models[0], models[4]), "with a seed of kiln_fit's");
        for (int i = 0; i < 5; i++)
            kiln_model_free(models[i]);
        kiln_dataset_free(data);
    }
}
END_TEST

/* What a function yields: the arrays' own batches. */
typedef struct stream {
    const kiln_dataset *data;
    int64_t next, calls;
} stream;

static kiln_status next_batch(void *user, int64_t batch_size, void *const *x, void *const *y,
                              int64_t *samples)
{
    stream *s = user;
    const kiln_dataset *data = s->data;
    int64_t left = data->samples - s->next;
    size_t row = SIDE * SIDE;
    s->calls++;
    *samples = left < batch_size ? left : batch_size;
    if (*samples > 0) {
        memcpy(x[0], (const char *)data->inputs[0].data + (size_t)s->next * row,
               (size_t)*samples * row);
        memcpy(y[0], (const int32_t *)data->targets[0].data + s->next, (size_t)*samples * 4);
    }
    s->next = left > 0 ? s->next + *samples : 0;
    return KILN_OK;
}

static kiln_dataset *function_of(stream *s, int64_t steps)
{
    kiln_array x = {.dtype = KILN_UINT8, .shape = KILN_SHAPE(SIDE, SIDE)};
    kiln_array y = {.dtype = KILN_INT32};
    kiln_dataset *data = kiln_dataset_from_function(next_batch, s, steps, 1, &x, 1, &y);
    ck_assert_msg(data != NULL, "%s", kiln_last_error());
    harness_ok(kiln_dataset_set_scale(data, 1.0 / 255));
    return data;
}

START_TEST(every_road_takes_the_same_steps)
{
    HARNESS_EACH_DEVICE(device)
    {
        kiln_dataset *data = problem_images(COUNT, SIDE);
        kiln_model *whole = compiled(device, 0.3, 1), *chunks = compiled(device, 0.3, 1),
                   *calls = compiled(device, 0.3, 1), *steps = compiled(device, 0.3, 1),
                   *counted = compiled(device, 0.3, 1);
        problem_fitted(kiln_fit(whole, data, .epochs = 2, .shuffle = KILN_NO, .verbose = KILN_NO));

        feed_whole_limit = 0; /* through chunks */
        problem_fitted(kiln_fit(chunks, data, .epochs = 2, .shuffle = KILN_NO, .verbose = KILN_NO));
        feed_whole_limit = SIZE_MAX;
        ck_assert_msg(problem_same(whole, chunks), "in chunks");

        stream s = {.data = data};
        kiln_dataset *function = function_of(&s, 0);
        problem_fitted(kiln_fit(calls, function, .epochs = 2, .verbose = KILN_NO));
        ck_assert_msg(problem_same(whole, calls), "from a function");
        ck_assert_int_eq(s.calls, 2 * (7 + 1)); /* the last of each epoch ends it */
        kiln_dataset_free(function);

        s = (stream){.data = data};
        function = function_of(&s, 7);
        s.calls = 0;
        for (int64_t epoch = 0; epoch < 2; epoch++, s.next = 0)
            problem_fitted(kiln_fit(counted, function, .initial_epoch = epoch, .epochs = epoch + 1,
                                    .verbose = KILN_NO));
        ck_assert_int_eq(s.calls, 14);
        ck_assert_msg(problem_same(whole, counted), "from a function with a declared length");
        kiln_dataset_free(function);

        problem_fitted(kiln_fit(steps, data, .epochs = 4, .steps_per_epoch = 4, .batch_size = 32,
                                .shuffle = KILN_NO, .verbose = KILN_NO));
        /* 4 + 3 of the first pass, 4 + 3 of the second: an epoch ends with the data */
        ck_assert_msg(problem_same(whole, steps), "in epochs of four steps");

        kiln_model *all[] = {whole, chunks, calls, steps, counted};
        for (int i = 0; i < 5; i++)
            kiln_model_free(all[i]);
        kiln_dataset_free(data);
    }
}
END_TEST

START_TEST(shuffled_chunks)
{
    HARNESS_EACH_DEVICE(device)
    {
        kiln_dataset *data = problem_images(COUNT, SIDE);
        kiln_model *whole = compiled(device, 0, 1), *chunks = compiled(device, 0, 1);
        problem_fitted(kiln_fit(whole, data, .epochs = 2, .verbose = KILN_NO));
        feed_whole_limit = 0;
        problem_fitted(kiln_fit(chunks, data, .epochs = 2, .verbose = KILN_NO));
        feed_whole_limit = SIZE_MAX;
        ck_assert(problem_same(whole, chunks));
        kiln_model_free(whole);
        kiln_model_free(chunks);
        kiln_dataset_free(data);
    }
}
END_TEST

START_TEST(a_loop_of_ones_own)
{
    HARNESS_EACH_DEVICE(device)
    {
        kiln_dataset *data = problem_images(COUNT, SIDE);
        kiln_model *fit = compiled(device, 0.3, 1), *loop = compiled(device, 0.3, 1);
        /* floats, as the loop gives them */
        float *pixels = malloc(COUNT * SIDE * SIDE * sizeof *pixels);
        for (int i = 0; i < COUNT * SIDE * SIDE; i++)
            pixels[i] = (float)((const uint8_t *)data->inputs[0].data)[i] / 255;
        const int32_t *labels = data->targets[0].data;
        kiln_array x = {.dtype = KILN_FLOAT32, .shape = KILN_SHAPE(SIDE, SIDE), .data = pixels};
        kiln_array y = {.dtype = KILN_INT32, .data = labels};
        kiln_dataset *floats = kiln_dataset_from_arrays(COUNT, 1, &x, 1, &y);
        const kiln_history *history =
            kiln_fit(fit, floats, .epochs = 2, .shuffle = KILN_NO, .verbose = KILN_NO);
        ck_assert_msg(history != NULL, "%s", kiln_last_error());
        int64_t wide[COUNT];
        for (int i = 0; i < COUNT; i++)
            wide[i] = labels[i];
        for (int epoch = 0; epoch < 2; epoch++) {
            double loss = 0, accuracy = 0; /* the logs are of a batch alone */
            for (int64_t i = 0; i < COUNT; i += 32) {
                int64_t rows = COUNT - i < 32 ? COUNT - i : 32;
                x.data = pixels + i * SIDE * SIDE;
                y = epoch ? (kiln_array){.dtype = KILN_INT64, .data = wide + i}
                          : (kiln_array){.dtype = KILN_INT32, .data = labels + i};
                const kiln_logs *logs = kiln_train_on_batch(loop, rows, &x, &y, NULL);
                ck_assert_msg(logs != NULL, "%s", kiln_last_error());
                loss += kiln_logs_get(logs, "loss") * (double)rows / COUNT;
                accuracy += kiln_logs_get(logs, "accuracy") * (double)rows / COUNT;
            }
            ck_assert_double_eq_tol(loss, kiln_history_get(history, "loss", (size_t)epoch), 1e-6);
            ck_assert_double_eq_tol(accuracy, kiln_history_get(history, "accuracy", (size_t)epoch),
                                    1e-9);
        }
        ck_assert(problem_same(fit, loop));

        x.data = pixels;
        y = (kiln_array){.dtype = KILN_INT32, .data = labels};
        const kiln_logs *tested = kiln_test_on_batch(loop, 50, &x, &y, NULL);
        ck_assert_msg(tested != NULL, "%s", kiln_last_error());
        double loss = kiln_logs_get(tested, "loss");
        kiln_dataset *first = kiln_dataset_slice(floats, 0, 50);
        const kiln_logs *evaluated = kiln_evaluate(fit, first, .verbose = KILN_NO);
        ck_assert_double_eq_tol(kiln_logs_get(evaluated, "loss"), loss, 1e-5);

        float out[50 * 10], *const outs[] = {out};
        harness_ok(kiln_predict_on_batch(loop, 50, &x, outs));
        int64_t samples;
        float *predicted = kiln_predict_with(
            &(kiln_predict_args){.model = fit, .data = first, .verbose = KILN_NO}, &samples);
        ck_assert_msg(predicted != NULL, "%s", kiln_last_error());
        ck_assert_int_eq(samples, 50);
        for (int i = 0; i < 500; i++)
            ck_assert_float_eq_tol(out[i], predicted[i], 1e-5);
        free(predicted);
        kiln_dataset_free(first);
        kiln_dataset_free(floats);
        kiln_dataset_free(data);
        free(pixels);
        kiln_model_free(fit);
        kiln_model_free(loop);
    }
}
END_TEST

START_TEST(partial_batches_count_by_rows)
{
    HARNESS_EACH_DEVICE(device)
    {
        kiln_dataset *data = problem_images(COUNT, SIDE);
        kiln_model *model = compiled(device, 0.3, 1);
        const int64_t batches[] = {200, 32, 7, 199};
        double loss = 0, accuracy = 0;
        for (int i = 0; i < 4; i++) {
            const kiln_logs *logs =
                kiln_evaluate(model, data, .batch_size = batches[i], .verbose = KILN_NO);
            ck_assert_msg(logs != NULL, "%s", kiln_last_error());
            if (i == 0) {
                loss = kiln_logs_get(logs, "loss");
                accuracy = kiln_logs_get(logs, "accuracy");
            }
            ck_assert_double_eq_tol(kiln_logs_get(logs, "loss"), loss, 1e-6 * loss);
            ck_assert_double_eq_tol(kiln_logs_get(logs, "accuracy"), accuracy, 1e-9);
        }
        const kiln_logs *logs =
            kiln_evaluate(model, data, .batch_size = 50, .steps = 2, .verbose = KILN_NO);
        kiln_dataset *half = kiln_dataset_slice(data, 0, 100);
        loss = kiln_logs_get(logs, "loss");
        logs = kiln_evaluate(model, half, .verbose = KILN_NO);
        ck_assert_double_eq_tol(kiln_logs_get(logs, "loss"), loss, 1e-6 * loss);
        kiln_dataset_free(half);
        kiln_dataset_free(data);
        kiln_model_free(model);
    }
}
END_TEST

START_TEST(validation_split_is_the_last_part)
{
    HARNESS_EACH_DEVICE(device)
    {
        kiln_dataset *data = problem_images(COUNT, SIDE), *first = kiln_dataset_slice(data, 0, 150),
                     *last = kiln_dataset_slice(data, 150, 50);
        kiln_model *split = compiled(device, 0, 1), *given = compiled(device, 0, 1);
        const kiln_history *history =
            kiln_fit(split, data, .epochs = 2, .validation_split = 0.25, .verbose = KILN_NO);
        ck_assert_msg(history != NULL, "%s", kiln_last_error());
        double loss = kiln_history_get(history, "val_loss", 1);
        history = kiln_fit(given, first, .epochs = 2, .validation_data = last, .validation_freq = 2,
                           .verbose = KILN_NO);
        ck_assert_msg(history != NULL, "%s", kiln_last_error());
        ck_assert(isnan(kiln_history_get(history, "val_loss", 0)));
        ck_assert_double_eq(kiln_history_get(history, "val_loss", 1), loss);
        ck_assert(problem_same(split, given));
        kiln_model_free(split);
        kiln_model_free(given);
        kiln_dataset_free(first);
        kiln_dataset_free(last);
        kiln_dataset_free(data);
    }
}
END_TEST

START_TEST(weights_of_samples_and_classes)
{
    HARNESS_EACH_DEVICE(device)
    {
        kiln_dataset *data = problem_images(COUNT, SIDE), *weighted = problem_images(COUNT, SIDE);
        const double by_class[10] = {1, 0.5, 2, 0, 1, 3, 1, 1, 0.25, 1};
        float weights[COUNT];
        for (int i = 0; i < COUNT; i++)
            weights[i] = (float)by_class[problem_label((uint32_t)i)];
        harness_ok(kiln_dataset_set_sample_weights(weighted, weights));
        kiln_model *classes = compiled(device, 0, 1), *samples = compiled(device, 0, 1);
        const kiln_history *history = kiln_fit(classes, data, .class_weight_count = 10,
                                               .class_weight = by_class, .verbose = KILN_NO);
        ck_assert_msg(history != NULL, "%s", kiln_last_error());
        double loss = kiln_history_get(history, "loss", 0);
        history = kiln_fit(samples, weighted, .verbose = KILN_NO);
        ck_assert_msg(history != NULL, "%s", kiln_last_error());
        ck_assert_double_eq(kiln_history_get(history, "loss", 0), loss);
        ck_assert(problem_same(classes, samples));

        /* evaluate: the mean of weight times loss over all samples, and metrics without weights */
        const kiln_logs *logs = kiln_evaluate(classes, weighted, .verbose = KILN_NO);
        loss = kiln_logs_get(logs, "loss");
        double accuracy = kiln_logs_get(logs, "accuracy"), expected = 0;
        for (int i = 0; i < COUNT; i += 40) {
            kiln_dataset *one = kiln_dataset_slice(data, i, 40);
            for (int j = 0; j < 40; j++) {
                kiln_dataset *sample = kiln_dataset_slice(one, j, 1);
                logs = kiln_evaluate(classes, sample, .batch_size = 1, .verbose = KILN_NO);
                expected += (double)weights[i + j] * kiln_logs_get(logs, "loss") / COUNT;
                kiln_dataset_free(sample);
            }
            kiln_dataset_free(one);
            if (harness_is_slow(device))
                break;
        }
        if (!harness_is_slow(device))
            ck_assert_double_eq_tol(loss, expected, 1e-5 * expected);
        logs = kiln_evaluate(classes, data, .verbose = KILN_NO);
        ck_assert_double_eq_tol(kiln_logs_get(logs, "accuracy"), accuracy, 1e-9);

        ck_assert_ptr_null(kiln_fit(classes, weighted, .class_weight_count = 10,
                                    .class_weight = by_class, .verbose = KILN_NO));
        ck_assert_ptr_nonnull(strstr(kiln_last_error(), "together"));
        kiln_model_free(classes);
        kiln_model_free(samples);
        kiln_dataset_free(weighted);
        kiln_dataset_free(data);
    }
}
END_TEST

static void check_fit_fails(kiln_model *model, kiln_dataset *data, const char *part)
{
    kiln_clear_error();
    ck_assert_ptr_null(kiln_fit(model, data, .verbose = KILN_NO));
    ck_assert_msg(strstr(kiln_last_error(), part) != NULL, "no \"%s\" in: %s", part,
                  kiln_last_error());
}

START_TEST(what_does_not_fit_is_said)
{
    HARNESS_EACH_DEVICE(device)
    {
        if (harness_is_slow(device))
            continue;
        kiln_dataset *data = problem_images(64, SIDE), *other = problem_images(64, 5);
        kiln_model *model = problem_model(SIDE, 16, 0, 1);
        check_fit_fails(model, data, "not compiled");
        problem_compile(model, device, kiln_adam());
        check_fit_fails(model, other, "(5, 5)");
        check_fit_fails(model, NULL, "NULL");
        check_fit_fails(NULL, data, "NULL");
        ck_assert_ptr_null(kiln_fit(model, data, .validation_split = 1));
        ck_assert_ptr_null(kiln_fit(model, data, .batch_size = -1));
        ck_assert_ptr_null(kiln_fit(model, data, .validation_data = other));
        ck_assert_ptr_nonnull(strstr(kiln_last_error(), "validation data"));

        uint8_t pixels[36 * 4] = {0};
        int32_t labels[4] = {1, 2, 10, 3};
        kiln_array x = {.dtype = KILN_UINT8, .shape = KILN_SHAPE(SIDE, SIDE), .data = pixels};
        kiln_array y = {.dtype = KILN_INT32, .data = labels};
        kiln_dataset *wrong = kiln_dataset_from_arrays(4, 1, &x, 1, &y);
        check_fit_fails(model, wrong, "label 10 of sample 2");
        ck_assert_ptr_null(kiln_train_on_batch(model, 4, &x, &y, NULL));
        ck_assert_ptr_nonnull(strstr(kiln_last_error(), "label 10 of sample 2"));
        kiln_dataset *no_target = kiln_dataset_from_arrays(4, 1, &x, 0, NULL);
        check_fit_fails(model, no_target, "no targets");

        kiln_metrics bad = KILN_METRICS("acuracy");
        harness_fails(kiln_compile(model, .loss = kiln_mean_squared_error(), .metrics = bad,
                                   .device = device),
                      KILN_ERROR_ARGUMENT, "acuracy");
        harness_ok(kiln_compile(model, .loss = kiln_mean_squared_error(), .device = device));
        check_fit_fails(model, data, "dense_1");
        harness_ok(kiln_compile(model, .device = device));
        check_fit_fails(model, data, "without a loss");
        /* and still it predicts */
        int64_t samples;
        float *out = kiln_predict_with(
            &(kiln_predict_args){.model = model, .data = no_target, .verbose = KILN_NO}, &samples);
        ck_assert_msg(out != NULL, "%s", kiln_last_error());
        free(out);
        kiln_dataset_free(no_target);
        kiln_dataset_free(wrong);
        kiln_dataset_free(other);
        kiln_dataset_free(data);
        kiln_model_free(model);
    }
}
END_TEST

START_TEST(functions_that_fail)
{
    HARNESS_EACH_DEVICE(device)
    {
        if (harness_is_slow(device))
            continue;
        kiln_dataset *data = problem_images(64, SIDE);
        stream s = {.data = data};
        kiln_dataset *function = function_of(&s, 0);
        kiln_model *model = compiled(device, 0, 1);
        ck_assert_ptr_null(kiln_fit(model, function, .validation_split = 0.5, .verbose = KILN_NO));
        ck_assert_ptr_nonnull(strstr(kiln_last_error(), "validation_split"));
        s.next = 64; /* the first call ends the epoch */
        check_fit_fails(model, function, "no batch");
        kiln_dataset_free(function);
        kiln_dataset_free(data);
        kiln_model_free(model);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fit");
    TCase *tests = tcase_create("fit");
    tcase_add_test(tests, it_learns);
    tcase_add_test(tests, the_same_bits_again);
    tcase_add_test(tests, every_road_takes_the_same_steps);
    tcase_add_test(tests, shuffled_chunks);
    tcase_add_test(tests, a_loop_of_ones_own);
    tcase_add_test(tests, partial_batches_count_by_rows);
    tcase_add_test(tests, validation_split_is_the_last_part);
    tcase_add_test(tests, weights_of_samples_and_classes);
    tcase_add_test(tests, what_does_not_fit_is_said);
    tcase_add_test(tests, functions_that_fail);
    suite_add_tcase(suite, tests);
    return harness_run(suite);
}
