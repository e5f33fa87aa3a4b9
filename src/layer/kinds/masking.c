/* Masking: steps of which every element is the mask's value do not count in the layers behind. */
#include "layer/layer.h"

typedef struct masking_config {
    double mask_value;
} masking_config;

static const layer_field fields[] = {
    {.name = "mask_value", .type = FIELD_FLOAT, .offset = offsetof(masking_config, mask_value)},
};

static kiln_status check_input(const kiln_layer *layer, kiln_shape input, kiln_shape *output)
{
    (void)layer;
    *output = input;
    return input.rank >= 1 ? KILN_OK
                           : kiln_fail(KILN_ERROR_SHAPE, "its input has no axis besides the batch");
}

static kiln_status call(kiln_layer *layer, layer_call *call, ir_id input, ir_id *output)
{
    ir_graph *g = call->graph;
    double value = ((const masking_config *)layer->config)->mask_value;
    int rank = g->items[input].shape.rank;
    ir_id same = op_binary(g, F_EQUAL, input, op_constant(g, value));
    ir_id counts = op_reduce(g, R_MAX, op_affine(g, same, -1, 1), rank - 1, rank - 1, true);
    *output = op_select(g, counts, input, op_constant(g, 0));
    if (*output == IR_NONE)
        return kiln_last_status();
    kiln_shape steps = g->items[counts].shape;
    steps.rank--;
    call->mask = op_reshape(g, counts, steps);
    return call->mask == IR_NONE ? kiln_last_status() : KILN_OK;
}

const layer_class masking_class = {
    .class_name = "Masking",
    .snake_name = "masking",
    .config_size = sizeof(masking_config),
    .fields = fields,
    .field_count = sizeof fields / sizeof *fields,
    .output_shape = check_input,
    .call = call,
};

kiln_layer *kiln_masking_with(const kiln_masking_args *args)
{
    kiln_layer *layer = layer_new(&masking_class);
    if (layer == NULL)
        return NULL;
    ((masking_config *)layer->config)->mask_value = args->mask_value;
    return layer_finish(layer,
                        layer_set_common(layer, args->input_shape, args->name, args->trainable));
}
