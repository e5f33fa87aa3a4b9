/* InputLayer: where a model's data come in. */
#include "layer/layer.h"

static const layer_field fields[] = {
    {.name = "sparse", .type = FIELD_FIXED, .text = "false"},
    {.name = "ragged", .type = FIELD_FIXED, .text = "false", .quiet = true},
    {.name = "optional", .type = FIELD_FIXED, .text = "false", .quiet = true},
};

static kiln_status check(const kiln_layer *layer)
{
    if (!layer->has_input_shape)
        return kiln_fail(KILN_ERROR_SHAPE,
                         "its shape is missing: give that of one sample, for example (28, 28)");
    if (layer->batch < 0)
        return kiln_fail(KILN_ERROR_ARGUMENT, "its batch_size is %lld; it must be positive",
                         (long long)layer->batch);
    if (layer->input_dtype != KILN_FLOAT32 && layer->input_dtype != KILN_INT32)
        return kiln_fail(KILN_ERROR_UNSUPPORTED, "inputs are float32 or int32, not %s",
                         kiln_dtype_name(layer->input_dtype));
    return KILN_OK;
}

const layer_class input_class = {
    .class_name = "InputLayer",
    .snake_name = "input_layer",
    .fields = fields,
    .field_count = sizeof fields / sizeof *fields,
    .check = check,
};

kiln_layer *kiln_input_layer_with(const kiln_input_layer_args *args)
{
    kiln_layer *layer = layer_new(&input_class);
    if (layer == NULL)
        return NULL;
    layer->input_dtype = args->dtype;
    layer->batch = args->batch_size;
    return layer_finish(layer, layer_set_common(layer, args->shape, args->name, KILN_DEFAULT));
}
