/* Dropout: in training, a share of the elements becomes 0 and the others grow by as much. */
#include "layer/layer.h"

typedef struct dropout_config {
    double rate;
} dropout_config;

static const layer_field fields[] = {
    {.name = "rate",
     .type = FIELD_FLOAT,
     .offset = offsetof(dropout_config, rate),
     .required = true},
    {.name = "seed", .type = FIELD_IGNORED, .text = "null"}, /* the model's seed draws the masks */
    {.name = "noise_shape", .type = FIELD_FIXED, .text = "null"},
};

static kiln_status check(const kiln_layer *layer)
{
    double rate = ((const dropout_config *)layer->config)->rate;
    if (!(rate >= 0 && rate <= 1))
        return kiln_fail(KILN_ERROR_ARGUMENT, "rate is %g; it must be between 0 and 1", rate);
    return KILN_OK;
}

static kiln_status call(kiln_layer *layer, layer_call *call, ir_id input, ir_id *output)
{
    double rate = ((const dropout_config *)layer->config)->rate;
    uint32_t stream = call->stream++; /* at rate 0 too, so that other layers keep their draws */
    ir_graph *g = call->graph;
    *output = input;
    if (!call->training || rate == 0)
        return KILN_OK;
    ir_id kept = op_binary(g, F_GREATER_EQUAL, op_uniform(g, g->items[input].shape, stream),
                           op_constant(g, rate));
    ir_id scaled = op_affine(g, input, rate < 1 ? 1 / (1 - rate) : 0, 0);
    *output = op_select(g, kept, scaled, op_constant(g, 0));
    return *output == IR_NONE ? kiln_last_status() : KILN_OK;
}

const layer_class dropout_class = {
    .class_name = "Dropout",
    .snake_name = "dropout",
    .config_size = sizeof(dropout_config),
    .fields = fields,
    .field_count = sizeof fields / sizeof *fields,
    .check = check,
    .call = call,
    .passes_mask = true,
};

kiln_layer *kiln_dropout_with(const kiln_dropout_args *args)
{
    kiln_layer *layer = layer_new(&dropout_class);
    if (layer == NULL)
        return NULL;
    ((dropout_config *)layer->config)->rate = args->rate;
    return layer_finish(layer,
                        layer_set_common(layer, args->input_shape, args->name, args->trainable));
}
