/* Learning curves of trainings: from a history, from files, and as charts. */
#include "cli/run_report.h"

#include "base/file.h"
#include "report/chart.h"
#include "report/page.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

enum { HEIGHT = 220, MOST_EPOCHS = 1000000 };

static run_figure *find(const run_curves *r, const char *name)
{
    for (size_t i = 0; i < r->count; i++)
        if (strcmp(r->figures[i].name, name) == 0)
            return &r->figures[i];
    return NULL;
}

const double *run_curves_get(const run_curves *r, const char *figure)
{
    const run_figure *f = find(r, figure);
    return f ? f->values : NULL;
}

/* The figure of that name, with room for all epochs; made when there is none. NULL: no memory. */
static run_figure *get(run_curves *r, const char *name, size_t epochs)
{
    run_figure *f = find(r, name);
    if (f)
        return f;
    run_figure *more = realloc(r->figures, (r->count + 1) * sizeof *more);
    if (more == NULL) {
        kiln_fail_memory((r->count + 1) * sizeof *more);
        return NULL;
    }
    r->figures = more;
    f = &r->figures[r->count];
    *f = (run_figure){str_copy(name), mem_new(epochs + 1, sizeof(double))};
    if (f->name == NULL || f->values == NULL) {
        free(f->name);
        free(f->values);
        return NULL;
    }
    for (size_t e = 0; e < epochs; e++)
        f->values[e] = NAN;
    r->count++;
    return f;
}

void run_curves_free(run_curves *r)
{
    for (size_t i = 0; i < r->count; i++) {
        free(r->figures[i].name);
        free(r->figures[i].values);
    }
    free(r->figures);
    free(r->name);
    *r = (run_curves){0};
}

kiln_status run_curves_from_history(const kiln_history *history, const char *name, run_curves *r)
{
    *r = (run_curves){.name = str_copy(name), .epochs = kiln_history_epochs(history)};
    if (r->name == NULL)
        return KILN_ERROR_MEMORY;
    for (size_t e = 0; e < r->epochs; e++) {
        const kiln_logs *logs = kiln_history_logs(history, e);
        for (size_t i = 0; i < kiln_logs_count(logs); i++) {
            run_figure *f = get(r, kiln_logs_name(logs, i), r->epochs);
            if (f == NULL)
                return KILN_ERROR_MEMORY;
            f->values[e] = kiln_logs_value(logs, i);
        }
    }
    return KILN_OK;
}

/* ---- files ---- */

static kiln_status refuse(const char *path, const char *what)
{
    return kiln_fail(KILN_ERROR_FORMAT,
                     "%s: %s; it takes what kiln fit wrote by --history or --log-json", path, what);
}

/* {"loss": [0.5, 0.3], ...} */
static kiln_status read_history(const json_t *object, const char *path, run_curves *r)
{
    const char *name;
    json_t *list;
    json_object_foreach((json_t *)(uintptr_t)object, name, list)
    {
        if (!json_is_array(list))
            return refuse(path, "no list of figures");
        r->epochs = json_array_size(list) > r->epochs ? json_array_size(list) : r->epochs;
    }
    if (r->epochs == 0 || r->epochs > MOST_EPOCHS)
        return refuse(path, "no epochs");
    json_object_foreach((json_t *)(uintptr_t)object, name, list)
    {
        run_figure *f = get(r, name, r->epochs);
        if (f == NULL)
            return KILN_ERROR_MEMORY;
        for (size_t e = 0; e < json_array_size(list); e++)
            if (json_is_number(json_array_get(list, e)))
                f->values[e] = json_number_value(json_array_get(list, e));
    }
    return KILN_OK;
}

/* {"epoch": 0, "loss": 0.5, ...}, a line each. */
static kiln_status read_lines(char *data, const char *path, run_curves *r)
{
    size_t lines = 1;
    for (const char *at = data; *at; at++)
        lines += *at == '\n';
    if (lines > MOST_EPOCHS)
        return refuse(path, "too many lines");
    for (char *at = data, *end; *at; at = end) {
        json_error_t error;
        end = at + strcspn(at, "\n");
        end += *end == '\n';
        if (at[strspn(at, " \t\r\n")] == '\0' || *at == '\n')
            continue;
        json_t *line = json_loadb(at, (size_t)(end - at), 0, &error), *value;
        const char *name;
        if (!json_is_object(line) || !json_is_number(json_object_get(line, "epoch"))) {
            json_decref(line);
            return refuse(path, "a line is no object with an epoch");
        }
        json_object_foreach(line, name, value)
        {
            run_figure *f =
                strcmp(name, "epoch") && strcmp(name, "seconds") && json_is_number(value)
                    ? get(r, name, lines)
                    : NULL;
            if (f)
                f->values[r->epochs] = json_number_value(value);
        }
        json_decref(line);
        r->epochs++;
    }
    return r->epochs ? KILN_OK : refuse(path, "no epochs");
}

kiln_status run_curves_read(const char *path, run_curves *r)
{
    void *data;
    size_t bytes;
    json_error_t error;
    KILN_TRY(file_read(path, (size_t)1 << 28, &data, &bytes));
    *r = (run_curves){.name = str_copy(path)};
    kiln_status status = r->name ? KILN_OK : KILN_ERROR_MEMORY;
    json_t *whole = json_loadb(data, bytes, 0, &error);
    if (status == KILN_OK)
        status = json_is_object(whole) && json_object_get(whole, "epoch") == NULL
                     ? read_history(whole, path, r)
                     : read_lines(data, path, r);
    json_decref(whole);
    free(data);
    return status;
}

/* ---- names ---- */

static size_t without_extension(const char *path)
{
    const char *const known[] = {".json", ".jsonl"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (cli_ends_with(path, known[i]))
            return strlen(path) - strlen(known[i]);
    return strlen(path);
}

/* Where the part of the path begins that ends at `end`. */
static const char *part_before(const char *path, const char *end)
{
    while (end > path && end[-1] != '/')
        end--;
    return end;
}

/* Where the last parts of `path` begin that `other` does not end with as well; NULL: they are the
 * same. */
static const char *part_apart(const char *path, const char *other)
{
    const char *end = path + without_extension(path), *other_end = other + without_extension(other);
    const char *at = part_before(path, end), *there = part_before(other, other_end);
    while (end - at == other_end - there && memcmp(at, there, (size_t)(end - at)) == 0) {
        if (at == path && there == other)
            return NULL;
        at = at > path ? part_before(path, at - 1) : at;
        there = there > other ? part_before(other, there - 1) : there;
    }
    return at;
}

static char *name_apart(const char *const *paths, size_t count, size_t own)
{
    const char *path = paths[own], *end = path + without_extension(path),
               *begin = part_before(path, end);
    for (size_t i = 0; i < count; i++) {
        const char *at = i == own ? begin : part_apart(path, paths[i]);
        if (at == NULL)
            end = path + strlen(path);
        else if (at < begin)
            begin = at;
    }
    return str_format("%.*s", (int)(end - begin), begin);
}

kiln_status run_curves_tell_apart(run_curves *runs, const char *const *paths, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char *name = name_apart(paths, count, i);
        if (name == NULL)
            return kiln_last_status();
        free(runs[i].name);
        runs[i].name = name;
    }
    return KILN_OK;
}

/* ---- charts ---- */

typedef struct one_figure {
    const run_curves *runs;
    size_t count;
    const char *name;
} one_figure;

/* A run's own curve solid, that of its validation dashed. */
static void draw(text *out, const void *user, double width)
{
    const one_figure *o = user;
    chart_series *series = mem_new(2 * o->count, sizeof *series);
    char validation[128];
    size_t n = 0;
    snprintf(validation, sizeof validation, "val_%s", o->name);
    for (size_t i = 0; series && i < o->count; i++)
        for (int held = 0; held < 2; held++) {
            const double *y = run_curves_get(&o->runs[i], held ? validation : o->name);
            if (y == NULL)
                continue;
            const char *name = o->count > 1 ? held ? NULL : o->runs[i].name
                               : held       ? "validation"
                                            : "training";
            series[n++] = (chart_series){.name = name,
                                         .y = y,
                                         .count = o->runs[i].epochs,
                                         .color = o->count > 1 ? (int)i : held,
                                         .dashed = held && o->count > 1};
        }
    if (series)
        chart_draw(out,
                   &(chart){.title = o->name,
                            .x_name = "epoch",
                            .y_name = o->name,
                            .series = series,
                            .count = n},
                   width, HEIGHT);
    else
        out->failed = true;
    free(series);
}

kiln_status run_curves_page(text *page, const run_curves *runs, size_t count)
{
    size_t charts = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < runs[i].count; k++) {
            const char *name = runs[i].figures[k].name;
            bool earlier = strncmp(name, "val_", 4) == 0;
            for (size_t j = 0; j < i && !earlier; j++)
                earlier = run_curves_get(&runs[j], name) != NULL;
            if (earlier)
                continue;
            if (charts % 2 == 0)
                page_pair_begin(page);
            page_figure(page, NULL, true, draw, &(one_figure){runs, count, name});
            if (++charts % 2 == 0)
                page_pair_end(page);
        }
    if (charts % 2)
        page_pair_end(page);
    return page->failed ? KILN_ERROR_MEMORY : KILN_OK;
}
