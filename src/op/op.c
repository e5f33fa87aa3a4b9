/* What all operations share: making nodes, broadcasting, axes. */
#include "op/node.h"

ir_id op_node(ir_graph *g, const op_descriptor *op, int count, const ir_id *inputs,
              kiln_dtype dtype, kiln_shape shape, const ir_attributes *attr)
{
    ir_node node = {
        .op = op, .input_count = count, .dtype = dtype, .shape = shape, .place = g->place};
    /* A value made of outer nodes alone is an outer value, even when it is written inside a body:
     * except what reads the time or a carried state, whose builders set the scope themselves. */
    node.scope = 0;
    for (int i = 0; i < count; i++) {
        if (inputs[i] == IR_NONE)
            return IR_NONE;
        node.inputs[i] = inputs[i];
        int scope = g->items[inputs[i]].scope;
        if (scope != 0 && node.scope != 0 && scope != node.scope) {
            kiln_fail(KILN_ERROR_ARGUMENT,
                      "%s mixes values of two loops over time: stack one of them first", op->name);
            return IR_NONE;
        }
        if (scope != 0)
            node.scope = scope;
    }
    if (attr)
        node.attr = *attr;
    if (node.attr.integer[3] == OP_IN_SCOPE)
        node.scope = g->scope;
    else if (node.attr.integer[3] == OP_OUT_OF_SCOPE)
        node.scope = 0;
    return ir_add(g, &node);
}

kiln_status op_broadcast_shape(const char *what, kiln_shape a, kiln_shape b, kiln_shape *out)
{
    kiln_shape shape = {.rank = a.rank > b.rank ? a.rank : b.rank};
    for (int i = 1; i <= shape.rank; i++) {
        int64_t x = i <= a.rank ? a.dims[a.rank - i] : 1, y = i <= b.rank ? b.dims[b.rank - i] : 1;
        if (x != y && x != 1 && y != 1)
            return kiln_fail(KILN_ERROR_SHAPE, "%s: shapes %s and %s do not broadcast", what,
                             ir_shape_text(a), ir_shape_text(b));
        shape.dims[shape.rank - i] = x == 1 ? y : x;
    }
    *out = shape;
    return KILN_OK;
}

int op_axis(const char *what, int axis, kiln_shape shape)
{
    int real = axis < 0 ? axis + shape.rank : axis;
    if (real < 0 || real >= shape.rank) {
        kiln_fail(KILN_ERROR_SHAPE, "%s: axis %d is not an axis of %s", what, axis,
                  ir_shape_text(shape));
        return -1;
    }
    return real;
}

kiln_status op_add_gradient(ir_graph *g, ir_id *total, ir_id part)
{
    if (part == IR_NONE)
        return kiln_last_status() == KILN_OK ? KILN_ERROR_ARGUMENT : kiln_last_status();
    *total = *total == IR_NONE ? part : op_binary(g, F_ADD, *total, part);
    return *total == IR_NONE ? kiln_last_status() : KILN_OK;
}
