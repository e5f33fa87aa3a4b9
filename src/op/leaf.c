/* Sources (bound buffers, weights) and leaves (values made from the index and the step alone). */
#include "op/leaf.h"

#include "op/node.h"

const op_descriptor op_desc_input = {.name = "input", .kind = OP_SOURCE};
const op_descriptor op_desc_weight = {.name = "weight", .kind = OP_SOURCE};
const op_descriptor op_desc_constant = {.name = "constant", .kind = OP_LEAF};
const op_descriptor op_desc_batch = {.name = "batch", .kind = OP_LEAF};
const op_descriptor op_desc_row_mask = {.name = "row_mask", .kind = OP_LEAF};
const op_descriptor op_desc_row_count = {.name = "row_count", .kind = OP_LEAF};
const op_descriptor op_desc_uniform = {.name = "uniform", .kind = OP_LEAF};
const op_descriptor op_desc_iota = {.name = "iota", .kind = OP_LEAF};

ir_id op_input(ir_graph *g, int slot, kiln_dtype dtype, kiln_shape shape)
{
    return op_node(g, &op_desc_input, 0, NULL, dtype, shape, &(ir_attributes){.integer = {slot}});
}

ir_id op_weight(ir_graph *g, ir_weight *weight)
{
    return op_node(g, &op_desc_weight, 0, NULL, KILN_FLOAT32, weight->shape,
                   &(ir_attributes){.object = weight});
}

ir_id op_constant(ir_graph *g, double value)
{
    return op_node(g, &op_desc_constant, 0, NULL, KILN_FLOAT32, (kiln_shape){0},
                   &(ir_attributes){.number = {value}});
}

ir_id op_batch(ir_graph *g, int slot, int order_slot, kiln_dtype dtype, kiln_shape shape,
               double scale)
{
    return op_batch_windows(g, slot, order_slot, dtype, shape, 0, 0, scale);
}

ir_id op_batch_windows(ir_graph *g, int slot, int order_slot, kiln_dtype dtype, kiln_shape shape,
                       int64_t stride, int64_t step, double scale)
{
    int64_t entry = 1, size;
    for (int i = 2; i < shape.rank; i++)
        entry *= shape.dims[i];
    size = shape.rank > 1 ? entry * shape.dims[1] : 1;
    /* extra: from sample to sample, from entry to entry, elements of an entry */
    ir_attributes attr = {.integer = {slot, order_slot, dtype},
                          .number = {scale},
                          .extra = {3, {stride ? stride : size, step ? step : entry, entry}}};
    return op_node(g, &op_desc_batch, 0, NULL, KILN_FLOAT32, shape, &attr);
}

ir_id op_row_mask(ir_graph *g, int64_t batch)
{
    return op_node(g, &op_desc_row_mask, 0, NULL, KILN_FLOAT32,
                   (kiln_shape){.rank = 1, .dims = {batch}}, NULL);
}

ir_id op_row_count(ir_graph *g)
{
    return op_node(g, &op_desc_row_count, 0, NULL, KILN_FLOAT32, (kiln_shape){0}, NULL);
}

ir_id op_uniform(ir_graph *g, kiln_shape shape, uint32_t stream)
{
    return op_node(g, &op_desc_uniform, 0, NULL, KILN_FLOAT32, shape,
                   &(ir_attributes){.stream = stream});
}

ir_id op_iota(ir_graph *g, int64_t count)
{
    return op_node(g, &op_desc_iota, 0, NULL, KILN_FLOAT32,
                   (kiln_shape){.rank = 1, .dims = {count}}, NULL);
}
