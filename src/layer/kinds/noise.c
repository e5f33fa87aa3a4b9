/* Noise in training: SpatialDropout drops whole channels, GaussianNoise adds, GaussianDropout
 * multiplies. */
#include "layer/spatial.h"

#include <math.h>
#include <string.h>

typedef struct noise_config {
    double share; /* rate or stddev */
    char *data_format;
} noise_config;

#define AT(FIELD) offsetof(noise_config, FIELD)
#define RATE                                                                                       \
    {.name = "rate", .type = FIELD_FLOAT, .offset = AT(share), .required = true},                  \
    {                                                                                              \
        .name = "seed", .type = FIELD_IGNORED, .text = "null" /* the model's seed draws */         \
    }

static const layer_field rate_fields[] = {RATE};
static const layer_field spatial_fields[] = {
    RATE,
    {.name = "data_format", .type = FIELD_TEXT, .offset = AT(data_format), .text = "channels_last"},
};
static const layer_field stddev_fields[] = {
    {.name = "stddev", .type = FIELD_FLOAT, .offset = AT(share), .required = true},
    {.name = "seed", .type = FIELD_IGNORED, .text = "null"},
};

static const char *format_of(const noise_config *c)
{
    return c->data_format ? c->data_format : "channels_last";
}

static kiln_status check(const kiln_layer *layer)
{
    const noise_config *c = layer->config;
    if (!(c->share >= 0 && c->share <= 1))
        return kiln_fail(KILN_ERROR_ARGUMENT, "%s is %g; it must be between 0 and 1",
                         layer->cls->fields[0].name, c->share);
    return spatial_format(format_of(c));
}

static kiln_status spatial_shape(const kiln_layer *layer, kiln_shape input, kiln_shape *output)
{
    *output = input;
    return spatial_input(input, spatial_axes(layer));
}

static kiln_status spatial_call(kiln_layer *layer, layer_call *call, ir_id input, ir_id *output)
{
    const noise_config *c = layer->config;
    ir_graph *g = call->graph;
    uint32_t stream = call->stream++; /* at rate 0 too, so that other layers keep their draws */
    *output = input;
    if (!call->training || c->share == 0)
        return KILN_OK;
    kiln_shape shape = g->items[input].shape;
    for (int i = 0; i < spatial_axes(layer); i++)
        shape.dims[1 + spatial_begin(format_of(c)) + i] = 1;
    ir_id kept =
        op_binary(g, F_GREATER_EQUAL, op_uniform(g, shape, stream), op_constant(g, c->share));
    ir_id scaled = op_affine(g, input, c->share < 1 ? 1 / (1 - c->share) : 0, 0);
    *output = op_select(g, kept, scaled, op_constant(g, 0));
    return *output == IR_NONE ? kiln_last_status() : KILN_OK;
}

/* Draws from the normal distribution, of two uniform ones (Box and Muller). */
static ir_id normal(layer_call *call, kiln_shape shape)
{
    ir_graph *g = call->graph;
    ir_id u = op_uniform(g, shape, call->stream), v = op_uniform(g, shape, call->stream + 1);
    ir_id radius =
        op_unary(g, F_SQRT, op_affine(g, op_unary(g, F_LOG, op_affine(g, u, -1, 1)), -2, 0));
    return op_binary(g, F_MUL, radius, op_unary(g, F_COS, op_affine(g, v, 2 * acos(-1), 0)));
}

static kiln_status gaussian_call(kiln_layer *layer, layer_call *call, ir_id input, ir_id *output)
{
    const noise_config *c = layer->config;
    ir_graph *g = call->graph;
    *output = input;
    if (call->training && c->share > 0) {
        ir_id draws = normal(call, g->items[input].shape);
        if (layer->cls->fields == stddev_fields)
            *output = op_binary(g, F_ADD, input, op_affine(g, draws, c->share, 0));
        else
            *output =
                op_binary(g, F_MUL, input, op_affine(g, draws, sqrt(c->share / (1 - c->share)), 1));
    }
    call->stream += 2;
    return *output == IR_NONE ? kiln_last_status() : KILN_OK;
}

static kiln_status gaussian_check(const kiln_layer *layer)
{
    const noise_config *c = layer->config;
    if (layer->cls->fields == rate_fields && c->share == 1)
        return kiln_fail(KILN_ERROR_ARGUMENT, "rate is 1; noise as large has no end");
    return check(layer);
}

const layer_class spatial_dropout1d_class = {
    .class_name = "SpatialDropout1D",
    .snake_name = "spatial_dropout1d",
    .config_size = sizeof(noise_config),
    .fields = rate_fields,
    .field_count = sizeof rate_fields / sizeof *rate_fields,
    .no_trainable = true,
    .check = check,
    .output_shape = spatial_shape,
    .call = spatial_call,
    .passes_mask = true,
};
const layer_class spatial_dropout2d_class = {
    .class_name = "SpatialDropout2D",
    .snake_name = "spatial_dropout2d",
    .config_size = sizeof(noise_config),
    .fields = spatial_fields,
    .field_count = sizeof spatial_fields / sizeof *spatial_fields,
    .no_trainable = true,
    .check = check,
    .output_shape = spatial_shape,
    .call = spatial_call,
    .passes_mask = true,
};
const layer_class gaussian_noise_class = {
    .class_name = "GaussianNoise",
    .snake_name = "gaussian_noise",
    .config_size = sizeof(noise_config),
    .fields = stddev_fields,
    .field_count = sizeof stddev_fields / sizeof *stddev_fields,
    .check = gaussian_check,
    .call = gaussian_call,
    .passes_mask = true,
};
const layer_class gaussian_dropout_class = {
    .class_name = "GaussianDropout",
    .snake_name = "gaussian_dropout",
    .config_size = sizeof(noise_config),
    .fields = rate_fields,
    .field_count = sizeof rate_fields / sizeof *rate_fields,
    .check = gaussian_check,
    .call = gaussian_call,
    .passes_mask = true,
};

static kiln_layer *make(const layer_class *cls, double share, const char *data_format,
                        kiln_shape input_shape, const char *name, kiln_choice trainable)
{
    kiln_layer *layer = layer_new(cls);
    if (layer == NULL)
        return NULL;
    ((noise_config *)layer->config)->share = share;
    kiln_status status = KILN_OK;
    if (data_format)
        status = layer_set_text(layer, "data_format", data_format);
    if (status == KILN_OK)
        status = layer_set_common(layer, input_shape, name, trainable);
    return layer_finish(layer, status);
}

#define BUILDER(NAME, SHARE, FORMAT)                                                               \
    kiln_layer *kiln_##NAME##_with(const kiln_##NAME##_args *args)                                 \
    {                                                                                              \
        return make(&NAME##_class, args->SHARE, FORMAT, args->input_shape, args->name,             \
                    args->trainable);                                                              \
    }
BUILDER(spatial_dropout1d, rate, NULL)
BUILDER(spatial_dropout2d, rate, args->data_format)
BUILDER(gaussian_noise, stddev, NULL)
BUILDER(gaussian_dropout, rate, NULL)
