/* Launches gathered into kernels. A launch costs more than many of these do work: launches that do not
 * depend on each other run as ranges of one kernel's work-items. On a device with serial kernels that
 * is true of products too, and there a chain's launches are one sequence, and all of a very small step
 * one after the other. */
#include "graph/inside.h"

#include <inttypes.h>
#include <string.h>

static cl_mem buffer_of(const builder *b, const argument *a)
{
    switch (a->kind) {
    case ARGUMENT_NODE:
        return b->fixed[a->where.owner].memory;
    case ARGUMENT_WEIGHT:
        return a->weight->memory;
    case ARGUMENT_MEMORY:
        return a->memory;
    default:
        return NULL;
    }
}

/* Whether two arguments may show the same bytes. */
static bool overlap(const builder *b, const argument *x, const argument *y)
{
    if (x->kind == y->kind) {
        switch (x->kind) {
        case ARGUMENT_NODE:
            return storage_of(b, x->where.owner) == storage_of(b, y->where.owner);
        case ARGUMENT_WEIGHT:
            return x->weight == y->weight;
        case ARGUMENT_SLOT:
            return x->slot == y->slot;
        case ARGUMENT_MEMORY:
            return x->memory == y->memory && x->offset == y->offset;
        }
    }
    cl_mem m = buffer_of(b, x);
    return m && m == buffer_of(b, y);
}

static bool depends(const builder *b, const launch *first, const launch *second)
{
    for (int i = 0; i < first->argument_count; i++)
        for (int k = 0; k < second->argument_count; k++)
            if ((first->arguments[i].written || second->arguments[k].written) &&
                overlap(b, &first->arguments[i], &second->arguments[k]))
                return true;
    return false;
}

/* ---- twins: launches that read the same large value column by column ---- */
#define LARGE_VALUE (64 * 1024) /* elements */

static bool are_twins(const builder *b, const launch *x, const launch *y)
{
    if (!x->serial || !y->serial || x->chain >= 0 || y->chain >= 0 || x->items != y->items ||
        x->items < 2 * (size_t)b->device->info.compute_units || depends(b, x, y))
        return false;
    for (int i = 0; i < x->argument_count; i++)
        for (int k = 0; k < y->argument_count; k++) {
            const argument *s = &x->arguments[i], *t = &y->arguments[k];
            if (s->kind == ARGUMENT_NODE && t->kind == ARGUMENT_NODE &&
                s->where.owner == t->where.owner &&
                place_elements(b, s->where.owner) >= LARGE_VALUE)
                return true;
        }
    return false;
}

/* Item by item, twins (the gradients of the weights and the biases of a recurrent layer) find what
 * they share in a cache when the same work-item does them one after the other. The earlier one
 * waits for the later one where nobody waits for it. */
static void join_twins(builder *b, size_t first, size_t end)
{
    launch *l = b->launches.items;
    for (size_t v = end; v-- > first;)
        for (size_t u = v; u-- > first;) {
            bool waited = false;
            if (!are_twins(b, &l[u], &l[v]))
                continue;
            for (size_t w = u + 1; w < end && !waited && (w <= v || l[w - 1].with_next); w++)
                waited = depends(b, &l[u], &l[w]);
            if (waited)
                continue;
            launch moved = l[u];
            memmove(&l[u], &l[u + 1], (v - 1 - u) * sizeof *l);
            moved.with_next = true;
            l[v - 1] = moved;
            break;
        }
}

/* Units are single launches, or the launches of a chain. Each gets a level: one more than the
 * highest it depends on. */
typedef struct unit {
    size_t first, count;
    int level;
    bool loop;      /* a few long work-items */
    double seconds; /* of one work-item */
} unit;

/* Drivers hand a thread that asks for work its share of the work-items that are left, the first one as many as half of
 * them: light items come first, and the heavy ones are left to be handed out one by one. */
static int by_level(const void *x, const void *y)
{
    const unit *a = x, *b = y;
    if (a->level != b->level)
        return a->level < b->level ? -1 : 1;
    if (a->loop != b->loop)
        return a->loop ? -1 : 1;
    if (a->seconds != b->seconds)
        return a->seconds < b->seconds ? -1 : 1;
    return (a->first > b->first) - (a->first < b->first);
}

static kiln_status open_group(builder *b, size_t first, int scope)
{
    KILN_TRY(MEM_PUSH_ROOM(&b->groups));
    group *g = &b->groups.items[b->groups.count++];
    *g = (group){.first = first, .scope = scope};
    return KILN_OK;
}

static double flops_of(const builder *b, const launch *l)
{
    const ir_scan *loop = launch_loop(b, l);
    return l->flops * (loop ? (double)loop->steps : 1);
}

double launch_seconds(const builder *b, const launch *l)
{
    size_t bytes = 0;
    for (int i = 0; i < l->argument_count; i++)
        bytes += launch_argument_bytes(b, &l->arguments[i], true);
    return chain_seconds(flops_of(b, l) / 2, (double)bytes);
}

bool group_join(const builder *b, group *g, launch *l)
{
    int count = g->argument_count;
    for (int i = 0; i < l->argument_count; i++) {
        const argument *a = &l->arguments[i];
        /* A template's own kernel and CLBlast count their arguments: x times x has two. */
        bool counted = l->is_clblast || l->items == 0;
        int k = counted ? count : 0;
        for (; k < count; k++) {
            const argument *o = &g->arguments[k];
            if (o->kind == a->kind && o->where.owner == a->where.owner &&
                o->where.offset == a->where.offset && o->where.stride == a->where.stride &&
                o->weight == a->weight && o->slot == a->slot && o->memory == a->memory &&
                o->offset == a->offset && strcmp(o->type, a->type) == 0)
                break;
        }
        if (k == count) {
            if (count == GROUP_MAX_ARGUMENTS)
                return false;
            g->arguments[count++] = *a;
        } else {
            g->arguments[k].written |= a->written;
        }
        l->map[i] = k;
    }
    g->argument_count = count;
    g->count++;
    g->flops += flops_of(b, l);
    return true;
}

kiln_status group_add(builder *b, group *g, size_t first, size_t count, int spare, bool *fits)
{
    launch *launches = &b->launches.items[first];
    const group before = *g;
    launch *saved = mem_new(count, sizeof *saved);
    if (saved == NULL)
        return KILN_ERROR_MEMORY;
    memcpy(saved, launches, count * sizeof *saved);
    *fits = true;
    for (size_t i = 0; i < count && *fits; i++)
        *fits = group_join(b, g, &launches[i]) && g->argument_count + spare <= GROUP_MAX_ARGUMENTS;
    if (!*fits) { /* the launches' arguments are where their groups have them */
        *g = before;
        memcpy(launches, saved, count * sizeof *saved);
    }
    free(saved);
    return KILN_OK;
}

double group_seconds(const builder *b, const group *g)
{
    double seconds = 0;
    for (size_t i = 0; i < g->count; i++)
        seconds += launch_seconds(b, &b->launches.items[g->first + i]);
    return seconds;
}

void group_name(const builder *b, group *g)
{
    const launch *main = &b->launches.items[g->first];
    for (size_t i = 1; i < g->count; i++)
        if (b->launches.items[g->first + i].flops > main->flops)
            main = &b->launches.items[g->first + i];
    if (g->count == 1)
        snprintf(g->name, sizeof g->name, "%s", main->name);
    else
        snprintf(g->name, sizeof g->name, "%s and %zu more", main->name, g->count - 1);
    g->layer = main->layer;
    const char *layer = g->layer ? g->layer : "", *space = g->layer ? " " : "";
    const blas_product *product = &main->product;
    int64_t batches = product->batch[0] * product->batch[1];
    if (product->k && batches > 1)
        snprintf(g->what, sizeof g->what,
                 "%.32s%s%" PRId64 " of %" PRId64 " x %" PRId64 " x %" PRId64, layer, space,
                 batches, product->m, product->n, product->k);
    else if (product->k)
        snprintf(g->what, sizeof g->what, "%.32s%s%" PRId64 " x %" PRId64 " x %" PRId64, layer,
                 space, product->m, product->n, product->k);
    else
        snprintf(g->what, sizeof g->what, "%.32s%s%zu items", layer, space,
                 main->items ? main->items : main->global[0]);
}

/* Whether two launches can be ranges of one kernel: functions of an item, of work-items that know nothing of each
 * other. */
static bool can_share(const launch *x, const launch *y)
{
    return x->serial == y->serial && x->items && y->items && !x->is_clblast && !y->is_clblast && !x->whole_group &&
           !y->whole_group;
}

/* Sorts the launches first..end-1 by level and opens groups over them. */
static kiln_status group_range(builder *b, size_t first, size_t end)
{
    if (b->device->serial_kernels)
        join_twins(b, first, end);
    size_t n = end - first, units = 0;
    unit *list = mem_new(n, sizeof *list);
    launch *sorted = mem_new(n, sizeof *sorted);
    kiln_status status = list && sorted ? KILN_OK : KILN_ERROR_MEMORY;
    for (size_t i = first; i < end && status == KILN_OK; units++) {
        size_t count = 1;
        const launch *l = &b->launches.items[i];
        while (i + count < end && launch_joins(&b->launches.items[i + count - 1]))
            count++;
        list[units] = (unit){.first = i, .count = count, .loop = launch_loop(b, l) != NULL};
        for (size_t k = 0; k < count; k++)
            list[units].seconds += launch_seconds(b, &l[k]) / (l->items ? (double)l->items : 1);
        for (size_t u = 0; u < units; u++)
            for (size_t x = 0; x < list[u].count; x++)
                for (size_t y = 0; y < count; y++)
                    if (list[u].level >= list[units].level &&
                        depends(b, &b->launches.items[list[u].first + x],
                                &b->launches.items[i + y]))
                        list[units].level = list[u].level + 1;
        i += count;
    }
    if (status == KILN_OK) {
        size_t at = 0;
        qsort(list, units, sizeof *list, by_level);
        for (size_t u = 0; u < units; u++)
            for (size_t k = 0; k < list[u].count; k++)
                sorted[at++] = b->launches.items[list[u].first + k];
        memcpy(&b->launches.items[first], sorted, n * sizeof *sorted);
    }
    size_t at = first;
    for (size_t u = 0; u < units && status == KILN_OK; u++) {
        bool fresh = u == 0 || list[u].level != list[u - 1].level || list[u].loop != list[u - 1].loop ||
                     !can_share(&b->launches.items[at - 1], &b->launches.items[at]) ||
                     b->groups.items[b->groups.count - 1].units == GROUP_MAX_UNITS;
        group before = {0};
        if (!fresh)
            before = b->groups.items[b->groups.count - 1];
        for (size_t k = 0; k < list[u].count && status == KILN_OK; k++) {
            if (fresh && k == 0)
                status = open_group(b, at, b->launches.items[at].scope);
            if (status == KILN_OK &&
                !group_join(b, &b->groups.items[b->groups.count - 1], &b->launches.items[at + k])) {
                if (fresh) {
                    status = kiln_fail(KILN_ERROR_UNSUPPORTED,
                                       "a kernel of %zu fused launches needs more than %d buffers",
                                       list[u].count, GROUP_MAX_ARGUMENTS);
                } else { /* the unit begins a group of its own */
                    b->groups.items[b->groups.count - 1] = before;
                    fresh = true;
                    k = (size_t)-1;
                }
            }
        }
        if (status == KILN_OK) {
            b->groups.items[b->groups.count - 1].items += b->launches.items[at].items;
            b->groups.items[b->groups.count - 1].units++;
        }
        at += list[u].count;
    }
    free(list);
    free(sorted);
    return status;
}

/* ---- a small step in one launch ---- */
#define HANDOVER_SECONDS 10e-6 /* from one launch to the next, of threads that sleep between */
#define MOST_IN_TURN 32        /* launches */

/* Whether one work-item is done sooner with all launches than all compute units are, each of which
 * waits for the others after every launch. */
static bool better_in_turn(const builder *b)
{
    double seconds = 0, units = b->device->info.compute_units;
    if (b->groups.count < 2 || b->launches.count > MOST_IN_TURN)
        return false;
    for (size_t i = 0; i < b->launches.count; i++) {
        const launch *l = &b->launches.items[i];
        if (!l->serial || l->items == 0 || (l->scope && l->chain < 0))
            return false;
        seconds += launch_seconds(b, l);
    }
    return seconds * (1 - 1 / (units > 1 ? units : 1)) <
           (b->device->avoid & DEVICE_AVOID_PHASES ? HANDOVER_SECONDS : PHASE_SECONDS) * (double)(b->groups.count - 1);
}

/* Puts all groups into one, which a single work-item does in turn; leaves them where that is too
 * much for a kernel. */
static kiln_status take_turns(builder *b)
{
    if (!better_in_turn(b))
        return KILN_OK;
    bool fits;
    group *all = mem_new(1, sizeof *all);
    if (all == NULL)
        return KILN_ERROR_MEMORY;
    *all = (group){.items = 1, .units = 1, .in_turn = true};
    kiln_status status = group_add(b, all, 0, b->launches.count, 0, &fits);
    if (status == KILN_OK && fits) {
        b->groups.items[0] = *all;
        b->groups.count = 1;
    }
    free(all);
    return status;
}

kiln_status group_launches(builder *b)
{
    bool merge = !(b->device->avoid & DEVICE_AVOID_GROUPS);
    for (size_t i = 0; i < b->launches.count; i++) { /* what runs once is no loop */
        launch *l = &b->launches.items[i];
        if (l->scope && l->chain < 0 && b->g->scans[l->scope - 1].steps == 1)
            l->scope = 0;
    }
    for (size_t i = 0; i < b->launches.count;) {
        size_t end = i + 1;
        int scope = b->launches.items[i].scope;
        /* A range between loops, or a loop's launches. */
        while (end < b->launches.count && b->launches.items[end].scope == scope &&
               (merge || (b->launches.items[i].chain >= 0 &&
                          b->launches.items[end].chain == b->launches.items[i].chain)))
            end++;
        KILN_TRY(group_range(b, i, end));
        i = end;
    }
    if (merge && b->request->waited_for)
        KILN_TRY(take_turns(b));
    for (size_t i = 0; i < b->groups.count; i++)
        group_name(b, &b->groups.items[i]);
    return KILN_OK;
}

/* ---- several steps in one launch ---- */
/* Of a launch, as launch_seconds has it: a work-item that left for lack of patience is missed until its end. */
#define MOST_LAUNCH_SECONDS 2e-3
#define MOST_STEPS 64

void group_steps(builder *b)
{
    group *g = b->groups.items;
    if (b->groups.count != 1 || !(g->phases || g->in_turn) || (b->device->avoid & DEVICE_AVOID_PHASES))
        return;
    const double seconds = group_seconds(b, g) / (g->phases ? b->device->info.compute_units : 1);
    g->most_steps = seconds * MOST_STEPS <= MOST_LAUNCH_SECONDS ? MOST_STEPS : (size_t)(MOST_LAUNCH_SECONDS / seconds);
    if (g->most_steps == 1)
        g->most_steps = 0;
}
