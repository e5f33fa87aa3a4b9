/* Where values lie. A loop's carried value is a stack of steps + 1 entries: forward, the state of
 * time t is entry t and becomes entry t + 1; in reverse, the state of time t is entry t + 1 and
 * becomes entry t. */
#include "graph/inside.h"
#include "op/leaf.h"

static const ir_scan *scan_of(const builder *b, ir_id id)
{
    return &b->g->scans[b->g->items[id].scope - 1];
}

static place state_entry(const builder *b, ir_id state, bool after)
{
    int64_t size = graph_elements(b, state);
    return (place){
        .owner = state, .offset = after != scan_of(b, state)->reverse ? size : 0, .stride = size};
}

place place_written(const builder *b, ir_id id)
{
    const ir_node *n = &b->g->items[id];
    if (n->op ==
        &op_desc_scan_state) /* written once, before the loop: the entry before the first step */
        return (place){
            .owner = id,
            .offset = scan_of(b, id)->reverse ? scan_of(b, id)->steps * graph_elements(b, id) : 0};
    if (b->state_of[id] != IR_NONE) {
        int64_t size = graph_elements(b, id);
        return (place){
            .owner = b->state_of[id], .offset = scan_of(b, id)->reverse ? 0 : size, .stride = size};
    }
    return (place){.owner = id, .stride = b->stacked[id] ? graph_elements(b, id) : 0};
}

kiln_status place_of(const builder *b, ir_id id, place *out)
{
    const ir_node *n = &b->g->items[id];
    if (n->op == &op_desc_reshape)
        return place_of(b, n->inputs[0], out);
    if (n->op == &op_desc_scan_slice) {
        KILN_TRY(place_of(b, n->inputs[0], out));
        out->stride = graph_elements(b, id);
        return KILN_OK;
    }
    if (n->op == &op_desc_scan_stack) {
        ir_id inner = through_views(b, n->inputs[0]);
        const ir_node *i = &b->g->items[inner];
        if (i->op == &op_desc_scan_slice)
            return place_of(b, i->inputs[0], out);
        if (i->op == &op_desc_scan_state)
            *out = state_entry(b, inner, false);
        else
            *out = place_written(b, inner);
        out->stride = 0;
        return KILN_OK;
    }
    if (n->op == &op_desc_scan_final) {
        ir_id state = n->inputs[0];
        *out = (place){.owner = state,
                       .offset = scan_of(b, state)->reverse
                                     ? 0
                                     : scan_of(b, state)->steps * graph_elements(b, state)};
        return KILN_OK;
    }
    if (n->op == &op_desc_scan_state) {
        *out = state_entry(b, id, false);
        return KILN_OK;
    }
    *out = place_written(b, id);
    return KILN_OK;
}

int64_t place_elements(const builder *b, ir_id owner)
{
    int64_t size = graph_elements(b, owner);
    if (b->g->items[owner].op == &op_desc_scan_state)
        return size * (scan_of(b, owner)->steps + 1);
    return b->stacked[owner] ? size * scan_of(b, owner)->steps : size;
}

const char *place_type(const builder *b, ir_id owner)
{
    if (b->g->items[owner].op == &op_desc_max_pool_index)
        return "uchar";
    return b->half[owner] ? "half" : "float";
}

size_t place_element_size(const builder *b, ir_id owner)
{
    if (b->g->items[owner].op == &op_desc_max_pool_index)
        return 1;
    return b->half[owner] ? 2 : 4;
}
