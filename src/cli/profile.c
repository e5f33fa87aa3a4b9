/* kiln profile */
#include "device/profile.h"
#include "base/clock.h"
#include "cli/objective.h"
#include "cli/steps.h"

#include <string.h>

static struct {
    int64_t steps;
    bool json;
    const char *label;
    objective_options objective;
} given = {.steps = 200};

static const option options[] = {
    {"--steps", OPTION_WHOLE, offsetof(__typeof__(given), steps), "N", "steps to look at (200)", 1},
    {"--loss", OPTION_TEXT, offsetof(__typeof__(given), objective.loss), "L",
     "by Keras's name (from the labels and the last activation)", 0},
    {"--optimizer", OPTION_TEXT, offsetof(__typeof__(given), objective.optimizer), "NAME",
     "sgd, adam (default), adamw, rmsprop or adagrad; with arguments in parentheses", 0},
    {"--label", OPTION_TEXT, offsetof(__typeof__(given), label), "COLUMN",
     "label column of a CSV file, by name or index (the last)", 0},
    {"--json", OPTION_FLAG, offsetof(__typeof__(given), json), NULL, "an array of launches", 0},
};

static int compare(const void *a, const void *b)
{
    const profile_row *x = a, *y = b;
    return (x->seconds < y->seconds) - (x->seconds > y->seconds);
}

static void print_text(const profile_row *rows, size_t count, double wall)
{
    double total = 0;
    int name_width = 6, what_width = 5;
    for (size_t i = 0; i < count; i++) {
        total += rows[i].seconds;
        name_width =
            (int)strlen(rows[i].name) > name_width ? (int)strlen(rows[i].name) : name_width;
        what_width =
            (int)strlen(rows[i].what) > what_width ? (int)strlen(rows[i].what) : what_width;
    }
    printf("%-*s  %-*s %8s %10s %10s %9s %8s %7s\n", name_width, "kernel", what_width, "shape",
           "calls", "ms", "us a call", "GFLOP/s", "GB/s", "share");
    for (size_t i = 0; i < count; i++) {
        const profile_row *r = &rows[i];
        double s = r->seconds > 0 ? r->seconds : 1e-9;
        printf("%-*s  %-*s %8llu %10.3f %10.2f ", name_width, r->name, what_width, r->what,
               (unsigned long long)r->calls, 1e3 * r->seconds, 1e6 * r->seconds / (double)r->calls);
        if (r->flops > 0)
            printf("%9.1f ", r->flops / s / 1e9);
        else
            printf("%9s ", "-");
        if (r->bytes > 0)
            printf("%8.1f ", r->bytes / s / 1e9);
        else
            printf("%8s ", "-");
        printf("%6.1f%%\n", total > 0 ? 100 * r->seconds / total : 0);
    }
    printf("\n%s steps: %.3f ms in launches, %.3f ms in all (%.4f and %.4f ms a step); profiling "
           "itself takes time\n",
           session_count(given.steps), 1e3 * total, 1e3 * wall, 1e3 * total / (double)given.steps,
           1e3 * wall / (double)given.steps);
}

static int print_json(const profile_row *rows, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:f, s:f, s:f}", "kernel",
                                              rows[i].name, "shape", rows[i].what, "calls",
                                              (json_int_t)rows[i].calls, "seconds", rows[i].seconds,
                                              "flops", rows[i].flops, "bytes", rows[i].bytes));
    return cli_print_json(list);
}

typedef struct profiling {
    kiln_model *model;
    kiln_dataset *data;
    kiln_device *device;
    profile_row *rows;
    size_t count;
    double wall;
} profiling;

static kiln_status measure(profiling *p, steps *s, const char *model_name, const char *data_name)
{
    KILN_TRY(session_start());
    bool builtin = session_is_builtin(model_name);
    if (!builtin && (p->model = session_model(model_name, NULL)) == NULL)
        return kiln_last_status();
    p->data = session_data(data_name, "train", given.label, p->model, KILN_YES);
    if (p->data == NULL || (builtin && (p->model = session_model(model_name, p->data)) == NULL))
        return kiln_last_status();
    KILN_TRY(session_match(p->data, p->model, true));
    p->device = session_device();
    if (p->device == NULL)
        return kiln_last_status();
    KILN_TRY(objective_compile(p->model, p->data, p->device, &given.objective, false));
    int64_t batch = common.batch_size ? common.batch_size : 32;
    KILN_TRY(steps_check(p->model, p->data, batch, given.steps));
    KILN_TRY(steps_open(s, p->model, p->data, batch));
    KILN_TRY(steps_run(s, 20)); /* first uses and caches are not what is looked for */
    KILN_TRY(profile_start(p->device));
    double start = clock_seconds();
    kiln_status status = steps_run(s, given.steps);
    p->wall = clock_seconds() - start;
    if (status == KILN_OK)
        status = profile_stop(p->device, &p->rows, &p->count);
    return status == KILN_OK ? steps_verify(s) : status;
}

static int run(int count, char **words)
{
    int status = options_parse(&command_profile, &given, &count, words);
    if (status >= 0)
        return status;
    profiling p = {0};
    static steps s; /* too large for the stack */
    if (measure(&p, &s, words[0], words[1]) != KILN_OK) {
        status = cli_fail();
    } else {
        qsort(p.rows, p.count, sizeof *p.rows, compare);
        status = EXIT_DONE;
        if (given.json)
            status = print_json(p.rows, p.count);
        else
            print_text(p.rows, p.count, p.wall);
    }
    profile_free_rows(p.rows, p.count);
    steps_close(&s);
    kiln_model_free(p.model);
    kiln_dataset_free(p.data);
    kiln_device_close(p.device);
    return status;
}

const command command_profile = {
    .name = "profile",
    .arguments = "MODEL DATA",
    .least_arguments = 2,
    .most_arguments = 2,
    .summary = "where the time of a training step goes",
    .help = "Trains for some steps with the device's own clock on, and prints for each kernel and\n"
            "shape its calls, time, speed and share. Nothing is saved. MODEL and DATA are as for\n"
            "kiln fit.",
    .example = "  kiln profile mlp mnist --batch-size 128",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .takes_common = true,
    .takes_data = true,
    .run = run,
};
