/* Flatten and Reshape: the same elements under another shape. */
#include "layer/spatial.h"

/* (batch, ...) to (batch, shape of one sample) */
static kiln_status reshape_to(layer_call *call, ir_id input, kiln_shape sample, ir_id *output)
{
    kiln_shape shape = {.rank = sample.rank + 1, .dims = {call->graph->items[input].shape.dims[0]}};
    for (int i = 0; i < sample.rank; i++)
        shape.dims[i + 1] = sample.dims[i];
    *output = op_reshape(call->graph, input, shape);
    return *output == IR_NONE ? kiln_last_status() : KILN_OK;
}

static kiln_shape sample_shape(const layer_call *call, ir_id input)
{
    const kiln_shape *shape = &call->graph->items[input].shape;
    return kiln_shape_of(shape->rank - 1, shape->dims + 1);
}

/* ---- Flatten ---- */

typedef struct flatten_config {
    char *data_format;
} flatten_config;

static const layer_field flatten_fields[] = {
    {.name = "data_format",
     .type = FIELD_TEXT,
     .offset = offsetof(flatten_config, data_format),
     .text = "channels_last"},
};

static const char *flatten_format(const kiln_layer *layer)
{
    return ((const flatten_config *)layer->config)->data_format;
}

static kiln_status flatten_check(const kiln_layer *layer)
{
    return spatial_format(flatten_format(layer));
}

static kiln_status flatten_shape(const kiln_layer *layer, kiln_shape input, kiln_shape *output)
{
    size_t elements;
    (void)layer;
    KILN_TRY(weight_elements(input, "its input", &elements));
    *output = (kiln_shape){1, {(int64_t)elements}};
    return KILN_OK;
}

static kiln_status flatten_call(kiln_layer *layer, layer_call *call, ir_id input, ir_id *output)
{
    kiln_shape shape;
    KILN_TRY(flatten_shape(layer, sample_shape(call, input), &shape));
    if (spatial_channels_first(flatten_format(layer)))
        input = spatial_move_channels(call->graph, input, false);
    if (input == IR_NONE)
        return kiln_last_status();
    return reshape_to(call, input, shape, output);
}

const layer_class flatten_class = {
    .class_name = "Flatten",
    .snake_name = "flatten",
    .config_size = sizeof(flatten_config),
    .fields = flatten_fields,
    .field_count = sizeof flatten_fields / sizeof *flatten_fields,
    .check = flatten_check,
    .output_shape = flatten_shape,
    .call = flatten_call,
};

kiln_layer *kiln_flatten_with(const kiln_flatten_args *args)
{
    kiln_layer *layer = layer_new(&flatten_class);
    if (layer == NULL)
        return NULL;
    kiln_status status = layer_set_text(layer, "data_format", args->data_format);
    if (status == KILN_OK)
        status = layer_set_common(layer, args->input_shape, args->name, args->trainable);
    return layer_finish(layer, status);
}

/* ---- Reshape ---- */

typedef struct reshape_config {
    kiln_shape target_shape;
} reshape_config;

static const layer_field reshape_fields[] = {
    {.name = "target_shape",
     .type = FIELD_SHAPE,
     .offset = offsetof(reshape_config, target_shape),
     .required = true},
};

static kiln_status reshape_check(const kiln_layer *layer)
{
    const kiln_shape *target = &((const reshape_config *)layer->config)->target_shape;
    int open = 0;
    if (target->rank < 1 || target->rank > KILN_MAX_RANK - 1)
        return kiln_fail(KILN_ERROR_SHAPE, "target_shape has %d axes; 1 to %d are possible",
                         target->rank, KILN_MAX_RANK - 1);
    for (int i = 0; i < target->rank; i++) {
        if (target->dims[i] == 0 || target->dims[i] < -1)
            return kiln_fail(KILN_ERROR_SHAPE, "target_shape %s: %lld is no size of an axis",
                             ir_shape_text(*target), (long long)target->dims[i]);
        open += target->dims[i] == -1;
    }
    if (open > 1)
        return kiln_fail(KILN_ERROR_SHAPE, "target_shape %s: only one axis can be -1",
                         ir_shape_text(*target));
    return KILN_OK;
}

static kiln_status reshape_shape(const kiln_layer *layer, kiln_shape input, kiln_shape *output)
{
    kiln_shape target = ((const reshape_config *)layer->config)->target_shape, known = {0};
    size_t from, to;
    int open = -1;
    for (int i = 0; i < target.rank; i++) {
        if (target.dims[i] == -1)
            open = i;
        else
            known.dims[known.rank++] = target.dims[i];
    }
    KILN_TRY(weight_elements(input, "its input", &from));
    KILN_TRY(weight_elements(known, "its output", &to));
    if (open >= 0 ? from % to != 0 : from != to)
        return kiln_fail(KILN_ERROR_SHAPE,
                         "an input %s of %zu elements does not fit the target_shape %s",
                         ir_shape_text(input), from, ir_shape_text(target));
    if (open >= 0)
        target.dims[open] = (int64_t)(from / to);
    *output = target;
    return KILN_OK;
}

static kiln_status reshape_call(kiln_layer *layer, layer_call *call, ir_id input, ir_id *output)
{
    kiln_shape shape;
    KILN_TRY(reshape_shape(layer, sample_shape(call, input), &shape));
    return reshape_to(call, input, shape, output);
}

const layer_class reshape_class = {
    .class_name = "Reshape",
    .snake_name = "reshape",
    .config_size = sizeof(reshape_config),
    .fields = reshape_fields,
    .field_count = sizeof reshape_fields / sizeof *reshape_fields,
    .check = reshape_check,
    .output_shape = reshape_shape,
    .call = reshape_call,
};

kiln_layer *kiln_reshape_with(const kiln_reshape_args *args)
{
    kiln_layer *layer = layer_new(&reshape_class);
    if (layer == NULL)
        return NULL;
    ((reshape_config *)layer->config)->target_shape = args->target_shape;
    return layer_finish(layer,
                        layer_set_common(layer, args->input_shape, args->name, args->trainable));
}
