/* Places for values between launches: two share bytes when they are never alive together. */
#include "graph/inside.h"
#include "op/leaf.h"

#include <string.h>

#define ALIGNMENT 256

typedef struct interval {
    ir_id owner;
    size_t bytes;
    int first, last; /* groups */
} interval;

static int by_size(const void *x, const void *y)
{
    const interval *a = x, *b = y;
    return a->bytes != b->bytes ? (a->bytes > b->bytes ? -1 : 1)
                                : (a->owner > b->owner) - (a->owner < b->owner);
}

static int by_offset(const void *x, const void *y)
{
    const size_t *a = x, *b = y;
    return (a[0] > b[0]) - (a[0] < b[0]);
}

/* First and last group that touch each owner. What a loop's repetitions share lives through the
 * whole loop. */
static kiln_status find_intervals(const builder *b, interval **result, size_t *count)
{
    int *first = mem_new(b->count, sizeof *first), *last = mem_new(b->count, sizeof *last);
    int *loop_first = mem_new(b->g->scan_count + 1, sizeof *loop_first),
        *loop_last = mem_new(b->g->scan_count + 1, sizeof *loop_last);
    interval *list = mem_new(b->count, sizeof *list);
    kiln_status status =
        first && last && loop_first && loop_last && list ? KILN_OK : KILN_ERROR_MEMORY;
    size_t n = 0;
    if (status == KILN_OK) {
        for (size_t i = 0; i < b->count; i++)
            first[i] = -1;
        for (size_t s = 0; s <= b->g->scan_count; s++)
            loop_first[s] = -1;
        for (size_t l = 0; l < b->groups.count; l++) {
            int scope = b->groups.items[l].scope;
            if (loop_first[scope] < 0)
                loop_first[scope] = (int)l;
            loop_last[scope] = (int)l;
        }
        for (size_t l = 0; l < b->groups.count; l++) {
            const group *x = &b->groups.items[l];
            for (int k = 0; k < x->argument_count; k++) {
                if (x->arguments[k].kind != ARGUMENT_NODE)
                    continue;
                ir_id o = x->arguments[k].where.owner;
                if (!b->stored[o] || b->fixed[o].memory)
                    continue;
                bool shared =
                    x->scope && (b->g->items[o].scope != x->scope || b->stacked[o] ||
                                 place_elements(b, o) != kiln_shape_size(b->g->items[o].shape));
                int from = shared ? loop_first[x->scope] : (int)l,
                    to = shared ? loop_last[x->scope] : (int)l;
                if (first[o] < 0 || from < first[o])
                    first[o] = from;
                if (first[o] < 0 || to > last[o])
                    last[o] = to;
            }
        }
        for (size_t i = 0; i < b->count; i++)
            if (first[i] >= 0) {
                size_t bytes =
                    (size_t)place_elements(b, (ir_id)i) * place_element_size(b, (ir_id)i);
                list[n++] = (interval){.owner = (ir_id)i,
                                       .bytes = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT,
                                       .first = first[i],
                                       .last = b->required[i] ? (int)b->groups.count : last[i]};
            }
    }
    free(first);
    free(last);
    free(loop_first);
    free(loop_last);
    *result = list;
    *count = n;
    return status;
}

/* Whether the backward pass, whose nodes come behind the loss, reads what is in front of it. */
static bool is_kept(const builder *b, ir_id owner, ir_id loss)
{
    if (b->g->items[owner].op == &op_desc_max_pool_index)
        return true;
    for (size_t i = (size_t)loss + 1; i < b->count && owner < loss; i++)
        for (int k = 0; k < b->g->items[i].input_count && b->cluster_of[i] != b->cluster_of[owner];
             k++)
            if (b->live[i] && through_views(b, b->g->items[i].inputs[k]) == owner)
                return true;
    return false;
}

static size_t kept_bytes(const builder *b, const interval *list, size_t count)
{
    ir_id loss = b->request->loss;
    size_t bytes = 0;
    if (loss == IR_NONE || b->request->update_count == 0)
        return 0;
    for (size_t i = 0; i < count; i++)
        if (!b->required[list[i].owner] && is_kept(b, list[i].owner, loss))
            bytes += list[i].bytes;
    return bytes;
}

/* What lies in the place of another prolongs its life. Returns how many intervals are left. */
static size_t share(const builder *b, interval *list, size_t count)
{
    size_t left = 0;
    for (size_t i = 0; i < count; i++) {
        ir_id at = storage_of(b, list[i].owner);
        for (size_t k = 0; k < count && at != list[i].owner; k++)
            if (list[k].owner == at && list[k].last < list[i].last)
                list[k].last = list[i].last;
    }
    for (size_t i = 0; i < count; i++)
        if (storage_of(b, list[i].owner) == list[i].owner)
            list[left++] = list[i];
    return left;
}

/* The lowest offset in an arena where an interval fits between those already there. */
static size_t lowest(const interval *list, const memory_plan *m, size_t placed, const interval *x,
                     int arena, size_t (*taken)[2])
{
    size_t count = 0, at = 0;
    for (size_t i = 0; i < placed; i++)
        if (m->arena[list[i].owner] == arena && list[i].first <= x->last &&
            list[i].last >= x->first) {
            taken[count][0] = m->offset[list[i].owner];
            taken[count++][1] = m->offset[list[i].owner] + list[i].bytes;
        }
    qsort(taken, count, sizeof *taken, by_offset);
    for (size_t i = 0; i < count; i++) {
        if (taken[i][0] >= at + x->bytes)
            break;
        if (taken[i][1] > at)
            at = taken[i][1];
    }
    return at;
}

kiln_status memory_plan_make(const builder *b, memory_plan *m)
{
    interval *list = NULL;
    size_t count = 0;
    *m = (memory_plan){0};
    m->offset = mem_new(b->count, sizeof *m->offset);
    m->arena = mem_new(b->count, sizeof *m->arena);
    size_t(*taken)[2] = mem_new(b->count, sizeof *taken);
    if (!m->offset || !m->arena || !taken) {
        free(taken);
        return KILN_ERROR_MEMORY;
    }
    for (size_t i = 0; i < b->count; i++)
        m->arena[i] = -1;
    kiln_status status = find_intervals(b, &list, &count);
    size_t limit = b->device->info.largest_allocation ? (size_t)b->device->info.largest_allocation
                                                      : SIZE_MAX,
           capacity = 0;
    if (status == KILN_OK) {
        m->kept = kept_bytes(b, list, count);
        count = share(b, list, count);
        qsort(list, count, sizeof *list, by_size);
    }
    for (size_t i = 0; i < count && status == KILN_OK; i++) {
        int arena = 0;
        size_t at = 0;
        for (;; arena++) {
            at = lowest(list, m, i, &list[i], arena, taken);
            if (at == 0 || at + list[i].bytes <= limit)
                break;
        }
        if (arena >= m->arena_count) {
            status = mem_grow(&m->sizes, &capacity, (size_t)arena + 1, sizeof *m->sizes);
            if (status != KILN_OK)
                break;
            m->sizes[arena] = 0;
            m->arena_count = arena + 1;
        }
        m->arena[list[i].owner] = arena;
        m->offset[list[i].owner] = at;
        if (at + list[i].bytes > m->sizes[arena])
            m->sizes[arena] = at + list[i].bytes;
    }
    for (size_t i = 0; i < b->count; i++) {
        ir_id at = storage_of(b, (ir_id)i);
        m->arena[i] = m->arena[at];
        m->offset[i] = m->offset[at];
    }
    free(list);
    free(taken);
    return status;
}

void memory_plan_free(memory_plan *m)
{
    free(m->offset);
    free(m->arena);
    free(m->sizes);
    *m = (memory_plan){0};
}
