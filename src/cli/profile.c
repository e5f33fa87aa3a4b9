/* kiln profile */
#include "device/profile.h"
#include "base/clock.h"
#include "base/file.h"
#include "cli/objective.h"
#include "cli/steps.h"
#include "cli/text_data.h"
#include "cli/timeline.h"
#include "cli/trace.h"

#include <string.h>

enum { TRACED_STEPS = 10 };

static struct {
    int64_t steps;
    bool json;
    const char *label, *trace;
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
    {"--trace", OPTION_TEXT, offsetof(__typeof__(given), trace), "FILE.json",
     "the time line of the last 10 steps, for Perfetto or chrome://tracing", 0},
    {"--json", OPTION_FLAG, offsetof(__typeof__(given), json), NULL, "an array of launches", 0},
};

typedef struct profiling {
    kiln_model *model;
    kiln_dataset *data;
    kiln_device *device;
    profile_row *rows; /* those of the spans are numbers of these */
    size_t count;
    profile_span *spans;
    size_t span_count, launches;
    double wall;
    bool outside;
} profiling;

static int compare(const void *a, const void *b)
{
    const profile_row *x = a, *y = b;
    return (x->seconds < y->seconds) - (x->seconds > y->seconds);
}

static void print_text(const profiling *p, const profile_row *rows)
{
    size_t count = p->count;
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
           session_count(given.steps), 1e3 * total, 1e3 * p->wall,
           1e3 * total / (double)given.steps, 1e3 * p->wall / (double)given.steps);
    if (p->outside)
        printf("this driver's events tell no times: each launch was waited for, and timed by the "
               "host's clock\n");
    const profile_span *step = timeline_shortest(p->spans, p->span_count, p->launches);
    if (step)
        timeline_print(p->rows, step, p->launches, stdout);
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

/* The rows by time, those of the spans left as they are. */
static int print(const profiling *p)
{
    profile_row *rows = mem_new(p->count + 1, sizeof *rows);
    if (rows == NULL)
        return cli_fail();
    memcpy(rows, p->rows, p->count * sizeof *rows);
    qsort(rows, p->count, sizeof *rows, compare);
    int status = EXIT_DONE;
    if (given.json)
        status = print_json(rows, p->count);
    else
        print_text(p, rows);
    free(rows);
    return status;
}

/* The steps that are looked at, and the launches of the last ones. */
static kiln_status run_steps(profiling *p, steps *s)
{
    int64_t traced = given.steps < TRACED_STEPS ? given.steps : TRACED_STEPS;
    plan_facts facts;
    KILN_TRY(steps_profile(s, &p->outside));
    plan_describe(s->program->plan, &facts);
    p->launches = (size_t)facts.profiled;
    double start = clock_seconds();
    KILN_TRY(steps_run(s, given.steps - traced));
    KILN_TRY(profile_keep_spans(p->device, (size_t)traced * p->launches));
    KILN_TRY(steps_run(s, traced));
    KILN_TRY(profile_take_spans(p->device, &p->spans, &p->span_count));
    p->wall = clock_seconds() - start;
    return profile_stop(p->device, &p->rows, &p->count);
}

static kiln_status write_trace(const profiling *p, const char *model_name, int64_t batch)
{
    char title[300];
    if (given.trace == NULL)
        return KILN_OK;
    snprintf(title, sizeof title, "%s, batch size %lld", model_name, (long long)batch);
    return trace_write(&(trace){.title = title,
                                .device = kiln_device_describe(p->device),
                                .rows = p->rows,
                                .spans = p->spans,
                                .count = p->span_count,
                                .launches = p->launches},
                       given.trace);
}

static kiln_status measure(profiling *p, steps *s, const char *model_name, const char *data_name)
{
    KILN_TRY(session_start());
    if (given.trace)
        KILN_TRY(file_writable(given.trace));
    bool builtin = session_is_builtin(model_name);
    text_expect(model_name);
    if (!builtin &&
        (p->model = session_model_for(model_name, data_name, given.label, KILN_YES)) == NULL)
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
    KILN_TRY(run_steps(p, s));
    KILN_TRY(steps_verify(s));
    return write_trace(p, model_name, batch);
}

static int run(int count, char **words)
{
    int status = options_parse(&command_profile, &given, &count, words);
    if (status >= 0)
        return status;
    profiling p = {0};
    static steps s; /* too large for the stack */
    status = measure(&p, &s, words[0], words[1]) == KILN_OK ? print(&p) : cli_fail();
    profile_free_rows(p.rows, p.count);
    free(p.spans);
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
            "shape its calls, time, speed and share, and the time line of one step. No model is "
            "saved.\n"
            "MODEL and DATA are as for kiln fit.",
    .example =
        "  kiln profile mlp mnist --batch-size 128\n  kiln profile mlp mnist --trace mlp.json",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .takes_common = true,
    .takes_data = true,
    .run = run,
};
