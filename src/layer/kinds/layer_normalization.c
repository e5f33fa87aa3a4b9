/* LayerNormalization and GroupNormalization: each sample by its own mean and variance, over axes or
 * over groups of channels. */
#include "layer/layer.h"

#include <math.h>
#include <string.h>

typedef struct sample_config {
    layer_numbers axes; /* LayerNormalization */
    int64_t axis, groups;
    double epsilon;
    bool center, scale;
    char *beta_initializer, *gamma_initializer, *beta_regularizer, *gamma_regularizer;
    char *beta_constraint, *gamma_constraint;
} sample_config;

#define AT(FIELD) offsetof(sample_config, FIELD)
#define COMMON                                                                                     \
    {.name = "epsilon", .type = FIELD_FLOAT, .offset = AT(epsilon), .number = 1e-3},               \
        {.name = "center", .type = FIELD_BOOL, .offset = AT(center), .number = 1},                 \
        {.name = "scale", .type = FIELD_BOOL, .offset = AT(scale), .number = 1},                   \
        {.name = "beta_initializer",                                                               \
         .type = FIELD_INITIALIZER,                                                                \
         .offset = AT(beta_initializer),                                                           \
         .text = "zeros"},                                                                         \
        {.name = "gamma_initializer",                                                              \
         .type = FIELD_INITIALIZER,                                                                \
         .offset = AT(gamma_initializer),                                                          \
         .text = "ones"},                                                                          \
        {.name = "beta_regularizer", .type = FIELD_REGULARIZER, .offset = AT(beta_regularizer)},   \
        {.name = "gamma_regularizer", .type = FIELD_REGULARIZER, .offset = AT(gamma_regularizer)}, \
        {.name = "beta_constraint", .type = FIELD_CONSTRAINT, .offset = AT(beta_constraint)},      \
    {                                                                                              \
        .name = "gamma_constraint", .type = FIELD_CONSTRAINT, .offset = AT(gamma_constraint)       \
    }

static const layer_field layer_fields[] = {
    {.name = "axis", .type = FIELD_AXES, .offset = AT(axes), .text = "-1"},
    {.name = "rms_scaling", .type = FIELD_FIXED, .text = "false"},
    COMMON,
};
static const layer_field group_fields[] = {
    {.name = "groups", .type = FIELD_INT, .offset = AT(groups), .number = 32},
    {.name = "axis", .type = FIELD_INT, .offset = AT(axis), .number = -1},
    COMMON,
};

static kiln_status check_epsilon(const sample_config *c)
{
    if (!(c->epsilon >= 0) || !isfinite(c->epsilon))
        return kiln_fail(KILN_ERROR_ARGUMENT, "epsilon is %g; it must be finite and not negative",
                         c->epsilon);
    return KILN_OK;
}

/* An axis among those of one sample. Keras counts the batch axis. */
static kiln_status find_axis(double given, kiln_shape input, int *axis)
{
    double real = given < 0 ? given + input.rank : given - 1;
    if (real < 0 || real >= input.rank || real != floor(real))
        return kiln_fail(KILN_ERROR_SHAPE, "axis %g is none of its input %s, or that of the batch",
                         given, ir_shape_text(input));
    *axis = (int)real;
    return KILN_OK;
}

static kiln_shape sample_of(kiln_shape x)
{
    kiln_shape sample = {.rank = x.rank - 1};
    for (int i = 0; i < sample.rank; i++)
        sample.dims[i] = x.dims[i + 1];
    return sample;
}

/* gamma and beta, where there are any. */
static kiln_status add_weights(kiln_layer *layer, kiln_shape shape)
{
    const sample_config *c = layer->config;
    if (c->scale) {
        KILN_TRY(layer_add_weight(layer, "gamma", shape, c->gamma_initializer, c->gamma_regularizer,
                                  true));
        KILN_TRY(layer_constrain(layer, c->gamma_constraint));
    }
    if (!c->center)
        return KILN_OK;
    KILN_TRY(
        layer_add_weight(layer, "beta", shape, c->beta_initializer, c->beta_regularizer, true));
    return layer_constrain(layer, c->beta_constraint);
}

/* y * gamma + beta, both under a shape that broadcasts to y. */
static ir_id apply_weights(const kiln_layer *layer, ir_graph *g, ir_id y, kiln_shape shape)
{
    const sample_config *c = layer->config;
    size_t at = 0;
    if (c->scale)
        y = op_binary(g, F_MUL, y,
                      op_reshape(g, op_weight(g, &layer->weights[at++]->weight), shape));
    if (c->center)
        y = op_binary(g, F_ADD, y, op_reshape(g, op_weight(g, &layer->weights[at]->weight), shape));
    return y;
}

/* ---- LayerNormalization ---- */

static kiln_status layer_check_config(const kiln_layer *layer)
{
    const sample_config *c = layer->config;
    if (c->axes.count == 0)
        return kiln_fail(KILN_ERROR_ARGUMENT, "axis names no axis");
    return check_epsilon(c);
}

/* The axes as a mask; they must lie side by side. */
static kiln_status find_axes(const kiln_layer *layer, kiln_shape input, int *first, int *last)
{
    const sample_config *c = layer->config;
    unsigned seen = 0;
    *first = input.rank;
    *last = -1;
    for (size_t i = 0; i < c->axes.count; i++) {
        int axis = 0;
        KILN_TRY(find_axis(c->axes.values[i], input, &axis));
        seen |= 1U << axis;
        *first = axis < *first ? axis : *first;
        *last = axis > *last ? axis : *last;
    }
    for (int i = *first; i <= *last; i++)
        if (!(seen >> i & 1U))
            return kiln_fail(KILN_ERROR_UNSUPPORTED,
                             "its axes must lie side by side: axis %d is left out", i + 1);
    return KILN_OK;
}

static kiln_status layer_shape(const kiln_layer *layer, kiln_shape input, kiln_shape *output)
{
    int first = 0, last = 0;
    *output = input;
    return find_axes(layer, input, &first, &last);
}

static kiln_status layer_build_weights(kiln_layer *layer, kiln_shape input)
{
    int first = 0, last = 0;
    KILN_TRY(find_axes(layer, input, &first, &last));
    kiln_shape shape = {.rank = last - first + 1};
    for (int i = first; i <= last; i++)
        shape.dims[i - first] = input.dims[i];
    return add_weights(layer, shape);
}

static kiln_status layer_call_graph(kiln_layer *layer, layer_call *call, ir_id input, ir_id *output)
{
    const sample_config *c = layer->config;
    ir_graph *g = call->graph;
    kiln_shape x = g->items[input].shape, weights = {.rank = x.rank};
    int first = 0, last = 0;
    KILN_TRY(find_axes(layer, sample_of(x), &first, &last));
    for (int i = 0; i < x.rank; i++)
        weights.dims[i] = i > first && i <= last + 1 ? x.dims[i] : 1;
    /* Two passes over each sample, which fits into a cache: no difference of large squares. */
    ir_id centered = op_binary(g, F_SUB, input, op_mean(g, input, first + 1, last + 1, true));
    ir_id variance = op_mean(g, op_unary(g, F_SQUARE, centered), first + 1, last + 1, true);
    ir_id y =
        op_binary(g, F_MUL, centered, op_unary(g, F_RSQRT, op_affine(g, variance, 1, c->epsilon)));
    *output = apply_weights(layer, g, y, weights);
    return *output == IR_NONE ? kiln_last_status() : KILN_OK;
}

const layer_class layer_normalization_class = {
    .class_name = "LayerNormalization",
    .snake_name = "layer_normalization",
    .config_size = sizeof(sample_config),
    .fields = layer_fields,
    .field_count = sizeof layer_fields / sizeof *layer_fields,
    .check = layer_check_config,
    .output_shape = layer_shape,
    .build = layer_build_weights,
    .call = layer_call_graph,
    .passes_mask = true,
};

/* ---- GroupNormalization ---- */

static kiln_status group_check(const kiln_layer *layer)
{
    const sample_config *c = layer->config;
    if (c->groups < 1 && c->groups != -1)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "groups is %lld; it must be 1 or more, or -1 for one a channel",
                         (long long)c->groups);
    return check_epsilon(c);
}

static kiln_status find_groups(const kiln_layer *layer, kiln_shape input, int *axis,
                               int64_t *groups)
{
    const sample_config *c = layer->config;
    KILN_TRY(find_axis((double)c->axis, input, axis));
    *groups = c->groups == -1 ? input.dims[*axis] : c->groups;
    if (input.dims[*axis] % *groups != 0)
        return kiln_fail(KILN_ERROR_SHAPE,
                         "the %lld channels of its input %s do not make %lld "
                         "groups of a size",
                         (long long)input.dims[*axis], ir_shape_text(input), (long long)*groups);
    return KILN_OK;
}

static kiln_status group_shape(const kiln_layer *layer, kiln_shape input, kiln_shape *output)
{
    int axis = 0;
    int64_t groups = 1;
    *output = input;
    return find_groups(layer, input, &axis, &groups);
}

static kiln_status group_build(kiln_layer *layer, kiln_shape input)
{
    int axis = 0;
    int64_t groups = 1;
    KILN_TRY(find_groups(layer, input, &axis, &groups));
    return add_weights(layer, (kiln_shape){1, {input.dims[axis]}});
}

/* The mean over (batch, before, groups, channels of a group, behind) for each sample and group. */
static ir_id group_mean(ir_graph *g, ir_id x)
{
    x = op_mean(g, x, 4, 4, true);
    x = op_mean(g, x, 1, 1, true);
    return op_mean(g, x, 3, 3, true);
}

static kiln_status group_call(kiln_layer *layer, layer_call *call, ir_id input, ir_id *output)
{
    const sample_config *c = layer->config;
    ir_graph *g = call->graph;
    kiln_shape x = g->items[input].shape, sample = sample_of(x), split = {.rank = 5};
    int axis = 0;
    int64_t groups = 1;
    KILN_TRY(find_groups(layer, sample, &axis, &groups));
    split = (kiln_shape){5, {x.dims[0], 1, groups, sample.dims[axis] / groups, 1}};
    for (int i = 0; i < sample.rank; i++)
        if (i != axis)
            split.dims[i < axis ? 1 : 4] *= sample.dims[i];
    ir_id y = op_reshape(g, input, split);
    ir_id centered = op_binary(g, F_SUB, y, group_mean(g, y));
    ir_id variance = group_mean(g, op_unary(g, F_SQUARE, centered));
    y = op_binary(g, F_MUL, centered, op_unary(g, F_RSQRT, op_affine(g, variance, 1, c->epsilon)));
    y = apply_weights(layer, g, y, (kiln_shape){3, {groups, sample.dims[axis] / groups, 1}});
    *output = op_reshape(g, y, x);
    return *output == IR_NONE ? kiln_last_status() : KILN_OK;
}

const layer_class group_normalization_class = {
    .class_name = "GroupNormalization",
    .snake_name = "group_normalization",
    .config_size = sizeof(sample_config),
    .fields = group_fields,
    .field_count = sizeof group_fields / sizeof *group_fields,
    .check = group_check,
    .output_shape = group_shape,
    .build = group_build,
    .call = group_call,
    .passes_mask = true,
};

/* ---- builders ---- */

static kiln_status set_config(kiln_layer *layer, double epsilon, kiln_choice center,
                              kiln_choice scale, const char *const *texts)
{
    static const char *const names[] = {"beta_initializer", "gamma_initializer",
                                        "beta_regularizer", "gamma_regularizer",
                                        "beta_constraint",  "gamma_constraint"};
    sample_config *c = layer->config;
    if (epsilon != 0 || signbit(epsilon))
        c->epsilon = epsilon;
    c->center = center != KILN_NO;
    c->scale = scale != KILN_NO;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        KILN_TRY(layer_set_text(layer, names[i], texts[i]));
    return KILN_OK;
}

kiln_layer *kiln_layer_normalization_with(const kiln_layer_normalization_args *args)
{
    kiln_layer *layer = layer_new(&layer_normalization_class);
    if (layer == NULL)
        return NULL;
    const char *texts[] = {args->beta_initializer, args->gamma_initializer,
                           args->beta_regularizer, args->gamma_regularizer,
                           args->beta_constraint,  args->gamma_constraint};
    double axes[KILN_MAX_RANK];
    kiln_status status = set_config(layer, args->epsilon, args->center, args->scale, texts);
    for (int i = 0; i < args->axis.rank && i < KILN_MAX_RANK; i++)
        axes[i] = (double)args->axis.dims[i];
    if (status == KILN_OK && args->axis.rank > 0)
        status = layer_set_numbers(layer, "axis", axes, (size_t)args->axis.rank);
    if (status == KILN_OK)
        status = layer_set_common(layer, args->input_shape, args->name, args->trainable);
    return layer_finish(layer, status);
}

kiln_layer *kiln_group_normalization_with(const kiln_group_normalization_args *args)
{
    kiln_layer *layer = layer_new(&group_normalization_class);
    if (layer == NULL)
        return NULL;
    const char *texts[] = {args->beta_initializer, args->gamma_initializer,
                           args->beta_regularizer, args->gamma_regularizer,
                           args->beta_constraint,  args->gamma_constraint};
    sample_config *c = layer->config;
    if (args->groups != 0)
        c->groups = args->groups;
    if (args->axis != 0) /* the batch axis; here: left out */
        c->axis = args->axis;
    kiln_status status = set_config(layer, args->epsilon, args->center, args->scale, texts);
    if (status == KILN_OK)
        status = layer_set_common(layer, args->input_shape, args->name, args->trainable);
    return layer_finish(layer, status);
}
