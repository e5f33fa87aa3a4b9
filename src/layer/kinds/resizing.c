/* Pictures and sequences at another size: UpSampling, Resizing, CenterCrop. */
#include "layer/spatial.h"
#include "op/picture.h"

#include <string.h>

static op_interpolation interpolation_of(const char *name)
{
    return strcmp(name, "bilinear") == 0 ? PICTURE_BILINEAR : PICTURE_NEAREST;
}

/* ---- UpSampling ---- */

typedef struct up_config {
    int64_t size; /* of one axis */
    kiln_shape sizes;
    char *data_format, *interpolation;
} up_config;

static const layer_field up1d_fields[] = {
    {.name = "size", .type = FIELD_INT, .offset = offsetof(up_config, size), .number = 2},
};
static const layer_field up2d_fields[] = {
    {.name = "size", .type = FIELD_SHAPE, .offset = offsetof(up_config, sizes)},
    {.name = "data_format",
     .type = FIELD_TEXT,
     .offset = offsetof(up_config, data_format),
     .text = "channels_last"},
    {.name = "interpolation",
     .type = FIELD_TEXT,
     .offset = offsetof(up_config, interpolation),
     .text = "nearest"},
};

static kiln_status up_check(const kiln_layer *layer)
{
    up_config *c = layer->config; /* what was left out is filled in */
    int axes = spatial_axes(layer);
    if (axes == 1)
        c->sizes = (kiln_shape){1, {c->size}};
    KILN_TRY(spatial_fill("size", &c->sizes, axes, 2, 1));
    if (axes == 1)
        return KILN_OK;
    KILN_TRY(spatial_word("interpolation", c->interpolation, "nearest bilinear"));
    return spatial_format(c->data_format);
}

static const char *up_format(const up_config *c)
{
    return c->data_format ? c->data_format : "channels_last";
}

static kiln_status up_shape(const kiln_layer *layer, kiln_shape input, kiln_shape *output)
{
    const up_config *c = layer->config;
    size_t elements;
    KILN_TRY(spatial_input(input, spatial_axes(layer)));
    *output = input;
    for (int i = 0; i < c->sizes.rank; i++)
        output->dims[spatial_begin(up_format(c)) + i] *= c->sizes.dims[i];
    return weight_elements(*output, "its output", &elements);
}

static kiln_status up_call(kiln_layer *layer, layer_call *call, ir_id input, ir_id *output)
{
    const up_config *c = layer->config;
    ir_graph *g = call->graph;
    ir_id x = spatial_enter(g, input, up_format(c)), y;
    if (x == IR_NONE)
        return kiln_last_status();
    op_window w = {.axes = c->sizes.rank};
    kiln_shape shape = g->items[x].shape;
    for (int i = 0; i < w.axes; i++) {
        w.size[i] = w.stride[i] = c->sizes.dims[i];
        w.dilation[i] = 1;
        shape.dims[i + 1] *= c->sizes.dims[i];
    }
    if (c->interpolation && interpolation_of(c->interpolation) == PICTURE_BILINEAR)
        y = op_resize(g, x, PICTURE_BILINEAR, shape.dims[1], shape.dims[2]);
    else
        y = op_unpool(g, x, &w, shape);
    *output = spatial_leave(g, y, input, up_format(c));
    return *output == IR_NONE ? kiln_last_status() : KILN_OK;
}

const layer_class up_sampling1d_class = {
    .class_name = "UpSampling1D",
    .snake_name = "up_sampling1d",
    .config_size = sizeof(up_config),
    .fields = up1d_fields,
    .field_count = sizeof up1d_fields / sizeof *up1d_fields,
    .check = up_check,
    .output_shape = up_shape,
    .call = up_call,
};
const layer_class up_sampling2d_class = {
    .class_name = "UpSampling2D",
    .snake_name = "up_sampling2d",
    .config_size = sizeof(up_config),
    .fields = up2d_fields,
    .field_count = sizeof up2d_fields / sizeof *up2d_fields,
    .check = up_check,
    .output_shape = up_shape,
    .call = up_call,
};

kiln_layer *kiln_up_sampling1d_with(const kiln_up_sampling1d_args *args)
{
    kiln_layer *layer = layer_new(&up_sampling1d_class);
    if (layer == NULL)
        return NULL;
    if (args->size)
        ((up_config *)layer->config)->size = args->size;
    return layer_finish(layer,
                        layer_set_common(layer, args->input_shape, args->name, args->trainable));
}

kiln_layer *kiln_up_sampling2d_with(const kiln_up_sampling2d_args *args)
{
    kiln_layer *layer = layer_new(&up_sampling2d_class);
    if (layer == NULL)
        return NULL;
    ((up_config *)layer->config)->sizes = args->size;
    kiln_status status = layer_set_text(layer, "data_format", args->data_format);
    if (status == KILN_OK)
        status = layer_set_text(layer, "interpolation", args->interpolation);
    if (status == KILN_OK)
        status = layer_set_common(layer, args->input_shape, args->name, args->trainable);
    return layer_finish(layer, status);
}

/* ---- Resizing and CenterCrop ---- */

typedef struct resizing_config {
    int64_t height, width;
    char *interpolation, *data_format;
    bool crop, pad;
    double fill_value;
} resizing_config;

#define AT(FIELD) offsetof(resizing_config, FIELD)
#define SIZE                                                                                       \
    {.name = "height", .type = FIELD_INT, .offset = AT(height), .required = true},                 \
        {.name = "width", .type = FIELD_INT, .offset = AT(width), .required = true},               \
    {                                                                                              \
        .name = "data_format", .type = FIELD_TEXT, .offset = AT(data_format),                      \
        .text = "channels_last"                                                                    \
    }

static const layer_field resizing_fields[] = {
    SIZE,
    {.name = "interpolation", .type = FIELD_TEXT, .offset = AT(interpolation), .text = "bilinear"},
    {.name = "crop_to_aspect_ratio", .type = FIELD_BOOL, .offset = AT(crop)},
    {.name = "pad_to_aspect_ratio", .type = FIELD_BOOL, .offset = AT(pad)},
    {.name = "fill_mode", .type = FIELD_FIXED, .text = "\"constant\""},
    {.name = "fill_value", .type = FIELD_FLOAT, .offset = AT(fill_value)},
    {.name = "antialias", .type = FIELD_FIXED, .text = "false"},
};
static const layer_field crop_fields[] = {SIZE};

static kiln_status size_check(const kiln_layer *layer)
{
    const resizing_config *c = layer->config;
    if (c->height < 1 || c->width < 1 || c->height >= 16384 || c->width >= 16384)
        return kiln_fail(KILN_ERROR_ARGUMENT, "height %lld and width %lld must both be 1 to 16383",
                         (long long)c->height, (long long)c->width);
    if (c->interpolation)
        KILN_TRY(spatial_word("interpolation", c->interpolation, "bilinear nearest"));
    if (c->crop && c->pad)
        return kiln_fail(KILN_ERROR_ARGUMENT, "only one of crop_to_aspect_ratio and "
                                              "pad_to_aspect_ratio can be set");
    return spatial_format(c->data_format);
}

static kiln_status size_shape(const kiln_layer *layer, kiln_shape input, kiln_shape *output)
{
    const resizing_config *c = layer->config;
    int begin = spatial_begin(c->data_format);
    KILN_TRY(spatial_input(input, 2));
    *output = input;
    output->dims[begin] = c->height;
    output->dims[begin + 1] = c->width;
    return KILN_OK;
}

/* The middle of x (rows, height, width, channels), of another height and width, with a value around
 * it where these are larger. */
static ir_id middle(ir_graph *g, ir_id x, int64_t height, int64_t width, double value)
{
    kiln_shape from = g->items[x].shape, shape = from;
    int64_t before[4] = {0};
    shape.dims[1] = height;
    shape.dims[2] = width;
    for (int a = 1; a < 3; a++)
        before[a] = shape.dims[a] >= from.dims[a] ? (shape.dims[a] - from.dims[a]) / 2
                                                  : -((from.dims[a] - shape.dims[a]) / 2);
    /* The value all around is the box of what exceeds it, and the value added. */
    ir_id box = op_box(g, value != 0 ? op_affine(g, x, 1, -value) : x, before, shape);
    return value != 0 ? op_affine(g, box, 1, value) : box;
}

/* The part of a picture of height x width, or what it is put into, of the shape of the target. */
static void fit(int64_t height, int64_t width, int64_t to_height, int64_t to_width, bool larger,
                int64_t *h, int64_t *w)
{
    *h = width * to_height / to_width;
    *w = height * to_width / to_height;
    if (larger) {
        /* as much on either side */
        *h = height + (*h > height ? (*h - height) / 2 * 2 : 0);
        *w = width + (*w > width ? (*w - width) / 2 * 2 : 0);
    } else {
        *h = *h < height ? *h : height;
        *w = *w < width ? *w : width;
        *h = *h < 1 ? 1 : *h;
        *w = *w < 1 ? 1 : *w;
    }
}

static kiln_status resizing_call(kiln_layer *layer, layer_call *call, ir_id input, ir_id *output)
{
    const resizing_config *c = layer->config;
    ir_graph *g = call->graph;
    ir_id x = spatial_enter(g, input, c->data_format);
    if (x != IR_NONE && (c->crop || c->pad)) {
        kiln_shape s = g->items[x].shape;
        int64_t h, w;
        fit(s.dims[1], s.dims[2], c->height, c->width, c->pad, &h, &w);
        x = middle(g, x, h, w, c->pad ? c->fill_value : 0);
    }
    ir_id y = op_resize(g, x, interpolation_of(c->interpolation), c->height, c->width);
    *output = spatial_leave(g, y, input, c->data_format);
    return *output == IR_NONE ? kiln_last_status() : KILN_OK;
}

/* Pictures smaller than the crop are enlarged until they cover it, as in Keras. */
static kiln_status crop_call(kiln_layer *layer, layer_call *call, ir_id input, ir_id *output)
{
    const resizing_config *c = layer->config;
    ir_graph *g = call->graph;
    ir_id x = spatial_enter(g, input, c->data_format), y = IR_NONE;
    if (x != IR_NONE) {
        kiln_shape s = g->items[x].shape;
        if (s.dims[1] >= c->height && s.dims[2] >= c->width) {
            y = middle(g, x, c->height, c->width, 0);
        } else {
            int64_t h, w;
            fit(s.dims[1], s.dims[2], c->height, c->width, false, &h, &w);
            y = op_resize(g, middle(g, x, h, w, 0), PICTURE_BILINEAR, c->height, c->width);
        }
    }
    *output = spatial_leave(g, y, input, c->data_format);
    return *output == IR_NONE ? kiln_last_status() : KILN_OK;
}

const layer_class resizing_class = {
    .class_name = "Resizing",
    .snake_name = "resizing",
    .config_size = sizeof(resizing_config),
    .fields = resizing_fields,
    .field_count = sizeof resizing_fields / sizeof *resizing_fields,
    .check = size_check,
    .output_shape = size_shape,
    .call = resizing_call,
};
const layer_class center_crop_class = {
    .class_name = "CenterCrop",
    .snake_name = "center_crop",
    .config_size = sizeof(resizing_config),
    .fields = crop_fields,
    .field_count = sizeof crop_fields / sizeof *crop_fields,
    .check = size_check,
    .output_shape = size_shape,
    .call = crop_call,
};

kiln_layer *kiln_resizing_with(const kiln_resizing_args *args)
{
    kiln_layer *layer = layer_new(&resizing_class);
    if (layer == NULL)
        return NULL;
    resizing_config *c = layer->config;
    c->height = args->height;
    c->width = args->width;
    c->crop = args->crop_to_aspect_ratio == KILN_YES;
    c->pad = args->pad_to_aspect_ratio == KILN_YES;
    c->fill_value = args->fill_value;
    kiln_status status = layer_set_text(layer, "interpolation", args->interpolation);
    if (status == KILN_OK)
        status = layer_set_text(layer, "data_format", args->data_format);
    if (status == KILN_OK)
        status = layer_set_common(layer, args->input_shape, args->name, args->trainable);
    return layer_finish(layer, status);
}

kiln_layer *kiln_center_crop_with(const kiln_center_crop_args *args)
{
    kiln_layer *layer = layer_new(&center_crop_class);
    if (layer == NULL)
        return NULL;
    resizing_config *c = layer->config;
    c->height = args->height;
    c->width = args->width;
    kiln_status status = layer_set_text(layer, "data_format", args->data_format);
    if (status == KILN_OK)
        status = layer_set_common(layer, args->input_shape, args->name, args->trainable);
    return layer_finish(layer, status);
}
