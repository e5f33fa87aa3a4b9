/* Reading what kiln compare --json prints, and what follows from it. */
#include "cli/compare.h"

#include <math.h>
#include <string.h>

/* ---- values of an object ---- */

static double number(const json_t *object, const char *key)
{
    double value = json_number_value(json_object_get(object, key));
    return isfinite(value) && value >= 0 ? value : 0;
}

static kiln_status take_text(const json_t *object, const char *key, const char *otherwise,
                             char **out)
{
    const char *value = json_string_value(json_object_get(object, key));
    *out = str_copy(value ? value : otherwise);
    return *out ? KILN_OK : KILN_ERROR_MEMORY;
}

/* NULL where there is none. */
static kiln_status take_problem(const json_t *object, char **out)
{
    *out = NULL;
    return json_object_get(object, "problem") ? take_text(object, "problem", "unknown", out)
                                              : KILN_OK;
}

static kiln_status refuse(const char *origin, const char *what)
{
    return kiln_fail(KILN_ERROR_FORMAT, "%s: %s; it takes what kiln compare --json prints", origin,
                     what);
}

/* ---- devices ---- */

static kiln_status read_device(const json_t *object, const char *machine, const char *processor,
                               compared_device *d)
{
    const json_t *peaks = json_object_get(object, "peaks");
    KILN_TRY(take_problem(object, &d->problem));
    d->machine = str_copy(machine);
    d->processor = str_copy(processor);
    if (d->machine == NULL || d->processor == NULL)
        return KILN_ERROR_MEMORY;
    KILN_TRY(take_text(object, "name", "a device", &d->name));
    KILN_TRY(take_text(object, "platform", "", &d->platform));
    KILN_TRY(take_text(object, "driver", "", &d->driver));
    KILN_TRY(take_text(object, "version", "", &d->version));
    KILN_TRY(take_text(object, "type", "other", &d->type));
    d->compute_units = number(object, "compute_units");
    d->memory = number(object, "memory_bytes");
    d->largest_allocation = number(object, "largest_allocation_bytes");
    d->measured = json_is_object(peaks);
    d->peaks = (kiln_device_peaks){.fma_gflops = number(peaks, "fma_gflops"),
                                   .copy_gbytes = number(peaks, "copy_gbytes_per_second"),
                                   .launch_us = number(peaks, "launch_us"),
                                   .upload_gbytes = number(peaks, "upload_gbytes_per_second"),
                                   .download_gbytes = number(peaks, "download_gbytes_per_second"),
                                   .fp16_gflops = number(peaks, "fp16_gflops")};
    return KILN_OK;
}

static void free_device(compared_device *d)
{
    char *texts[] = {d->machine, d->name, d->platform,  d->driver,
                     d->version, d->type, d->processor, d->problem};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        free(texts[i]);
}

/* ---- runs ---- */

static kiln_status read_kernels(const json_t *list, compared_run *r)
{
    size_t count = json_array_size(list);
    r->kernels = mem_new(count + 1, sizeof *r->kernels);
    if (r->kernels == NULL)
        return KILN_ERROR_MEMORY;
    for (; r->kernel_count < count; r->kernel_count++) {
        const json_t *object = json_array_get(list, r->kernel_count);
        compared_kernel *k = &r->kernels[r->kernel_count];
        *k = (compared_kernel){.calls = number(object, "calls"),
                               .seconds = number(object, "seconds"),
                               .flops = number(object, "flops"),
                               .bytes = number(object, "bytes")};
        KILN_TRY(take_text(object, "kernel", "kernel", &k->name));
        KILN_TRY(take_text(object, "layer", "", &k->layer));
        KILN_TRY(take_text(object, "shape", "", &k->shape));
    }
    return KILN_OK;
}

static kiln_status read_spans(const json_t *list, compared_run *r)
{
    size_t count = json_array_size(list);
    r->spans = mem_new(count + 1, sizeof *r->spans);
    if (r->spans == NULL)
        return KILN_ERROR_MEMORY;
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(list, i);
        compared_span s = {.kernel = (size_t)json_integer_value(json_array_get(item, 0)),
                           .start = json_number_value(json_array_get(item, 1)),
                           .seconds = json_number_value(json_array_get(item, 2))};
        if (s.kernel < r->kernel_count && s.start >= 0 && s.seconds >= 0)
            r->spans[r->span_count++] = s;
    }
    return KILN_OK;
}

static kiln_status read_losses(const json_t *list, compared_run *r)
{
    size_t count = json_array_size(list);
    r->losses = mem_new(count + 1, sizeof *r->losses);
    if (r->losses == NULL)
        return KILN_ERROR_MEMORY;
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(list, i);
        r->losses[r->loss_count++] = json_is_number(item) ? json_number_value(item) : NAN;
    }
    return KILN_OK;
}

static kiln_status read_run(const json_t *object, size_t first_device, size_t devices,
                            const char *origin, compared_run *r)
{
    const json_t *device = json_object_get(object, "device");
    if (!json_is_integer(device) || json_integer_value(device) < 0 ||
        (size_t)json_integer_value(device) >= devices)
        return refuse(origin, "a run is that of no device in the file");
    r->device = first_device + (size_t)json_integer_value(device);
    KILN_TRY(take_text(object, "network", "a network", &r->network));
    KILN_TRY(take_text(object, "data", "", &r->data));
    KILN_TRY(take_text(object, "bits_in", "", &r->bits));
    KILN_TRY(take_text(object, "put_aside", "", &r->put_aside));
    KILN_TRY(take_problem(object, &r->problem));
    r->batch = number(object, "batch_size");
    r->steps_wanted = number(object, "steps_wanted");
    r->best = number(object, "best_ms_per_step") / 1e3;
    r->median = number(object, "median_ms_per_step") / 1e3;
    r->first_step = number(object, "first_step_s");
    r->compile = number(object, "compile_s");
    r->programs = number(object, "programs_compiled");
    r->device_memory = number(object, "device_memory_bytes");
    r->host_memory = number(object, "host_memory_bytes");
    const char *clock = json_string_value(json_object_get(object, "clock"));
    r->host_clock = clock && strcmp(clock, "host") == 0;
    KILN_TRY(read_losses(json_object_get(object, "losses"), r));
    KILN_TRY(read_kernels(json_object_get(object, "kernels"), r));
    KILN_TRY(read_spans(json_object_get(object, "timeline"), r));
    if (r->problem == NULL && (r->best <= 0 || r->median <= 0 || r->loss_count == 0))
        return refuse(origin, "a run has neither figures nor a reason");
    return KILN_OK;
}

static void free_run(compared_run *r)
{
    for (size_t k = 0; r->kernels && k <= r->kernel_count; k++) { /* one may be half read */
        free(r->kernels[k].name);
        free(r->kernels[k].layer);
        free(r->kernels[k].shape);
    }
    free(r->kernels);
    free(r->spans);
    free(r->losses);
    free(r->network);
    free(r->data);
    free(r->bits);
    free(r->put_aside);
    free(r->problem);
}

/* ---- the whole ---- */

kiln_status comparison_add(comparison *c, const json_t *document, const char *machine,
                           const char *origin)
{
    const char *format = json_string_value(json_object_get(document, "format"));
    const json_t *devices = json_object_get(document, "devices"),
                 *runs = json_object_get(document, "runs");
    if (format == NULL || strcmp(format, "kiln compare") != 0 || !json_is_array(devices) ||
        !json_is_array(runs))
        return refuse(origin, "no comparison");
    size_t device_count = json_array_size(devices), run_count = json_array_size(runs),
           first = c->device_count;
    const char *processor = json_string_value(json_object_get(document, "processor"));
    compared_device *more_devices =
        realloc(c->devices, (first + device_count + 1) * sizeof *more_devices);
    if (more_devices)
        c->devices = more_devices;
    compared_run *more_runs = realloc(c->runs, (c->run_count + run_count + 1) * sizeof *more_runs);
    if (more_runs)
        c->runs = more_runs;
    if (more_devices == NULL || more_runs == NULL)
        return kiln_fail_memory((device_count + run_count) * sizeof *more_runs);
    for (size_t i = 0; i < device_count; i++) {
        compared_device *d = &c->devices[c->device_count++];
        *d = (compared_device){0};
        KILN_TRY(read_device(json_array_get(devices, i), machine, processor ? processor : "", d));
    }
    for (size_t i = 0; i < run_count; i++) {
        compared_run *r = &c->runs[c->run_count++];
        *r = (compared_run){0};
        KILN_TRY(read_run(json_array_get(runs, i), first, device_count, origin, r));
    }
    if (c->command == NULL) {
        c->steps = number(document, "steps");
        c->seed = number(document, "seed");
        return take_text(document, "command", "kiln compare", &c->command);
    }
    return KILN_OK;
}

void comparison_free(comparison *c)
{
    for (size_t i = 0; i < c->device_count; i++)
        free_device(&c->devices[i]);
    for (size_t i = 0; i < c->run_count; i++)
        free_run(&c->runs[i]);
    free(c->devices);
    free(c->runs);
    free(c->command);
    *c = (comparison){0};
}

/* ---- judging ---- */

double comparison_bound(const compared_device *d, double flops, double bytes)
{
    double compute = d->peaks.fma_gflops > 0 ? flops / d->peaks.fma_gflops * 1e-9 : 0,
           memory = d->peaks.copy_gbytes > 0 ? bytes / d->peaks.copy_gbytes * 1e-9 : 0;
    return compute > memory ? compute : memory;
}

/* The largest relative difference over the steps that both have. NaN: not the same bits went in, or
 * there is nothing to compare. */
static double distance(const compared_run *a, const compared_run *b)
{
    size_t steps = a->loss_count < b->loss_count ? a->loss_count : b->loss_count;
    double most = steps ? 0 : NAN;
    if (a->problem || b->problem || strcmp(a->bits, b->bits) != 0 || a->batch != b->batch)
        return NAN;
    for (size_t i = 0; i < steps; i++) {
        double scale = fmax(fmax(fabs(a->losses[i]), fabs(b->losses[i])), 1e-30);
        double d = fabs(a->losses[i] - b->losses[i]) / scale;
        if (!(d <= most))
            most = d;
    }
    return most;
}

/* Is run a, whose distances to the others of its network add up to sum_a, more to be trusted? */
static bool is_better_reference(const comparison *c, const compared_run *a, double sum_a,
                                const compared_run *b, double sum_b)
{
    if (a->loss_count != b->loss_count)
        return a->loss_count > b->loss_count;
    if (sum_a != sum_b)
        return sum_a < sum_b;
    bool cpu_a = strcmp(c->devices[a->device].type, "CPU") == 0,
         cpu_b = strcmp(c->devices[b->device].type, "CPU") == 0;
    return cpu_a && !cpu_b;
}

/* Among the runs first..end-1. */
static void judge_curves(comparison *c, size_t first, size_t end)
{
    compared_run *best = NULL;
    double best_sum = 0;
    for (size_t i = first; i < end; i++) {
        compared_run *r = &c->runs[i];
        double sum = 0;
        for (size_t j = first; j < end; j++) {
            double d = distance(r, &c->runs[j]);
            sum += j != i && !isnan(d) ? d : 0;
        }
        if (r->problem == NULL &&
            (best == NULL || is_better_reference(c, r, sum, best, best_sum))) {
            best = r;
            best_sum = sum;
        }
    }
    for (size_t i = first; i < end; i++) {
        c->runs[i].is_reference = &c->runs[i] == best;
        c->runs[i].distance =
            best && c->runs[i].problem == NULL ? distance(&c->runs[i], best) : NAN;
    }
}

static size_t network_place(const comparison *c, const char *name)
{
    size_t i = 0;
    while (i < c->run_count && strcmp(c->runs[i].network, name) != 0)
        i++;
    return i;
}

typedef struct ordered_run {
    compared_run run;
    size_t network, place;
} ordered_run;

static int by_network_and_speed(const void *x, const void *y)
{
    const ordered_run *a = x, *b = y;
    if (a->network != b->network)
        return a->network < b->network ? -1 : 1;
    if ((a->run.problem == NULL) != (b->run.problem == NULL))
        return a->run.problem == NULL ? -1 : 1;
    if (a->run.problem == NULL && a->run.best != b->run.best)
        return a->run.best < b->run.best ? -1 : 1;
    return a->place < b->place ? -1 : 1;
}

kiln_status comparison_judge(comparison *c)
{
    ordered_run *order = mem_new(c->run_count + 1, sizeof *order);
    if (order == NULL)
        return KILN_ERROR_MEMORY;
    for (size_t i = 0; i < c->run_count; i++)
        order[i] = (ordered_run){c->runs[i], network_place(c, c->runs[i].network), i};
    qsort(order, c->run_count, sizeof *order, by_network_and_speed);
    for (size_t i = 0; i < c->run_count; i++)
        c->runs[i] = order[i].run;
    free(order);
    for (size_t i = 0; i < c->run_count; i++) {
        compared_run *r = &c->runs[i];
        const compared_device *d = &c->devices[r->device];
        double bound = 0;
        for (size_t k = 0; k < r->kernel_count; k++)
            bound += comparison_bound(d, r->kernels[k].flops, r->kernels[k].bytes);
        r->roofline = d->measured && r->best > 0 ? bound / r->best : 0;
        r->rank = r->problem ? 0 : comparison_begins(c, i) ? 1 : c->runs[i - 1].rank + 1;
        if (comparison_begins(c, i))
            judge_curves(c, i, i + comparison_length(c, i));
    }
    return KILN_OK;
}

bool comparison_begins(const comparison *c, size_t i)
{
    return i == 0 || strcmp(c->runs[i].network, c->runs[i - 1].network) != 0;
}

size_t comparison_length(const comparison *c, size_t i)
{
    size_t n = 1;
    while (i + n < c->run_count && !comparison_begins(c, i + n))
        n++;
    return n;
}

const char *comparison_letter(size_t device)
{
    static char buffers[4][24];
    static unsigned next;
    char *out = buffers[next++ % 4];
    if (device < 26)
        snprintf(out, sizeof buffers[0], "%c", (char)('A' + (int)device));
    else
        snprintf(out, sizeof buffers[0], "%c%zu", (char)('A' + (int)(device % 26)), device / 26);
    return out;
}
