/* kiln bench */
#include "base/clock.h"
#include "cli/networks.h"
#include "cli/objective.h"
#include "cli/practice.h"
#include "cli/steps.h"

#include <string.h>

enum { LEAST_STEPS = 50, DEFAULT_WINDOWS = 12 };
static const double least_seconds = 0.25;

static struct {
    int64_t steps, window;
    bool peaks, json;
} given;

static const option options[] = {
    {"--steps", OPTION_WHOLE, offsetof(__typeof__(given), steps), "N",
     "steps to measure (12 windows)", 1},
    {"--window", OPTION_WHOLE, offsetof(__typeof__(given), window), "N",
     "steps in a window (at least 50, and at least 0.25 s of them)", 1},
    {"--peaks", OPTION_FLAG, offsetof(__typeof__(given), peaks), NULL,
     "also what the device can do: multiply-adds, copies, launches", 0},
    {"--json", OPTION_FLAG, offsetof(__typeof__(given), json), NULL,
     "one object on standard output", 0},
};

typedef struct figures {
    int64_t batch;
    double first_step; /* seconds */
    steps_times times;
    plan_facts plan;
    uint64_t device_memory, resident;
    kiln_device_peaks peaks;
    const char *data;
} figures;

static kiln_status measure(const network *which, kiln_model **model, kiln_dataset **data,
                           kiln_device **device, steps *s, figures *f)
{
    KILN_TRY(session_start());
    *device = session_device();
    if (*device == NULL)
        return kiln_last_status();
    *data = practice_data(which, &f->data);
    if (*data == NULL)
        return kiln_last_status();
    *model = session_model(which->name, *data);
    if (*model == NULL)
        return kiln_last_status();
    f->batch = common.batch_size ? common.batch_size : which->batch_size;
    KILN_TRY(objective_compile(*model, *data, *device, &(objective_options){0}, false));
    KILN_TRY(steps_check(*model, *data, f->batch, 0));
    KILN_TRY(steps_open(s, *model, *data, f->batch));
    KILN_TRY(steps_run(s, 1));
    f->first_step = clock_since_start();
    steps_windows windows = {.window = given.window > LEAST_STEPS ? given.window : LEAST_STEPS,
                             .chunk = LEAST_STEPS,
                             .least_seconds = least_seconds,
                             .windows = DEFAULT_WINDOWS,
                             .steps = given.steps};
    KILN_TRY(steps_time(s, &windows, &f->times));
    KILN_TRY(steps_verify(s));
    plan_describe(s->program->plan, &f->plan);
    f->device_memory = kiln_device_memory_peak(*device);
    f->resident = session_resident();
    return given.peaks ? kiln_device_measure(*device, &f->peaks) : KILN_OK;
}

static int print_json(const network *which, const kiln_device_info *info, const figures *f)
{
    json_t *object = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:i, s:s, s:I, s:I}",
        "network", which->name, "device", info->name, "driver", info->driver, "platform",
        info->platform, "gemm", f->plan.engines ? f->plan.engines : "none", "batch_size",
        (json_int_t)f->batch, "steps", (json_int_t)f->times.steps, "window",
        (json_int_t)f->times.window, "first_step_s", f->first_step, "best_ms_per_step",
        1e3 * f->times.best, "median_ms_per_step", 1e3 * f->times.median, "samples_per_second",
        (double)f->batch / f->times.best, "gflops", f->plan.flops / f->times.best / 1e9,
        "launches_per_step", f->plan.launches, "data", f->data, "device_memory_bytes",
        (json_int_t)f->device_memory, "peak_rss_bytes", (json_int_t)f->resident);
    if (given.peaks)
        json_object_set_new(object, "peaks", cli_peaks(&f->peaks));
    return cli_print_json(object);
}

static int print_text(const network *which, const kiln_device_info *info, const figures *f)
{
    printf("%s at batch size %lld on %s (%s %s), products by %s, data %s\n", which->name,
           (long long)f->batch, info->name, info->platform, info->driver,
           f->plan.engines ? f->plan.engines : "none", f->data);
    printf("  step         best %.4f ms, median %.4f ms (windows of %s steps, %s steps in all)\n",
           1e3 * f->times.best, 1e3 * f->times.median, session_count(f->times.window),
           session_count(f->times.steps));
    printf("  speed        %s samples/s, %.1f GFLOP/s, %d launches a step\n",
           session_count((int64_t)((double)f->batch / f->times.best)),
           f->plan.flops / f->times.best / 1e9, f->plan.launches);
    printf("  first step   done %.2f s after the start\n", f->first_step);
    printf("  memory       device %s, host %s at most\n", session_bytes(f->device_memory),
           session_bytes(f->resident));
    if (given.peaks)
        printf("  peaks        %.0f GFLOP/s multiply-adds, %.1f GB/s copies, %.2f us a launch\n",
               f->peaks.fma_gflops, f->peaks.copy_gbytes, f->peaks.launch_us);
    return EXIT_DONE;
}

static int run(int count, char **words)
{
    int status = options_parse(&command_bench, &given, &count, words);
    if (status >= 0)
        return status;
    const network *which = network_find(count ? words[0] : "mlp");
    if (which == NULL)
        return usage_error(&command_bench,
                           "there is no built-in network '%s': kiln new lists those there are",
                           words[0]);
    kiln_model *model = NULL;
    kiln_dataset *data = NULL;
    kiln_device *device = NULL;
    static steps s; /* too large for the stack */
    figures f = {0};
    if (measure(which, &model, &data, &device, &s, &f) != KILN_OK)
        status = cli_fail();
    else
        status = given.json ? print_json(which, kiln_device_describe(device), &f)
                            : print_text(which, kiln_device_describe(device), &f);
    steps_close(&s);
    kiln_model_free(model);
    kiln_dataset_free(data);
    kiln_device_close(device);
    return status;
}

const command command_bench = {
    .name = "bench",
    .arguments = "[NETWORK]",
    .most_arguments = 1,
    .summary = "how fast a built-in network trains here",
    .help =
        "Times windows of consecutive training steps of a built-in network (mlp): real training,\n"
        "shuffled gather, dropout and optimizer included, on MNIST where it is at hand, else on\n"
        "the drawn digits; on random data for a network that its data size. Nothing is\n"
        "downloaded.",
    .example = "  kiln bench --batch-size 128\n  kiln bench mlp1024 --peaks --json",
    .options = options,
    .option_count = sizeof options / sizeof *options,
    .takes_common = true,
    .run = run,
};
