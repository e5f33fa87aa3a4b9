/* Pooling: the largest or the mean of each window, or of everything along the axes. */
#include "layer/spatial.h"

#include <string.h>

static bool takes_largest(const kiln_layer *layer)
{
    return strstr(layer->cls->class_name, "Max") != NULL;
}

/* ---- windows ---- */

typedef struct pooling_config {
    kiln_shape pool_size, strides;
    char *padding, *data_format;
} pooling_config;

#define AT(FIELD) offsetof(pooling_config, FIELD)

static const layer_field fields[] = {
    {.name = "pool_size", .type = FIELD_SHAPE, .offset = AT(pool_size)},
    {.name = "padding", .type = FIELD_TEXT, .offset = AT(padding), .text = "valid"},
    {.name = "strides", .type = FIELD_SHAPE, .offset = AT(strides)},
    {.name = "data_format", .type = FIELD_TEXT, .offset = AT(data_format), .text = "channels_last"},
};

static kiln_status pooling_check(const kiln_layer *layer)
{
    pooling_config *c = layer->config; /* what was left out is filled in */
    int axes = spatial_axes(layer);
    KILN_TRY(spatial_fill("pool_size", &c->pool_size, axes, takes_largest(layer) ? 2 : 0, 1));
    if (c->strides.rank == 0)
        c->strides = c->pool_size;
    KILN_TRY(spatial_fill("strides", &c->strides, axes, 0, 1));
    KILN_TRY(spatial_word("padding", c->padding, "valid same"));
    return spatial_format(c->data_format);
}

/* The windows over x (rows, axes..., channels), and the shape of the result. */
static kiln_status place_windows(const kiln_layer *layer, kiln_shape x, op_window *w,
                                 kiln_shape *output)
{
    const pooling_config *c = layer->config;
    *w = (op_window){.axes = c->pool_size.rank};
    for (int i = 0; i < w->axes; i++) {
        w->size[i] = c->pool_size.dims[i];
        w->stride[i] = c->strides.dims[i];
        w->dilation[i] = 1;
    }
    bool same = strcmp(c->padding, "same") == 0;
    for (int i = 0; i < w->axes && !same; i++)
        if (x.dims[i + 1] < w->size[i])
            return kiln_fail(KILN_ERROR_SHAPE,
                             "pool_size %s is larger than the %lld elements of its input's axis %d",
                             ir_shape_text(c->pool_size), (long long)x.dims[i + 1], i + 1);
    return op_window_place("pooling", w, same ? PADDING_SAME : PADDING_VALID, x, output);
}

static kiln_status pooling_shape(const kiln_layer *layer, kiln_shape input, kiln_shape *output)
{
    const pooling_config *c = layer->config;
    int axes = spatial_axes(layer), begin = spatial_begin(c->data_format);
    kiln_shape x = {.rank = axes + 2, .dims = {1}}, y;
    op_window w;
    KILN_TRY(spatial_input(input, axes));
    for (int i = 0; i < axes; i++)
        x.dims[i + 1] = input.dims[begin + i];
    x.dims[axes + 1] = 1;
    KILN_TRY(place_windows(layer, x, &w, &y));
    *output = input;
    for (int i = 0; i < axes; i++)
        output->dims[begin + i] = y.dims[i + 1];
    return KILN_OK;
}

static kiln_status pooling_call(kiln_layer *layer, layer_call *call, ir_id input, ir_id *output)
{
    const pooling_config *c = layer->config;
    ir_graph *g = call->graph;
    ir_id x = spatial_enter(g, input, c->data_format);
    op_window w;
    kiln_shape shape;
    if (x == IR_NONE)
        return kiln_last_status();
    KILN_TRY(place_windows(layer, g->items[x].shape, &w, &shape));
    ir_id y = op_pool(g, takes_largest(layer) ? POOL_MAX : POOL_AVERAGE, x, &w, shape);
    *output = spatial_leave(g, y, input, c->data_format);
    return *output == IR_NONE ? kiln_last_status() : KILN_OK;
}

static kiln_layer *pooling_new(const layer_class *cls, const kiln_pooling_args *args)
{
    kiln_layer *layer = layer_new(cls);
    if (layer == NULL)
        return NULL;
    pooling_config *c = layer->config;
    c->pool_size = args->pool_size;
    c->strides = args->strides;
    kiln_status status = layer_set_text(layer, "padding", args->padding);
    if (status == KILN_OK)
        status = layer_set_text(layer, "data_format", args->data_format);
    if (status == KILN_OK)
        status = layer_set_common(layer, args->input_shape, args->name, args->trainable);
    return layer_finish(layer, status);
}

#define POOLING                                                                                    \
    .config_size = sizeof(pooling_config), .fields = fields,                                       \
    .field_count = sizeof fields / sizeof *fields, .check = pooling_check,                         \
    .output_shape = pooling_shape, .call = pooling_call

const layer_class max_pooling1d_class = {
    .class_name = "MaxPooling1D", .snake_name = "max_pooling1d", POOLING};
const layer_class max_pooling2d_class = {
    .class_name = "MaxPooling2D", .snake_name = "max_pooling2d", POOLING};
const layer_class max_pooling3d_class = {
    .class_name = "MaxPooling3D", .snake_name = "max_pooling3d", POOLING};
const layer_class average_pooling1d_class = {
    .class_name = "AveragePooling1D", .snake_name = "average_pooling1d", POOLING};
const layer_class average_pooling2d_class = {
    .class_name = "AveragePooling2D", .snake_name = "average_pooling2d", POOLING};
const layer_class average_pooling3d_class = {
    .class_name = "AveragePooling3D", .snake_name = "average_pooling3d", POOLING};

#define BUILDER(NAME)                                                                              \
    kiln_layer *kiln_##NAME##_with(const kiln_pooling_args *args)                                  \
    {                                                                                              \
        return pooling_new(&NAME##_class, args);                                                   \
    }
BUILDER(max_pooling1d)
BUILDER(max_pooling2d)
BUILDER(max_pooling3d)
BUILDER(average_pooling1d)
BUILDER(average_pooling2d)
BUILDER(average_pooling3d)

/* ---- everything ---- */

typedef struct global_config {
    char *data_format;
    bool keepdims;
} global_config;

static const layer_field global_fields[] = {
    {.name = "data_format",
     .type = FIELD_TEXT,
     .offset = offsetof(global_config, data_format),
     .text = "channels_last"},
    {.name = "keepdims", .type = FIELD_BOOL, .offset = offsetof(global_config, keepdims)},
};

static kiln_status global_check(const kiln_layer *layer)
{
    return spatial_format(((const global_config *)layer->config)->data_format);
}

static kiln_status global_shape(const kiln_layer *layer, kiln_shape input, kiln_shape *output)
{
    const global_config *c = layer->config;
    int axes = spatial_axes(layer), begin = spatial_begin(c->data_format);
    KILN_TRY(spatial_input(input, axes));
    *output = input;
    for (int i = 0; i < axes; i++)
        output->dims[begin + i] = 1;
    if (!c->keepdims)
        *output = (kiln_shape){1, {input.dims[begin ? 0 : axes]}};
    return KILN_OK;
}

extern const layer_class global_average_pooling1d_class;

static kiln_status global_call(kiln_layer *layer, layer_call *call, ir_id input, ir_id *output)
{
    const global_config *c = layer->config;
    int first = 1 + spatial_begin(c->data_format), last = first + spatial_axes(layer) - 1;
    ir_graph *g = call->graph;
    if (layer_mask(call, 0) != IR_NONE && layer->cls == &global_average_pooling1d_class) {
        ir_id mask = layer_mask(call, 0);
        kiln_shape shape = g->items[input].shape, from = g->items[mask].shape;
        if (from.rank != 2 || from.dims[1] != shape.dims[first])
            return kiln_fail(KILN_ERROR_SHAPE, "the mask %s does not fit its input %s",
                             ir_shape_text(from), ir_shape_text(shape));
        shape.dims[3 - first] = 1;
        mask = op_reshape(g, mask, shape);
        *output = op_reduce(g, R_SUM, op_select(g, mask, input, op_constant(g, 0)), first, last,
                            c->keepdims);
        *output = op_binary(g, F_DIV, *output, op_reduce(g, R_SUM, mask, first, last, c->keepdims));
        return *output == IR_NONE ? kiln_last_status() : KILN_OK;
    }
    *output = takes_largest(layer) ? op_reduce(call->graph, R_MAX, input, first, last, c->keepdims)
                                   : op_mean(call->graph, input, first, last, c->keepdims);
    return *output == IR_NONE ? kiln_last_status() : KILN_OK;
}

static kiln_layer *global_new(const layer_class *cls, const kiln_global_pooling_args *args)
{
    kiln_layer *layer = layer_new(cls);
    if (layer == NULL)
        return NULL;
    ((global_config *)layer->config)->keepdims = args->keepdims == KILN_YES;
    kiln_status status = layer_set_text(layer, "data_format", args->data_format);
    if (status == KILN_OK)
        status = layer_set_common(layer, args->input_shape, args->name, args->trainable);
    return layer_finish(layer, status);
}

#define GLOBAL                                                                                     \
    .config_size = sizeof(global_config), .fields = global_fields,                                 \
    .field_count = sizeof global_fields / sizeof *global_fields, .check = global_check,            \
    .output_shape = global_shape, .call = global_call

const layer_class global_max_pooling1d_class = {
    .class_name = "GlobalMaxPooling1D", .snake_name = "global_max_pooling1d", GLOBAL};
const layer_class global_max_pooling2d_class = {
    .class_name = "GlobalMaxPooling2D", .snake_name = "global_max_pooling2d", GLOBAL};
const layer_class global_max_pooling3d_class = {
    .class_name = "GlobalMaxPooling3D", .snake_name = "global_max_pooling3d", GLOBAL};
const layer_class global_average_pooling1d_class = {
    .class_name = "GlobalAveragePooling1D", .snake_name = "global_average_pooling1d", GLOBAL};
const layer_class global_average_pooling2d_class = {
    .class_name = "GlobalAveragePooling2D", .snake_name = "global_average_pooling2d", GLOBAL};
const layer_class global_average_pooling3d_class = {
    .class_name = "GlobalAveragePooling3D", .snake_name = "global_average_pooling3d", GLOBAL};

#define GLOBAL_BUILDER(NAME)                                                                       \
    kiln_layer *kiln_##NAME##_with(const kiln_global_pooling_args *args)                           \
    {                                                                                              \
        return global_new(&NAME##_class, args);                                                    \
    }
GLOBAL_BUILDER(global_max_pooling1d)
GLOBAL_BUILDER(global_max_pooling2d)
GLOBAL_BUILDER(global_max_pooling3d)
GLOBAL_BUILDER(global_average_pooling1d)
GLOBAL_BUILDER(global_average_pooling2d)
GLOBAL_BUILDER(global_average_pooling3d)
