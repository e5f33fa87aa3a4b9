/* Launches as they are written: their arguments, their parameters as text, the function of an item.
 */
#include "graph/inside.h"

#include <string.h>

launch *launch_new(builder *b, const char *name, const char *layer, int scope)
{
    if (MEM_PUSH_ROOM(&b->launches) != KILN_OK)
        return NULL;
    launch *l = &b->launches.items[b->launches.count++];
    *l = (launch){.layer = layer, .scope = scope, .dims = 1, .chain = -1, .repeats = 1};
    snprintf(l->name, sizeof l->name, "%s", name);
    return l;
}

bool launch_joins(const launch *l)
{
    return l->with_next || (l->chain >= 0 && l[1].chain == l->chain);
}

const ir_scan *launch_loop(const builder *b, const launch *l)
{
    int loop = l->chain >= 0 ? b->chains.items[l->chain].loop : 0;
    return loop ? &b->g->scans[loop - 1] : NULL;
}

size_t launch_argument_bytes(const builder *b, const argument *a, bool whole)
{
    if (a->kind == ARGUMENT_NODE) {
        ir_id o = a->where.owner;
        return (size_t)(whole && a->where.stride ? place_elements(b, o) : graph_elements(b, o)) *
               place_element_size(b, o);
    }
    return a->kind == ARGUMENT_WEIGHT ? (size_t)kiln_shape_size(a->weight->shape) * 4 : 0;
}

int launch_argument(launch *l, const argument *a)
{
    for (int i = l->reserved; i < l->argument_count; i++) {
        argument *o = &l->arguments[i];
        if (o->kind == a->kind && o->where.owner == a->where.owner &&
            o->where.offset == a->where.offset && o->where.stride == a->where.stride &&
            o->weight == a->weight && o->slot == a->slot && o->memory == a->memory &&
            o->offset == a->offset && strcmp(o->type, a->type) == 0) {
            o->written |= a->written;
            return i;
        }
    }
    if (l->argument_count == LAUNCH_MAX_ARGUMENTS)
        return -1;
    l->arguments[l->argument_count] = *a;
    return l->argument_count++;
}

int launch_memory(launch *l, cl_mem memory, const char *type, bool written)
{
    return launch_argument(
        l, &(argument){.kind = ARGUMENT_MEMORY, .memory = memory, .type = type, .written = written});
}

void launch_parameters(const launch *l, text *out)
{
    for (int i = 0; i < l->argument_count; i++)
        text_add(out, "%s__global %s%s *p%d, const ulong o%d", i ? ", " : "",
                 l->arguments[i].written ? "" : "const ", l->arguments[i].type, i, i);
}

void launch_names(const launch *l, text *out)
{
    for (int i = 0; i < l->argument_count; i++)
        text_add(out, "%sp%d, o%d", i ? ", " : "", i, i);
}

kiln_status launch_finish(launch *l, const char *body, size_t items, size_t local)
{
    l->items = items;
    l->local = local;
    l->serial = local == 1;
    text_add(&l->source, "static void @_body(");
    launch_parameters(l, &l->source);
    text_add(&l->source, ", const size_t item)\n{\n%s}\n", body);
    return l->source.failed ? KILN_ERROR_MEMORY : KILN_OK;
}
