/* The report of kiln compare: the kernels of one device. */
#include "cli/compare_page.h"
#include "cli/session.h"
#include "report/chart.h"
#include "report/page.h"

#include <math.h>

enum { ROOFLINE_HEIGHT = 300, MOST_POINTS = 512, MOST_SPANS = 600 };

typedef struct one_run {
    const comparison *c;
    const compared_run *run;
    int *colors; /* of the kernels: those that take the most have one of their own, the others share
                    one */
} one_run;

static double step_seconds(const compared_run *r)
{
    double sum = 0;
    for (size_t k = 0; k < r->kernel_count; k++)
        sum += r->kernels[k].seconds;
    return sum;
}

static void choose_colors(one_run *o)
{
    const compared_run *r = o->run;
    for (size_t k = 0; k < r->kernel_count; k++) {
        int before = 0;
        for (size_t j = 0; j < r->kernel_count; j++)
            before += r->kernels[j].seconds > r->kernels[k].seconds ||
                      (r->kernels[j].seconds == r->kernels[k].seconds && j < k);
        o->colors[k] = before < CHART_COLORS - 1 ? before : CHART_COLORS - 1;
    }
}

/* "matmul relu, dense 32 x 128 x 784" */
static const char *kernel_name(const compared_kernel *k)
{
    return comparison_words("%.120s%s%.120s", k->name, k->shape[0] ? ", " : "", k->shape);
}

typedef struct roofline {
    double x[MOST_POINTS], y[MOST_POINTS], radius[MOST_POINTS];
    const char *notes[MOST_POINTS];
    chart_series series[CHART_COLORS + 1];
    double roof_x[3], roof_y[3];
} roofline;

static void draw_roofline(text *out, const void *user, double width)
{
    const one_run *o = user;
    const compared_run *r = o->run;
    const kiln_device_peaks *p = &o->c->devices[r->device].peaks;
    roofline *f = mem_new(1, sizeof *f);
    double low = INFINITY, high = 0, total = step_seconds(r), ridge;
    size_t points = 0, count = 0;
    if (f == NULL) {
        out->failed = true;
        return;
    }
    for (int color = 0; color < CHART_COLORS; color++) {
        size_t first = points;
        for (size_t k = 0; k < r->kernel_count && points < MOST_POINTS; k++) {
            const compared_kernel *q = &r->kernels[k];
            if (o->colors[k] != color || q->flops <= 0 || q->bytes <= 0 || q->seconds <= 0)
                continue;
            f->x[points] = q->flops / q->bytes;
            f->y[points] = q->flops / q->seconds * 1e-9;
            f->radius[points] = 4 + 10 * sqrt(q->seconds / total);
            f->notes[points] = str_format(
                "%s: %.1f GFLOP/s, %.1f GB/s, %.1f us, %.0f %% of the launches' time",
                kernel_name(q), q->flops / q->seconds * 1e-9, q->bytes / q->seconds * 1e-9,
                1e6 * q->seconds, 100 * q->seconds / total);
            low = f->x[points] < low ? f->x[points] : low;
            high = f->x[points] > high ? f->x[points] : high;
            points++;
        }
        if (points > first)
            f->series[count++] = (chart_series){.x = f->x + first,
                                                .y = f->y + first,
                                                .radius = f->radius + first,
                                                .notes = f->notes + first,
                                                .count = points - first,
                                                .color = color};
    }
    ridge = p->fma_gflops / p->copy_gbytes;
    low = fmin(low, ridge) / 2;
    high = fmax(high, ridge) * 2;
    f->roof_x[0] = low;
    f->roof_x[1] = ridge;
    f->roof_x[2] = high;
    f->roof_y[0] = low * p->copy_gbytes;
    f->roof_y[1] = f->roof_y[2] = p->fma_gflops;
    f->series[count++] = (chart_series){.x = f->roof_x, .y = f->roof_y, .count = 3, .color = -1};
    chart_draw(out,
               &(chart){.title = "Roofline",
                        .x_name = "FLOP a byte",
                        .y_name = "GFLOP/s",
                        .log_x = true,
                        .log_y = true,
                        .series = f->series,
                        .count = count},
               width, ROOFLINE_HEIGHT);
    for (size_t i = 0; i < points; i++)
        free((void *)(uintptr_t)f->notes[i]);
    free(f);
}

static void draw_timeline(text *out, const void *user, double width)
{
    const one_run *o = user;
    const compared_run *r = o->run;
    size_t count = r->span_count < MOST_SPANS ? r->span_count : MOST_SPANS;
    chart_span *spans = mem_new(count + 1, sizeof *spans);
    if (spans == NULL) {
        out->failed = true;
        return;
    }
    const compared_span *last = count ? &r->spans[count - 1] : NULL;
    const bool is_long = last && last->start + last->seconds > 0.1;
    const double scale = is_long ? 1e3 : 1e6;
    for (size_t i = 0; i < count; i++) {
        const compared_kernel *k = &r->kernels[r->spans[i].kernel];
        spans[i] = (chart_span){
            .start = scale * r->spans[i].start,
            .length = scale * r->spans[i].seconds,
            .color = o->colors[r->spans[i].kernel],
            .name = k->layer[0] ? k->layer : k->name,
            .note = str_format("%s: %.1f us", kernel_name(k), 1e6 * r->spans[i].seconds)};
    }
    chart_timeline(out, "Launches of one step", is_long ? "ms" : "\xc2\xb5s", spans, count, width);
    for (size_t i = 0; i < count; i++)
        free((void *)(uintptr_t)spans[i].note);
    free(spans);
}

static const char *kernel_above(const one_run *o, size_t k)
{
    const compared_run *r = o->run;
    return comparison_above(&o->c->devices[r->device], &r->kernels[k], 1, r->kernels[k].seconds);
}

/* A reason, with the first kernels that it is for. */
static void add_reason(const one_run *o, const char *why, text *out)
{
    enum { NAMED = 3 };
    size_t found = 0;
    text names = {0};
    for (size_t k = 0; k < o->run->kernel_count; k++)
        if (kernel_above(o, k) == why && ++found <= NAMED)
            text_add(&names, "%s%s", found > 1 ? "; " : "", kernel_name(&o->run->kernels[k]));
    if (found > NAMED)
        text_add(&names, " and %zu more", found - NAMED);
    text_add(&names, ": above the measured peak; %s.", why);
    out->failed |= names.failed;
    if (!names.failed)
        page_paragraph(out, names.data);
    text_free(&names);
}

/* Why shares are above 100 %: each reason once. */
static void add_reasons(const one_run *o, text *out)
{
    for (size_t k = 0; k < o->run->kernel_count; k++) {
        const char *why = kernel_above(o, k);
        bool is_new = why != NULL;
        for (size_t j = 0; j < k; j++)
            is_new &= kernel_above(o, j) != why;
        if (is_new)
            add_reason(o, why, out);
    }
}

static void add_kernels(const one_run *o, text *out)
{
    static const char *const headings[] = {"Kernel", "\t\xc2\xb5s a step", "\tShare", "\tGFLOP/s",
                                           "\tGB/s", "\tOf the roofline"};
    enum { COLUMNS = sizeof headings / sizeof *headings, MOST = 12 };
    const compared_run *r = o->run;
    double total = step_seconds(r);
    bool *shown = mem_new(r->kernel_count + 1, sizeof *shown);
    if (shown == NULL) {
        out->failed = true;
        return;
    }
    page_table_begin(out, headings, COLUMNS);
    for (size_t n = 0; n < r->kernel_count && n < MOST; n++) { /* by time */
        size_t best = SIZE_MAX;
        for (size_t k = 0; k < r->kernel_count; k++)
            if (!shown[k] && (best == SIZE_MAX || r->kernels[k].seconds > r->kernels[best].seconds))
                best = k;
        const compared_kernel *k = &r->kernels[best];
        shown[best] = true;
        if (k->seconds <= 0)
            break;
        double bound = comparison_bound(&o->c->devices[r->device], k->flops, k->bytes);
        const char *cells[COLUMNS] = {
            kernel_name(k),
            comparison_words("\t%s", session_figure(1e6 * k->seconds)),
            comparison_words("\t%.0f %%", 100 * k->seconds / total),
            k->flops > 0 ? comparison_words("\t%.3g", k->flops / k->seconds * 1e-9) : "\t\xe2\x80\x93",
            k->bytes > 0 ? comparison_words("\t%.3g", k->bytes / k->seconds * 1e-9) : "\t\xe2\x80\x93",
            bound > 0 ? comparison_words("\t%.0f %%", 100 * bound / k->seconds) : "\t\xe2\x80\x93"};
        page_table_row(out, o->colors[best], cells, COLUMNS);
    }
    page_table_end(out);
    if (r->kernel_count > MOST)
        page_paragraph(out, comparison_words("And %zu more kernels.", r->kernel_count - MOST));
    add_reasons(o, out);
    free(shown);
}

void comparison_add_kernels(const comparison *c, const compared_run *r, text *out)
{
    one_run o = {c, r, mem_new(r->kernel_count + 1, sizeof(int))};
    if (o.colors == NULL) {
        out->failed = true;
        return;
    }
    choose_colors(&o);
    const char *colours =
        r->kernel_count > CHART_COLORS
            ? "The table names the colours, the last of which all the others share."
            : "The table names the colours.";
    page_heading(out, 3, comparison_words("%s on %s", r->network, comparison_device_name(c, r->device)));
    if (r->span_count)
        page_figure(
            out,
            r->host_clock
                ? comparison_words("The launches of one step, each waited for and timed by the host's clock: "
                        "this driver's events tell no times. %s",
                        colours)
                : comparison_words("The launches of one step, by the device's own clock. %s", colours),
            false, draw_timeline, &o);
    if (c->devices[r->device].measured && c->devices[r->device].peaks.copy_gbytes > 0)
        page_figure(out,
                    "Each kernel under the measured roofline; the larger the spot, the more of "
                    "the step's time. Above the slope: the data came from a cache.",
                    false, draw_roofline, &o);
    add_kernels(&o, out);
    free(o.colors);
}
