/* Convolutions of each channel by itself, and those followed by one over the channels alone. */
#include "layer/spatial.h"
#include "op/conv.h"

#include <string.h>

typedef struct separable_config {
    int64_t filters, depth_multiplier; /* filters: of separable ones */
    kiln_shape kernel_size, strides, dilation_rate;
    char *padding, *data_format;
    bool use_bias;
    char *activation, *depthwise_initializer, *pointwise_initializer, *bias_initializer;
    char *depthwise_regularizer, *pointwise_regularizer, *bias_regularizer, *activity_regularizer;
    char *depthwise_constraint, *pointwise_constraint, *bias_constraint;
} separable_config;

#define AT(FIELD) offsetof(separable_config, FIELD)

#define SIZES                                                                                      \
    {.name = "kernel_size", .type = FIELD_SHAPE, .offset = AT(kernel_size), .required = true},     \
        {.name = "strides", .type = FIELD_SHAPE, .offset = AT(strides)},                           \
        {.name = "padding", .type = FIELD_TEXT, .offset = AT(padding), .text = "valid"},           \
        {.name = "data_format",                                                                    \
         .type = FIELD_TEXT,                                                                       \
         .offset = AT(data_format),                                                                \
         .text = "channels_last"},                                                                 \
        {.name = "dilation_rate", .type = FIELD_SHAPE, .offset = AT(dilation_rate)},               \
        {.name = "activation",                                                                     \
         .type = FIELD_ACTIVATION,                                                                 \
         .offset = AT(activation),                                                                 \
         .text = "linear"},                                                                        \
        {.name = "use_bias", .type = FIELD_BOOL, .offset = AT(use_bias), .number = 1},             \
    {                                                                                              \
        .name = "depth_multiplier", .type = FIELD_INT, .offset = AT(depth_multiplier), .number = 1 \
    }
#define INITIALIZER(FIELD, DEFAULT)                                                                \
    {                                                                                              \
        .name = #FIELD, .type = FIELD_INITIALIZER, .offset = AT(FIELD), .text = DEFAULT            \
    }
#define REGULARIZER(FIELD)                                                                         \
    {                                                                                              \
        .name = #FIELD, .type = FIELD_REGULARIZER, .offset = AT(FIELD)                             \
    }
#define CONSTRAINT(FIELD)                                                                          \
    {                                                                                              \
        .name = #FIELD, .type = FIELD_CONSTRAINT, .offset = AT(FIELD)                              \
    }

static const layer_field depthwise_fields[] = {
    SIZES,
    INITIALIZER(depthwise_initializer, "glorot_uniform"),
    INITIALIZER(bias_initializer, "zeros"),
    REGULARIZER(depthwise_regularizer),
    REGULARIZER(bias_regularizer),
    REGULARIZER(activity_regularizer),
    CONSTRAINT(depthwise_constraint),
    CONSTRAINT(bias_constraint),
};

static const layer_field separable_fields[] = {
    {.name = "filters", .type = FIELD_INT, .offset = AT(filters), .required = true},
    SIZES,
    INITIALIZER(depthwise_initializer, "glorot_uniform"),
    INITIALIZER(pointwise_initializer, "glorot_uniform"),
    INITIALIZER(bias_initializer, "zeros"),
    REGULARIZER(depthwise_regularizer),
    REGULARIZER(pointwise_regularizer),
    REGULARIZER(bias_regularizer),
    REGULARIZER(activity_regularizer),
    CONSTRAINT(depthwise_constraint),
    CONSTRAINT(pointwise_constraint),
    CONSTRAINT(bias_constraint),
};

static bool is_separable(const kiln_layer *layer)
{
    return layer->cls->fields == separable_fields;
}

static kiln_status check(const kiln_layer *layer)
{
    separable_config *c = layer->config; /* what was left out is filled in */
    int axes = spatial_axes(layer);
    if (c->depth_multiplier < 1)
        return kiln_fail(KILN_ERROR_ARGUMENT, "depth_multiplier is %lld and must be 1 or more",
                         (long long)c->depth_multiplier);
    if (is_separable(layer) && c->filters < 1)
        return kiln_fail(KILN_ERROR_ARGUMENT, "filters is %lld and must be 1 or more",
                         (long long)c->filters);
    KILN_TRY(spatial_fill("kernel_size", &c->kernel_size, axes, 0, 1));
    KILN_TRY(spatial_fill("strides", &c->strides, axes, 1, 1));
    KILN_TRY(spatial_fill("dilation_rate", &c->dilation_rate, axes, 1, 1));
    KILN_TRY(spatial_word("padding", c->padding, "valid same"));
    return spatial_format(c->data_format);
}

/* The convolution of each channel over x (rows, axes..., channels), and its result. */
static kiln_status place(const kiln_layer *layer, kiln_shape x, op_conv *conv, kiln_shape *result)
{
    const separable_config *c = layer->config;
    op_window w = {.axes = c->kernel_size.rank};
    for (int i = 0; i < w.axes; i++) {
        w.size[i] = c->kernel_size.dims[i];
        w.stride[i] = c->strides.dims[i];
        w.dilation[i] = c->dilation_rate.dims[i];
    }
    op_padding padding = strcmp(c->padding, "same") == 0 ? PADDING_SAME : PADDING_VALID;
    KILN_TRY(op_window_place("convolution", &w, padding, x, result));
    result->dims[result->rank - 1] *= c->depth_multiplier;
    *conv = op_conv_of(&w, *result, x.dims[x.rank - 1]);
    return KILN_OK;
}

static kiln_status output_shape(const kiln_layer *layer, kiln_shape input, kiln_shape *output)
{
    const separable_config *c = layer->config;
    KILN_TRY(spatial_input(input, spatial_axes(layer)));
    kiln_shape sample = spatial_channels_last(c->data_format, input),
               x = {.rank = sample.rank + 1, .dims = {1}}, y;
    op_conv conv;
    memcpy(&x.dims[1], sample.dims, (size_t)sample.rank * sizeof *x.dims);
    KILN_TRY(place(layer, x, &conv, &y));
    sample.rank = y.rank - 1;
    memcpy(sample.dims, &y.dims[1], (size_t)sample.rank * sizeof *y.dims);
    if (is_separable(layer))
        sample.dims[sample.rank - 1] = c->filters;
    *output = spatial_as_given(c->data_format, sample);
    return activation_shape(c->activation, *output, output);
}

static kiln_status build(kiln_layer *layer, kiln_shape input)
{
    const separable_config *c = layer->config;
    kiln_shape sample = spatial_channels_last(c->data_format, input), kernel = c->kernel_size,
               point = {.rank = kernel.rank};
    int64_t channels = sample.dims[sample.rank - 1], made = channels * c->depth_multiplier;
    bool separable = is_separable(layer);
    kernel.dims[kernel.rank++] = channels;
    kernel.dims[kernel.rank++] = c->depth_multiplier;
    KILN_TRY(layer_add_weight(layer, separable ? "depthwise_kernel" : "kernel", kernel,
                              c->depthwise_initializer, c->depthwise_regularizer, true));
    KILN_TRY(layer_constrain(layer, c->depthwise_constraint));
    for (int i = 0; i < point.rank; i++)
        point.dims[i] = 1;
    point.dims[point.rank++] = made;
    point.dims[point.rank++] = c->filters;
    if (separable) {
        KILN_TRY(layer_add_weight(layer, "pointwise_kernel", point, c->pointwise_initializer,
                                  c->pointwise_regularizer, true));
        KILN_TRY(layer_constrain(layer, c->pointwise_constraint));
    }
    if (!c->use_bias)
        return KILN_OK;
    KILN_TRY(layer_add_weight(layer, "bias", (kiln_shape){1, {separable ? c->filters : made}},
                              c->bias_initializer, c->bias_regularizer, true));
    return layer_constrain(layer, c->bias_constraint);
}

static kiln_status call(kiln_layer *layer, layer_call *call, ir_id input, ir_id *output)
{
    const separable_config *c = layer->config;
    ir_graph *g = call->graph;
    bool first = spatial_channels_first(c->data_format), separable = is_separable(layer);
    ir_id x = first ? spatial_move_channels(g, input, false) : input;
    if (x == IR_NONE)
        return kiln_last_status();
    op_conv conv;
    kiln_shape shape,
        kernel = layer->weights[0]->weight.shape,
        taps = {3, {1, 1, kernel.dims[kernel.rank - 2] * kernel.dims[kernel.rank - 1]}};
    KILN_TRY(place(layer, g->items[x].shape, &conv, &shape));
    for (int i = 0; i + 2 < kernel.rank; i++)
        taps.dims[0] *= kernel.dims[i];
    ir_id y =
        op_convolve(g, x, op_reshape(g, op_weight(g, &layer->weights[0]->weight), taps), &conv);
    if (separable)
        y = op_matmul(g, y,
                      op_reshape(g, op_weight(g, &layer->weights[1]->weight),
                                 (kiln_shape){2, {taps.dims[2], c->filters}}),
                      false, false);
    if (c->use_bias)
        y = op_binary(g, F_ADD, y, op_weight(g, &layer->weights[separable ? 2 : 1]->weight));
    if (first) /* the activation's axis is the last of what the layer returns */
        y = spatial_move_channels(g, y, true);
    y = activation_apply(g, c->activation, y);
    if (y == IR_NONE)
        return kiln_last_status();
    *output = y;
    return layer_add_activity(call, c->activity_regularizer, y);
}

#define CLASS(FIELDS)                                                                              \
    .config_size = sizeof(separable_config), .fields = FIELDS,                                     \
    .field_count = sizeof FIELDS / sizeof *FIELDS, .check = check, .output_shape = output_shape,   \
    .build = build, .call = call

const layer_class depthwise_conv1d_class = {
    .class_name = "DepthwiseConv1D", .snake_name = "depthwise_conv1d", CLASS(depthwise_fields)};
const layer_class depthwise_conv2d_class = {
    .class_name = "DepthwiseConv2D", .snake_name = "depthwise_conv2d", CLASS(depthwise_fields)};
const layer_class separable_conv1d_class = {
    .class_name = "SeparableConv1D", .snake_name = "separable_conv1d", CLASS(separable_fields)};
const layer_class separable_conv2d_class = {
    .class_name = "SeparableConv2D", .snake_name = "separable_conv2d", CLASS(separable_fields)};

/* The arguments of both kinds; kernel_size and filters are in another order. */
static kiln_layer *make(const layer_class *cls, int64_t filters,
                        const kiln_separable_conv_args *args)
{
    kiln_layer *layer = layer_new(cls);
    if (layer == NULL)
        return NULL;
    separable_config *c = layer->config;
    c->filters = filters;
    c->depth_multiplier = args->depth_multiplier ? args->depth_multiplier : 1;
    c->kernel_size = args->kernel_size;
    c->strides = args->strides;
    c->dilation_rate = args->dilation_rate;
    c->use_bias = args->use_bias != KILN_NO;
    kiln_status status = layer_set_common(layer, args->input_shape, args->name, args->trainable);
    const struct {
        const char *field, *value;
    } texts[] = {
        {"padding", args->padding},
        {"data_format", args->data_format},
        {"activation", args->activation},
        {"depthwise_initializer", args->depthwise_initializer},
        {"pointwise_initializer", args->pointwise_initializer},
        {"bias_initializer", args->bias_initializer},
        {"depthwise_regularizer", args->depthwise_regularizer},
        {"depthwise_constraint", args->depthwise_constraint},
        {"pointwise_regularizer", args->pointwise_regularizer},
        {"pointwise_constraint", args->pointwise_constraint},
        {"bias_regularizer", args->bias_regularizer},
        {"bias_constraint", args->bias_constraint},
        {"activity_regularizer", args->activity_regularizer},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts && status == KILN_OK; i++)
        if (texts[i].value)
            status = layer_set_text(layer, texts[i].field, texts[i].value);
    return layer_finish(layer, status);
}

static kiln_layer *depthwise_new(const layer_class *cls, const kiln_depthwise_conv_args *args)
{
    return make(cls, 0,
                &(kiln_separable_conv_args){.kernel_size = args->kernel_size,
                                            .strides = args->strides,
                                            .padding = args->padding,
                                            .data_format = args->data_format,
                                            .dilation_rate = args->dilation_rate,
                                            .depth_multiplier = args->depth_multiplier,
                                            .activation = args->activation,
                                            .use_bias = args->use_bias,
                                            .depthwise_initializer = args->depthwise_initializer,
                                            .bias_initializer = args->bias_initializer,
                                            .depthwise_regularizer = args->depthwise_regularizer,
                                            .bias_regularizer = args->bias_regularizer,
                                            .depthwise_constraint = args->depthwise_constraint,
                                            .bias_constraint = args->bias_constraint,
                                            .activity_regularizer = args->activity_regularizer,
                                            .input_shape = args->input_shape,
                                            .name = args->name,
                                            .trainable = args->trainable});
}

kiln_layer *kiln_depthwise_conv1d_with(const kiln_depthwise_conv_args *args)
{
    return depthwise_new(&depthwise_conv1d_class, args);
}

kiln_layer *kiln_depthwise_conv2d_with(const kiln_depthwise_conv_args *args)
{
    return depthwise_new(&depthwise_conv2d_class, args);
}

kiln_layer *kiln_separable_conv1d_with(const kiln_separable_conv_args *args)
{
    return make(&separable_conv1d_class, args->filters, args);
}

kiln_layer *kiln_separable_conv2d_with(const kiln_separable_conv_args *args)
{
    return make(&separable_conv2d_class, args->filters, args);
}
