/* EarlyStopping and ReduceLROnPlateau against Keras's, for courses of the validation loss. */
#include "problem.h"

#include "train/callbacks.h"

#include <math.h>
#include <unistd.h>

#include "fixtures/callbacks.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

typedef struct course {
    const double *values;
    float weights[EPOCHS]; /* that each epoch ended with */
} course;

static kiln_status follow(void *user, kiln_model *model, int64_t epoch, const kiln_logs *logs)
{
    course *c = user;
    KILN_TRY(logs_set((kiln_logs *)(uintptr_t)logs, "val_loss", c->values[epoch]));
    return kiln_get_weights(model, 0, &c->weights[epoch], 1);
}

static const kiln_history *run_course(kiln_model *model, kiln_dataset *data, course *c,
                                      kiln_callback *callback)
{
    ck_assert_msg(callback != NULL, "%s", kiln_last_error());
    kiln_callback *first = kiln_callback_new(&(kiln_callback_functions){.on_epoch_end = follow}, c);
    const kiln_history *history =
        kiln_fit(model, data, .epochs = EPOCHS, .verbose = KILN_NO, .callbacks = {first, callback});
    ck_assert_msg(history != NULL, "%s", kiln_last_error());
    return history;
}

/* One sample of 1, one weight and a target that moves it a little in each epoch. */
static kiln_model *one_weight(kiln_device *device, kiln_dataset **data)
{
    static const float one = 1, two = 2;
    kiln_array x = {.shape = KILN_SHAPE(1), .data = &one},
               y = {.shape = KILN_SHAPE(1), .data = &two};
    *data = kiln_dataset_from_arrays(1, 1, &x, 1, &y);
    kiln_model *model =
        kiln_sequential(kiln_dense(1, .kernel_initializer = "ones", .input_shape = KILN_SHAPE(1)));
    harness_ok(kiln_compile(model, .optimizer = kiln_sgd(.learning_rate = 0.001),
                            .loss = kiln_mean_squared_error(), .device = device));
    return model;
}

START_TEST(early_stopping_is_as_in_keras)
{
    HARNESS_EACH_DEVICE(device)
    {
        if (harness_is_slow(device))
            continue;
        kiln_dataset *data;
        kiln_model *model = one_weight(device, &data);
        for (size_t i = 0; i < COUNT(stopping_cases); i++)
            for (size_t k = 0; k < COUNT(courses); k++) {
                const float start[] = {1, 0};
                harness_ok(kiln_set_weights(model, 0, &start[0], 1));
                harness_ok(kiln_set_weights(model, 1, &start[1], 1));
                kiln_early_stopping_args args = stopping_cases[i].args;
                args.restore_best_weights = KILN_YES;
                course c = {.values = courses[k]};
                const kiln_history *history =
                    run_course(model, data, &c, kiln_early_stopping_with(&args));
                float last;
                int kept = 0;
                harness_ok(kiln_get_weights(model, 0, &last, 1));
                while (kept < EPOCHS && c.weights[kept] != last)
                    kept++;
                ck_assert_msg((int)kiln_history_epochs(history) ==
                                      stopping_cases[i].ends[k].epochs &&
                                  kept == stopping_cases[i].ends[k].kept,
                              "case %zu, course %zu: %zu epochs and the weights of epoch %d", i, k,
                              kiln_history_epochs(history), kept);
            }
        kiln_model_free(model);
        kiln_dataset_free(data);
    }
}
END_TEST

START_TEST(plateaus_are_as_in_keras)
{
    HARNESS_EACH_DEVICE(device)
    {
        if (harness_is_slow(device))
            continue;
        kiln_dataset *data;
        kiln_model *model = one_weight(device, &data);
        for (size_t i = 0; i < COUNT(plateau_cases); i++)
            for (size_t k = 0; k < COUNT(courses); k++) {
                const float start[] = {2, 0}; /* meets the target: a rate of 1 does no harm */
                harness_ok(kiln_set_weights(model, 0, &start[0], 1));
                harness_ok(kiln_set_weights(model, 1, &start[1], 1));
                harness_ok(kiln_set_learning_rate(model, 1));
                course c = {.values = courses[k]};
                const kiln_history *history = run_course(
                    model, data, &c, kiln_reduce_lr_on_plateau_with(&plateau_cases[i].args));
                for (size_t e = 0; e < EPOCHS; e++) {
                    double rate = kiln_history_get(history, "learning_rate", e),
                           wanted = plateau_cases[i].rates[k][e];
                    ck_assert_msg(fabs(rate - wanted) <= 1e-6 * wanted,
                                  "case %zu, course %zu, epoch %zu: %.9g instead of %.9g", i, k, e,
                                  rate, wanted);
                }
            }
        kiln_model_free(model);
        kiln_dataset_free(data);
    }
}
END_TEST

/* ---- what callbacks say ---- */

static double steps(int64_t epoch, double rate, void *user)
{
    (void)user;
    return epoch == 0 ? rate * 2 : rate / 8;
}

START_TEST(messages_are_as_in_keras)
{
    HARNESS_EACH_DEVICE(device)
    {
        if (harness_is_slow(device))
            continue;
        const float start[] = {2, 0}; /* meets the target */
        kiln_dataset *data;
        kiln_model *model = one_weight(device, &data);
        ck_assert_int_eq(chdir(harness_folder()), 0);
        fflush(stdout);
        int kept = dup(1);
        ck_assert_ptr_nonnull(freopen("out.txt", "w", stdout));
        for (int scheduled = 0; scheduled < 2; scheduled++) {
            harness_ok(kiln_set_weights(model, 0, &start[0], 1));
            harness_ok(kiln_set_weights(model, 1, &start[1], 1));
            harness_ok(kiln_set_learning_rate(model, 0.5));
            course c = {.values = courses[0]};
            kiln_callback *first =
                kiln_callback_new(&(kiln_callback_functions){.on_epoch_end = follow}, &c);
            const kiln_history *history =
                scheduled
                    ? kiln_fit(
                          model, data, .epochs = 3, .verbose = 2,
                          .callbacks = {first, kiln_learning_rate_scheduler(steps, .verbose = 1),
                                        kiln_model_checkpoint("{epoch:02d}-{val_loss:.1f}.keras",
                                                              .verbose = 1)})
                    : kiln_fit(
                          model, data, .epochs = EPOCHS, .verbose = 2,
                          .callbacks = {
                              first,
                              kiln_model_checkpoint("best.keras", .verbose = 1,
                                                    .save_best_only = KILN_YES),
                              kiln_reduce_lr_on_plateau(.patience = 1, .factor = 0.5, .verbose = 1),
                              kiln_early_stopping(.patience = 3, .verbose = 1,
                                                  .restore_best_weights = KILN_YES)});
            ck_assert_msg(history != NULL, "%s", kiln_last_error());
        }
        fflush(stdout);
        dup2(kept, 1);
        close(kept);
        FILE *out = fopen("out.txt", "r");
        char line[300];
        size_t i = 0;
        while (fgets(line, sizeof line, out)) {
            line[strcspn(line, "\n")] = '\0';
            /* besides those of fit itself */
            if (line[0] == '\0' || strncmp(line, "1/1 - ", 6) == 0 ||
                (strncmp(line, "Epoch ", 6) == 0 && strchr(line, '/') && !strchr(line, ':')))
                continue;
            ck_assert_uint_lt(i, COUNT(messages));
            ck_assert_str_eq(line, messages[i]);
            i++;
        }
        fclose(out);
        ck_assert_uint_eq(i, COUNT(messages));
        harness_remove_folder();
        kiln_model_free(model);
        kiln_dataset_free(data);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("courses");
    TCase *tests = tcase_create("courses");
    tcase_add_test(tests, early_stopping_is_as_in_keras);
    tcase_add_test(tests, plateaus_are_as_in_keras);
    tcase_add_test(tests, messages_are_as_in_keras);
    suite_add_tcase(suite, tests);
    return harness_run(suite);
}
