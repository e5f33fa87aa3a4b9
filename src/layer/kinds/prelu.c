/* PReLU: x, or alpha x where x is negative, with an alpha for each element or shared along axes. */
#include "layer/layer.h"

typedef struct prelu_config {
    char *alpha_initializer, *alpha_regularizer, *alpha_constraint;
    layer_numbers shared_axes; /* counted from 1: 0 is the batch */
} prelu_config;

#define AT(FIELD) offsetof(prelu_config, FIELD)

static const layer_field fields[] = {
    {.name = "alpha_initializer",
     .type = FIELD_INITIALIZER,
     .offset = AT(alpha_initializer),
     .text = "zeros"},
    {.name = "alpha_regularizer", .type = FIELD_REGULARIZER, .offset = AT(alpha_regularizer)},
    {.name = "alpha_constraint", .type = FIELD_CONSTRAINT, .offset = AT(alpha_constraint)},
    {.name = "shared_axes", .type = FIELD_AXES, .offset = AT(shared_axes)},
};

static kiln_status alpha_shape(const kiln_layer *layer, kiln_shape input, kiln_shape *shape)
{
    const prelu_config *c = layer->config;
    *shape = input;
    for (size_t i = 0; i < c->shared_axes.count; i++) {
        double axis = c->shared_axes.values[i];
        if (!(axis >= 1 && axis <= input.rank) || axis != (int)axis)
            return kiln_fail(KILN_ERROR_SHAPE,
                             "shared_axes: %g is none of the axes 1 to %d of its input %s", axis,
                             input.rank, ir_shape_text(input));
        shape->dims[(int)axis - 1] = 1;
    }
    return KILN_OK;
}

static kiln_status output_shape(const kiln_layer *layer, kiln_shape input, kiln_shape *output)
{
    kiln_shape shape;
    *output = input;
    return alpha_shape(layer, input, &shape);
}

static kiln_status build(kiln_layer *layer, kiln_shape input)
{
    const prelu_config *c = layer->config;
    kiln_shape shape;
    KILN_TRY(alpha_shape(layer, input, &shape));
    KILN_TRY(
        layer_add_weight(layer, "alpha", shape, c->alpha_initializer, c->alpha_regularizer, true));
    return layer_constrain(layer, c->alpha_constraint);
}

static kiln_status call(kiln_layer *layer, layer_call *call, ir_id input, ir_id *output)
{
    ir_graph *g = call->graph;
    ir_id below = op_unary(g, F_RELU, op_unary(g, F_NEG, input));
    *output = op_binary(g, F_SUB, op_unary(g, F_RELU, input),
                        op_binary(g, F_MUL, op_weight(g, &layer->weights[0]->weight), below));
    return *output == IR_NONE ? kiln_last_status() : KILN_OK;
}

const layer_class prelu_class = {
    .class_name = "PReLU",
    .snake_name = "p_re_lu",
    .config_size = sizeof(prelu_config),
    .fields = fields,
    .field_count = sizeof fields / sizeof *fields,
    .output_shape = output_shape,
    .build = build,
    .call = call,
    .passes_mask = true,
};

kiln_layer *kiln_prelu_with(const kiln_prelu_args *args)
{
    kiln_layer *layer = layer_new(&prelu_class);
    if (layer == NULL)
        return NULL;
    double axes[KILN_MAX_RANK];
    int count = args->shared_axes.rank;
    for (int i = 0; i < count && i < KILN_MAX_RANK; i++)
        axes[i] = (double)args->shared_axes.dims[i];
    kiln_status status = layer_set_text(layer, "alpha_initializer", args->alpha_initializer);
    if (status == KILN_OK)
        status = layer_set_text(layer, "alpha_regularizer", args->alpha_regularizer);
    if (status == KILN_OK)
        status = layer_set_text(layer, "alpha_constraint", args->alpha_constraint);
    if (status == KILN_OK && count > 0)
        status = layer_set_numbers(layer, "shared_axes", axes, (size_t)count);
    if (status == KILN_OK)
        status = layer_set_common(layer, args->input_shape, args->name, args->trainable);
    return layer_finish(layer, status);
}
