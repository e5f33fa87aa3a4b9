/* What kiln compare has each device do in a process of its own, so that a driver that crashes or
 * hangs costs only its own figures. Prints one JSON object. */
#include "base/clock.h"
#include "base/hash.h"
#include "cli/compare.h"
#include "cli/objective.h"
#include "cli/practice.h"
#include "cli/steps.h"
#include "cli/timeline.h"
#include "device/list.h"
#include "device/profile.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* Seconds: what a device may spend on its loss curve, on the timing of steps, and on a profile. */
static const double curve_seconds = 12, timing_seconds = 5, profile_seconds = 0.5;
enum { LEAST_CURVE = 3, WINDOWS = 8, MOST_PROFILED = 20, MOST_SPANS = 2000 };

static int64_t programs;

static void count_program(const char *label)
{
    (void)label;
    programs++;
}

/* ---- a device and its peaks ---- */

/* The device that is meant, as kiln devices lists it. */
static int find_device(const char *selector)
{
    found_device *found;
    kiln_device_info *devices = NULL;
    size_t count, chosen;
    text skipped = {0};
    kiln_status status = list_devices(&found, &count, &skipped);
    if (status == KILN_OK)
        status = list_select(found, count, selector, skipped.data, &chosen);
    if (status == KILN_OK) /* lists them again: this knows the default */
        status = kiln_devices_list(&devices, &count, NULL);
    free(found);
    text_free(&skipped);
    int code = status == KILN_OK ? cli_print_json(cli_device(&devices[chosen])) : cli_fail();
    free(devices);
    return code;
}

static int measure_device(void)
{
    kiln_device_peaks peaks;
    if (session_start() != KILN_OK)
        return cli_fail();
    kiln_device *device = session_device();
    kiln_status status = device ? kiln_device_measure(device, &peaks) : kiln_last_status();
    kiln_device_close(device);
    return status == KILN_OK ? cli_print_json(cli_peaks(&peaks)) : cli_fail();
}

/* ---- a training ---- */

typedef struct training_run {
    const network *which;
    const char *data_name;
    int64_t wanted, batch;
    kiln_dataset *data;
    kiln_model *model;
    kiln_device *device;
    steps steps;
    uint64_t bits;
    double *losses;
    int64_t loss_count;
    double compile, first_step;
    steps_times times;
    profile_row *rows;
    size_t row_count;
    profile_span *spans;                   /* of whole steps */
    size_t span_count, launches, profiled; /* launches of a step, and while a profile is on */
    bool outside;                          /* timed by the host's clock */
    char put_aside[200];
} training_run;

/* Everything that goes in: initial weights, data, order of the samples. */
static kiln_status hash_all(training_run *r)
{
    uint64_t seed = r->model->seed;
    r->bits = hash_bytes(0, &seed, sizeof seed);
    KILN_TRY(model_seed_weights(r->model));
    for (size_t i = 0; i < kiln_model_weight_count(r->model); i++) {
        size_t count = (size_t)kiln_shape_size(kiln_model_weight_shape(r->model, i));
        float *values = mem_new(count, sizeof *values);
        kiln_status status =
            values ? kiln_get_weights(r->model, i, values, count) : KILN_ERROR_MEMORY;
        if (status == KILN_OK)
            r->bits = hash_bytes(r->bits, values, count * sizeof *values);
        free(values);
        KILN_TRY(status);
    }
    for (size_t i = 0; i < r->data->input_count + r->data->target_count; i++) {
        const data_column *c = i < r->data->input_count
                                   ? &r->data->inputs[i]
                                   : &r->data->targets[i - r->data->input_count];
        if (c->data)
            r->bits = hash_bytes(r->bits, c->data, (size_t)r->data->samples * data_column_row(c));
    }
    return KILN_OK;
}

/* What the check of the device had to put aside, which plans now do without; "": nothing. */
static void note_put_aside(training_run *r, unsigned avoided_before, bool serial_before)
{
    static const char *const names[] = {"pooling inside of convolutions",
                                        "independent launches in one kernel", "chains of rows",
                                        "Winograd's convolutions", "small steps in one launch"};
    size_t used = 0;
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (r->device->avoid & ~avoided_before & (1u << i))
            used += (size_t)snprintf(r->put_aside + used, sizeof r->put_aside - used, "%s%s",
                                     used ? ", " : "", names[i]);
    if (r->device->serial_kernels != serial_before)
        snprintf(r->put_aside + used, sizeof r->put_aside - used, "%sthe usual kind of kernels",
                 used ? ", " : "");
}

static kiln_status open_run(training_run *r)
{
    KILN_TRY(session_start());
    device_on_compile = count_program;
    if ((r->data = practice_data(r->which, &r->data_name)) == NULL ||
        (r->device = session_device()) == NULL ||
        (r->model = session_model(r->which->name, r->data)) == NULL)
        return kiln_last_status();
    KILN_TRY(hash_all(r));
    unsigned avoided = r->device->avoid;
    bool serial = r->device->serial_kernels;
    double start = clock_seconds();
    KILN_TRY(objective_compile(r->model, r->data, r->device, &(objective_options){0}, false));
    KILN_TRY(steps_open(&r->steps, r->model, r->data, r->batch));
    note_put_aside(r, avoided, serial);
    r->compile = clock_seconds() - start;
    return KILN_OK;
}

/* The loss of each step, as far as the time goes. */
static kiln_status run_curve(training_run *r)
{
    const model_training *t = r->steps.training;
    double *totals = mem_new(t->sums + 1, sizeof *totals);
    r->losses = mem_new((size_t)r->wanted, sizeof *r->losses);
    kiln_status status = totals && r->losses ? KILN_OK : KILN_ERROR_MEMORY;
    double start = clock_seconds();
    while (status == KILN_OK && r->loss_count < r->wanted &&
           (r->loss_count < LEAST_CURVE || clock_seconds() - start < curve_seconds)) {
        memset(totals, 0, t->sums * sizeof *totals);
        status = steps_run(&r->steps, 1);
        if (status == KILN_OK)
            status = training_collect(r->steps.training, r->steps.program, totals);
        if (status != KILN_OK)
            break;
        if (r->loss_count == 0)
            r->first_step = clock_since_start();
        r->losses[r->loss_count++] = totals[0] / totals[1];
    }
    free(totals);
    return status == KILN_OK ? steps_verify(&r->steps) : status;
}

static kiln_status profile_steps(training_run *r)
{
    plan_facts facts;
    int64_t count = (int64_t)(profile_seconds / r->times.median);
    count = count < 1 ? 1 : count > MOST_PROFILED ? MOST_PROFILED : count;
    KILN_TRY(steps_profile(&r->steps, &r->outside));
    plan_describe(r->steps.program->plan, &facts);
    r->launches = (size_t)facts.launches;
    r->profiled = (size_t)facts.profiled;
    KILN_TRY(steps_run(&r->steps, 1)); /* the profile's queue is a new one */
    KILN_TRY(profile_keep_spans(r->device, (size_t)count * r->profiled));
    KILN_TRY(steps_run(&r->steps, count));
    KILN_TRY(profile_take_spans(r->device, &r->spans, &r->span_count));
    return profile_stop(r->device, &r->rows, &r->row_count);
}

static kiln_status run_all(training_run *r)
{
    KILN_TRY(open_run(r));
    KILN_TRY(run_curve(r));
    int64_t window = r->loss_count < r->wanted ? 1 : r->wanted < 50 ? r->wanted : 50;
    steps_windows windows = {.window = window,
                             .chunk = window,
                             .least_seconds = window > 1 ? 0.25 : 0,
                             .windows = WINDOWS,
                             .most_seconds = timing_seconds};
    KILN_TRY(steps_time(&r->steps, &windows, &r->times));
    KILN_TRY(steps_verify(&r->steps));
    return profile_steps(r);
}

/* ---- what it says ---- */

static json_t *kernels_json(const training_run *r)
{
    json_t *list = json_array();
    double count = (double)r->span_count / (double)(r->profiled ? r->profiled : 1);
    for (size_t k = 0; k < r->row_count; k++) {
        double seconds = 0, flops = 0, bytes = 0, calls = 0;
        for (size_t i = 0; i < r->span_count; i++)
            if (r->spans[i].row == k) {
                calls++;
                seconds += r->spans[i].seconds;
                flops += r->spans[i].flops;
                bytes += r->spans[i].bytes;
            }
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:f, s:f, s:f, s:f}", "kernel",
                                              r->rows[k].name, "layer", r->rows[k].layer, "shape",
                                              r->rows[k].what, "calls", calls / count, "seconds",
                                              seconds / count, "flops", flops / count, "bytes",
                                              bytes / count));
    }
    return list;
}

/* The launches of the shortest step. */
static json_t *timeline_json(const training_run *r)
{
    json_t *list = json_array();
    const profile_span *best = timeline_shortest(r->spans, r->span_count, r->profiled);
    for (size_t i = 0; best && i < r->profiled && i < MOST_SPANS; i++)
        json_array_append_new(list, json_pack("[I, f, f]", (json_int_t)best[i].row,
                                              best[i].start - best[0].start, best[i].seconds));
    return list;
}

static json_t *run_json(const training_run *r)
{
    char bits[20];
    json_t *losses = json_array();
    for (int64_t i = 0; i < r->loss_count; i++)
        json_array_append_new(losses,
                              isfinite(r->losses[i]) ? json_real(r->losses[i]) : json_null());
    snprintf(bits, sizeof bits, "%016" PRIx64, r->bits);
    return json_pack("{s:s, s:s, s:I, s:s, s:I, s:f, s:f, s:f, s:f, s:f, s:I, s:I, s:I, s:I, s:o, "
                     "s:o, s:o, s:s, s:s}",
                     "network", r->which->name, "data", r->data_name, "batch_size",
                     (json_int_t)r->batch, "bits_in", bits, "steps_wanted", (json_int_t)r->wanted,
                     "best_ms_per_step", 1e3 * r->times.best, "median_ms_per_step",
                     1e3 * r->times.median, "samples_per_second", (double)r->batch / r->times.best,
                     "first_step_s", r->first_step, "compile_s", r->compile, "programs_compiled",
                     (json_int_t)programs, "device_memory_bytes",
                     (json_int_t)kiln_device_memory_peak(r->device), "host_memory_bytes",
                     (json_int_t)session_resident(), "launches_per_step", (json_int_t)r->launches,
                     "losses", losses, "kernels", kernels_json(r), "timeline", timeline_json(r),
                     "clock", r->outside ? "host" : "device", "put_aside", r->put_aside);
}

static int train(const char *name, const char *wanted)
{
    static training_run r; /* too large for the stack */
    r.which = network_find(name);
    r.wanted = strtoll(wanted, NULL, 10);
    if (r.which == NULL || r.wanted < 1)
        return EXIT_USAGE;
    r.batch = common.batch_size ? common.batch_size : r.which->batch_size;
    int status = run_all(&r) == KILN_OK ? cli_print_json(run_json(&r)) : cli_fail();
    profile_free_rows(r.rows, r.row_count);
    free(r.spans);
    free(r.losses);
    steps_close(&r.steps);
    kiln_model_free(r.model);
    kiln_dataset_free(r.data);
    kiln_device_close(r.device);
    return status;
}

int compare_child(int count, char **words)
{
    common.verbose = 0;
    if (count == 3 && strcmp(words[1], "find") == 0)
        return find_device(words[2]);
    if (count == 3 && strcmp(words[1], "measure") == 0) {
        common.device = words[2];
        return measure_device();
    }
    if (count != 8 || strcmp(words[1], "train") != 0)
        return EXIT_USAGE;
    common.device = words[2];
    common.batch_size = strtoll(words[5], NULL, 10);
    common.seed = strtoull(words[6], NULL, 10);
    common.gemm = words[7][0] ? words[7] : NULL;
    return train(words[3], words[4]);
}
