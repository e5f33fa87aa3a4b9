/* Activation, and the activations that Keras has as layers of their own. */
#include "layer/layer.h"

#include <math.h>
#include <stdio.h>

static kiln_status apply(layer_call *call, const char *activation, ir_id input, ir_id *output)
{
    *output = activation_apply(call->graph, activation, input);
    return *output == IR_NONE ? kiln_last_status() : KILN_OK;
}

/* ---- Activation ---- */

typedef struct activation_config {
    char *activation;
} activation_config;

static const layer_field activation_fields[] = {
    {.name = "activation",
     .type = FIELD_ACTIVATION,
     .offset = offsetof(activation_config, activation),
     .required = true},
};

static kiln_status activation_output(const kiln_layer *layer, kiln_shape input, kiln_shape *output)
{
    return activation_shape(((const activation_config *)layer->config)->activation, input, output);
}

static kiln_status activation_call(kiln_layer *layer, layer_call *call, ir_id input, ir_id *output)
{
    return apply(call, ((const activation_config *)layer->config)->activation, input, output);
}

const layer_class activation_class = {
    .class_name = "Activation",
    .snake_name = "activation",
    .config_size = sizeof(activation_config),
    .fields = activation_fields,
    .field_count = sizeof activation_fields / sizeof *activation_fields,
    .output_shape = activation_output,
    .call = activation_call,
    .passes_mask = true,
};

kiln_layer *kiln_activation_with(const kiln_activation_args *args)
{
    kiln_layer *layer = layer_new(&activation_class);
    if (layer == NULL)
        return NULL;
    kiln_status status = layer_set_text(layer, "activation", args->activation);
    if (status == KILN_OK)
        status = layer_set_common(layer, args->input_shape, args->name, args->trainable);
    return layer_finish(layer, status);
}

/* ---- ReLU, LeakyReLU, ELU, Softmax: an activation whose arguments are the layer's ---- */

/* The four share a configuration; each uses some of it. */
typedef struct advanced_config {
    double max_value, negative_slope, threshold, alpha;
    int64_t axis;
} advanced_config;

extern const layer_class relu_class, leaky_relu_class, elu_class, softmax_class;

#define AT(FIELD) offsetof(advanced_config, FIELD)

static const layer_field relu_fields[] = {
    {.name = "max_value", .type = FIELD_MAYBE, .offset = AT(max_value), .number = NAN},
    {.name = "negative_slope", .type = FIELD_FLOAT, .offset = AT(negative_slope), .number = 0},
    {.name = "threshold", .type = FIELD_FLOAT, .offset = AT(threshold), .number = 0},
};
static const layer_field leaky_relu_fields[] = {
    {.name = "negative_slope", .type = FIELD_FLOAT, .offset = AT(negative_slope), .number = 0.3},
};
static const layer_field elu_fields[] = {
    {.name = "alpha", .type = FIELD_FLOAT, .offset = AT(alpha), .number = 1},
};
static const layer_field softmax_fields[] = {
    {.name = "axis", .type = FIELD_INT, .offset = AT(axis), .number = -1},
};

/* The activation as a spec. */
static void describe(const kiln_layer *layer, char activation[160])
{
    const advanced_config *c = layer->config;
    char a[SPEC_NUMBER_ROOM], b[SPEC_NUMBER_ROOM], m[SPEC_NUMBER_ROOM] = "None";
    if (layer->cls == &relu_class) {
        if (!isnan(c->max_value))
            spec_number_text(c->max_value, m);
        snprintf(activation, 160, "relu(negative_slope=%s, max_value=%s, threshold=%s)",
                 spec_number_text(c->negative_slope, a), m, spec_number_text(c->threshold, b));
    } else if (layer->cls == &leaky_relu_class) {
        snprintf(activation, 160, "leaky_relu(%s)", spec_number_text(c->negative_slope, a));
    } else if (layer->cls == &elu_class) {
        snprintf(activation, 160, "elu(%s)", spec_number_text(c->alpha, a));
    } else {
        snprintf(activation, 160, "softmax(%lld)", (long long)c->axis);
    }
}

static kiln_status advanced_check(const kiln_layer *layer)
{
    char activation[160];
    describe(layer, activation);
    return activation_check(activation);
}

static kiln_status advanced_shape(const kiln_layer *layer, kiln_shape input, kiln_shape *output)
{
    char activation[160];
    describe(layer, activation);
    return activation_shape(activation, input, output);
}

static kiln_status advanced_call(kiln_layer *layer, layer_call *call, ir_id input, ir_id *output)
{
    char activation[160];
    describe(layer, activation);
    return apply(call, activation, input, output);
}

#define ADVANCED(CLASS, SNAKE, NAME)                                                               \
    {                                                                                              \
        .class_name = CLASS, .snake_name = SNAKE, .config_size = sizeof(advanced_config),          \
        .fields = NAME##_fields, .field_count = sizeof NAME##_fields / sizeof *NAME##_fields,      \
        .check = advanced_check, .output_shape = advanced_shape, .call = advanced_call,            \
        .passes_mask = true                                                                        \
    }

const layer_class relu_class = ADVANCED("ReLU", "re_lu", relu);
const layer_class leaky_relu_class = ADVANCED("LeakyReLU", "leaky_re_lu", leaky_relu);
const layer_class elu_class = ADVANCED("ELU", "elu", elu);
const layer_class softmax_class = ADVANCED("Softmax", "softmax", softmax);

static double number_or(double value, double fallback)
{
    return value == 0 && !signbit(value) ? fallback : value;
}

kiln_layer *kiln_relu_with(const kiln_relu_args *args)
{
    kiln_layer *layer = layer_new(&relu_class);
    if (layer == NULL)
        return NULL;
    advanced_config *c = layer->config;
    c->max_value = number_or(args->max_value, NAN);
    c->negative_slope = args->negative_slope;
    c->threshold = args->threshold;
    return layer_finish(layer,
                        layer_set_common(layer, args->input_shape, args->name, args->trainable));
}

kiln_layer *kiln_leaky_relu_with(const kiln_leaky_relu_args *args)
{
    kiln_layer *layer = layer_new(&leaky_relu_class);
    if (layer == NULL)
        return NULL;
    ((advanced_config *)layer->config)->negative_slope = number_or(args->negative_slope, 0.3);
    return layer_finish(layer,
                        layer_set_common(layer, args->input_shape, args->name, args->trainable));
}

kiln_layer *kiln_elu_with(const kiln_elu_args *args)
{
    kiln_layer *layer = layer_new(&elu_class);
    if (layer == NULL)
        return NULL;
    ((advanced_config *)layer->config)->alpha = number_or(args->alpha, 1);
    return layer_finish(layer,
                        layer_set_common(layer, args->input_shape, args->name, args->trainable));
}

kiln_layer *kiln_softmax_with(const kiln_softmax_args *args)
{
    kiln_layer *layer = layer_new(&softmax_class);
    if (layer == NULL)
        return NULL;
    if (args->axis != 0) /* the batch axis; here: left out */
        ((advanced_config *)layer->config)->axis = args->axis;
    return layer_finish(layer,
                        layer_set_common(layer, args->input_shape, args->name, args->trainable));
}
