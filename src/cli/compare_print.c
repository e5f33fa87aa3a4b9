/* kiln compare in the terminal. */
#include "cli/compare.h"
#include "cli/session.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { CHART_WIDTH = 64, CHART_HEIGHT = 12, NAME_WIDTH = 34 };

static void print_devices(const comparison *c, FILE *out)
{
    fprintf(out, "   %-*s %-5s %12s %10s %9s %9s %9s %9s\n", NAME_WIDTH, "device", "type",
            "fma GFLOP/s", "fp16", "copy GB/s", "launch us", "up GB/s", "down GB/s");
    for (size_t i = 0; i < c->device_count; i++) {
        const compared_device *d = &c->devices[i];
        fprintf(out, "%-2s %-*.*s %-5.5s ", comparison_letter(i), NAME_WIDTH, NAME_WIDTH, d->name,
                d->type);
        if (!d->measured) {
            fprintf(out, "not measured: %s\n", d->problem ? d->problem : "no peaks in its file");
            continue;
        }
        const kiln_device_peaks *p = &d->peaks;
        fprintf(out, "%12s ", session_figure(p->fma_gflops));
        if (p->fp16_gflops > 0)
            fprintf(out, "%10s ", session_figure(p->fp16_gflops));
        else
            fprintf(out, "%10s ", "none");
        fprintf(out, "%9.1f %9.2f %9.1f %9.1f\n", p->copy_gbytes, p->launch_us, p->upload_gbytes,
                p->download_gbytes);
    }
    for (size_t i = 0; i < c->device_count; i++)
        fprintf(out, "%s%-2s %s, %s %s\n", i ? "" : "\n", comparison_letter(i),
                c->devices[i].machine, c->devices[i].platform, c->devices[i].driver);
}

static void print_run(const compared_run *r, FILE *out)
{
    const char *letter = comparison_letter(r->device);
    if (r->problem) {
        fprintf(out, "   -  %-3s failed: %s\n", letter, r->problem);
        return;
    }
    fprintf(out, "%4d  %-3s %10.4f %10.4f %12s %8.2f %8.2f %9s ", r->rank, letter, 1e3 * r->best,
            1e3 * r->median, session_count((int64_t)(r->batch / r->best)), r->first_step,
            r->compile, session_bytes((uint64_t)r->device_memory));
    if (r->roofline > 0)
        fprintf(out, "%7.1f%% ", 100 * r->roofline);
    else
        fprintf(out, "%8s ", "-");
    fprintf(out, "%10.6f ", r->losses[r->loss_count - 1]);
    if (r->is_reference)
        fprintf(out, "%10s", "reference");
    else if (!r->is_alike)
        fprintf(out, "%10s", "unlike it");
    else if (isnan(r->distance))
        fprintf(out, "%10s", "no number");
    else
        fprintf(out, "%10.1e", r->distance);
    if (r->differs[0])
        fprintf(out, "  %s", r->differs);
    if ((double)r->loss_count < r->steps_wanted)
        fprintf(out, "  too slow: %zu of %.0f steps", r->loss_count, r->steps_wanted);
    fprintf(out, "\n");
    if (r->above)
        fprintf(out, "      %-3s is above its measured peak: %s\n", letter, r->above);
    if (r->put_aside[0])
        fprintf(out, "      %-3s does without what it computes wrongly: %s\n", letter,
                r->put_aside);
}

/* The curves of the runs first..end-1 that can be compared, a letter a device; '*' where several
 * lie. */
static void print_curves(const comparison *c, size_t first, size_t end, FILE *out)
{
    char grid[CHART_HEIGHT][CHART_WIDTH + 1];
    double low = INFINITY, high = -INFINITY;
    size_t steps = 0;
    memset(grid, ' ', sizeof grid);
    for (size_t i = first; i < end; i++)
        for (size_t s = 0; c->runs[i].is_alike && s < c->runs[i].loss_count; s++) {
            double loss = c->runs[i].losses[s];
            low = loss < low ? loss : low; /* false for NaN */
            high = loss > high ? loss : high;
            steps = s + 1 > steps ? s + 1 : steps;
        }
    if (!(high > low) || steps < 2 || !isfinite(high))
        return;
    for (size_t i = first; i < end; i++)
        for (size_t s = 0; c->runs[i].is_alike && s < c->runs[i].loss_count; s++) {
            double y = (high - c->runs[i].losses[s]) / (high - low) * (CHART_HEIGHT - 1);
            if (!isfinite(y))
                continue;
            char *cell = &grid[(size_t)(y + 0.5)][s * (CHART_WIDTH - 1) / (steps - 1)],
                 letter = comparison_letter(c->runs[i].device)[0];
            *cell = *cell == ' ' || *cell == letter ? letter : '*';
        }
    fprintf(out, "\n");
    for (int y = 0; y < CHART_HEIGHT; y++) {
        double value = high - (high - low) * y / (CHART_HEIGHT - 1);
        int used = CHART_WIDTH;
        while (used > 0 && grid[y][used - 1] == ' ')
            used--;
        fprintf(out, "  %9.4g |%.*s\n", value, used, grid[y]);
    }
    fprintf(out, "            +");
    for (int x = 0; x < CHART_WIDTH; x++)
        fputc('-', out);
    fprintf(out, "\n             1%*zu  loss by step (* several devices)\n", CHART_WIDTH - 1,
            steps);
}

static void print_network(const comparison *c, size_t first, size_t end, FILE *out)
{
    const compared_run *base = comparison_base(c, first, end);
    fprintf(out, "\n%s", c->runs[first].network);
    if (base)
        fprintf(out, ": batch size %.0f, data %s, seed %" PRIu64 ", %.0f steps", base->batch,
                base->data, base->seed, base->steps_wanted);
    if (comparison_mixes_batches(c, first, end))
        fprintf(out, "; batch sizes differ: ranked by samples a second");
    fprintf(out, "\nrank  dev    best ms  median ms    samples/s  first s  compile    memory "
                 "roofline       loss   distance\n");
    for (size_t i = first; i < end; i++)
        print_run(&c->runs[i], out);
    print_curves(c, first, end, out);
}

void comparison_print(const comparison *c, FILE *out)
{
    print_devices(c, out);
    for (size_t i = 0; i < c->run_count; i += comparison_length(c, i))
        print_network(c, i, i + comparison_length(c, i), out);
}
