/* What follows from the figures of kiln compare: the order, what can be compared, and with what. */
#include "cli/compare.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

/* ---- curves ---- */

/* Did the same go in, so that the curves can be compared? More steps only make one longer. */
static bool is_alike(const compared_run *a, const compared_run *b)
{
    return a->problem == NULL && b->problem == NULL && a->seed == b->seed && a->batch == b->batch &&
           strcmp(a->data, b->data) == 0 && strcmp(a->bits, b->bits) == 0;
}

/* The largest relative difference over the steps that both have. NaN: a loss is no number. */
static double distance(const compared_run *a, const compared_run *b)
{
    size_t steps = a->loss_count < b->loss_count ? a->loss_count : b->loss_count;
    double most = 0;
    for (size_t i = 0; i < steps && !isnan(most); i++) {
        double scale = fmax(fmax(fabs(a->losses[i]), fabs(b->losses[i])), 1e-30);
        double d = fabs(a->losses[i] - b->losses[i]) / scale;
        most = isnan(d) || d > most ? d : most;
    }
    return most;
}

typedef struct candidate {
    compared_run *run;
    size_t others; /* that are alike */
    double sum;    /* of the distances to them */
    bool is_local, is_cpu;
} candidate;

static candidate judge_candidate(const comparison *c, size_t first, size_t end, compared_run *r)
{
    const compared_device *d = &c->devices[r->device];
    candidate out = {r, 0, 0, d->is_local, strcmp(d->type, "CPU") == 0};
    for (size_t i = first; i < end; i++) {
        const compared_run *other = &c->runs[i];
        if (other == r || !is_alike(r, other))
            continue;
        double to = distance(r, other);
        out.others++;
        out.sum += isnan(to) ? INFINITY : to;
    }
    return out;
}

/* Is a the better reference: for more of the others, of this machine, over more steps, nearer to
 * all, on a CPU? */
static bool is_better(const candidate *a, const candidate *b)
{
    if (a->others != b->others)
        return a->others > b->others;
    if (a->is_local != b->is_local)
        return a->is_local;
    if (a->run->loss_count != b->run->loss_count)
        return a->run->loss_count > b->run->loss_count;
    if (a->sum != b->sum)
        return a->sum < b->sum;
    return a->is_cpu && !b->is_cpu;
}

/* Among the runs first..end-1. The reference is one of what the heading says. */
static void judge_curves(comparison *c, size_t first, size_t end)
{
    const compared_run *base = comparison_base(c, first, end);
    candidate best = {0};
    for (size_t i = first; i < end; i++) {
        if (c->runs[i].problem || (c->runs[i].device != base->device && !is_alike(&c->runs[i], base)))
            continue;
        candidate next = judge_candidate(c, first, end, &c->runs[i]);
        if (best.run == NULL || is_better(&next, &best))
            best = next;
    }
    for (size_t i = first; i < end; i++) {
        compared_run *r = &c->runs[i];
        r->is_reference = r == best.run;
        r->is_alike = best.run && is_alike(r, best.run);
        r->distance = r->is_alike ? distance(r, best.run) : NAN;
    }
}

/* ---- conditions ---- */

const compared_run *comparison_base(const comparison *c, size_t first, size_t end)
{
    const compared_run *base = NULL;
    for (size_t i = first; i < end; i++) {
        const compared_run *r = &c->runs[i];
        if (r->problem == NULL && (base == NULL || (c->devices[r->device].is_local &&
                                                    !c->devices[base->device].is_local)))
            base = r;
    }
    return base;
}

bool comparison_mixes_batches(const comparison *c, size_t first, size_t end)
{
    const compared_run *base = comparison_base(c, first, end);
    for (size_t i = first; base && i < end; i++)
        if (c->runs[i].problem == NULL && c->runs[i].batch != base->batch)
            return true;
    return false;
}

static void add_difference(text *out, const char *format, ...) KILN_PRINTF(2, 3);

static void add_difference(text *out, const char *format, ...)
{
    char words[200];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(words, sizeof words, format, arguments);
    va_end(arguments);
    text_add(out, "%s%s", out->length ? ", " : "", words);
}

/* What the heading, which states the conditions of base, does not say of r. */
static kiln_status say_differences(const compared_run *base, compared_run *r)
{
    text out = {0};
    if (base && r->problem == NULL) {
        if (r->batch != base->batch)
            add_difference(&out, "batch size %.0f", r->batch);
        if (strcmp(r->data, base->data) != 0)
            add_difference(&out, "data %.100s", r->data);
        if (r->seed != base->seed)
            add_difference(&out, "seed %" PRIu64, r->seed);
        if (out.length == 0 && !is_alike(r, base)) /* another version may draw them otherwise */
            add_difference(&out, "other initial weights or data");
        if (r->steps_wanted != base->steps_wanted)
            add_difference(&out, "%.0f steps", r->steps_wanted);
    }
    r->differs = out.data ? out.data : str_copy("");
    return r->differs && !out.failed ? KILN_OK : KILN_ERROR_MEMORY;
}

/* ---- shares of the roofline ---- */

static void judge_roofline(const comparison *c, compared_run *r)
{
    const compared_device *d = &c->devices[r->device];
    double bound = 0;
    if (!d->measured || r->problem)
        return;
    for (size_t k = 0; k < r->kernel_count; k++)
        bound += comparison_bound(d, r->kernels[k].flops, r->kernels[k].bytes);
    r->roofline = bound / r->best;
    r->above = comparison_above(d, r->kernels, r->kernel_count, r->best);
}

/* ---- order ---- */

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
    if (a->run.problem == NULL) {
        double speed_a = a->run.batch / a->run.best, speed_b = b->run.batch / b->run.best;
        if (speed_a != speed_b)
            return speed_a > speed_b ? -1 : 1;
    }
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
        judge_roofline(c, r);
        r->rank = r->problem ? 0 : comparison_begins(c, i) ? 1 : c->runs[i - 1].rank + 1;
    }
    for (size_t i = 0; i < c->run_count; i += comparison_length(c, i)) {
        size_t end = i + comparison_length(c, i);
        const compared_run *base = comparison_base(c, i, end);
        judge_curves(c, i, end);
        for (size_t k = i; k < end; k++)
            KILN_TRY(say_differences(base, &c->runs[k]));
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
