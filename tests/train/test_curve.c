/* The MNIST network's loss, step by step, against Keras's from the same weights and data; and the
 * same bits twice. */
#include "problem.h"

#include <math.h>

#include "fixtures/curve.h"

#define STEPS 100
#define BATCH 32

static void set_weights(kiln_model *model, size_t index, uint32_t first, size_t count, double limit)
{
    float *values = malloc(count * sizeof *values);
    for (uint32_t k = 0; k < count; k++)
        values[k] = limit > 0 ? problem_weight(first + k, limit) : 0;
    harness_ok(kiln_set_weights(model, index, values, count));
    free(values);
}

static kiln_model *start(kiln_device *device, const char *gemm)
{
    kiln_model *model = problem_model(28, 128, 0, 1);
    set_weights(model, 0, 1000000, 784 * 128, 0.08);
    set_weights(model, 1, 0, 128, 0);
    set_weights(model, 2, 2000000, 1280, 0.2);
    set_weights(model, 3, 0, 10, 0);
    harness_ok(kiln_compile(model, .optimizer = kiln_adam(),
                            .loss = kiln_sparse_categorical_crossentropy(.from_logits = KILN_YES),
                            .metrics = KILN_METRICS("accuracy"), .device = device, .gemm = gemm));
    return model;
}

/* Reports in between must change nothing. */
static kiln_status note(void *user, kiln_model *model, int64_t step, const kiln_logs *logs)
{
    (void)user, (void)model, (void)step, (void)logs;
    return KILN_OK;
}

START_TEST(the_curve_is_as_in_keras)
{
    HARNESS_EACH_DEVICE(device)
    {
        int steps = harness_is_slow(device) ? 10 : STEPS;
        kiln_model *model = start(device, NULL);
        float *x = malloc(BATCH * 784 * sizeof *x);
        int32_t y[BATCH];
        kiln_array input = {.dtype = KILN_FLOAT32, .shape = KILN_SHAPE(28, 28), .data = x};
        kiln_array target = {.dtype = KILN_INT32, .data = y};
        for (int s = 0; s < steps; s++) {
            for (uint32_t r = 0; r < BATCH; r++) {
                uint32_t i = (uint32_t)s * BATCH + r;
                y[r] = problem_label(i);
                for (uint32_t p = 0; p < 784; p++)
                    x[r * 784 + p] = (float)problem_pixel(i, p) / 255.0f;
            }
            const kiln_logs *logs = kiln_train_on_batch(model, BATCH, &input, &target, NULL);
            ck_assert_msg(logs != NULL, "%s", kiln_last_error());
            double loss = kiln_logs_get(logs, "loss");
            ck_assert_msg(fabs(loss - curve_losses[s]) <= 1e-4 * curve_losses[s],
                          "step %d: loss %.9g instead of %.9g", s, loss, curve_losses[s]);
            int right = (int)lround(kiln_logs_get(logs, "accuracy") * BATCH);
            ck_assert_int_le(abs(right - curve_right[s]), 1);
        }
        free(x);
        kiln_model_free(model);
    }
}
END_TEST

/* kiln_fit over bytes on the device yields the mean of the same losses, and the same weights each
 * time. */
START_TEST(fit_runs_the_same_steps)
{
    HARNESS_EACH_DEVICE(device)
    {
        int steps = harness_is_slow(device) ? 3 : STEPS;
        kiln_dataset *data = problem_images(steps * BATCH, 28);
        double mean = 0, right = 0;
        for (int s = 0; s < steps; s++) {
            mean += curve_losses[s] / steps;
            right += (double)curve_right[s] / (steps * BATCH);
        }
        kiln_model *models[2];
        for (int i = 0; i < 2; i++) {
            models[i] = start(device, NULL);
            kiln_callback *callback =
                kiln_callback_new(&(kiln_callback_functions){.on_refresh = note}, NULL);
            const kiln_history *history = kiln_fit(models[i], data, .shuffle = KILN_NO,
                                                   .verbose = KILN_NO, .callbacks = {callback});
            ck_assert_msg(history != NULL, "%s", kiln_last_error());
            ck_assert_double_eq_tol(kiln_history_get(history, "loss", 0), mean, 1e-4 * mean);
            ck_assert_double_eq_tol(kiln_history_get(history, "accuracy", 0), right, 2e-3);
        }
        ck_assert(problem_same(models[0], models[1]));
        for (int i = 0; i < 2; i++)
            kiln_model_free(models[i]);
        kiln_dataset_free(data);
    }
}
END_TEST

START_TEST(either_engine_trains)
{
    HARNESS_EACH_DEVICE(device)
    {
        if (harness_is_slow(device))
            continue;
        kiln_dataset *data = problem_images(20 * BATCH, 28);
        double mean = 0;
        for (int s = 0; s < 20; s++)
            mean += curve_losses[s] / 20;
        const char *const engines[] = {"tile", "clblast"};
        for (int i = 0; i < 2; i++) {
            kiln_model *model = start(device, engines[i]);
            const kiln_history *history =
                kiln_fit(model, data, .shuffle = KILN_NO, .verbose = KILN_NO);
            ck_assert_msg(history != NULL, "%s: %s", engines[i], kiln_last_error());
            ck_assert_double_eq_tol(kiln_history_get(history, "loss", 0), mean, 1e-4 * mean);
            kiln_model_free(model);
        }
        kiln_dataset_free(data);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("curve");
    TCase *tests = tcase_create("curve");
    tcase_add_test(tests, the_curve_is_as_in_keras);
    tcase_add_test(tests, fit_runs_the_same_steps);
    tcase_add_test(tests, either_engine_trains);
    suite_add_tcase(suite, tests);
    return harness_run(suite);
}
