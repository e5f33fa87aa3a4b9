/* Moving statistics: what training makes of weights that have no gradient. */
#include "problem.h"

#include <math.h>

#define ROWS 7
#define STEPS 3
#define CHANNELS 2

static float x[ROWS * STEPS * CHANNELS];
static int32_t y[ROWS];

static kiln_dataset *make_data(void)
{
    for (int i = 0; i < ROWS * STEPS * CHANNELS; i++)
        x[i] = problem_weight((uint32_t)i, 2) + (i % CHANNELS ? 40.0f : 0.0f);
    for (int i = 0; i < ROWS; i++)
        y[i] = i % 2;
    kiln_array in = {.dtype = KILN_FLOAT32, .shape = {2, {STEPS, CHANNELS}}, .data = x};
    kiln_array out = {.dtype = KILN_INT32, .data = y};
    kiln_dataset *data = kiln_dataset_from_arrays(ROWS, 1, &in, 1, &out);
    ck_assert_msg(data != NULL, "%s", kiln_last_error());
    return data;
}

static kiln_model *make_model(kiln_device *device, int64_t accumulate, kiln_choice trainable)
{
    kiln_model *model =
        kiln_sequential(kiln_batch_normalization(.momentum = 0.75, .trainable = trainable,
                                                 .input_shape = KILN_SHAPE(STEPS, CHANNELS)),
                        kiln_flatten(), kiln_dense(2));
    ck_assert_msg(model != NULL, "%s", kiln_last_error());
    harness_ok(kiln_compile(
        model, .device = device,
        .optimizer = kiln_sgd(.learning_rate = 0.1, .gradient_accumulation_steps = accumulate),
        .loss = kiln_sparse_categorical_crossentropy(.from_logits = KILN_YES)));
    return model;
}

/* One batch more, as Keras computes it; the layer is the first, so its input is the data. */
static void move(double *mean, double *variance, int first, int rows)
{
    for (int c = 0; c < CHANNELS; c++) {
        double sum = 0, squares = 0;
        int n = rows * STEPS;
        for (int i = 0; i < n; i++)
            sum += x[(first * STEPS + i) * CHANNELS + c];
        for (int i = 0; i < n; i++) {
            double d = x[(first * STEPS + i) * CHANNELS + c] - sum / n;
            squares += d * d;
        }
        mean[c] = 0.75 * mean[c] + 0.25 * sum / n;
        variance[c] = 0.75 * variance[c] + 0.25 * squares / n;
    }
}

static void compare(kiln_model *model, const double *mean, const double *variance)
{
    float got[CHANNELS];
    ck_assert_str_eq(kiln_model_weight_path(model, 2), "batch_normalization/moving_mean");
    for (size_t w = 2; w < 4; w++) {
        harness_ok(kiln_get_weights(model, w, got, CHANNELS));
        for (int c = 0; c < CHANNELS; c++) {
            double expected = w == 2 ? mean[c] : variance[c];
            /* squares of 40 are summed in the first steps, before the moving mean is near */
            ck_assert_msg(fabs(got[c] - expected) <= (w == 2 ? 2e-6 : 3e-4) * fmax(1, mean[c]),
                          "weight %zu, channel %d: %.9g, not %.9g", w, c, got[c], expected);
        }
    }
}

/* Batches of 3, 3 and 1 rows: those behind the end of the last do not count. */
START_TEST(moved_by_training)
{
    kiln_dataset *data = make_data();
    HARNESS_EACH_DEVICE(device)
    {
        for (int64_t accumulate = 0; accumulate <= 2; accumulate += 2) {
            double mean[CHANNELS] = {0}, variance[CHANNELS] = {1, 1};
            kiln_model *model = make_model(device, accumulate, KILN_DEFAULT);
            problem_fitted(kiln_fit(model, data, .epochs = 2, .batch_size = 3, .shuffle = KILN_NO,
                                    .verbose = KILN_NO));
            for (int epoch = 0; epoch < 2; epoch++)
                for (int first = 0; first < ROWS; first += 3)
                    move(mean, variance, first, first + 3 <= ROWS ? 3 : ROWS - first);
            compare(model, mean, variance);
            kiln_array in = {.dtype = KILN_FLOAT32, .shape = {2, {STEPS, CHANNELS}}, .data = x};
            kiln_array out = {.dtype = KILN_INT32, .data = y};
            ck_assert_ptr_nonnull(kiln_train_on_batch(model, 2, &in, &out, NULL));
            move(mean, variance, 0, 2);
            compare(model, mean, variance);
            /* nothing but training moves them */
            ck_assert_ptr_nonnull(kiln_evaluate(model, data, .batch_size = 3, .verbose = KILN_NO));
            compare(model, mean, variance);
            char path[400];
            snprintf(path, sizeof path, "%s/moved.keras", harness_folder());
            harness_ok(kiln_save(model, path));
            kiln_model_free(model);
            model = kiln_load(path);
            ck_assert_msg(model != NULL, "%s", kiln_last_error());
            compare(model, mean, variance);
            kiln_model_free(model);
            harness_remove_folder();
        }
    }
    kiln_dataset_free(data);
}
END_TEST

START_TEST(frozen)
{
    kiln_dataset *data = make_data();
    HARNESS_EACH_DEVICE(device)
    {
        const double zeros[CHANNELS] = {0}, ones[CHANNELS] = {1, 1};
        kiln_model *model = make_model(device, 0, KILN_NO);
        problem_fitted(kiln_fit(model, data, .epochs = 1, .batch_size = 3, .verbose = KILN_NO));
        compare(model, zeros, ones);
        kiln_model_free(model);
    }
    kiln_dataset_free(data);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("statistics");
    TCase *tests = tcase_create("statistics");
    tcase_add_test(tests, moved_by_training);
    tcase_add_test(tests, frozen);
    suite_add_tcase(suite, tests);
    return harness_run(suite);
}
