/* Callbacks that write files: logs, TensorBoard's events, checkpoints. */
#include "problem.h"

#include "base/file.h"
#include "train/callbacks.h"

#include <glob.h>
#include <unistd.h>

#define SIDE 6

/* Puts these figures into the logs in place of what was measured. */
static kiln_status set_val_loss(void *user, kiln_model *model, int64_t epoch, const kiln_logs *logs)
{
    const double *values = user;
    (void)model;
    return logs_set((kiln_logs *)(uintptr_t)logs, "val_loss", values[epoch]);
}

static kiln_callback *val_losses(const double *values)
{
    return kiln_callback_new(&(kiln_callback_functions){.on_epoch_end = set_val_loss},
                             (void *)(uintptr_t)values);
}

static char *read_all(const char *path)
{
    static char words[4096];
    FILE *file = fopen(path, "r");
    ck_assert_msg(file != NULL, "%s", path);
    words[fread(words, 1, sizeof words - 1, file)] = '\0';
    fclose(file);
    return words;
}

START_TEST(csv_files)
{
    HARNESS_EACH_DEVICE(device)
    {
        if (harness_is_slow(device))
            continue;
        kiln_dataset *data = problem_images(40, SIDE);
        kiln_model *model = problem_compiled(SIDE, device, kiln_sgd());
        char path[300], expected[4096];
        snprintf(path, sizeof path, "%s/log.csv", harness_folder());
        const kiln_history *history = kiln_fit(model, data, .epochs = 2, .verbose = KILN_NO,
                                               .callbacks = {kiln_csv_logger(path)});
        ck_assert_msg(history != NULL, "%s", kiln_last_error());
        char *words = read_all(path), *line = strtok(words, "\n");
        ck_assert_str_eq(line, "epoch,accuracy,loss,val_accuracy,val_loss");
        for (size_t i = 0; i < 2; i++) {
            double accuracy, loss;
            int epoch, n = 0;
            line = strtok(NULL, "\n");
            ck_assert_int_eq(sscanf(line, "%d,%lf,%lf,NA,NA%n", &epoch, &accuracy, &loss, &n), 3);
            ck_assert_int_eq(n, (int)strlen(line));
            ck_assert_int_eq(epoch, (int)i);
            ck_assert_double_eq(loss, kiln_history_get(history, "loss", i));
        }
        snprintf(expected, sizeof expected, "%s", read_all(path));
        ck_assert_ptr_nonnull(
            kiln_fit(model, data, .verbose = KILN_NO, .validation_data = data,
                     .callbacks = {kiln_csv_logger(path, .append = KILN_YES, .separator = ";")}));
        words = read_all(path);
        ck_assert_int_eq(strncmp(words, expected, strlen(expected)), 0);
        ck_assert_int_eq(strncmp(words + strlen(expected), "0;", 2), 0); /* no second header */
        ck_assert_ptr_null(kiln_fit(model, data, .verbose = KILN_NO,
                                    .callbacks = {kiln_csv_logger("/nowhere/log.csv")}));
        ck_assert_int_eq(kiln_last_status(), KILN_ERROR_FILE);
        kiln_clear_error();
        ck_assert_ptr_null(kiln_csv_logger(NULL));
        harness_remove_folder();
        kiln_model_free(model);
        kiln_dataset_free(data);
    }
}
END_TEST

/* How often a text is in the only file of a folder. */
static int count_in_folder(const char *folder, const char *words)
{
    glob_t found;
    char pattern[400];
    int count = 0;
    snprintf(pattern, sizeof pattern, "%s/events.out.tfevents.*", folder);
    ck_assert_int_eq(glob(pattern, 0, NULL, &found), 0);
    ck_assert_uint_eq(found.gl_pathc, 1);
    void *data;
    size_t bytes, n = strlen(words);
    harness_ok(file_read(found.gl_pathv[0], 1 << 20, &data, &bytes));
    for (size_t i = 0; i + n <= bytes; i++)
        count += memcmp((char *)data + i, words, n) == 0;
    free(data);
    globfree(&found);
    return count;
}

/* What is in them is read by TensorBoard itself in the tests of clients. */
START_TEST(event_files)
{
    HARNESS_EACH_DEVICE(device)
    {
        if (harness_is_slow(device))
            continue;
        kiln_dataset *data = problem_images(40, SIDE);
        kiln_model *model = problem_compiled(SIDE, device, kiln_sgd());
        char logs[300], part[320];
        snprintf(logs, sizeof logs, "%s/a/logs", harness_folder());
        ck_assert_ptr_nonnull(kiln_fit(
            model, data, .batch_size = 4, .epochs = 3, .verbose = KILN_NO, .validation_data = data,
            .callbacks = {kiln_tensorboard(.log_dir = logs, .histogram_freq = 2, .update_freq = 5,
                                           .write_steps_per_second = KILN_YES)}));
        snprintf(part, sizeof part, "%s/train", logs);
        ck_assert_int_eq(count_in_folder(part, "epoch_loss"), 3);
        ck_assert_int_eq(count_in_folder(part, "epoch_steps_per_second"), 3);
        ck_assert_int_eq(count_in_folder(part, "batch_loss"), 3 * 10 / 5);
        ck_assert_int_eq(count_in_folder(part, "/histogram"),
                         2 * (int)kiln_model_weight_count(model)); /* epochs 0 and 2 */
        snprintf(part, sizeof part, "%s/validation", logs);
        ck_assert_int_eq(count_in_folder(part, "epoch_loss"), 3);
        ck_assert_int_eq(count_in_folder(part, "histogram"), 0);
        ck_assert_ptr_null(kiln_fit(model, data, .verbose = KILN_NO,
                                    .callbacks = {kiln_tensorboard(.log_dir = "/dev/null/x")}));
        ck_assert_int_eq(kiln_last_status(), KILN_ERROR_FILE);
        kiln_clear_error();
        ck_assert_ptr_null(kiln_tensorboard(.update_freq = -1));
        ck_assert_int_eq(kiln_last_status(), KILN_ERROR_ARGUMENT);
        kiln_clear_error();
        ck_assert_ptr_null(kiln_tensorboard(.write_grads = KILN_YES));
        ck_assert_ptr_nonnull(strstr(kiln_last_error(), "histogram_freq"));
        kiln_clear_error();
        /* gradients and pictures too; the training keeps its bits */
        kiln_model *watched = problem_compiled(SIDE, device, kiln_sgd()),
                   *same = problem_compiled(SIDE, device, kiln_sgd());
        snprintf(logs, sizeof logs, "%s/b", harness_folder());
        problem_fitted(kiln_fit(
            watched, data, .batch_size = 16, .epochs = 3, .verbose = KILN_NO, .seed = 5,
            .callbacks = {kiln_tensorboard(.log_dir = logs, .histogram_freq = 2,
                                           .write_grads = KILN_YES, .write_images = KILN_YES)}));
        problem_fitted(
            kiln_fit(same, data, .batch_size = 16, .epochs = 3, .verbose = KILN_NO, .seed = 5));
        ck_assert(problem_same(watched, same));
        snprintf(part, sizeof part, "%s/train", logs);
        const int each = 2 * (int)kiln_model_weight_count(model);
        ck_assert_int_eq(count_in_folder(part, "/histogram"), each);
        ck_assert_int_eq(count_in_folder(part, "/gradient"), each);
        ck_assert_int_eq(count_in_folder(part, "/image/0"), each);
        ck_assert_int_eq(count_in_folder(part, "\x89PNG"), each);
        kiln_model_free(watched);
        kiln_model_free(same);
        harness_remove_folder();
        kiln_model_free(model);
        kiln_dataset_free(data);
    }
}
END_TEST

START_TEST(checkpoints)
{
    HARNESS_EACH_DEVICE(device)
    {
        if (harness_is_slow(device))
            continue;
        kiln_dataset *data = problem_images(40, SIDE);
        kiln_model *model = problem_compiled(SIDE, device, kiln_sgd());
        char pattern[300], path[300];
        const double first[] = {5, 6, 4, 4.5}, second[] = {5, 4, 4.5};
        snprintf(pattern, sizeof pattern, "%s/some/{epoch:02d}-{val_loss:.2f}.keras",
                 harness_folder());
        kiln_callback *keep = kiln_model_checkpoint(pattern, .save_best_only = KILN_YES);
        ck_assert_msg(kiln_fit(model, data, .epochs = 4, .verbose = KILN_NO,
                               .callbacks = {val_losses(first), keep}) != NULL,
                      "%s", kiln_last_error());
        const char *const names[] = {"01-5.00", "02-6.00", "03-4.00", "04-4.50", "01-0.00"};
        for (int i = 0; i < 5; i++) {
            snprintf(path, sizeof path, "%s/some/%s.keras", harness_folder(), names[i]);
            ck_assert_msg((access(path, F_OK) == 0) == (i == 0 || i == 2), "%s", path);
        }
        snprintf(path, sizeof path, "%s/last.keras", harness_folder());
        ck_assert_ptr_nonnull(kiln_fit(model, data, .epochs = 2, .verbose = KILN_NO,
                                       .callbacks = {kiln_model_checkpoint(path)}));
        kiln_model *loaded = kiln_load(path);
        ck_assert_msg(loaded != NULL, "%s", kiln_last_error());
        ck_assert(problem_same(model, loaded));
        kiln_model_free(loaded);

        /* better than what is asked for at the start */
        snprintf(path, sizeof path, "%s/better.keras", harness_folder());
        ck_assert_ptr_nonnull(
            kiln_fit(model, data, .epochs = 3, .verbose = KILN_NO,
                     .callbacks = {val_losses(second),
                                   kiln_model_checkpoint(path, .save_best_only = KILN_YES,
                                                         .initial_value_threshold = 3)}));
        ck_assert_int_ne(access(path, F_OK), 0);
        ck_assert_ptr_nonnull(
            kiln_fit(model, data, .epochs = 3, .verbose = KILN_NO,
                     .callbacks = {val_losses(second),
                                   kiln_model_checkpoint(path, .save_best_only = KILN_YES,
                                                         .initial_value_threshold = 4.2)}));
        ck_assert_int_eq(access(path, F_OK), 0);

        /* by batches, over the ends of epochs: 10 batches, every third */
        snprintf(pattern, sizeof pattern, "%s/every/{epoch}-{batch}.keras", harness_folder());
        ck_assert_msg(kiln_fit(model, data, .epochs = 2, .batch_size = 8, .verbose = KILN_NO,
                               .callbacks = {kiln_model_checkpoint(pattern, .save_freq = 3)}) !=
                          NULL,
                      "%s", kiln_last_error());
        for (int i = 0; i < 10; i++) {
            snprintf(path, sizeof path, "%s/every/%d-%d.keras", harness_folder(), i / 5 + 1,
                     i % 5 + 1);
            ck_assert_msg((access(path, F_OK) == 0) == (i % 3 == 2), "%s", path);
        }
        ck_assert_ptr_null(kiln_model_checkpoint("x.keras", .save_freq = -1));

        /* the weights alone */
        snprintf(path, sizeof path, "%s/last.safetensors", harness_folder());
        problem_fitted(
            kiln_fit(model, data, .verbose = KILN_NO,
                     .callbacks = {kiln_model_checkpoint(path, .save_weights_only = KILN_YES)}));
        loaded = problem_model(SIDE, 8, 0, 9);
        harness_ok(kiln_load_weights(loaded, path));
        ck_assert(problem_same(model, loaded));
        kiln_model_free(loaded);
        ck_assert_ptr_null(kiln_fit(
            model, data, .verbose = KILN_NO,
            .callbacks = {kiln_model_checkpoint("x.keras", .save_weights_only = KILN_YES)}));
        ck_assert_str_eq(kiln_last_error(),
                         "ModelCheckpoint: x.keras: the name of a file of weights ends in "
                         ".weights.h5, .safetensors or .npz");

        const char *const bad[] = {"/proc/no/x.keras", "{epoch.keras", "{epoch:x}.keras",
                                   "{beauty}.keras", "{batch}.keras"};
        for (int i = 0; i < 5; i++) {
            kiln_clear_error();
            ck_assert_ptr_null(kiln_fit(model, data, .verbose = KILN_NO,
                                        .callbacks = {kiln_model_checkpoint(bad[i])}));
            ck_assert_ptr_nonnull(strstr(kiln_last_error(), "ModelCheckpoint"));
        }
        harness_remove_folder();
        kiln_model_free(model);
        kiln_dataset_free(data);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("callback files");
    TCase *tests = tcase_create("callback files");
    tcase_add_test(tests, csv_files);
    tcase_add_test(tests, event_files);
    tcase_add_test(tests, checkpoints);
    suite_add_tcase(suite, tests);
    return harness_run(suite);
}
