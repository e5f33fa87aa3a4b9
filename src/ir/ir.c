#include "ir/ir.h"

#include <inttypes.h>
#include <string.h>

void ir_free(ir_graph *graph)
{
    for (size_t i = 0; i < graph->place_count; i++)
        free(graph->places[i]);
    free(graph->places);
    free(graph->items);
    for (size_t i = 0; i < graph->scan_count; i++)
        free(graph->scans[i].states);
    free(graph->scans);
    *graph = (ir_graph){0};
}

static bool same(const ir_node *a, const ir_node *b)
{
    return a->op == b->op && a->input_count == b->input_count && a->scope == b->scope &&
           a->dtype == b->dtype &&
           memcmp(a->inputs, b->inputs, sizeof a->inputs[0] * (size_t)a->input_count) == 0 &&
           ir_shape_equal(a->shape, b->shape) &&
           memcmp(a->attr.number, b->attr.number, sizeof a->attr.number) == 0 &&
           memcmp(a->attr.integer, b->attr.integer, sizeof a->attr.integer) == 0 &&
           ir_shape_equal(a->attr.shape, b->attr.shape) &&
           ir_shape_equal(a->attr.extra, b->attr.extra) &&
           ir_shape_equal(a->attr.more, b->attr.more) && a->attr.stream == b->attr.stream &&
           a->attr.object == b->attr.object;
}

ir_id ir_add(ir_graph *graph, const ir_node *node)
{
    for (size_t i = graph->count; i-- > 0;)
        if (same(&graph->items[i], node))
            return (ir_id)i;
    if (MEM_PUSH_ROOM(graph) != KILN_OK)
        return IR_NONE;
    graph->items[graph->count] = *node;
    return (ir_id)graph->count++;
}

kiln_status ir_set_place(ir_graph *graph, const char *place)
{
    graph->place = NULL;
    if (place == NULL)
        return KILN_OK;
    for (size_t i = 0; i < graph->place_count && !graph->place; i++)
        if (strcmp(graph->places[i], place) == 0)
            graph->place = graph->places[i];
    if (graph->place)
        return KILN_OK;
    KILN_TRY(mem_grow(&graph->places, &graph->place_capacity, graph->place_count + 1,
                      sizeof *graph->places));
    char *copy = str_copy(place);
    if (copy == NULL)
        return KILN_ERROR_MEMORY;
    graph->places[graph->place_count++] = copy;
    graph->place = copy;
    return KILN_OK;
}

const char *ir_shape_text(kiln_shape shape)
{
    static _Thread_local char ring[8][192];
    static _Thread_local int turn;
    char *out = ring[turn++ % 8];
    size_t at = 0;
    at += (size_t)snprintf(out, sizeof ring[0], "(");
    for (int i = 0; i < shape.rank && at < sizeof ring[0] - 32; i++)
        at += (size_t)snprintf(out + at, sizeof ring[0] - at, "%s%" PRId64, i ? ", " : "",
                               shape.dims[i]);
    snprintf(out + at, sizeof ring[0] - at, shape.rank == 1 ? ",)" : ")");
    return out;
}

bool ir_shape_equal(kiln_shape a, kiln_shape b)
{
    return a.rank == b.rank && memcmp(a.dims, b.dims, sizeof a.dims[0] * (size_t)a.rank) == 0;
}

kiln_shape ir_strides(kiln_shape shape)
{
    kiln_shape strides = {.rank = shape.rank};
    int64_t stride = 1;
    for (int i = shape.rank; i-- > 0;) {
        strides.dims[i] = stride;
        stride *= shape.dims[i];
    }
    return strides;
}
