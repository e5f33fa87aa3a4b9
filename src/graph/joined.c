/* Values side by side: a sum of paddings that cover an axis, each element once (a concatenation, or
 * the gradient of slices), needs no sum and no launch: each part is stored where it belongs. */
#include "graph/plan_inside.h"
#include "op/leaf.h"
#include "op/node.h"

#include <string.h>

/* integer[0]: the axis, along which the inputs follow each other. */
const op_descriptor graph_joined = {.name = "joined", .kind = OP_VIEW, .inputs = IR_MAX_INPUTS};

typedef struct parts {
    ir_id pads[IR_MAX_INPUTS];
    int count;
} parts;

/* The paddings that a sum consists of; false: it has something else in it, or someone reads a part of it who makes no
 * sum of it: that part would be made all the same. (Gates that a recurrent layer adds to two products have gradients
 * that are parts of two sums.) */
static bool find_parts(const ir_graph *g, const int *others, ir_id id, bool root, parts *out)
{
    const ir_node *n = &g->items[id];
    if (!root && others[id] > 0)
        return false;
    if (n->op == &op_desc_pad) {
        if (out->count == IR_MAX_INPUTS)
            return false;
        out->pads[out->count++] = id;
        return true;
    }
    return n->op == op_pointwise(F_ADD) &&
           ir_shape_equal(g->items[n->inputs[0]].shape, g->items[n->inputs[1]].shape) &&
           find_parts(g, others, n->inputs[0], false, out) &&
           find_parts(g, others, n->inputs[1], false, out);
}

/* Sorts the parts along their axis; whether they cover it. */
static bool covers(const ir_graph *g, parts *p, int axis)
{
    int64_t at = 0;
    for (int i = 0; i < p->count; i++) {
        int k = i;
        while (k < p->count && (g->items[p->pads[k]].attr.integer[0] != axis ||
                                g->items[p->pads[k]].attr.integer[1] != at ||
                                g->items[p->pads[k]].attr.integer[2] != 1))
            k++;
        if (k == p->count)
            return false;
        ir_id found = p->pads[k];
        p->pads[k] = p->pads[i];
        p->pads[i] = found;
        at += g->items[g->items[found].inputs[0]].shape.dims[axis];
    }
    return at == g->items[p->pads[0]].shape.dims[axis];
}

/* A part gets a node of its own, which is stored within the whole and nowhere else. */
static ir_id own_part(ir_graph *g, ir_id whole, ir_id part, int number)
{
    return op_node(g, op_pointwise(F_IDENTITY), 1, &part, KILN_FLOAT32, g->items[part].shape,
                   &(ir_attributes){.integer = {0, number, whole + 1}});
}

/* Where a loop carries a joined value, its parts are stored in the state's place: no copy of it is made. */
static void carry_itself(ir_graph *g, ir_id joined)
{
    for (size_t i = 0; i < g->count; i++) {
        const ir_node *n = &g->items[i];
        if (n->op != op_pointwise(F_IDENTITY) || n->inputs[0] != joined || n->attr.integer[0] == 0 || n->scope == 0 ||
            n->scope != g->items[joined].scope)
            continue;
        ir_scan_state *state = &g->scans[n->scope - 1].states[n->attr.integer[0] - 1];
        if (state->next != (ir_id)i)
            continue;
        state->next = joined;
        for (size_t k = 0; k < g->count; k++)
            for (int x = 0; x < g->items[k].input_count; x++)
                if (g->items[k].inputs[x] == (ir_id)i)
                    g->items[k].inputs[x] = joined;
        return;
    }
}

kiln_status plan_join_parts(plan *p)
{
    ir_graph *g = &p->graph;
    size_t count = g->count;
    int *others = mem_new(count, sizeof *others); /* by node: readers that are no sums */
    kiln_status status = others ? KILN_OK : KILN_ERROR_MEMORY;
    for (size_t i = 0; i < count && others; i++)
        for (int k = 0; k < g->items[i].input_count; k++)
            others[g->items[i].inputs[k]] += g->items[i].op != op_pointwise(F_ADD);
    for (size_t i = count; i-- > 0 && status == KILN_OK;) { /* a sum's root before its parts */
        parts found = {.count = 0};
        ir_node n = g->items[i];
        if (n.op != op_pointwise(F_ADD) || !find_parts(g, others, (ir_id)i, true, &found) ||
            found.count < 2)
            continue;
        int axis = (int)g->items[found.pads[0]].attr.integer[0];
        bool inside = true; /* parts of the same loop, or none */
        for (int k = 0; k < found.count; k++)
            inside &= g->items[g->items[found.pads[k]].inputs[0]].scope == n.scope;
        if (!inside || !covers(g, &found, axis))
            continue;
        for (int k = 0; k < found.count && status == KILN_OK; k++) {
            ir_set_place(g, n.place);
            n.inputs[k] = own_part(g, (ir_id)i, g->items[found.pads[k]].inputs[0], k);
            if (n.inputs[k] == IR_NONE)
                status = kiln_last_status();
        }
        n.op = &graph_joined;
        n.input_count = found.count;
        n.attr = (ir_attributes){.integer = {axis}};
        g->items[i] = n;
        carry_itself(g, (ir_id)i);
    }
    free(others);
    return status;
}

void joined_find(builder *b)
{
    for (size_t i = 0; i < b->count; i++)
        b->joined_to[i] = IR_NONE;
    for (size_t i = 0; i < b->count; i++) {
        const ir_node *n = &b->g->items[i];
        for (int k = 0; n->op == &graph_joined && b->live[i] && k < n->input_count; k++)
            b->joined_to[n->inputs[k]] = (ir_id)i;
    }
}

void joined_place(const builder *b, ir_id part, int64_t *own, int64_t *whole, int64_t *offset)
{
    const ir_node *n = &b->g->items[b->joined_to[part]];
    int axis = (int)n->attr.integer[0];
    int64_t behind = 1, before = 0;
    for (int k = axis + 1; k < n->shape.rank; k++)
        behind *= n->shape.dims[k];
    for (int k = 0; n->inputs[k] != part; k++)
        before += b->g->items[n->inputs[k]].shape.dims[axis];
    *own = b->g->items[part].shape.dims[axis] * behind;
    *whole = n->shape.dims[axis] * behind;
    *offset = before * behind;
}
