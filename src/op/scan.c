/* A body repeated over time. Its nodes carry the scan's number as their scope. */
#include "op/leaf.h"
#include "op/node.h"

#include <inttypes.h>

kiln_status op_scan_begin(ir_graph *g, int64_t steps, bool reverse)
{
    if (g->scope != 0)
        return kiln_fail(KILN_ERROR_UNSUPPORTED, "a loop over time inside another");
    if (steps < 1)
        return kiln_fail(KILN_ERROR_ARGUMENT, "a loop over %" PRId64 " time steps", steps);
    KILN_TRY(mem_grow(&g->scans, &g->scan_capacity, g->scan_count + 1, sizeof *g->scans));
    g->scans[g->scan_count++] = (ir_scan){.steps = steps, .reverse = reverse};
    g->scope = (int)g->scan_count;
    return KILN_OK;
}

kiln_status op_scan_end(ir_graph *g)
{
    if (g->scope == 0)
        return kiln_fail(KILN_ERROR_ARGUMENT, "no loop over time is open");
    ir_scan *scan = &g->scans[g->scope - 1];
    g->scope = 0;
    for (size_t i = 0; i < scan->state_count; i++)
        if (scan->states[i].next == IR_NONE)
            return kiln_fail(KILN_ERROR_ARGUMENT, "state %zu of a loop over time is never updated",
                             i);
    return KILN_OK;
}

static kiln_status outside(const char *what)
{
    return kiln_fail(KILN_ERROR_ARGUMENT, "%s outside a loop over time", what);
}

const op_descriptor op_desc_scan_slice = {.name = "scan_slice", .kind = OP_INDEXED, .inputs = 1};
const op_descriptor op_desc_scan_state = {.name = "scan_state", .kind = OP_INDEXED, .inputs = 1};
const op_descriptor op_desc_scan_stack = {.name = "scan_stack", .kind = OP_VIEW, .inputs = 1};
const op_descriptor op_desc_scan_final = {.name = "scan_final", .kind = OP_VIEW, .inputs = 1};

ir_id op_scan_slice(ir_graph *g, ir_id x)
{
    if (x == IR_NONE)
        return IR_NONE;
    if (g->scope == 0)
        return outside("scan_slice"), IR_NONE;
    kiln_shape shape = g->items[x].shape, step = {.rank = shape.rank - 1};
    if (shape.rank < 1 || shape.dims[0] != g->scans[g->scope - 1].steps) {
        kiln_fail(KILN_ERROR_SHAPE,
                  "a loop over %" PRId64 " time steps reads a sequence of shape %s",
                  g->scans[g->scope - 1].steps, ir_shape_text(shape));
        return IR_NONE;
    }
    for (int i = 0; i < step.rank; i++)
        step.dims[i] = shape.dims[i + 1];
    return op_node(g, &op_desc_scan_slice, 1, &x, g->items[x].dtype, step,
                   &(ir_attributes){.integer = {[3] = OP_IN_SCOPE}});
}

ir_id op_scan_state(ir_graph *g, ir_id initial)
{
    if (initial == IR_NONE)
        return IR_NONE;
    if (g->scope == 0)
        return outside("scan_state"), IR_NONE;
    ir_scan *scan = &g->scans[g->scope - 1];
    if (mem_grow(&scan->states, &scan->state_capacity, scan->state_count + 1,
                 sizeof *scan->states) != KILN_OK)
        return IR_NONE;
    int64_t index = (int64_t)scan->state_count;
    ir_id state =
        op_node(g, &op_desc_scan_state, 1, &initial, KILN_FLOAT32, g->items[initial].shape,
                &(ir_attributes){.integer = {index, [3] = OP_IN_SCOPE}});
    if (state != IR_NONE)
        g->scans[g->scope - 1].states[g->scans[g->scope - 1].state_count++] =
            (ir_scan_state){.initial = initial, .state = state, .next = IR_NONE};
    return state;
}

kiln_status op_scan_update(ir_graph *g, ir_id state, ir_id next)
{
    if (state == IR_NONE || next == IR_NONE)
        return kiln_last_status();
    if (g->scope == 0 || g->items[state].op != &op_desc_scan_state)
        return outside("scan_update");
    if (!ir_shape_equal(g->items[state].shape, g->items[next].shape))
        return kiln_fail(KILN_ERROR_SHAPE, "a state of shape %s cannot become %s",
                         ir_shape_text(g->items[state].shape), ir_shape_text(g->items[next].shape));
    /* Its own node, so that it can live in the state's stack. */
    ir_id own = op_node(
        g, op_pointwise(F_IDENTITY), 1, &next, KILN_FLOAT32, g->items[next].shape,
        &(ir_attributes){.integer = {g->items[state].attr.integer[0] + 1, [3] = OP_IN_SCOPE}});
    g->scans[g->scope - 1].states[g->items[state].attr.integer[0]].next = own;
    return own == IR_NONE ? kiln_last_status() : KILN_OK;
}

ir_id op_scan_next(const ir_graph *g, ir_id state)
{
    if (state == IR_NONE || g->items[state].op != &op_desc_scan_state)
        return IR_NONE;
    return g->scans[g->items[state].scope - 1].states[g->items[state].attr.integer[0]].next;
}

ir_id op_scan_stack(ir_graph *g, ir_id inner)
{
    if (inner == IR_NONE)
        return IR_NONE;
    if (g->scope != 0 || g->items[inner].scope == 0)
        return outside("scan_stack of a value"), IR_NONE;
    kiln_shape inside = g->items[inner].shape,
               shape = {.rank = inside.rank + 1,
                        .dims = {g->scans[g->items[inner].scope - 1].steps}};
    for (int i = 0; i < inside.rank; i++)
        shape.dims[i + 1] = inside.dims[i];
    return op_node(g, &op_desc_scan_stack, 1, &inner, g->items[inner].dtype, shape,
                   &(ir_attributes){.integer = {[3] = OP_OUT_OF_SCOPE}});
}

ir_id op_scan_final(ir_graph *g, ir_id state)
{
    if (state == IR_NONE)
        return IR_NONE;
    if (g->items[state].op != &op_desc_scan_state)
        return outside("scan_final of a value that is no state"), IR_NONE;
    return op_node(g, &op_desc_scan_final, 1, &state, KILN_FLOAT32, g->items[state].shape,
                   &(ir_attributes){.integer = {[3] = OP_OUT_OF_SCOPE}});
}
