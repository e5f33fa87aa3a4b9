/* Phases: groups that wait for each other, in one kernel. Between two launches a driver's threads sleep, are woken, and
 * share out the work-items as it sees fit. Here a work-item for each compute unit takes its own items of a phase, then
 * what others have left, and goes on to the next phase when all are done. Only work-items that have begun hold items, so
 * that none ever waits for one that has not: a device that runs them one after the other does all in the first. Only on
 * devices with serial kernels, and drivers known to run them as threads. */
#include "graph/inside.h"

#include <string.h>

/* Launches of a kernel: more make one that some drivers compile for minutes. */
#define MOST_LAUNCHES 32

/* Of a handover: longer ones win little, and a kernel of its own is often faster. As launch_seconds has it, which is
 * more than most devices take. */
#define MOST_SECONDS 400e-6

/* Of a work-item: work-items that wait for longer ones leave (see phases.cl). */
#define MOST_ITEM_SECONDS 200e-6

#define COUNTER_BYTES 64 /* a cache line: KILN_COUNTER in phases.cl */

static bool may_be_phase(const builder *b, const group *g)
{
    double seconds = 0;
    if (g->scope)
        return false;
    for (size_t i = 0; i < g->count; i++) {
        const launch *l = &b->launches.items[g->first + i];
        if (!l->serial || l->items == 0)
            return false;
        seconds += launch_seconds(b, l) / (double)l->items;
    }
    return seconds < MOST_ITEM_SECONDS;
}

/* Adds launches to a group that will have counters too. */
static kiln_status add_launches(builder *b, group *all, size_t first, size_t count, bool *fits)
{
    *fits = all->count + count <= MOST_LAUNCHES;
    return *fits ? group_add(b, all, first, count, 1, fits) : KILN_OK;
}

/* Seconds of all compute units that can share a group's items. */
static double shared_seconds(const builder *b, const group *g)
{
    const double units = b->device->info.compute_units;
    return group_seconds(b, g) / ((double)g->items < units ? (double)g->items : units);
}

/* Makes two groups that follow each other one, whose launches a single work-item does in turn, where that takes less
 * time than handing over. *merged: it does. */
static kiln_status merge_next(builder *b, size_t first, bool *merged)
{
    group *g = &b->groups.items[first];
    const double alone = group_seconds(b, &g[0]) + group_seconds(b, &g[1]);
    *merged = alone < shared_seconds(b, &g[0]) + shared_seconds(b, &g[1]) + PHASE_SECONDS;
    group *both = *merged ? mem_new(1, sizeof *both) : NULL;
    if (both == NULL)
        return *merged ? KILN_ERROR_MEMORY : KILN_OK;
    *both = (group){.first = g[0].first, .items = 1, .units = g[0].units + g[1].units, .in_turn = true};
    kiln_status status = add_launches(b, both, g[0].first, g[0].count + g[1].count, merged);
    if (status == KILN_OK && *merged) {
        group_name(b, both);
        g[0] = *both;
        memmove(&g[1], &g[2], (b->groups.count - first - 2) * sizeof *g);
        b->groups.count--;
    }
    free(both);
    return status;
}

/* Merges groups of a run up to *end. */
static kiln_status merge_run(builder *b, size_t first, size_t *end)
{
    bool merged;
    for (; first + 1 < *end; first += !merged) {
        KILN_TRY(merge_next(b, first, &merged));
        *end -= merged;
    }
    return KILN_OK;
}

/* The end of the run of groups from `first` on that may be phases, if handing over from one to the next is a good part
 * of its time; else `first`. */
static size_t small_run(const builder *b, size_t first)
{
    double seconds = 0;
    size_t end = first;
    for (; end < b->groups.count && may_be_phase(b, &b->groups.items[end]); end++)
        seconds += group_seconds(b, &b->groups.items[end]);
    return seconds / b->device->info.compute_units < MOST_SECONDS * ((double)(end - first) - 1) ? end : first;
}

size_t phases_counters(const group *g)
{
    return g->phases * (g->items / 2 + 1) + 2;
}

/* The counters, zero between launches: the last work-item to leave sees to that. */
static kiln_status add_counters(builder *b, group *all)
{
    const size_t bytes = phases_counters(all) * COUNTER_BYTES;
    argument counters = {.kind = ARGUMENT_MEMORY, .type = "uint", .written = true};
    KILN_TRY(plan_own(b, bytes, "counters of phases", &counters.memory));
    all->arguments[all->argument_count++] = counters;
    return device_fill_zero(b->device, counters.memory, 0, bytes);
}

/* Makes groups first..end-1 one. */
static kiln_status join(builder *b, group *all, size_t first, size_t end)
{
    size_t runners = 1;
    for (size_t i = first; i < end; i++) {
        KILN_TRY(MEM_PUSH_ROOM(&b->phases));
        b->phases.items[b->phases.count++] = b->groups.items[i];
        if (b->groups.items[i].items > runners)
            runners = b->groups.items[i].items;
    }
    if (runners > b->device->info.compute_units)
        runners = b->device->info.compute_units;
    /* A thread that asks for work may get half of the work-items at once: of twice as many as there are threads each
     * gets one, and those behind it find nothing to do. */
    all->items = 2 * runners;
    KILN_TRY(add_counters(b, all));
    group_name(b, all);
    b->groups.items[first] = *all;
    memmove(&b->groups.items[first + 1], &b->groups.items[end], (b->groups.count - end) * sizeof(group));
    b->groups.count -= end - first - 1;
    return KILN_OK;
}

kiln_status phases_join(builder *b)
{
    if (!b->device->serial_kernels || (b->device->avoid & (DEVICE_AVOID_PHASES | DEVICE_AVOID_GROUPS)))
        return KILN_OK;
    group *all = mem_new(1, sizeof *all);
    kiln_status status = all ? KILN_OK : KILN_ERROR_MEMORY;
    for (size_t i = 0; i < b->groups.count && status == KILN_OK; i++) {
        size_t end = small_run(b, i), next = i;
        bool fits = true;
        status = merge_run(b, i, &end);
        *all = (group){.first = b->groups.items[i].first, .phase = b->phases.count};
        while (status == KILN_OK && fits && next < end) {
            status = add_launches(b, all, b->groups.items[next].first, b->groups.items[next].count, &fits);
            all->phases += fits;
            next += fits;
        }
        if (status == KILN_OK && all->phases > 1) /* of one alone the arguments have the numbers that they had */
            status = join(b, all, i, next);
    }
    free(all);
    return status;
}
