/* Gradients looked at in a callback: those that steps of gradient descent are made of. */
#include "problem.h"

#include "train/callbacks.h"
#include "train/feed.h"
#include "train/gradients.h"

#include <math.h>

enum { SIDE = 6, SAMPLES = 20, EPOCHS = 3, MOST = 4000 };
#define RATE 0.5

typedef struct watch {
    float weights[EPOCHS][MOST], gradients[EPOCHS][MOST];
    size_t count;  /* of the weights */
    size_t filled; /* of the gradients of this epoch */
    uint32_t rows;
} watch;

static kiln_status keep(void *user, size_t weight, const float *values, size_t count)
{
    watch *w = user;
    (void)weight;
    ck_assert_uint_le(w->filled % MOST + count, MOST);
    memcpy(&w->gradients[0][0] + w->filled, values, count * sizeof *values);
    w->filled += count;
    return KILN_OK;
}

static kiln_status look(void *user, kiln_model *model, int64_t epoch, const kiln_logs *logs)
{
    watch *w = user;
    (void)logs;
    float *all = problem_weights(model, &w->count);
    ck_assert_uint_le(w->count, MOST);
    memcpy(w->weights[epoch], all, w->count * sizeof *all);
    free(all);
    w->filled = (size_t)epoch * MOST;
    w->rows = training_of(model)->fit->last.rows;
    harness_ok(gradients_of_last_batch(training_of(model), keep, w));
    ck_assert_uint_eq(w->filled, (size_t)epoch * MOST + w->count);
    return KILN_OK;
}

static kiln_callback *looking(watch *w)
{
    return kiln_callback_new(&(kiln_callback_functions){.on_epoch_end = look}, w);
}

/* As a function makes them: one batch an epoch, always the same. */
static kiln_status make_batch(void *user, int64_t batch, void *const *x, void *const *y,
                              int64_t *rows)
{
    (void)user;
    *rows = SAMPLES;
    for (int64_t i = 0; i < *rows && i < batch; i++) {
        for (uint32_t p = 0; p < SIDE * SIDE; p++)
            ((float *)x[0])[i * SIDE * SIDE + p] = (float)problem_pixel((uint32_t)i, p) / 255;
        ((int32_t *)y[0])[i] = problem_label((uint32_t)i);
    }
    return KILN_OK;
}

static kiln_dataset *data_of(int way)
{
    if (way < 2)
        return problem_images(SAMPLES, SIDE);
    return kiln_dataset_from_function(
        make_batch, NULL, 1, 1,
        &(kiln_array){.dtype = KILN_FLOAT32, .shape = KILN_SHAPE(SIDE, SIDE)}, 1,
        &(kiln_array){.dtype = KILN_INT32});
}

/* Where an epoch is one batch, its step is the rate times the gradient of the epoch before. */
START_TEST(steps_are_made_of_them)
{
    HARNESS_EACH_DEVICE(device)
    {
        for (int way = 0; way < (harness_is_slow(device) ? 1 : 3);
             way++) { /* whole, in chunks, made */
            static watch w;
            feed_whole_limit = way == 1 ? 0 : SIZE_MAX;
            kiln_dataset *data = data_of(way);
            ck_assert_msg(data != NULL, "%s", kiln_last_error());
            kiln_model *model = problem_compiled(SIDE, device, kiln_sgd(.learning_rate = RATE));
            problem_fitted(kiln_fit(model, data, .batch_size = SAMPLES, .epochs = EPOCHS,
                                    .shuffle = KILN_NO, .verbose = KILN_NO,
                                    .callbacks = {looking(&w)}));
            ck_assert_uint_eq(w.rows, SAMPLES);
            double largest = 0;
            for (int e = 0; e + 1 < EPOCHS; e++)
                for (size_t i = 0; i < w.count; i++) {
                    double step = (double)w.weights[e][i] - (double)w.weights[e + 1][i],
                           gradient = (double)w.gradients[e][i];
                    largest = fmax(largest, fabs(gradient));
                    ck_assert_double_eq_tol(step, RATE * gradient, 1e-6);
                }
            ck_assert_double_gt(largest, 1e-3);
            kiln_model_free(model);
            kiln_dataset_free(data);
            feed_whole_limit = SIZE_MAX;
        }
    }
}
END_TEST

/* Moving statistics, dropout, frozen weights: nothing of the training changes; of a last batch that
 * is not whole the one before is taken. */
START_TEST(looking_changes_nothing)
{
    HARNESS_EACH_DEVICE(device)
    {
        if (harness_is_slow(device))
            continue;
        kiln_dataset *data = problem_images(SAMPLES, SIDE);
        kiln_model *models[2];
        static watch w;
        for (int k = 0; k < 2; k++) {
            models[k] =
                kiln_sequential(kiln_flatten(.input_shape = KILN_SHAPE(SIDE, SIDE)), kiln_dense(8),
                                kiln_batch_normalization(), kiln_dropout(0.5), kiln_dense(10));
            ck_assert_msg(models[k] != NULL, "%s", kiln_last_error());
            harness_ok(kiln_model_set_seed(models[k], 3));
            problem_compile(models[k], device, kiln_adam());
            kiln_callback *callback =
                k ? kiln_callback_new(&(kiln_callback_functions){0}, NULL)
                  : kiln_tensorboard(.log_dir = harness_folder(), .histogram_freq = 1,
                                     .write_grads = KILN_YES);
            problem_fitted(kiln_fit(models[k], data, .batch_size = 8, .epochs = 2,
                                    .verbose = KILN_NO, .callbacks = {callback}));
        }
        ck_assert(problem_same(models[0], models[1]));
        kiln_model *plain = problem_compiled(SIDE, device, kiln_sgd());
        problem_fitted(
            kiln_fit(plain, data, .batch_size = 8, .verbose = KILN_NO, .callbacks = {looking(&w)}));
        ck_assert_uint_eq(w.rows, 8); /* 8, 8 and 4 */
        problem_fitted(kiln_fit(plain, data, .batch_size = 64, .verbose = KILN_NO,
                                .callbacks = {looking(&w)}));
        ck_assert_uint_eq(w.rows, SAMPLES);
        harness_remove_folder();
        kiln_model_free(plain);
        for (int k = 0; k < 2; k++)
            kiln_model_free(models[k]);
        kiln_dataset_free(data);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gradients");
    TCase *tests = tcase_create("gradients");
    tcase_add_test(tests, steps_are_made_of_them);
    tcase_add_test(tests, looking_changes_nothing);
    suite_add_tcase(suite, tests);
    return harness_run(suite);
}
