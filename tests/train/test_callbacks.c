/* Callbacks: when they are called, and what the built-in ones do. */
#include "problem.h"

#include "train/callbacks.h"

#include <math.h>

#define SIDE 6

/* ---- a callback that keeps a diary ---- */

typedef struct diary {
    char words[512];
    int released;
    double val_loss[16]; /* put into the logs in place of what was measured */
    int64_t stop_at;     /* epoch */
    kiln_status fail_with;
} diary;

static void note(diary *d, const char *word, int64_t number)
{
    size_t used = strlen(d->words);
    snprintf(d->words + used, sizeof d->words - used, "%s%lld ", word, (long long)number);
}

static kiln_status on_train_begin(void *user, kiln_model *model)
{
    (void)model;
    note(user, "T", 0);
    return KILN_OK;
}

static kiln_status on_train_end(void *user, kiln_model *model)
{
    (void)model;
    note(user, "t", 0);
    return KILN_OK;
}

static kiln_status on_epoch_begin(void *user, kiln_model *model, int64_t epoch)
{
    (void)model;
    note(user, "E", epoch);
    return KILN_OK;
}

static kiln_status on_epoch_end(void *user, kiln_model *model, int64_t epoch, const kiln_logs *logs)
{
    diary *d = user;
    note(d, "e", epoch);
    if (d->val_loss[0] != 0)
        harness_ok(logs_set((kiln_logs *)(uintptr_t)logs, "val_loss", d->val_loss[epoch]));
    if (d->stop_at && epoch == d->stop_at)
        kiln_stop_training(model);
    return d->fail_with;
}

static void release(void *user)
{
    ((diary *)user)->released++;
}

static kiln_callback *diary_of(diary *d)
{
    return kiln_callback_new(&(kiln_callback_functions){.on_train_begin = on_train_begin,
                                                        .on_train_end = on_train_end,
                                                        .on_epoch_begin = on_epoch_begin,
                                                        .on_epoch_end = on_epoch_end,
                                                        .release = release},
                             d);
}

START_TEST(functions_are_called_in_order)
{
    HARNESS_EACH_DEVICE(device)
    {
        kiln_dataset *data = problem_images(40, SIDE);
        kiln_model *model = problem_compiled(SIDE, device, kiln_sgd());
        diary d = {.words = ""};
        ck_assert_ptr_nonnull(kiln_fit(model, data, .epochs = 3, .initial_epoch = 1,
                                       .verbose = KILN_NO, .callbacks = {diary_of(&d)}));
        ck_assert_str_eq(d.words, "T0 E1 e1 E2 e2 t0 ");
        ck_assert_int_eq(d.released, 1);

        d = (diary){.stop_at = 1};
        const kiln_history *history =
            kiln_fit(model, data, .epochs = 5, .verbose = KILN_NO, .callbacks = {diary_of(&d)});
        ck_assert_msg(history != NULL, "%s", kiln_last_error());
        ck_assert_str_eq(d.words, "T0 E0 e0 E1 e1 t0 ");
        ck_assert_uint_eq(kiln_history_epochs(history), 2);
        ck_assert_int_eq(kiln_last_status(), KILN_OK);

        d = (diary){.fail_with = KILN_ERROR_ARGUMENT};
        ck_assert_ptr_null(
            kiln_fit(model, data, .epochs = 5, .verbose = KILN_NO, .callbacks = {diary_of(&d)}));
        ck_assert_int_eq(kiln_last_status(), KILN_ERROR_ARGUMENT);
        ck_assert_int_eq(d.released, 1);

        kiln_clear_error();
        d = (diary){.words = ""};
        ck_assert_ptr_null(kiln_fit(model, NULL, .callbacks = {diary_of(&d)}));
        ck_assert_int_eq(d.released, 1); /* taken over all the same */
        kiln_model_free(model);
        kiln_dataset_free(data);
    }
}
END_TEST

/* ---- evaluations and predictions ---- */

static kiln_status on_test_begin(void *user, kiln_model *model)
{
    (void)model;
    note(user, "V", 0);
    return KILN_OK;
}

static kiln_status on_test_end(void *user, kiln_model *model, const kiln_logs *logs)
{
    (void)model;
    ck_assert(kiln_logs_get(logs, "accuracy") >= 0);
    note(user, "v", 0);
    return KILN_OK;
}

static kiln_status on_step_begin(void *user, kiln_model *model, int64_t batch)
{
    (void)model;
    note(user, "B", batch);
    return KILN_OK;
}

static kiln_status on_test_batch_end(void *user, kiln_model *model, int64_t batch,
                                     const kiln_logs *logs)
{
    diary *d = user;
    (void)model;
    d->val_loss[batch] = kiln_logs_get(logs, "loss");
    note(d, "b", batch);
    return d->fail_with;
}

static kiln_status on_predict_begin(void *user, kiln_model *model)
{
    (void)model;
    note(user, "P", 0);
    return KILN_OK;
}

static kiln_status on_predict_end(void *user, kiln_model *model)
{
    (void)model;
    note(user, "p", 0);
    return KILN_OK;
}

static kiln_status on_predict_batch_end(void *user, kiln_model *model, int64_t batch)
{
    diary *d = user;
    (void)model;
    note(d, "b", batch);
    return d->fail_with;
}

static kiln_callback *watcher_of(diary *d)
{
    return kiln_callback_new(
        &(kiln_callback_functions){.on_test_begin = on_test_begin,
                                   .on_test_end = on_test_end,
                                   .on_test_batch_begin = on_step_begin,
                                   .on_test_batch_end = on_test_batch_end,
                                   .on_predict_begin = on_predict_begin,
                                   .on_predict_end = on_predict_end,
                                   .on_predict_batch_begin = on_step_begin,
                                   .on_predict_batch_end = on_predict_batch_end,
                                   .release = release},
        d);
}

START_TEST(evaluations_and_predictions_are_told)
{
    HARNESS_EACH_DEVICE(device)
    {
        kiln_dataset *data = problem_images(40, SIDE);
        kiln_model *model = problem_compiled(SIDE, device, kiln_sgd());
        diary d = {.words = ""};
        const kiln_logs *logs = kiln_evaluate(model, data, .batch_size = 16, .verbose = KILN_NO);
        double loss = kiln_logs_get(logs, "loss");
        logs = kiln_evaluate(model, data, .batch_size = 16, .verbose = KILN_NO,
                             .callbacks = {watcher_of(&d)});
        ck_assert_msg(logs != NULL, "%s", kiln_last_error());
        ck_assert_str_eq(d.words, "V0 B0 b0 B1 b1 B2 b2 v0 ");
        ck_assert_double_eq(kiln_logs_get(logs, "loss"), loss);
        ck_assert_double_eq(d.val_loss[2], loss); /* the figures so far */
        ck_assert_double_ne(d.val_loss[0], d.val_loss[1]);
        ck_assert_int_eq(d.released, 1);

        d = (diary){.words = ""};
        int64_t samples;
        float *y = kiln_predict(&samples, model, data, .batch_size = 20, .verbose = KILN_NO,
                                .callbacks = {watcher_of(&d)});
        ck_assert_msg(y != NULL, "%s", kiln_last_error());
        ck_assert_str_eq(d.words, "P0 B0 b0 B1 b1 p0 ");
        ck_assert_int_eq(d.released, 1);
        free(y);

        /* The validation within a training, too. */
        d = (diary){.words = ""};
        kiln_callback *both[] = {diary_of(&d), watcher_of(&d)};
        problem_fitted(kiln_fit(model, data, .validation_data = data, .validation_batch_size = 40,
                                .verbose = KILN_NO, .callbacks = {both[0], both[1]}));
        ck_assert_str_eq(d.words, "T0 E0 V0 B0 b0 v0 e0 t0 ");

        d = (diary){.fail_with = KILN_ERROR_ARGUMENT};
        ck_assert_ptr_null(
            kiln_evaluate(model, data, .verbose = KILN_NO, .callbacks = {watcher_of(&d)}));
        ck_assert_int_eq(kiln_last_status(), KILN_ERROR_ARGUMENT);
        ck_assert_ptr_null(
            kiln_predict(NULL, model, data, .verbose = KILN_NO, .callbacks = {watcher_of(&d)}));
        ck_assert_ptr_null(kiln_predict(NULL, model, NULL, .callbacks = {watcher_of(&d)}));
        ck_assert_int_eq(d.released, 3); /* taken over all the same */
        kiln_model_free(model);
        kiln_dataset_free(data);
    }
}
END_TEST

START_TEST(early_stopping)
{
    HARNESS_EACH_DEVICE(device)
    {
        if (harness_is_slow(device))
            continue;
        kiln_dataset *data = problem_images(40, SIDE);
        kiln_model *model = problem_compiled(SIDE, device, kiln_sgd()),
                   *best = problem_compiled(SIDE, device, kiln_sgd());
        diary d = {.val_loss = {5, 4, 3, 3.5, 3.2, 3.1, 1, 1}};
        const kiln_history *history = kiln_fit(
            model, data, .epochs = 8, .verbose = KILN_NO,
            .callbacks = {diary_of(&d),
                          kiln_early_stopping(.patience = 3, .restore_best_weights = KILN_YES)});
        ck_assert_msg(history != NULL, "%s", kiln_last_error());
        ck_assert_uint_eq(kiln_history_epochs(history), 6);
        ck_assert_ptr_nonnull(kiln_fit(best, data, .epochs = 3, .verbose = KILN_NO));
        ck_assert_msg(problem_same(model, best), "the best epoch's weights are back");

        d = (diary){.val_loss = {5, 4.9, 4.8, 4.7, 4.6, 4.5, 4.4}};
        history = kiln_fit(model, data, .epochs = 7, .verbose = KILN_NO,
                           .callbacks = {diary_of(&d), kiln_early_stopping(.min_delta = 0.5)});
        ck_assert_uint_eq(kiln_history_epochs(history), 2);
        d = (diary){.val_loss = {5, 4, 3, 2, 1}};
        history = kiln_fit(model, data, .epochs = 5, .verbose = KILN_NO,
                           .callbacks = {diary_of(&d), kiln_early_stopping(.mode = "max")});
        ck_assert_uint_eq(kiln_history_epochs(history), 2);
        d = (diary){.val_loss = {5, 4, 3, 2, 1}};
        history = kiln_fit(
            model, data, .epochs = 5, .verbose = KILN_NO,
            .callbacks = {diary_of(&d), kiln_early_stopping(.patience = 2, .baseline = 0.5)});
        ck_assert_uint_eq(kiln_history_epochs(history), 5); /* it improves, though not past 0.5 */

        ck_assert_ptr_null(kiln_fit(model, data, .epochs = 3, .verbose = KILN_NO,
                                    .callbacks = {kiln_early_stopping(.patience = 1)}));
        ck_assert_ptr_nonnull(strstr(kiln_last_error(), "it has accuracy, loss"));
        kiln_clear_error();
        ck_assert_ptr_nonnull(kiln_fit(model, data, .epochs = 2, .validation_data = data,
                                       .validation_freq = 2, .verbose = KILN_NO,
                                       .callbacks = {kiln_early_stopping(.patience = 1)}));
        ck_assert_ptr_null(kiln_early_stopping(.mode = "most"));
        kiln_model_free(model);
        kiln_model_free(best);
        kiln_dataset_free(data);
    }
}
END_TEST

/* ---- batches ---- */

static kiln_status on_batch_begin(void *user, kiln_model *model, int64_t batch)
{
    (void)model;
    note(user, "b", batch);
    return KILN_OK;
}

static kiln_status on_batch_end(void *user, kiln_model *model, int64_t batch, const kiln_logs *logs)
{
    diary *d = user;
    note(d, "B", batch);
    d->val_loss[batch] = kiln_logs_get(logs, "loss");
    if (d->stop_at && batch == d->stop_at)
        kiln_stop_training(model);
    return d->fail_with;
}

START_TEST(batches_are_reported)
{
    HARNESS_EACH_DEVICE(device)
    {
        kiln_dataset *data = problem_images(40, SIDE);
        kiln_model *plain = problem_compiled(SIDE, device, kiln_sgd()),
                   *model = problem_compiled(SIDE, device, kiln_sgd());
        const kiln_callback_functions ends = {.on_train_batch_end = on_batch_end},
                                      both = {.on_train_batch_begin = on_batch_begin,
                                              .on_train_batch_end = on_batch_end};
        diary d = {.words = ""};
        ck_assert_ptr_nonnull(kiln_fit(plain, data, .epochs = 2, .shuffle = KILN_NO,
                                       .batch_size = 16, .verbose = KILN_NO));
        const kiln_history *history =
            kiln_fit(model, data, .epochs = 2, .shuffle = KILN_NO, .batch_size = 16,
                     .verbose = KILN_NO, .callbacks = {kiln_callback_new(&both, &d)});
        ck_assert_msg(history != NULL, "%s", kiln_last_error());
        ck_assert_str_eq(d.words, "b0 B0 b1 B1 b2 B2 b0 B0 b1 B1 b2 B2 ");
        ck_assert_msg(problem_same(plain, model), "watching changes nothing");
        /* the figures are those of the epoch so far */
        ck_assert_double_eq(d.val_loss[2], kiln_history_get(history, "loss", 1));

        d = (diary){.stop_at = 1};
        history = kiln_fit(model, data, .epochs = 3, .batch_size = 16, .verbose = KILN_NO,
                           .callbacks = {kiln_callback_new(&ends, &d)});
        ck_assert_msg(history != NULL, "%s", kiln_last_error());
        ck_assert_str_eq(d.words, "B0 B1 ");
        ck_assert_uint_eq(kiln_history_epochs(history),
                          1); /* with the figures so far, as in Keras */
        ck_assert_double_eq(d.val_loss[1], kiln_history_get(history, "loss", 0));
        d = (diary){.fail_with = KILN_ERROR_ARGUMENT};
        ck_assert_ptr_null(
            kiln_fit(model, data, .verbose = KILN_NO, .callbacks = {kiln_callback_new(&ends, &d)}));
        ck_assert_str_eq(d.words, "B0 ");
        kiln_clear_error();
        kiln_model_free(plain);
        kiln_model_free(model);
        kiln_dataset_free(data);
    }
}
END_TEST

/* A rate that a callback sets before a batch is that batch's. */
static kiln_status stand_still(void *user, kiln_model *model, int64_t batch)
{
    (void)user;
    return kiln_set_learning_rate(model, batch < 1 ? 0.1 : 0);
}

START_TEST(rates_by_batch)
{
    HARNESS_EACH_DEVICE(device)
    {
        kiln_dataset *data = problem_images(48, SIDE), *first = kiln_dataset_slice(data, 0, 16);
        kiln_model *once = problem_compiled(SIDE, device, kiln_sgd(.learning_rate = 0.1)),
                   *model = problem_compiled(SIDE, device, kiln_sgd(.learning_rate = 7));
        kiln_callback *callback = kiln_callback_new(
            &(kiln_callback_functions){.on_train_batch_begin = stand_still}, NULL);
        ck_assert_ptr_nonnull(
            kiln_fit(once, first, .shuffle = KILN_NO, .batch_size = 16, .verbose = KILN_NO));
        ck_assert_ptr_nonnull(kiln_fit(model, data, .shuffle = KILN_NO, .batch_size = 16,
                                       .verbose = KILN_NO, .callbacks = {callback}));
        ck_assert(problem_same(once, model));
        kiln_model_free(once);
        kiln_model_free(model);
        kiln_dataset_free(first);
        kiln_dataset_free(data);
    }
}
END_TEST

static double halve(int64_t epoch, double rate, void *user)
{
    (void)user;
    return epoch == 0 ? rate : rate / 2;
}

START_TEST(rates_change)
{
    HARNESS_EACH_DEVICE(device)
    {
        if (harness_is_slow(device))
            continue;
        kiln_dataset *data = problem_images(40, SIDE);
        kiln_model *model = problem_compiled(SIDE, device, kiln_sgd(.learning_rate = 0.4));
        const kiln_history *history =
            kiln_fit(model, data, .epochs = 3, .verbose = KILN_NO,
                     .callbacks = {kiln_learning_rate_scheduler(halve, NULL)});
        ck_assert_msg(history != NULL, "%s", kiln_last_error());
        for (size_t i = 0; i < 3; i++)
            ck_assert_double_eq(kiln_history_get(history, "learning_rate", i), 0.4 / (1 << i));

        harness_ok(kiln_set_learning_rate(model, 1));
        diary d = {.val_loss = {5, 4, 4, 4, 4, 4, 4, 4}};
        history = kiln_fit(
            model, data, .epochs = 8, .verbose = KILN_NO,
            .callbacks = {diary_of(&d), kiln_reduce_lr_on_plateau(.patience = 2, .factor = 0.5,
                                                                  .cooldown = 1, .min_lr = 0.3)});
        ck_assert_msg(history != NULL, "%s", kiln_last_error());
        /* reduced after epochs 3 and 5 (the cooldown's epoch may count); the rate that was in force
         * is logged */
        const double rates[] = {1, 1, 1, 1, 0.5, 0.5, 0.3, 0.3};
        for (size_t i = 0; i < 8; i++)
            ck_assert_double_eq_tol(kiln_history_get(history, "learning_rate", i), rates[i], 1e-12);
        ck_assert_ptr_null(kiln_reduce_lr_on_plateau(.factor = 1));
        kiln_model_free(model);
        kiln_dataset_free(data);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("callbacks");
    TCase *tests = tcase_create("callbacks");
    tcase_add_test(tests, functions_are_called_in_order);
    tcase_add_test(tests, early_stopping);
    tcase_add_test(tests, batches_are_reported);
    tcase_add_test(tests, rates_by_batch);
    tcase_add_test(tests, rates_change);
    tcase_add_test(tests, evaluations_and_predictions_are_told);
    suite_add_tcase(suite, tests);
    return harness_run(suite);
}
