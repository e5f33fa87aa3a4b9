/* Permute and RepeatVector. */
#include "layer/layer.h"

/* ---- Permute ---- */

typedef struct permute_config {
    kiln_shape dims;
} permute_config;

static const layer_field permute_fields[] = {
    {.name = "dims",
     .type = FIELD_SHAPE,
     .offset = offsetof(permute_config, dims),
     .required = true},
};

static kiln_status permute_check(const kiln_layer *layer)
{
    const kiln_shape *dims = &((const permute_config *)layer->config)->dims;
    unsigned seen = 0;
    for (int i = 0; i < dims->rank; i++)
        if (dims->dims[i] >= 1 && dims->dims[i] <= dims->rank)
            seen |= 1u << dims->dims[i];
    if (dims->rank < 1 || seen != (1u << (dims->rank + 1)) - 2)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "dims %s are not the axes from 1 to %d, each once, in another order",
                         ir_shape_text(*dims), dims->rank);
    return KILN_OK;
}

static kiln_status permute_shape(const kiln_layer *layer, kiln_shape input, kiln_shape *output)
{
    const kiln_shape *dims = &((const permute_config *)layer->config)->dims;
    if (input.rank != dims->rank)
        return kiln_fail(KILN_ERROR_SHAPE, "dims %s do not fit an input %s of one sample",
                         ir_shape_text(*dims), ir_shape_text(input));
    output->rank = input.rank;
    for (int i = 0; i < input.rank; i++)
        output->dims[i] = input.dims[dims->dims[i] - 1];
    return KILN_OK;
}

static kiln_status permute_call(kiln_layer *layer, layer_call *call, ir_id input, ir_id *output)
{
    const kiln_shape *dims = &((const permute_config *)layer->config)->dims;
    int order[KILN_MAX_RANK] = {0};
    for (int i = 0; i < dims->rank; i++)
        order[i + 1] = (int)dims->dims[i];
    *output = op_transpose(call->graph, input, order);
    return *output == IR_NONE ? kiln_last_status() : KILN_OK;
}

const layer_class permute_class = {
    .class_name = "Permute",
    .snake_name = "permute",
    .config_size = sizeof(permute_config),
    .fields = permute_fields,
    .field_count = sizeof permute_fields / sizeof *permute_fields,
    .check = permute_check,
    .output_shape = permute_shape,
    .call = permute_call,
};

kiln_layer *kiln_permute_with(const kiln_permute_args *args)
{
    kiln_layer *layer = layer_new(&permute_class);
    if (layer == NULL)
        return NULL;
    ((permute_config *)layer->config)->dims = args->dims;
    return layer_finish(layer,
                        layer_set_common(layer, args->input_shape, args->name, args->trainable));
}

/* ---- RepeatVector ---- */

typedef struct repeat_config {
    int64_t n;
} repeat_config;

static const layer_field repeat_fields[] = {
    {.name = "n", .type = FIELD_INT, .offset = offsetof(repeat_config, n), .required = true},
};

static kiln_status repeat_check(const kiln_layer *layer)
{
    int64_t n = ((const repeat_config *)layer->config)->n;
    if (n < 1)
        return kiln_fail(KILN_ERROR_ARGUMENT, "n is %lld and must be 1 or more", (long long)n);
    return KILN_OK;
}

static kiln_status repeat_shape(const kiln_layer *layer, kiln_shape input, kiln_shape *output)
{
    if (input.rank != 1)
        return kiln_fail(KILN_ERROR_SHAPE, "it repeats vectors, and its input is %s a sample",
                         ir_shape_text(input));
    *output = (kiln_shape){2, {((const repeat_config *)layer->config)->n, input.dims[0]}};
    return KILN_OK;
}

static kiln_status repeat_call(kiln_layer *layer, layer_call *call, ir_id input, ir_id *output)
{
    kiln_shape x = call->graph->items[input].shape,
               y = {3, {x.dims[0], ((const repeat_config *)layer->config)->n, x.dims[1]}};
    *output = op_broadcast(
        call->graph, op_reshape(call->graph, input, (kiln_shape){3, {x.dims[0], 1, x.dims[1]}}), y);
    return *output == IR_NONE ? kiln_last_status() : KILN_OK;
}

const layer_class repeat_vector_class = {
    .class_name = "RepeatVector",
    .snake_name = "repeat_vector",
    .config_size = sizeof(repeat_config),
    .fields = repeat_fields,
    .field_count = sizeof repeat_fields / sizeof *repeat_fields,
    .check = repeat_check,
    .output_shape = repeat_shape,
    .call = repeat_call,
};

kiln_layer *kiln_repeat_vector_with(const kiln_repeat_vector_args *args)
{
    kiln_layer *layer = layer_new(&repeat_vector_class);
    if (layer == NULL)
        return NULL;
    ((repeat_config *)layer->config)->n = args->n;
    return layer_finish(layer,
                        layer_set_common(layer, args->input_shape, args->name, args->trainable));
}
