/* Rescaling: x * scale + offset. */
#include "layer/layer.h"

#include <math.h>

typedef struct rescaling_config {
    double scale, offset;
} rescaling_config;

static const layer_field fields[] = {
    {.name = "scale",
     .type = FIELD_FLOAT,
     .offset = offsetof(rescaling_config, scale),
     .required = true},
    {.name = "offset",
     .type = FIELD_FLOAT,
     .offset = offsetof(rescaling_config, offset),
     .number = 0},
};

static kiln_status check(const kiln_layer *layer)
{
    const rescaling_config *c = layer->config;
    if (!isfinite(c->scale) || !isfinite(c->offset))
        return kiln_fail(KILN_ERROR_ARGUMENT, "scale and offset must be finite");
    return KILN_OK;
}

static kiln_status call(kiln_layer *layer, layer_call *call, ir_id input, ir_id *output)
{
    const rescaling_config *c = layer->config;
    *output = op_affine(call->graph, input, c->scale, c->offset);
    return *output == IR_NONE ? kiln_last_status() : KILN_OK;
}

const layer_class rescaling_class = {
    .class_name = "Rescaling",
    .snake_name = "rescaling",
    .config_size = sizeof(rescaling_config),
    .fields = fields,
    .field_count = sizeof fields / sizeof *fields,
    .check = check,
    .call = call,
    .passes_mask = true,
};

kiln_layer *kiln_rescaling_with(const kiln_rescaling_args *args)
{
    kiln_layer *layer = layer_new(&rescaling_class);
    if (layer == NULL)
        return NULL;
    *(rescaling_config *)layer->config = (rescaling_config){args->scale, args->offset};
    return layer_finish(layer,
                        layer_set_common(layer, args->input_shape, args->name, args->trainable));
}
