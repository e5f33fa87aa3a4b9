/* Zeros around the axes, and the ends of the axes cut off. */
#include "layer/spatial.h"
#include "op/picture.h"

#include <string.h>

/* `ends`: for each axis, how much before and how much behind. */
typedef struct padding_config {
    kiln_shape ends;
    char *data_format;
} padding_config;

#define AT(FIELD) offsetof(padding_config, FIELD)
#define FORMAT                                                                                     \
    {                                                                                              \
        .name = "data_format", .type = FIELD_TEXT, .offset = AT(data_format),                      \
        .text = "channels_last"                                                                    \
    }

static const layer_field padding1d_fields[] = {
    {.name = "padding", .type = FIELD_SHAPE, .offset = AT(ends)}, FORMAT};
static const layer_field padding2d_fields[] = {
    {.name = "padding", .type = FIELD_PAIRS, .offset = AT(ends)}, FORMAT};
static const layer_field cropping1d_fields[] = {
    {.name = "cropping", .type = FIELD_SHAPE, .offset = AT(ends)}};
static const layer_field cropping2d_fields[] = {
    {.name = "cropping", .type = FIELD_PAIRS, .offset = AT(ends)}, FORMAT};

static bool crops(const kiln_layer *layer)
{
    return strncmp(layer->cls->class_name, "Cropping", 8) == 0;
}

static const char *format_of(const kiln_layer *layer)
{
    const padding_config *c = layer->config;
    return c->data_format ? c->data_format : "channels_last";
}

/* One number for all ends; in two dimensions also one for each axis. */
static kiln_status check(const kiln_layer *layer)
{
    padding_config *c = layer->config; /* what was left out is filled in */
    const char *field = layer->cls->fields[0].name;
    int axes = spatial_axes(layer);
    if (c->ends.rank == 0) { /* a crop of two dimensions is none, as in Keras */
        int64_t n = crops(layer) && axes == 2 ? 0 : 1;
        c->ends = (kiln_shape){1, {n}};
    }
    if (axes == 2 && c->ends.rank == 2)
        c->ends =
            (kiln_shape){4, {c->ends.dims[0], c->ends.dims[0], c->ends.dims[1], c->ends.dims[1]}};
    KILN_TRY(spatial_fill(field, &c->ends, 2 * axes, 0, 0));
    return spatial_format(format_of(layer));
}

static kiln_status output_shape(const kiln_layer *layer, kiln_shape input, kiln_shape *output)
{
    const padding_config *c = layer->config;
    int axes = spatial_axes(layer), begin = spatial_begin(format_of(layer));
    KILN_TRY(spatial_input(input, axes));
    *output = input;
    for (int i = 0; i < axes; i++) {
        int64_t ends = c->ends.dims[2 * i] + c->ends.dims[2 * i + 1];
        if (crops(layer) && ends >= input.dims[begin + i])
            return kiln_fail(KILN_ERROR_SHAPE, "cropping %s leaves nothing of its input %s",
                             ir_shape_text(c->ends), ir_shape_text(input));
        output->dims[begin + i] += crops(layer) ? -ends : ends;
    }
    return KILN_OK;
}

static kiln_status call(kiln_layer *layer, layer_call *call, ir_id input, ir_id *output)
{
    const padding_config *c = layer->config;
    int axes = spatial_axes(layer), begin = spatial_begin(format_of(layer));
    kiln_shape shape = call->graph->items[input].shape;
    int64_t before[KILN_MAX_RANK] = {0};
    for (int i = 0; i < axes; i++) {
        int64_t front = c->ends.dims[2 * i], ends = front + c->ends.dims[2 * i + 1];
        before[1 + begin + i] = crops(layer) ? -front : front;
        shape.dims[1 + begin + i] += crops(layer) ? -ends : ends;
    }
    *output = op_box(call->graph, input, before, shape);
    return *output == IR_NONE ? kiln_last_status() : KILN_OK;
}

#define CLASS(FIELDS)                                                                              \
    .config_size = sizeof(padding_config), .fields = FIELDS,                                       \
    .field_count = sizeof FIELDS / sizeof *FIELDS, .check = check, .output_shape = output_shape,   \
    .call = call

const layer_class zero_padding1d_class = {
    .class_name = "ZeroPadding1D", .snake_name = "zero_padding1d", CLASS(padding1d_fields)};
const layer_class zero_padding2d_class = {
    .class_name = "ZeroPadding2D", .snake_name = "zero_padding2d", CLASS(padding2d_fields)};
const layer_class cropping1d_class = {
    .class_name = "Cropping1D", .snake_name = "cropping1d", CLASS(cropping1d_fields)};
const layer_class cropping2d_class = {
    .class_name = "Cropping2D", .snake_name = "cropping2d", CLASS(cropping2d_fields)};

static kiln_layer *make(const layer_class *cls, const kiln_shape *ends, const char *data_format,
                        kiln_shape input_shape, const char *name, kiln_choice trainable)
{
    kiln_layer *layer = layer_new(cls);
    if (layer == NULL)
        return NULL;
    ((padding_config *)layer->config)->ends = *ends;
    kiln_status status = KILN_OK;
    if (layer_find_field(cls, "data_format"))
        status = layer_set_text(layer, "data_format", data_format);
    if (status == KILN_OK)
        status = layer_set_common(layer, input_shape, name, trainable);
    return layer_finish(layer, status);
}

#define BUILDER(NAME, ARGS, ENDS)                                                                  \
    kiln_layer *kiln_##NAME##_with(const ARGS *args)                                               \
    {                                                                                              \
        return make(&NAME##_class, &args->ENDS, args->data_format, args->input_shape, args->name,  \
                    args->trainable);                                                              \
    }
BUILDER(zero_padding1d, kiln_zero_padding_args, padding)
BUILDER(zero_padding2d, kiln_zero_padding_args, padding)
BUILDER(cropping1d, kiln_cropping_args, cropping)
BUILDER(cropping2d, kiln_cropping_args, cropping)
