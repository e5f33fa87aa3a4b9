/* The report of kiln compare. */
#include "cli/compare_page.h"
#include "cli/session.h"
#include "report/chart.h"
#include "report/page.h"

#include <inttypes.h>
#include <kiln/kiln.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

enum { SAMPLES_OF_A_BAR = 1000 };
enum { CURVE_HEIGHT = 230 };

const char *comparison_words(const char *format, ...)
{
    static char ring[32][320];
    static unsigned next;
    char *out = ring[next++ % 32];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(out, 320, format, arguments);
    va_end(arguments);
    return out;
}

const char *comparison_device_name(const comparison *c, size_t device)
{
    const compared_device *d = &c->devices[device];
    bool several = false;
    for (size_t i = 1; i < c->device_count; i++)
        several |= strcmp(c->devices[i].machine, c->devices[0].machine) != 0;
    return several ? comparison_words("%s  %.120s (%.60s)", comparison_letter(device), d->name, d->machine)
                   : comparison_words("%s  %.120s", comparison_letter(device), d->name);
}

/* ---- devices ---- */

static void add_devices(const comparison *c, text *out)
{
    static const char *const headings[] = {
        "Device",        "Driver",         "\tUnits",     "\tMemory",
        "\tfma GFLOP/s", "\tfp16 GFLOP/s", "\tCopy GB/s", "\tLaunch \xc2\xb5s",
        "\tUpload GB/s", "\tDownload GB/s"};
    enum { COLUMNS = sizeof headings / sizeof *headings };
    page_heading(out, 2, "The devices");
    page_table_begin(out, headings, COLUMNS);
    for (size_t i = 0; i < c->device_count; i++) {
        const compared_device *d = &c->devices[i];
        const kiln_device_peaks *p = &d->peaks;
        const char *none = d->measured ? "\tnone" : "\t\xe2\x80\x93";
        const char *cells[COLUMNS] = {
            comparison_device_name(c, i),
            comparison_words("%.100s %.100s", d->platform, d->driver),
            comparison_words("\t%.0f", d->compute_units),
            comparison_words("\t%s", session_bytes((uint64_t)d->memory)),
            d->measured ? comparison_words("\t%s", session_figure(p->fma_gflops)) : none,
            p->fp16_gflops > 0 ? comparison_words("\t%s", session_figure(p->fp16_gflops)) : none,
            d->measured ? comparison_words("\t%s", session_figure(p->copy_gbytes)) : none,
            d->measured ? comparison_words("\t%.2f", p->launch_us) : none,
            d->measured ? comparison_words("\t%s", session_figure(p->upload_gbytes)) : none,
            d->measured ? comparison_words("\t%s", session_figure(p->download_gbytes)) : none};
        page_table_row(out, (int)i, cells, COLUMNS);
    }
    page_table_end(out);
    page_paragraph(out, "All of these are measured: float multiply-adds (counted as two), copies "
                        "between two buffers (bytes read plus bytes written), an empty launch, "
                        "and blocking transfers of up to 64 MiB.");
    for (size_t i = 0; i < c->device_count; i++)
        if (c->devices[i].problem)
            page_paragraph(out, comparison_words("%s was not measured: %.200s.", comparison_device_name(c, i),
                                      c->devices[i].problem));
}

/* ---- a network's table ---- */

static void add_table(const comparison *c, size_t first, size_t end, text *out)
{
    static const char *const headings[] = {
        "Rank and device", "\tBest ms", "\tMedian ms", "\tSamples/s", "\tFirst step s",
        "\tCompile s",     "\tMemory",  "\tRoofline",  "\tLoss",      "\tDistance"};
    enum { COLUMNS = sizeof headings / sizeof *headings };
    page_table_begin(out, headings, COLUMNS);
    for (size_t i = first; i < end; i++) {
        const compared_run *r = &c->runs[i];
        if (r->problem) {
            const char *cells[] = {comparison_words("failed: %s", comparison_device_name(c, r->device))};
            page_table_row(out, (int)r->device, cells, 1);
            continue;
        }
        const char *distance = r->is_reference      ? "\treference"
                               : !r->is_alike       ? "\tunlike it"
                               : isnan(r->distance) ? "\tno number"
                                                    : comparison_words("\t%.1e", r->distance);
        const char *cells[COLUMNS] = {comparison_words("%d. %s%s%s", r->rank, comparison_device_name(c, r->device),
                                            r->differs[0] ? "; " : "", r->differs),
                                      comparison_words("\t%.4g", 1e3 * r->best),
                                      comparison_words("\t%.4g", 1e3 * r->median),
                                      comparison_words("\t%s", session_count((int64_t)(r->batch / r->best))),
                                      comparison_words("\t%.2f", r->first_step),
                                      comparison_words("\t%.2f", r->compile),
                                      comparison_words("\t%s", session_bytes((uint64_t)r->device_memory)),
                                      r->roofline > 0 ? comparison_words("\t%.1f %%", 100 * r->roofline)
                                                      : "\t\xe2\x80\x93",
                                      comparison_words("\t%.6f", r->losses[r->loss_count - 1]),
                                      distance};
        page_table_row(out, (int)r->device, cells, COLUMNS);
    }
    page_table_end(out);
}

static void add_notes(const comparison *c, size_t first, size_t end, text *out)
{
    for (size_t i = first; i < end; i++) {
        const compared_run *r = &c->runs[i];
        if (r->problem)
            page_paragraph(out, comparison_words("%s failed: %.200s.", comparison_device_name(c, r->device), r->problem));
        if (r->put_aside[0])
            page_paragraph(out, comparison_words("%s computes wrongly, and does without: %.150s.",
                                      comparison_device_name(c, r->device), r->put_aside));
        if (r->above)
            page_paragraph(out, comparison_words("%s is above its measured peak: %s.",
                                      comparison_device_name(c, r->device), r->above));
        if (r->problem == NULL && (double)r->loss_count < r->steps_wanted)
            page_paragraph(out, comparison_words("%s is too slow for %.0f steps: it did %zu, and its loss is "
                                      "the one after those.",
                                      comparison_device_name(c, r->device), r->steps_wanted, r->loss_count));
    }
}

/* ---- curves and bars ---- */

typedef struct span_of_runs {
    const comparison *c;
    size_t first, end;
} span_of_runs;

/* Only those that can be compared. Some way to tell curves apart that lie on each other: the first
 * ones are drawn below, solid, the later ones dashed. */
static void draw_curves(text *out, const void *user, double width)
{
    const span_of_runs *s = user;
    size_t count = 0;
    chart_series *series = mem_new(s->end - s->first, sizeof *series);
    for (size_t i = s->first; series && i < s->end; i++) {
        const compared_run *r = &s->c->runs[i];
        if (r->is_alike) {
            series[count] = (chart_series){.name = comparison_letter(r->device),
                                           .y = r->losses,
                                           .count = r->loss_count,
                                           .color = (int)r->device,
                                           .dashed = count > 0};
            count++;
        }
    }
    if (series)
        chart_draw(out,
                   &(chart){.title = "Loss by step",
                            .x_name = "step",
                            .y_name = "loss",
                            .series = series,
                            .count = count},
                   width, CURVE_HEIGHT);
    else
        out->failed = true;
    free(series);
}

/* The largest relative distance to the reference so far. */
static void draw_distances(text *out, const void *user, double width)
{
    const span_of_runs *s = user;
    const compared_run *reference = NULL;
    size_t count = 0;
    chart_series *series = mem_new(s->end - s->first, sizeof *series);
    for (size_t i = s->first; i < s->end; i++)
        if (s->c->runs[i].is_reference)
            reference = &s->c->runs[i];
    for (size_t i = s->first; series && i < s->end; i++) {
        const compared_run *r = &s->c->runs[i];
        if (r == reference || isnan(r->distance))
            continue;
        size_t n = r->loss_count < reference->loss_count ? r->loss_count : reference->loss_count;
        double *y = mem_new(n, sizeof *y);
        if (y == NULL) {
            out->failed = true;
            break;
        }
        double most = 0;
        for (size_t k = 0; k < n; k++) {
            double d = fabs(r->losses[k] - reference->losses[k]) / fabs(reference->losses[k]);
            most = d > most ? d : most;
            y[k] = most > 0 ? most : NAN; /* the same bits until then: there is no such mark */
        }
        series[count++] = (chart_series){
            .name = comparison_letter(r->device), .y = y, .count = n, .color = (int)r->device};
    }
    if (series)
        chart_draw(out,
                   &(chart){.title = "Distance from the reference by step",
                            .x_name = "step",
                            .y_name = "largest relative distance so far",
                            .log_y = true,
                            .series = series,
                            .count = count},
                   width, CURVE_HEIGHT);
    else
        out->failed = true;
    for (size_t k = 0; series && k < count; k++)
        free((void *)(uintptr_t)series[k].y);
    free(series);
}

/* Of a step; of so many samples where a step has not everywhere the same number of them. */
static void draw_bars(text *out, const void *user, double width)
{
    const span_of_runs *s = user;
    const bool mixed = comparison_mixes_batches(s->c, s->first, s->end);
    size_t count = 0;
    chart_bar *bars = mem_new(s->end - s->first, sizeof *bars);
    for (size_t i = s->first; bars && i < s->end; i++) {
        const compared_run *r = &s->c->runs[i];
        const double share = mixed && r->batch > 0 ? SAMPLES_OF_A_BAR / r->batch : 1;
        if (r->problem == NULL)
            bars[count++] = (chart_bar){.name = comparison_device_name(s->c, r->device),
                                        .value = comparison_words("%.4g ms", 1e3 * share * r->best),
                                        .length = share * r->best,
                                        .mark = share * r->median,
                                        .color = (int)r->device};
    }
    if (bars)
        chart_bars(out, mixed ? "Milliseconds for 1,000 samples" : "Milliseconds a step", bars,
                   count, width);
    else
        out->failed = true;
    free(bars);
}

/* ---- the page ---- */

/* What the runs first..end-1 have in common. */
static void add_conditions(const comparison *c, size_t first, size_t end, text *out)
{
    const compared_run *base = comparison_base(c, first, end);
    bool differ = false;
    if (base == NULL)
        return;
    for (size_t i = first; i < end; i++)
        differ |= c->runs[i].differs[0] != '\0';
    page_paragraph(out, comparison_words("Batch size %.0f, %.0f steps on %.100s, seed %" PRIu64
                              ": the same initial weights, order and dropout on every device%s",
                              base->batch, base->steps_wanted, base->data, base->seed,
                              differ ? ", but where the table says what differs." : "."));
    if (comparison_mixes_batches(c, first, end))
        page_paragraph(out, "The batch sizes differ: the rank is by samples a second.");
}

static void add_curves(const comparison *c, size_t first, size_t end, text *out)
{
    const span_of_runs s = {c, first, end};
    bool distances = false, all_alike = true;
    for (size_t i = first; i < end; i++) {
        distances |= !c->runs[i].is_reference && !isnan(c->runs[i].distance);
        all_alike &= c->runs[i].is_alike || c->runs[i].problem != NULL;
    }
    page_pair_begin(out);
    page_figure(out,
                comparison_words("The loss of each step. Where devices agree, the curves lie on each other.%s",
                      all_alike ? ""
                                : " Left out: those into which other data, seeds or batch "
                                  "sizes went than into the reference."),
                true, draw_curves, &s);
    if (distances)
        page_figure(out,
                    "How far the losses were from the reference's until then, relative to it: "
                    "rounding differs between drivers, and training makes it grow. No curve: the "
                    "same bits.",
                    true, draw_distances, &s);
    page_pair_end(out);
}

static void add_network(const comparison *c, size_t first, size_t end, text *out)
{
    const span_of_runs s = {c, first, end};
    page_heading(out, 2, c->runs[first].network);
    add_conditions(c, first, end, out);
    add_table(c, first, end, out);
    add_notes(c, first, end, out);
    if (comparison_base(c, first, end) == NULL)
        return;
    page_figure(out,
                comparison_mixes_batches(c, first, end)
                    ? "Time of 1,000 samples, in steps of different batch sizes: the bar is the "
                      "best, the line across it the median."
                    : "Time of a step: the bar is the best, the line across it the median.",
                false, draw_bars, &s);
    add_curves(c, first, end, out);
    for (size_t i = first; i < end; i++)
        if (c->runs[i].problem == NULL)
            comparison_add_kernels(c, &c->runs[i], out);
}

static const char *lead(const comparison *c)
{
    const compared_run *best = c->run_count ? &c->runs[0] : NULL, *second = NULL;
    if (best == NULL || best->problem)
        return "No device could train; the reasons are below.";
    if (c->run_count > 1 && !comparison_begins(c, 1) && c->runs[1].problem == NULL)
        second = &c->runs[1];
    if (second == NULL)
        return comparison_words("%.100s trains %s at %s samples a second.", c->devices[best->device].name,
                     best->network, session_count((int64_t)(best->batch / best->best)));
    return comparison_words("%.100s trains %s fastest, at %s samples a second: %s times as fast as %.100s.",
                 c->devices[best->device].name, best->network,
                 session_count((int64_t)(best->batch / best->best)),
                 session_figure(best->batch / best->best / (second->batch / second->best)),
                 c->devices[second->device].name);
}

kiln_status comparison_page(const comparison *c, text *page)
{
    page_begin(page, "Devices compared", lead(c));
    add_devices(c, page);
    for (size_t i = 0; i < c->run_count; i += comparison_length(c, i))
        add_network(c, i, i + comparison_length(c, i), page);
    page_heading(page, 2, "How to read it, and how to repeat it");
    page_paragraph(page,
                   "Each device trains in a process of its own, one after the other. The roofline "
                   "share is the time its launches would take at the measured peaks, divided by "
                   "the best time of a step. The peaks are the better ones of two measurements, "
                   "before and after the trainings. The reference is a curve that most of the "
                   "others can be compared with, on this machine where there is one: the nearest "
                   "to all of them; of two, that of a CPU driver. The distance is the largest "
                   "relative difference "
                   "to its losses, over the steps that both did.");
    page_code(page, c->command);
    page_end(page, comparison_words("Kiln %s%s%.100s", kiln_version(),
                         c->device_count && c->devices[0].processor[0] ? " on " : "",
                         c->device_count ? c->devices[0].processor : ""));
    return page->failed ? KILN_ERROR_MEMORY : KILN_OK;
}
