/* Convolutions over 1 to 3 axes, and their transposes. */
#include "op/conv.h"
#include "layer/spatial.h"

#include <string.h>

typedef struct conv_config {
    int64_t filters, groups;
    kiln_shape kernel_size, strides, dilation_rate;
    char *padding, *data_format;
    bool use_bias;
    char *activation, *kernel_initializer, *bias_initializer;
    char *kernel_regularizer, *bias_regularizer, *activity_regularizer;
    char *kernel_constraint, *bias_constraint;
} conv_config;

#define AT(FIELD) offsetof(conv_config, FIELD)

#define SIZES                                                                                      \
    {.name = "filters", .type = FIELD_INT, .offset = AT(filters), .required = true},               \
        {.name = "kernel_size", .type = FIELD_SHAPE, .offset = AT(kernel_size), .required = true}, \
        {.name = "strides", .type = FIELD_SHAPE, .offset = AT(strides)},                           \
    {                                                                                              \
        .name = "padding", .type = FIELD_TEXT, .offset = AT(padding), .text = "valid"              \
    }
#define FORMAT                                                                                     \
    {.name = "data_format",                                                                        \
     .type = FIELD_TEXT,                                                                           \
     .offset = AT(data_format),                                                                    \
     .text = "channels_last"},                                                                     \
    {                                                                                              \
        .name = "dilation_rate", .type = FIELD_SHAPE, .offset = AT(dilation_rate)                  \
    }
#define REST                                                                                       \
    {.name = "activation", .type = FIELD_ACTIVATION, .offset = AT(activation), .text = "linear"},  \
        {.name = "use_bias", .type = FIELD_BOOL, .offset = AT(use_bias), .number = 1},             \
        {.name = "kernel_initializer",                                                             \
         .type = FIELD_INITIALIZER,                                                                \
         .offset = AT(kernel_initializer),                                                         \
         .text = "glorot_uniform"},                                                                \
        {.name = "bias_initializer",                                                               \
         .type = FIELD_INITIALIZER,                                                                \
         .offset = AT(bias_initializer),                                                           \
         .text = "zeros"},                                                                         \
        {.name = "kernel_regularizer",                                                             \
         .type = FIELD_REGULARIZER,                                                                \
         .offset = AT(kernel_regularizer)},                                                        \
        {.name = "bias_regularizer", .type = FIELD_REGULARIZER, .offset = AT(bias_regularizer)},   \
        {.name = "activity_regularizer",                                                           \
         .type = FIELD_REGULARIZER,                                                                \
         .offset = AT(activity_regularizer)},                                                      \
        {.name = "kernel_constraint", .type = FIELD_CONSTRAINT, .offset = AT(kernel_constraint)},  \
    {                                                                                              \
        .name = "bias_constraint", .type = FIELD_CONSTRAINT, .offset = AT(bias_constraint)         \
    }

static const layer_field fields[] = {
    SIZES, FORMAT, {.name = "groups", .type = FIELD_INT, .offset = AT(groups), .number = 1}, REST};

static const layer_field transpose_fields[] = {
    SIZES, {.name = "output_padding", .type = FIELD_FIXED, .text = "null"}, FORMAT, REST};

static bool is_transpose(const kiln_layer *layer)
{
    return layer->cls->fields == transpose_fields;
}

static kiln_status check(const kiln_layer *layer)
{
    conv_config *c = layer->config; /* what was left out is filled in */
    int axes = spatial_axes(layer);
    if (is_transpose(layer))
        c->groups = 1;
    if (c->filters < 1 || c->groups < 1 || c->filters % c->groups != 0)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "filters is %lld and groups %lld; both must be 1 or more, and the filters "
                         "a multiple of the groups",
                         (long long)c->filters, (long long)c->groups);
    KILN_TRY(spatial_fill("kernel_size", &c->kernel_size, axes, 0, 1));
    KILN_TRY(spatial_fill("strides", &c->strides, axes, 1, 1));
    KILN_TRY(spatial_fill("dilation_rate", &c->dilation_rate, axes, 1, 1));
    KILN_TRY(spatial_word("padding", c->padding,
                          axes == 1 && !is_transpose(layer) ? "valid same causal" : "valid same"));
    return spatial_format(c->data_format);
}

/* The convolution over x (rows, axes..., channels), or that whose transpose it is; result: the
 * layer's result. */
static kiln_status place(const kiln_layer *layer, kiln_shape x, op_conv *conv, kiln_shape *result)
{
    const conv_config *c = layer->config;
    op_window w = {.axes = c->kernel_size.rank};
    kiln_shape windows, large = x;
    bool same = strcmp(c->padding, "same") == 0;
    for (int i = 0; i < w.axes; i++) {
        w.size[i] = c->kernel_size.dims[i];
        w.stride[i] = c->strides.dims[i];
        w.dilation[i] = c->dilation_rate.dims[i];
        int64_t reach = (w.size[i] - 1) * w.dilation[i] + 1;
        large.dims[i + 1] =
            x.dims[i + 1] * w.stride[i] + (!same && reach > w.stride[i] ? reach - w.stride[i] : 0);
    }
    op_padding padding = same                                ? PADDING_SAME
                         : strcmp(c->padding, "causal") == 0 ? PADDING_CAUSAL
                                                             : PADDING_VALID;
    KILN_TRY(
        op_window_place("convolution", &w, padding, is_transpose(layer) ? large : x, &windows));
    *result = is_transpose(layer) ? large : windows;
    result->dims[result->rank - 1] = c->filters;
    *conv = op_conv_of(&w, is_transpose(layer) ? x : windows, c->groups);
    return KILN_OK;
}

static kiln_status output_shape(const kiln_layer *layer, kiln_shape input, kiln_shape *output)
{
    const conv_config *c = layer->config;
    KILN_TRY(spatial_input(input, spatial_axes(layer)));
    kiln_shape sample = spatial_channels_last(c->data_format, input),
               x = {.rank = sample.rank + 1, .dims = {1}}, y;
    op_conv conv;
    memcpy(&x.dims[1], sample.dims, (size_t)sample.rank * sizeof *x.dims);
    KILN_TRY(place(layer, x, &conv, &y));
    sample.rank = y.rank - 1;
    memcpy(sample.dims, &y.dims[1], (size_t)sample.rank * sizeof *y.dims);
    *output = spatial_as_given(c->data_format, sample);
    return activation_shape(c->activation, *output, output);
}

static kiln_status build(kiln_layer *layer, kiln_shape input)
{
    const conv_config *c = layer->config;
    kiln_shape sample = spatial_channels_last(c->data_format, input), kernel = c->kernel_size;
    int64_t channels = sample.dims[sample.rank - 1];
    if (channels % c->groups != 0)
        return kiln_fail(KILN_ERROR_SHAPE,
                         "its input has %lld channels, no multiple of %lld groups",
                         (long long)channels, (long long)c->groups);
    kernel.dims[kernel.rank++] = is_transpose(layer) ? c->filters : channels / c->groups;
    kernel.dims[kernel.rank++] = is_transpose(layer) ? channels : c->filters;
    KILN_TRY(layer_add_weight(layer, "kernel", kernel, c->kernel_initializer, c->kernel_regularizer,
                              true));
    KILN_TRY(layer_constrain(layer, c->kernel_constraint));
    if (!c->use_bias)
        return KILN_OK;
    KILN_TRY(layer_add_weight(layer, "bias", (kiln_shape){1, {c->filters}}, c->bias_initializer,
                              c->bias_regularizer, true));
    return layer_constrain(layer, c->bias_constraint);
}

static kiln_status call(kiln_layer *layer, layer_call *call, ir_id input, ir_id *output)
{
    const conv_config *c = layer->config;
    ir_graph *g = call->graph;
    bool first = spatial_channels_first(c->data_format);
    ir_id x = first ? spatial_move_channels(g, input, false) : input;
    if (x == IR_NONE)
        return kiln_last_status();
    op_conv conv;
    kiln_shape shape, kernel = layer->weights[0]->weight.shape,
                      taps = {3, {1, kernel.dims[kernel.rank - 2], kernel.dims[kernel.rank - 1]}};
    KILN_TRY(place(layer, g->items[x].shape, &conv, &shape));
    for (int i = 0; i + 2 < kernel.rank; i++)
        taps.dims[0] *= kernel.dims[i];
    ir_id weights = op_reshape(g, op_weight(g, &layer->weights[0]->weight), taps);
    ir_id y = is_transpose(layer) ? op_convolve_back(g, x, weights, &conv, &shape.dims[1])
                                  : op_convolve(g, x, weights, &conv);
    if (c->use_bias)
        y = op_binary(g, F_ADD, y, op_weight(g, &layer->weights[1]->weight));
    if (first) /* the activation's axis is the last of what the layer returns */
        y = spatial_move_channels(g, y, true);
    y = activation_apply(g, c->activation, y);
    if (y == IR_NONE)
        return kiln_last_status();
    *output = y;
    return layer_add_activity(call, c->activity_regularizer, y);
}

static kiln_layer *conv_new(const layer_class *cls, const kiln_conv_args *args)
{
    kiln_layer *layer = layer_new(cls);
    if (layer == NULL)
        return NULL;
    conv_config *c = layer->config;
    c->filters = args->filters;
    c->groups = args->groups ? args->groups : 1;
    c->kernel_size = args->kernel_size;
    c->strides = args->strides;
    c->dilation_rate = args->dilation_rate;
    c->use_bias = args->use_bias != KILN_NO;
    kiln_status status = layer_set_common(layer, args->input_shape, args->name, args->trainable);
    if (status == KILN_OK && cls->fields == transpose_fields && c->groups != 1)
        status = kiln_fail(KILN_ERROR_ARGUMENT, "%s has no groups", cls->class_name);
    const struct {
        const char *field, *value;
    } texts[] = {
        {"padding", args->padding},
        {"data_format", args->data_format},
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

#define CONV(FIELDS)                                                                               \
    .config_size = sizeof(conv_config), .fields = FIELDS,                                          \
    .field_count = sizeof FIELDS / sizeof *FIELDS, .check = check, .output_shape = output_shape,   \
    .build = build, .call = call

const layer_class conv1d_class = {.class_name = "Conv1D", .snake_name = "conv1d", CONV(fields)};
const layer_class conv2d_class = {.class_name = "Conv2D", .snake_name = "conv2d", CONV(fields)};
const layer_class conv3d_class = {.class_name = "Conv3D", .snake_name = "conv3d", CONV(fields)};
const layer_class conv1d_transpose_class = {
    .class_name = "Conv1DTranspose", .snake_name = "conv1d_transpose", CONV(transpose_fields)};
const layer_class conv2d_transpose_class = {
    .class_name = "Conv2DTranspose", .snake_name = "conv2d_transpose", CONV(transpose_fields)};
const layer_class conv3d_transpose_class = {
    .class_name = "Conv3DTranspose", .snake_name = "conv3d_transpose", CONV(transpose_fields)};

#define BUILDER(NAME)                                                                              \
    kiln_layer *kiln_##NAME##_with(const kiln_conv_args *args)                                     \
    {                                                                                              \
        return conv_new(&NAME##_class, args);                                                      \
    }
BUILDER(conv1d)
BUILDER(conv2d)
BUILDER(conv3d)
BUILDER(conv1d_transpose)
BUILDER(conv2d_transpose)
BUILDER(conv3d_transpose)
