/* Schedules, logs, history and the progress bar, against Keras's. */
#include "train/logs.h"
#include "train/optimizer.h"
#include "train/progress.h"

#include "problem.h"

#include <math.h>
#include <unistd.h>

#include "fixtures/progress.h"
#include "fixtures/schedules.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

START_TEST(schedules_are_as_in_keras)
{
    for (size_t i = 0; i < COUNT(schedule_cases); i++) {
        const struct schedule_case *c = &schedule_cases[i];
        harness_ok(schedule_check(&c->schedule));
        for (size_t j = 0; j < COUNT(schedule_steps); j++) {
            double rate = kiln_schedule_rate(&c->schedule, schedule_steps[j]);
            ck_assert_msg(fabs(rate - c->rates[j]) <= 2e-6 * fabs(c->rates[j]) + 1e-9,
                          "schedule %zu at step %lld: %.9g instead of %.9g", i,
                          (long long)schedule_steps[j], rate, c->rates[j]);
        }
    }
    kiln_schedule macro = kiln_cosine_decay(0.1, 50, .alpha = 0.2);
    ck_assert_double_eq_tol(kiln_schedule_rate(&macro, 25), 0.06, 1e-9);
    macro = kiln_exponential_decay(0.1, 10, 0.5, .staircase = KILN_YES);
    ck_assert_double_eq_tol(kiln_schedule_rate(&macro, 19), 0.05, 1e-9);
    macro = kiln_piecewise_constant_decay(2, .boundaries = {10, 20}, .values = {1, 0.5, 0.1});
    ck_assert_double_eq(kiln_schedule_rate(&macro, 20), 0.5);
    ck_assert_double_eq(kiln_schedule_rate(&macro, 21), 0.1);
    macro = kiln_schedule_of(KILN_SCHEDULE_POLYNOMIAL, 0.1, 100);
    ck_assert_double_eq_tol(kiln_schedule_rate(&macro, 50), 0.05005, 1e-12);
}
END_TEST

START_TEST(schedules_are_checked)
{
    harness_fails(schedule_check(&(kiln_schedule){.kind = KILN_SCHEDULE_COSINE}),
                  KILN_ERROR_ARGUMENT, "decay_steps");
    kiln_schedule falling = {
        .kind = KILN_SCHEDULE_PIECEWISE, .piece_count = 2, .boundaries = {20, 10}};
    harness_fails(schedule_check(&falling), KILN_ERROR_ARGUMENT, "rise");
    kiln_schedule empty = {.kind = KILN_SCHEDULE_PIECEWISE};
    harness_fails(schedule_check(&empty), KILN_ERROR_ARGUMENT, "1 to 16");
}
END_TEST

START_TEST(optimizers_have_keras_defaults)
{
    kiln_optimizer o = kiln_optimizer_of(KILN_OPTIMIZER_SGD);
    ck_assert_double_eq(o.learning_rate, 0.01);
    o = kiln_optimizer_of(KILN_OPTIMIZER_DEFAULT);
    ck_assert_int_eq(o.kind, KILN_OPTIMIZER_RMSPROP);
    ck_assert_double_eq(o.learning_rate, 0.001);
    ck_assert_double_eq(o.rho, 0.9);
    o = kiln_optimizer_of(KILN_OPTIMIZER_ADAMW);
    ck_assert_double_eq(o.weight_decay, 0.004);
    ck_assert_double_eq(o.beta_1, 0.9);
    ck_assert_double_eq(o.beta_2, 0.999);
    ck_assert_double_eq(o.epsilon, 1e-7);
    kiln_optimizer zero;
    harness_ok(optimizer_resolve(
        &(kiln_optimizer){.kind = KILN_OPTIMIZER_ADAMW, .weight_decay = KILN_ZERO}, &zero));
    ck_assert_double_eq(zero.weight_decay, 0);
}
END_TEST

START_TEST(optimizers_are_checked)
{
    kiln_optimizer out;
    harness_fails(optimizer_resolve(&(kiln_optimizer){.clipnorm = 1, .clipvalue = 2}, &out),
                  KILN_ERROR_ARGUMENT, "only one of clipnorm");
    harness_fails(optimizer_resolve(&(kiln_optimizer){.beta_1 = 1.5}, &out), KILN_ERROR_ARGUMENT,
                  "beta_1");
    harness_fails(optimizer_resolve(&(kiln_optimizer){.learning_rate = -1}, &out),
                  KILN_ERROR_ARGUMENT, "learning_rate");
    harness_fails(optimizer_resolve(&(kiln_optimizer){.gradient_accumulation_steps = 1}, &out),
                  KILN_ERROR_ARGUMENT, "at least 2");
    harness_fails(optimizer_resolve(&(kiln_optimizer){.kind = (kiln_optimizer_kind)99}, &out),
                  KILN_ERROR_ARGUMENT, "99");
}
END_TEST

START_TEST(adam_factors)
{
    optimizer o;
    kiln_optimizer args;
    plan_step step = {0};
    harness_ok(optimizer_resolve(&kiln_adam(), &args));
    optimizer_init(&o, &args);
    optimizer_step(&o, 0, &step);
    ck_assert_float_eq_tol(step.rate, 0.001f, 1e-9);
    ck_assert_float_eq_tol(step.factor[0], (float)(0.001 * sqrt(0.001) / 0.1), 1e-9);
    optimizer_step(&o, 9999999, &step);
    ck_assert_float_eq_tol(step.factor[0], 0.001f, 1e-9);
    ck_assert_int_eq(o.plan.slot_count, 2);
    ck_assert_ptr_nonnull(strstr(o.defines, "KILN_RULE_ADAM"));
}
END_TEST

START_TEST(logs_and_history)
{
    kiln_logs logs = {0};
    kiln_history history = {0};
    harness_ok(logs_set(&logs, "loss", 2));
    harness_ok(logs_set(&logs, "accuracy", 0.5));
    harness_ok(logs_set(&logs, "loss", 1));
    logs_sort(&logs);
    ck_assert_uint_eq(kiln_logs_count(&logs), 2);
    ck_assert_str_eq(kiln_logs_name(&logs, 0), "accuracy");
    ck_assert_double_eq(kiln_logs_get(&logs, "loss"), 1);
    ck_assert(isnan(kiln_logs_get(&logs, "val_loss")));
    ck_assert(isnan(kiln_logs_value(&logs, 9)));
    harness_ok(history_add(&history, 4, &logs));
    logs_free(&logs);
    ck_assert_uint_eq(kiln_history_epochs(&history), 1);
    ck_assert_int_eq(kiln_history_epoch(&history, 0), 4);
    ck_assert_double_eq(kiln_history_get(&history, "accuracy", 0), 0.5);
    ck_assert(isnan(kiln_history_get(&history, "accuracy", 1)));
    history_free(&history);
    ck_assert_uint_eq(kiln_logs_count(NULL), 0);
}
END_TEST

/* The words without the terminal's escape codes. */
static void plain(const char *styled, char *out)
{
    for (; *styled; styled++) {
        if (*styled == '\033')
            while (*styled != 'm')
                styled++;
        else
            *out++ = *styled;
    }
    *out = '\0';
}

START_TEST(bars_are_as_in_keras)
{
    kiln_logs logs = {0};
    harness_ok(logs_set(&logs, "accuracy", 0.912345));
    harness_ok(logs_set(&logs, "loss", 0.30119));
    harness_ok(logs_set(&logs, "small", 0.00042));
    harness_ok(logs_set(&logs, "worse", -1.5));
    for (size_t i = 0; i < COUNT(progress_cases); i++) {
        const struct progress_case *c = &progress_cases[i];
        progress p = {.stream = stdout,
                      .verbose = c->verbose,
                      .terminal = true,
                      .target = c->target,
                      .start = 1000,
                      .first_step = c->first > 0 ? 1000 + c->first : 0};
        text out = {0};
        size_t columns;
        char words[1024];
        progress_text(&p, c->current, &logs, c->last, 1000 + c->now, &out, &columns);
        ck_assert_str_eq(out.data, c->terminal);
        text_free(&out);
        p.terminal = false;
        progress_text(&p, c->current, &logs, c->last, 1000 + c->now, &out, &columns);
        plain(c->terminal, words);
        ck_assert_str_eq(out.data, words);
        text_free(&out);
    }
    logs_free(&logs);
}
END_TEST

/* On a terminal the bar is drawn over itself, and what was longer is wiped out. */
START_TEST(bars_are_redrawn)
{
    char out[4096] = "";
    FILE *stream = fmemopen(out, sizeof out, "w");
    progress p = {.stream = stream, .verbose = 1, .terminal = true, .target = 20, .start = 100};
    kiln_logs logs = {0};
    harness_ok(logs_set(&logs, "loss", 0.5));
    ck_assert(progress_wants(&p, 101));
    progress_draw(&p, 5, &logs, 101);
    ck_assert(!progress_wants(&p, 101.05));
    ck_assert(progress_wants(&p, 101.11));
    progress_draw(&p, 6, NULL, 101.11);
    progress_finish(&p, 20, &logs, 102);
    fclose(stream);
    char words[4096];
    plain(out, words);
    ck_assert_int_eq(words[0], '\r');
    const char *second = strchr(words + 1, '\r'), *third = strchr(second + 1, '\r');
    ck_assert_ptr_nonnull(third);
    ck_assert_uint_ge((size_t)(third - second), (size_t)(second - words));
    ck_assert_int_eq(strncmp(second, "\r 6/20 ", 7), 0);
    ck_assert_ptr_nonnull(strstr(third, "2s 100ms/step"));
    ck_assert_int_eq(words[strlen(words) - 1], '\n');
    logs_free(&logs);
    p = (progress){.stream = stdout, .verbose = 1, .target = 20};
    ck_assert_msg(!progress_wants(&p, 1000), "no terminal: only the last line");
    p.verbose = 2;
    p.terminal = true;
    ck_assert(!progress_wants(&p, 1000));
}
END_TEST

START_TEST(verbosity)
{
    ck_assert_int_eq(progress_verbosity(0), 1);
    ck_assert_int_eq(progress_verbosity(1), 1);
    ck_assert_int_eq(progress_verbosity(2), 2);
    ck_assert_int_eq(progress_verbosity(KILN_NO), 0);
}
END_TEST

/* ---- what kiln_fit and kiln_evaluate print ---- */

static char *read_all(const char *path)
{
    static char words[4096];
    FILE *file = fopen(path, "r");
    ck_assert_msg(file != NULL, "%s", path);
    words[fread(words, 1, sizeof words - 1, file)] = '\0';
    fclose(file);
    return words;
}

/* Runs fit and evaluate with standard output going to a file; the text of it. */
static char *printed(kiln_model *model, kiln_dataset *data, int verbose, int64_t epochs,
                     const char *path)
{
    fflush(stdout);
    int kept = dup(1);
    ck_assert_ptr_nonnull(freopen(path, "w", stdout));
    const kiln_history *history =
        kiln_fit(model, data, .epochs = epochs, .verbose = verbose, .batch_size = 20);
    const kiln_logs *logs = kiln_evaluate(model, data, .verbose = verbose, .batch_size = 20);
    fflush(stdout);
    dup2(kept, 1);
    close(kept);
    ck_assert_msg(history && logs, "%s", kiln_last_error());
    return read_all(path);
}

/* Replaces runs of digits and points by #. */
static const char *masked(const char *words)
{
    static char out[4096];
    char *to = out;
    for (; *words && to < out + sizeof out - 2; words++) {
        bool digit = (*words >= '0' && *words <= '9') || *words == '.';
        if (digit && to > out && to[-1] == '#')
            continue;
        *to++ = digit ? '#' : *words;
    }
    *to = '\0';
    return out;
}

/* "#us/step" and "#ms/step" alike. */
static const char *plain_times(const char *words)
{
    static char out[4096];
    snprintf(out, sizeof out, "%s", words);
    for (char *at; (at = strstr(out, "us/step")) || (at = strstr(out, "ms/step"));)
        memmove(at, at + 1, strlen(at));
    return out;
}

START_TEST(lines_are_as_in_keras)
{
    HARNESS_EACH_DEVICE(device)
    {
        char path[300];
        snprintf(path, sizeof path, "%s/out.txt", harness_folder());
        kiln_dataset *data = problem_images(40, 6);
        kiln_model *model = problem_model(6, 8, 0, 1);
        problem_compile(model, device, kiln_sgd());
        ck_assert_str_eq(printed(model, data, KILN_NO, 2, path), "");
        ck_assert_str_eq(plain_times(masked(printed(model, data, 2, 2, path))),
                         "Epoch #/#\n#/# - #s - #s/step - accuracy: # - loss: #\n"
                         "Epoch #/#\n#/# - #s - #s/step - accuracy: # - loss: #\n"
                         "#/# - #s - #s/step - accuracy: # - loss: #\n");
        char *words = printed(model, data, 0, 1, path);
        ck_assert_ptr_null(strchr(words, '\r'));
        ck_assert_ptr_null(strchr(words, '\033'));
        ck_assert_str_eq(plain_times(masked(words)),
                         "#/# ━━━━━━━━━━━━━━━━━━━━ #s #s/step - accuracy: # - loss: #\n"
                         "#/# ━━━━━━━━━━━━━━━━━━━━ #s #s/step - accuracy: # - loss: #\n");
        harness_remove_folder();
        kiln_model_free(model);
        kiln_dataset_free(data);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reports");
    TCase *tests = tcase_create("reports");
    tcase_add_test(tests, schedules_are_as_in_keras);
    tcase_add_test(tests, schedules_are_checked);
    tcase_add_test(tests, optimizers_have_keras_defaults);
    tcase_add_test(tests, optimizers_are_checked);
    tcase_add_test(tests, adam_factors);
    tcase_add_test(tests, logs_and_history);
    tcase_add_test(tests, bars_are_as_in_keras);
    tcase_add_test(tests, bars_are_redrawn);
    tcase_add_test(tests, verbosity);
    tcase_add_test(tests, lines_are_as_in_keras);
    suite_add_tcase(suite, tests);
    return harness_run(suite);
}
