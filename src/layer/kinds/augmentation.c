/* Pictures changed at random, in training only: flipped, moved, turned, zoomed, with another
 * contrast. Each sample has draws of its own, by its number in the step. */
#include "layer/spatial.h"
#include "op/picture.h"

#include <math.h>
#include <string.h>

typedef struct augmentation_config {
    layer_numbers factor, height_factor, width_factor, value_range;
    char *mode, *fill_mode, *interpolation, *data_format;
    double fill_value;
} augmentation_config;

#define AT(FIELD) offsetof(augmentation_config, FIELD)
#define SEED                                                                                       \
    {.name = "seed", .type = FIELD_IGNORED, .text = "null"}, /* the model's seed draws */          \
    {                                                                                              \
        .name = "data_format", .type = FIELD_TEXT, .offset = AT(data_format),                      \
        .text = "channels_last"                                                                    \
    }
#define MOVES                                                                                      \
    {.name = "fill_mode", .type = FIELD_TEXT, .offset = AT(fill_mode), .text = "reflect"},         \
        {.name = "interpolation",                                                                  \
         .type = FIELD_TEXT,                                                                       \
         .offset = AT(interpolation),                                                              \
         .text = "bilinear"},                                                                      \
        {.name = "fill_value", .type = FIELD_FLOAT, .offset = AT(fill_value)}, SEED

static const layer_field flip_fields[] = {
    {.name = "mode", .type = FIELD_TEXT, .offset = AT(mode), .text = "horizontal_and_vertical"},
    SEED,
};
static const layer_field two_fields[] = {
    {.name = "height_factor", .type = FIELD_FACTOR, .offset = AT(height_factor), .required = true},
    {.name = "width_factor", .type = FIELD_FACTOR, .offset = AT(width_factor)},
    MOVES,
};
static const layer_field rotation_fields[] = {
    {.name = "factor", .type = FIELD_FACTOR, .offset = AT(factor), .required = true},
    MOVES,
};
static const layer_field contrast_fields[] = {
    {.name = "factor", .type = FIELD_FACTOR, .offset = AT(factor), .required = true},
    {.name = "value_range", .type = FIELD_NUMBERS, .offset = AT(value_range), .text = "0"},
    SEED,
};

/* ---- factors: one number f is the range -f..f ---- */

typedef struct range {
    double low, high;
} range;

static range range_of(const layer_numbers *factor, double least)
{
    double a = factor->values[0], b = factor->values[factor->count - 1];
    if (factor->count == 1)
        return (range){fmax(-fabs(a), least), fabs(a)};
    return (range){fmin(a, b), fmax(a, b)};
}

/* A range that one number stands for becomes that number: Keras writes either. */
static kiln_status check_factor(const char *name, layer_numbers *factor, double least)
{
    if (factor->count < 1 || factor->count > 2)
        return kiln_fail(KILN_ERROR_ARGUMENT, "%s %s", name,
                         factor->count ? "must be one number or two" : "is missing");
    for (size_t i = 0; i < factor->count; i++)
        if (!(factor->values[i] >= least && factor->values[i] <= 1))
            return kiln_fail(KILN_ERROR_ARGUMENT, "%s is %g; it must lie between %g and 1", name,
                             factor->values[i], least);
    if (factor->count == 2 && factor->values[1] >= 0 &&
        factor->values[0] == fmax(-factor->values[1], least)) {
        factor->values[0] = factor->values[1];
        factor->count = 1;
    }
    return KILN_OK;
}

static kiln_status check(const kiln_layer *layer)
{
    augmentation_config *c = layer->config;
    const layer_class *cls = layer->cls;
    if (cls->fields == flip_fields)
        KILN_TRY(spatial_word("mode", c->mode, "horizontal vertical horizontal_and_vertical"));
    if (cls->fields == two_fields) {
        KILN_TRY(check_factor("height_factor", &c->height_factor, -1));
        if (c->width_factor.count > 0 || strcmp(cls->class_name, "RandomZoom") != 0)
            KILN_TRY(check_factor("width_factor", &c->width_factor, -1));
    }
    if (cls->fields == rotation_fields)
        KILN_TRY(check_factor("factor", &c->factor, -1));
    if (cls->fields == contrast_fields) {
        KILN_TRY(check_factor("factor", &c->factor, 0));
        if (c->value_range.count == 1) /* left out */
            KILN_TRY(
                layer_set_numbers((kiln_layer *)layer, "value_range", (const double[]){0, 255}, 2));
        if (c->value_range.count != 2 || !(c->value_range.values[0] < c->value_range.values[1]))
            return kiln_fail(KILN_ERROR_ARGUMENT,
                             "value_range must be two numbers, the smaller one first");
    }
    if (c->fill_mode)
        KILN_TRY(spatial_word("fill_mode", c->fill_mode, "reflect wrap constant nearest"));
    if (c->interpolation)
        KILN_TRY(spatial_word("interpolation", c->interpolation, "bilinear nearest"));
    return spatial_format(c->data_format);
}

static kiln_status output_shape(const kiln_layer *layer, kiln_shape input, kiln_shape *output)
{
    (void)layer;
    *output = input;
    return spatial_input(input, 2);
}

/* ---- maps: for each sample six numbers; see op_warp ---- */

typedef struct map {
    ir_id at[6];
} map;

/* (batch, 1): one draw for each sample. */
static ir_id draw(layer_call *call, int64_t batch, range r)
{
    ir_id u = op_uniform(call->graph, (kiln_shape){2, {batch, 1}}, call->stream++);
    return op_affine(call->graph, u, r.high - r.low, r.low);
}

/* (batch, 6) from six (batch, 1) or constants. */
static ir_id stack(ir_graph *g, const map *m)
{
    ir_id sum = IR_NONE, place = op_iota(g, 6);
    for (int i = 0; i < 6; i++) {
        ir_id part = op_binary(g, F_MUL, op_binary(g, F_EQUAL, place, op_constant(g, i)), m->at[i]);
        sum = i == 0 ? part : op_binary(g, F_ADD, sum, part);
    }
    return sum;
}

/* Around the middle of an axis of n pixels: a point x becomes x scale + offset. */
static ir_id around_middle(ir_graph *g, ir_id scale, double n)
{
    return op_affine(g, scale, -(n - 1) / 2, (n - 1) / 2);
}

static map make_map(const kiln_layer *layer, layer_call *call, int64_t batch, double height,
                    double width)
{
    const augmentation_config *c = layer->config;
    const char *name = layer->cls->class_name;
    ir_graph *g = call->graph;
    ir_id zero = op_constant(g, 0), one = op_constant(g, 1);
    map m = {{one, zero, zero, zero, one, zero}};
    if (strcmp(name, "RandomFlip") == 0) {
        /* One draw turns both ways, as in Keras. */
        ir_id high = op_binary(g, F_GREATER, draw(call, batch, (range){0, 1}), op_constant(g, 0.5));
        ir_id sign = op_affine(g, high, 2, -1);
        if (strcmp(c->mode, "vertical") != 0) {
            m.at[0] = sign;
            m.at[2] = around_middle(g, sign, width);
        }
        if (strcmp(c->mode, "horizontal") != 0) {
            m.at[4] = sign;
            m.at[5] = around_middle(g, sign, height);
        }
    } else if (strcmp(name, "RandomRotation") == 0) {
        range r = range_of(&c->factor, -1);
        double turn = 2 * acos(-1), cx = (width - 1) / 2, cy = (height - 1) / 2;
        ir_id angle = draw(call, batch, (range){r.low * turn, r.high * turn});
        ir_id cosine = op_unary(g, F_COS, angle), sine = op_unary(g, F_SIN, angle);
        m.at[0] = m.at[4] = cosine;
        m.at[1] = op_unary(g, F_NEG, sine);
        m.at[2] = op_binary(g, F_ADD, op_affine(g, cosine, -cx, cx), op_affine(g, sine, cy, 0));
        m.at[3] = sine;
        m.at[5] = op_binary(g, F_SUB, op_affine(g, cosine, -cy, cy), op_affine(g, sine, cx, 0));
    } else if (strcmp(name, "RandomZoom") == 0) {
        range h = range_of(&c->height_factor, -1);
        m.at[4] = m.at[0] = op_affine(g, draw(call, batch, h), 1, 1);
        if (c->width_factor.count > 0)
            m.at[0] = op_affine(g, draw(call, batch, range_of(&c->width_factor, -1)), 1, 1);
        m.at[2] = around_middle(g, m.at[0], width);
        m.at[5] = around_middle(g, m.at[4], height);
    } else { /* RandomTranslation */
        m.at[5] = op_affine(g, draw(call, batch, range_of(&c->height_factor, -1)), -height, 0);
        m.at[2] = op_affine(g, draw(call, batch, range_of(&c->width_factor, -1)), -width, 0);
    }
    return m;
}

static op_fill fill_of(const char *mode)
{
    return mode == NULL || strcmp(mode, "reflect") == 0 ? FILL_REFLECT
           : strcmp(mode, "wrap") == 0                  ? FILL_WRAP
           : strcmp(mode, "constant") == 0              ? FILL_CONSTANT
                                                        : FILL_NEAREST;
}

static kiln_status move_call(kiln_layer *layer, layer_call *call, ir_id input, ir_id *output)
{
    const augmentation_config *c = layer->config;
    static const int back[] = {0, 2, 3, 1}, front[] = {0, 3, 1, 2};
    ir_graph *g = call->graph;
    bool first = spatial_channels_first(c->data_format);
    uint32_t stream = call->stream;
    *output = input;
    if (call->training) {
        ir_id x = first ? op_transpose(g, input, back) : input;
        if (x == IR_NONE)
            return kiln_last_status();
        kiln_shape s = g->items[x].shape;
        map m = make_map(layer, call, s.dims[0], (double)s.dims[1], (double)s.dims[2]);
        bool linear = c->interpolation && strcmp(c->interpolation, "bilinear") == 0;
        x = op_warp(g, x, stack(g, &m), linear ? PICTURE_BILINEAR : PICTURE_NEAREST,
                    fill_of(c->fill_mode), c->fill_value);
        *output = first ? op_transpose(g, x, front) : x;
    }
    call->stream = stream + 2; /* as many for each, so that other layers keep their draws */
    return *output == IR_NONE ? kiln_last_status() : KILN_OK;
}

static kiln_status contrast_call(kiln_layer *layer, layer_call *call, ir_id input, ir_id *output)
{
    const augmentation_config *c = layer->config;
    ir_graph *g = call->graph;
    uint32_t stream = call->stream;
    *output = input;
    if (call->training) {
        kiln_shape s = g->items[input].shape;
        int axis = 1 + spatial_begin(c->data_format);
        range r = range_of(&c->factor, 0);
        ir_id factor = op_reshape(g, draw(call, s.dims[0], (range){1 - r.low, 1 + r.high}),
                                  (kiln_shape){4, {s.dims[0], 1, 1, 1}});
        ir_id mean = op_mean(g, input, axis, axis + 1, true);
        ir_id x = op_binary(g, F_MUL, op_binary(g, F_SUB, input, mean), factor);
        x = op_binary(g, F_ADD, x, mean);
        x = op_binary(g, F_MAX, x, op_constant(g, c->value_range.values[0]));
        *output = op_binary(g, F_MIN, x, op_constant(g, c->value_range.values[1]));
    }
    call->stream = stream + 2;
    return *output == IR_NONE ? kiln_last_status() : KILN_OK;
}

#define CLASS(FIELDS, CALL)                                                                        \
    .config_size = sizeof(augmentation_config), .fields = FIELDS,                                  \
    .field_count = sizeof FIELDS / sizeof *FIELDS, .check = check, .output_shape = output_shape,   \
    .call = CALL

const layer_class random_flip_class = {
    .class_name = "RandomFlip", .snake_name = "random_flip", CLASS(flip_fields, move_call)};
const layer_class random_translation_class = {.class_name = "RandomTranslation",
                                              .snake_name = "random_translation",
                                              CLASS(two_fields, move_call)};
const layer_class random_rotation_class = {.class_name = "RandomRotation",
                                           .snake_name = "random_rotation",
                                           CLASS(rotation_fields, move_call)};
const layer_class random_zoom_class = {
    .class_name = "RandomZoom", .snake_name = "random_zoom", CLASS(two_fields, move_call)};
const layer_class random_contrast_class = {.class_name = "RandomContrast",
                                           .snake_name = "random_contrast",
                                           CLASS(contrast_fields, contrast_call)};

/* ---- builders ---- */

/* The range where there is one, else the number; neither: what the field has already. */
static kiln_status set_factor(kiln_layer *layer, const char *field, double factor,
                              const double ends[2])
{
    if (ends[0] != 0 || ends[1] != 0)
        return layer_set_numbers(layer, field, ends, 2);
    if (factor == 0 && !signbit(factor))
        return KILN_OK;
    return layer_set_numbers(layer, field, factor == 0 ? &(double){0} : &factor, 1);
}

static kiln_status set_moves(kiln_layer *layer, const char *fill_mode, const char *interpolation,
                             double fill_value, const char *data_format)
{
    ((augmentation_config *)layer->config)->fill_value = fill_value;
    KILN_TRY(layer_set_text(layer, "fill_mode", fill_mode));
    KILN_TRY(layer_set_text(layer, "interpolation", interpolation));
    return layer_set_text(layer, "data_format", data_format);
}

kiln_layer *kiln_random_flip_with(const kiln_random_flip_args *args)
{
    kiln_layer *layer = layer_new(&random_flip_class);
    if (layer == NULL)
        return NULL;
    kiln_status status = layer_set_text(layer, "mode", args->mode);
    if (status == KILN_OK)
        status = layer_set_text(layer, "data_format", args->data_format);
    if (status == KILN_OK)
        status = layer_set_common(layer, args->input_shape, args->name, args->trainable);
    return layer_finish(layer, status);
}

static kiln_layer *new_two(const layer_class *cls, const kiln_random_move_args *args)
{
    kiln_layer *layer = layer_new(cls);
    if (layer == NULL)
        return NULL;
    kiln_status status =
        set_factor(layer, "height_factor", args->height_factor, args->height_range);
    if (status == KILN_OK)
        status = set_factor(layer, "width_factor", args->width_factor, args->width_range);
    if (status == KILN_OK)
        status = set_moves(layer, args->fill_mode, args->interpolation, args->fill_value,
                           args->data_format);
    if (status == KILN_OK)
        status = layer_set_common(layer, args->input_shape, args->name, args->trainable);
    return layer_finish(layer, status);
}

kiln_layer *kiln_random_translation_with(const kiln_random_move_args *args)
{
    return new_two(&random_translation_class, args);
}

kiln_layer *kiln_random_zoom_with(const kiln_random_move_args *args)
{
    return new_two(&random_zoom_class, args);
}

kiln_layer *kiln_random_rotation_with(const kiln_random_rotation_args *args)
{
    kiln_layer *layer = layer_new(&random_rotation_class);
    if (layer == NULL)
        return NULL;
    kiln_status status = set_factor(layer, "factor", args->factor, args->factor_range);
    if (status == KILN_OK)
        status = set_moves(layer, args->fill_mode, args->interpolation, args->fill_value,
                           args->data_format);
    if (status == KILN_OK)
        status = layer_set_common(layer, args->input_shape, args->name, args->trainable);
    return layer_finish(layer, status);
}

kiln_layer *kiln_random_contrast_with(const kiln_random_contrast_args *args)
{
    kiln_layer *layer = layer_new(&random_contrast_class);
    if (layer == NULL)
        return NULL;
    kiln_status status = set_factor(layer, "factor", args->factor, args->factor_range);
    if (status == KILN_OK && (args->value_range[0] != 0 || args->value_range[1] != 0))
        status = layer_set_numbers(layer, "value_range", args->value_range, 2);
    if (status == KILN_OK)
        status = layer_set_text(layer, "data_format", args->data_format);
    if (status == KILN_OK)
        status = layer_set_common(layer, args->input_shape, args->name, args->trainable);
    return layer_finish(layer, status);
}
