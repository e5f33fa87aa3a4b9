#include "cli/trace.h"

#include "base/file.h"

#include <jansson.h>
#include <kiln/kiln.h>
#include <string.h>

enum { PROCESS = 1, LAUNCHES = 1, STEPS = 2 };

/* Names of the process and of its rows. */
static void add_name(json_t *events, const char *kind, int row, const char *name)
{
    json_array_append_new(events, json_pack("{s:s, s:s, s:i, s:i, s:{s:s}}", "name", kind, "ph",
                                            "M", "pid", PROCESS, "tid", row, "args", "name", name));
}

static void add_span(json_t *events, int row, const char *name, const char *category, double start,
                     double seconds, json_t *arguments)
{
    json_array_append_new(events,
                          json_pack("{s:s, s:s, s:s, s:i, s:i, s:f, s:f, s:o}", "name", name, "cat",
                                    category, "ph", "X", "pid", PROCESS, "tid", row, "ts",
                                    1e6 * start, "dur", 1e6 * seconds, "args", arguments));
}

static void add_launch(json_t *events, const trace *t, size_t i)
{
    const profile_span *s = &t->spans[i];
    const profile_row *r = &t->rows[s->row];
    json_t *arguments = json_pack("{s:s, s:s, s:I}", "layer", r->layer, "shape", r->what, "launch",
                                  (json_int_t)(t->launches ? i % t->launches + 1 : i + 1));
    if (s->flops > 0)
        json_object_set_new(arguments, "GFLOP/s", json_real(s->flops / s->seconds / 1e9));
    if (s->bytes > 0)
        json_object_set_new(arguments, "GB/s", json_real(s->bytes / s->seconds / 1e9));
    add_span(events, LAUNCHES, r->name, "kernel", s->start, s->seconds, arguments);
}

static void add_step(json_t *events, const trace *t, size_t first)
{
    const profile_span *from = &t->spans[first], *to = &t->spans[first + t->launches - 1];
    char name[32];
    double busy = 0, length = to->start + to->seconds - from->start;
    for (size_t i = 0; i < t->launches; i++)
        busy += from[i].seconds;
    snprintf(name, sizeof name, "step %zu", first / t->launches + 1);
    add_span(events, STEPS, name, "step", from->start, length,
             json_pack("{s:i, s:f}", "launches", (int)t->launches, "busy",
                       length > 0 ? busy / length : 1));
}

kiln_status trace_write(const trace *t, const char *path)
{
    json_t *events = json_array();
    add_name(events, "process_name", LAUNCHES, t->device->name);
    add_name(events, "thread_name", LAUNCHES, "launches");
    add_name(events, "thread_name", STEPS, "steps");
    for (size_t i = 0; i < t->count; i++)
        add_launch(events, t, i);
    for (size_t i = 0; t->launches && i + t->launches <= t->count; i += t->launches)
        add_step(events, t, i);
    json_t *all =
        json_pack("{s:s, s:{s:s, s:s, s:s, s:s, s:s}, s:o}", "displayTimeUnit", "ns", "otherData",
                  "title", t->title, "device", t->device->name, "driver", t->device->driver,
                  "platform", t->device->platform, "kiln", kiln_version(), "traceEvents", events);
    char *dump = all ? json_dumps(all, JSON_REAL_PRECISION(12)) : NULL;
    json_decref(all);
    if (dump == NULL)
        return kiln_fail(KILN_ERROR_MEMORY, "%s: the trace could not be made; out of memory", path);
    kiln_status status = file_write_atomic(path, dump, strlen(dump));
    free(dump);
    return status;
}
