/* How a training ends before its time: losses that are not finite, and interruptions. */
#include "problem.h"

#include "base/clock.h"

#include <math.h>
#include <pthread.h>
#include <unistd.h>

#define SIDE 6

/* ---- losses that are not finite ---- */

/* Images of which number `bad` holds one pixel that is no number. */
static kiln_dataset *broken(int count, int bad)
{
    float *x = malloc((size_t)count * SIDE * SIDE * sizeof *x);
    int32_t *y = malloc((size_t)count * sizeof *y);
    for (int i = 0; i < count; i++) {
        y[i] = problem_label((uint32_t)i);
        for (int p = 0; p < SIDE * SIDE; p++)
            x[i * SIDE * SIDE + p] = (float)problem_pixel((uint32_t)i, (uint32_t)p) / 255;
    }
    x[bad * SIDE * SIDE + 3] = NAN;
    kiln_array input = {.dtype = KILN_FLOAT32, .shape = KILN_SHAPE(SIDE, SIDE), .data = x};
    kiln_array target = {.dtype = KILN_INT32, .data = y};
    kiln_dataset *data = kiln_dataset_from_arrays(count, 1, &input, 1, &target);
    ck_assert_msg(data != NULL, "%s", kiln_last_error());
    free(x);
    free(y);
    return data;
}

START_TEST(a_loss_that_is_not_finite)
{
    HARNESS_EACH_DEVICE(device)
    {
        kiln_dataset *data = broken(100, 57);
        kiln_model *model = problem_compiled(SIDE, device, kiln_sgd());
        ck_assert_ptr_null(kiln_fit(model, data, .batch_size = 10, .shuffle = KILN_NO,
                                    .verbose = KILN_NO, .epochs = 3));
        ck_assert_int_eq(kiln_last_status(), KILN_ERROR_NUMERIC);
        ck_assert_msg(strstr(kiln_last_error(),
                             "at step 6 of epoch 1, and the first layer whose weights are not "
                             "finite any more is ") != NULL,
                      "%s", kiln_last_error());
        ck_assert_msg(strstr(kiln_last_error(), "(check_numerics finds where it begins)") != NULL,
                      "%s", kiln_last_error());
        kiln_model_free(model);

        kiln_clear_error();
        model = problem_compiled(SIDE, device, kiln_sgd());
        kiln_model *before = problem_compiled(SIDE, device, kiln_sgd());
        kiln_dataset *clean = kiln_dataset_slice(data, 0, 50);
        ck_assert_ptr_nonnull(
            kiln_fit(before, clean, .batch_size = 10, .shuffle = KILN_NO, .verbose = KILN_NO));
        ck_assert_ptr_null(kiln_fit(model, data, .batch_size = 10, .shuffle = KILN_NO,
                                    .verbose = KILN_NO, .check_numerics = 1));
        ck_assert_msg(strstr(kiln_last_error(), "the first result that is not finite") != NULL,
                      "%s", kiln_last_error());
        ck_assert_msg(problem_same(model, before), "the weights of before the bad step stay");
        kiln_dataset_free(clean);
        kiln_model_free(before);
        kiln_model_free(model);

        kiln_clear_error();
        model = problem_compiled(SIDE, device, kiln_sgd());
        const kiln_history *history =
            kiln_fit(model, data, .batch_size = 10, .shuffle = KILN_NO, .verbose = KILN_NO,
                     .epochs = 3, .callbacks = {kiln_terminate_on_nan()});
        ck_assert_msg(history != NULL, "%s", kiln_last_error());
        ck_assert_uint_eq(kiln_history_epochs(history), 1);
        ck_assert(isnan(kiln_history_get(history, "loss", 0)));
        kiln_model_free(model);
        kiln_dataset_free(data);
    }
}
END_TEST

/* ---- stopping ---- */

static double stopped_at;

static void *stop_soon(void *model)
{
    usleep(300000);
    stopped_at = clock_seconds();
    kiln_stop_training(model);
    return NULL;
}

static void count_release(void *user)
{
    ++*(int *)user;
}

START_TEST(interruption_keeps_the_history)
{
    HARNESS_EACH_DEVICE(device)
    {
        kiln_dataset *data = problem_images(40, SIDE);
        for (int all = 0; all < 2; all++) {
            kiln_model *model = problem_compiled(SIDE, device, kiln_sgd());
            ck_assert_ptr_nonnull(kiln_fit(model, data, .verbose = KILN_NO)); /* compiles */
            pthread_t thread;
            int released = 0;
            ck_assert_int_eq(pthread_create(&thread, NULL, stop_soon, all ? NULL : model), 0);
            char path[300];
            snprintf(path, sizeof path, "%s/last.keras", harness_folder());
            kiln_callback *keep =
                kiln_model_checkpoint(path, .monitor = "loss", .save_freq = all ? 50 : 0);
            const kiln_history *history = kiln_fit(
                model, data, .epochs = 10000000, .verbose = KILN_NO,

                .callbacks = {kiln_callback_new(
                                  &(kiln_callback_functions){.release = count_release}, &released),
                              keep});
            double ended_at = clock_seconds();
            pthread_join(thread, NULL);
            ck_assert_msg(history != NULL, "%s", kiln_last_error());
            ck_assert_int_eq(kiln_last_status(), KILN_INTERRUPTED);
            ck_assert_uint_ge(kiln_history_epochs(history), harness_is_slow(device) ? 0 : 1);
            ck_assert_int_eq(released, 1);
            kiln_clear_error();
            if (!harness_is_slow(device)) {
                /* what was queued: some 50 ms, more where the machine is busy */
                ck_assert_double_lt(ended_at - stopped_at, 2);
                kiln_model *last = kiln_load(path);
                ck_assert_msg(last != NULL, "the last checkpoint: %s", kiln_last_error());
                kiln_model_free(last);
            }
            ck_assert_msg(kiln_fit(model, data, .verbose = KILN_NO) != NULL, "it trains again: %s",
                          kiln_last_error());
            kiln_model_free(model);
        }
        kiln_dataset_free(data);
        harness_remove_folder();
    }
}
END_TEST

static void *stop_now(void *model)
{
    kiln_stop_training(model);
    return NULL;
}

/* Somebody else stops the training while a callback runs. */
static kiln_status be_interrupted(void *user, kiln_model *model, int64_t epoch,
                                  const kiln_logs *logs)
{
    pthread_t thread;
    (void)epoch, (void)logs;
    ck_assert_int_eq(pthread_create(&thread, NULL, stop_now, *(bool *)user ? NULL : model), 0);
    pthread_join(thread, NULL);
    return KILN_OK;
}

START_TEST(interruption_during_a_callback)
{
    HARNESS_EACH_DEVICE(device)
    {
        kiln_dataset *data = problem_images(40, SIDE);
        kiln_model *model = problem_compiled(SIDE, device, kiln_sgd());
        for (int all = 0; all < 2; all++) {
            bool every = all;
            kiln_callback *callback = kiln_callback_new(
                &(kiln_callback_functions){.on_epoch_end = be_interrupted}, &every);
            const kiln_history *history =
                kiln_fit(model, data, .epochs = 5, .verbose = KILN_NO, .callbacks = {callback});
            ck_assert_msg(history != NULL, "%s", kiln_last_error());
            ck_assert_int_eq(kiln_last_status(), KILN_INTERRUPTED);
            ck_assert_uint_eq(kiln_history_epochs(history), 1);
            kiln_clear_error();
        }
        kiln_model_free(model);
        kiln_dataset_free(data);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stopping");
    TCase *tests = tcase_create("stopping");
    tcase_add_test(tests, a_loss_that_is_not_finite);
    tcase_add_test(tests, interruption_keeps_the_history);
    tcase_add_test(tests, interruption_during_a_callback);
    suite_add_tcase(suite, tests);
    return harness_run(suite);
}
