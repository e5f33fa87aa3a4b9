/* Reading what kiln compare --json prints. */
#include "cli/compare.h"

#include <math.h>
#include <string.h>

/* ---- values of an object ---- */

static kiln_status refuse(const char *origin, const char *what)
{
    return kiln_fail(KILN_ERROR_FORMAT, "%s: %s; it takes what kiln compare --json prints", origin,
                     what);
}

typedef struct number {
    const char *key;
    double *value;
} number;

/* Numbers from 0 up; 0 for one that is not there. */
static kiln_status take_numbers(const json_t *object, const number *numbers, size_t count,
                                const char *origin)
{
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_object_get(object, numbers[i].key);
        if (value && !(json_is_number(value) && json_number_value(value) >= 0)) {
            char *found = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
            kiln_status status = kiln_fail(
                KILN_ERROR_FORMAT,
                "%s: %s is %.40s, which is no number from 0 up; it takes what kiln compare --json "
                "prints",
                origin, numbers[i].key, found ? found : "?");
            free(found);
            return status;
        }
        *numbers[i].value = json_number_value(value);
    }
    return KILN_OK;
}

#define TAKE_NUMBERS(OBJECT, ORIGIN, ...)                                                          \
    take_numbers(OBJECT, (const number[]){__VA_ARGS__},                                            \
                 sizeof((const number[]){__VA_ARGS__}) / sizeof(number), ORIGIN)

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

/* "other" of "a/other.json" */
static char *stem(const char *path)
{
    const char *name = strrchr(path, '/');
    name = name ? name + 1 : path;
    size_t length = strlen(name);
    if (length > 5 && strcmp(name + length - 5, ".json") == 0)
        length -= 5;
    return str_format("%.*s", (int)length, name);
}

/* ---- devices ---- */

/* document: what it is in. A device of another machine is marked with the file that it came from.
 */
static kiln_status read_device(const json_t *object, const json_t *document, const char *origin,
                               compared_device *d)
{
    const json_t *peaks = json_object_get(object, "peaks");
    const char *file = json_string_value(json_object_get(object, "file"));
    kiln_device_peaks *p = &d->peaks;
    if (!json_is_object(object))
        return refuse(origin, "a device is no object");
    KILN_TRY(take_problem(object, &d->problem));
    d->is_local = file == NULL;
    d->machine = file ? stem(file) : str_copy("this machine");
    if (d->machine == NULL)
        return KILN_ERROR_MEMORY;
    KILN_TRY(take_text(file ? object : document, "processor", "", &d->processor));
    KILN_TRY(take_text(object, "name", "a device", &d->name));
    KILN_TRY(take_text(object, "platform", "", &d->platform));
    KILN_TRY(take_text(object, "driver", "", &d->driver));
    KILN_TRY(take_text(object, "version", "", &d->version));
    KILN_TRY(take_text(object, "type", "other", &d->type));
    d->measured = json_is_object(peaks);
    KILN_TRY(TAKE_NUMBERS(object, origin, {"compute_units", &d->compute_units},
                          {"memory_bytes", &d->memory},
                          {"largest_allocation_bytes", &d->largest_allocation}));
    return TAKE_NUMBERS(
        peaks, origin, {"fma_gflops", &p->fma_gflops}, {"copy_gbytes_per_second", &p->copy_gbytes},
        {"launch_us", &p->launch_us}, {"upload_gbytes_per_second", &p->upload_gbytes},
        {"download_gbytes_per_second", &p->download_gbytes}, {"fp16_gflops", &p->fp16_gflops});
}

static void free_device(compared_device *d)
{
    char *texts[] = {d->machine, d->name, d->platform,  d->driver,
                     d->version, d->type, d->processor, d->problem};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        free(texts[i]);
}

/* ---- runs ---- */

static kiln_status read_kernels(const json_t *list, const char *origin, compared_run *r)
{
    size_t count = json_array_size(list);
    r->kernels = mem_new(count + 1, sizeof *r->kernels);
    if (r->kernels == NULL)
        return KILN_ERROR_MEMORY;
    for (; r->kernel_count < count; r->kernel_count++) {
        const json_t *object = json_array_get(list, r->kernel_count);
        compared_kernel *k = &r->kernels[r->kernel_count];
        KILN_TRY(TAKE_NUMBERS(object, origin, {"calls", &k->calls}, {"seconds", &k->seconds},
                              {"flops", &k->flops}, {"bytes", &k->bytes}));
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

static kiln_status read_figures(const json_t *object, const char *origin, compared_run *r)
{
    double best_ms, median_ms;
    KILN_TRY(TAKE_NUMBERS(object, origin, {"batch_size", &r->batch},
                          {"steps_wanted", &r->steps_wanted}, {"best_ms_per_step", &best_ms},
                          {"median_ms_per_step", &median_ms}, {"first_step_s", &r->first_step},
                          {"compile_s", &r->compile}, {"programs_compiled", &r->programs},
                          {"device_memory_bytes", &r->device_memory},
                          {"host_memory_bytes", &r->host_memory}));
    r->best = best_ms / 1e3;
    r->median = median_ms / 1e3;
    const char *clock = json_string_value(json_object_get(object, "clock"));
    r->host_clock = clock && strcmp(clock, "host") == 0;
    KILN_TRY(read_losses(json_object_get(object, "losses"), r));
    KILN_TRY(read_kernels(json_object_get(object, "kernels"), origin, r));
    return read_spans(json_object_get(object, "timeline"), r);
}

/* document: what it is in, whose seed it has unless it says one itself. */
static kiln_status read_run(const json_t *object, const json_t *document, size_t devices,
                            const char *origin, compared_run *r)
{
    const json_t *device = json_object_get(object, "device"),
                 *seed = json_object_get(object, "seed");
    if (!json_is_integer(device) || json_integer_value(device) < 0 ||
        (size_t)json_integer_value(device) >= devices)
        return refuse(origin, "a run is that of no device in the file");
    r->device = (size_t)json_integer_value(device);
    KILN_TRY(take_text(object, "network", "a network", &r->network));
    KILN_TRY(take_text(object, "data", "", &r->data));
    KILN_TRY(take_text(object, "bits_in", "", &r->bits));
    KILN_TRY(take_text(object, "put_aside", "", &r->put_aside));
    KILN_TRY(take_problem(object, &r->problem));
    KILN_TRY(read_figures(object, origin, r));
    seed = seed ? seed : json_object_get(document, "seed");
    r->seed = (uint64_t)json_integer_value(seed);
    if (r->problem)
        return KILN_OK;
    if (r->best <= 0 || r->median <= 0 || r->loss_count == 0)
        return refuse(origin, "a run has neither figures nor a reason");
    return r->batch < 1 || r->steps_wanted < 1 || !json_is_integer(seed)
               ? refuse(origin, "a run does not say its batch size, steps or seed")
               : KILN_OK;
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
    free(r->differs);
}

/* ---- the whole ---- */

kiln_status comparison_read(comparison *c, const json_t *document, const char *origin)
{
    const char *format = json_string_value(json_object_get(document, "format"));
    const json_t *devices = json_object_get(document, "devices"),
                 *runs = json_object_get(document, "runs");
    if (format == NULL || strcmp(format, "kiln compare") != 0 || !json_is_array(devices) ||
        !json_is_array(runs))
        return refuse(origin, "no comparison");
    size_t device_count = json_array_size(devices), run_count = json_array_size(runs);
    c->devices = mem_new(device_count + 1, sizeof *c->devices);
    c->runs = mem_new(run_count + 1, sizeof *c->runs);
    if (c->devices == NULL || c->runs == NULL)
        return KILN_ERROR_MEMORY;
    while (c->device_count < device_count) {
        const json_t *object = json_array_get(devices, c->device_count);
        KILN_TRY(read_device(object, document, origin, &c->devices[c->device_count++]));
    }
    while (c->run_count < run_count) {
        const json_t *object = json_array_get(runs, c->run_count);
        KILN_TRY(read_run(object, document, device_count, origin, &c->runs[c->run_count++]));
    }
    return take_text(document, "command", "kiln compare", &c->command);
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
