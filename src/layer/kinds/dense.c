/* Dense: activation(x kernel + bias) over the last axis. */
#include "layer/layer.h"

typedef struct dense_config {
    int64_t units;
    char *activation, *kernel_initializer, *bias_initializer;
    char *kernel_regularizer, *bias_regularizer, *activity_regularizer;
    char *kernel_constraint, *bias_constraint;
    bool use_bias;
} dense_config;

#define AT(FIELD) offsetof(dense_config, FIELD)

static const layer_field fields[] = {
    {.name = "activity_regularizer",
     .type = FIELD_REGULARIZER,
     .offset = AT(activity_regularizer),
     .quiet = true},
    {.name = "units", .type = FIELD_INT, .offset = AT(units), .required = true},
    {.name = "activation", .type = FIELD_ACTIVATION, .offset = AT(activation), .text = "linear"},
    {.name = "use_bias", .type = FIELD_BOOL, .offset = AT(use_bias), .number = 1},
    {.name = "kernel_initializer",
     .type = FIELD_INITIALIZER,
     .offset = AT(kernel_initializer),
     .text = "glorot_uniform"},
    {.name = "bias_initializer",
     .type = FIELD_INITIALIZER,
     .offset = AT(bias_initializer),
     .text = "zeros"},
    {.name = "kernel_regularizer", .type = FIELD_REGULARIZER, .offset = AT(kernel_regularizer)},
    {.name = "bias_regularizer", .type = FIELD_REGULARIZER, .offset = AT(bias_regularizer)},
    {.name = "kernel_constraint", .type = FIELD_CONSTRAINT, .offset = AT(kernel_constraint)},
    {.name = "bias_constraint", .type = FIELD_CONSTRAINT, .offset = AT(bias_constraint)},
    {.name = "lora_rank", .type = FIELD_FIXED, .text = "null", .quiet = true},
    {.name = "lora_alpha", .type = FIELD_FIXED, .text = "null", .quiet = true},
    {.name = "quantization_config", .type = FIELD_FIXED, .text = "null", .quiet = true},
};

static kiln_status check(const kiln_layer *layer)
{
    const dense_config *c = layer->config;
    if (c->units < 1)
        return kiln_fail(KILN_ERROR_ARGUMENT, "units is %lld; it must be 1 or more",
                         (long long)c->units);
    return KILN_OK;
}

static kiln_status output_shape(const kiln_layer *layer, kiln_shape input, kiln_shape *output)
{
    const dense_config *c = layer->config;
    if (input.rank < 1)
        return kiln_fail(KILN_ERROR_SHAPE, "its input has no axis besides the batch");
    input.dims[input.rank - 1] = c->units;
    return activation_shape(c->activation, input, output);
}

static kiln_status build(kiln_layer *layer, kiln_shape input)
{
    const dense_config *c = layer->config;
    KILN_TRY(layer_add_weight(layer, "kernel",
                              (kiln_shape){2, {input.dims[input.rank - 1], c->units}},
                              c->kernel_initializer, c->kernel_regularizer, true));
    KILN_TRY(layer_constrain(layer, c->kernel_constraint));
    if (!c->use_bias)
        return KILN_OK;
    KILN_TRY(layer_add_weight(layer, "bias", (kiln_shape){1, {c->units}}, c->bias_initializer,
                              c->bias_regularizer, true));
    return layer_constrain(layer, c->bias_constraint);
}

static kiln_status call(kiln_layer *layer, layer_call *call, ir_id input, ir_id *output)
{
    const dense_config *c = layer->config;
    ir_graph *g = call->graph;
    ir_id y = op_matmul(g, input, op_weight(g, &layer->weights[0]->weight), false, false);
    if (c->use_bias)
        y = op_binary(g, F_ADD, y, op_weight(g, &layer->weights[1]->weight));
    y = activation_apply(g, c->activation, y);
    if (y == IR_NONE)
        return kiln_last_status();
    *output = y;
    return layer_add_activity(call, c->activity_regularizer, y);
}

const layer_class dense_class = {
    .class_name = "Dense",
    .snake_name = "dense",
    .config_size = sizeof(dense_config),
    .fields = fields,
    .field_count = sizeof fields / sizeof *fields,
    .check = check,
    .output_shape = output_shape,
    .build = build,
    .call = call,
    .passes_mask = true,
};

kiln_layer *kiln_dense_with(const kiln_dense_args *args)
{
    kiln_layer *layer = layer_new(&dense_class);
    if (layer == NULL)
        return NULL;
    dense_config *c = layer->config;
    c->units = args->units;
    c->use_bias = args->use_bias != KILN_NO;
    kiln_status status = layer_set_common(layer, args->input_shape, args->name, args->trainable);
    const struct {
        const char *field, *value;
    } texts[] = {
        {"activation", args->activation},
        {"kernel_initializer", args->kernel_initializer},
        {"bias_initializer", args->bias_initializer},
        {"kernel_regularizer", args->kernel_regularizer},
        {"kernel_constraint", args->kernel_constraint},
        {"bias_regularizer", args->bias_regularizer},
        {"bias_constraint", args->bias_constraint},
        {"activity_regularizer", args->activity_regularizer},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts && status == KILN_OK; i++)
        status = layer_set_text(layer, texts[i].field, texts[i].value);
    return layer_finish(layer, status);
}
