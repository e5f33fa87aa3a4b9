/* BatchNormalization: (x - mean) / sqrt(variance + epsilon) * gamma + beta, by the statistics of
 * the batch in training, by their moving averages otherwise and while the layer is frozen. */
#include "layer/layer.h"
#include "op/normalize.h"

#include <math.h>

typedef struct batch_config {
    int64_t axis;
    double momentum, epsilon;
    bool center, scale;
    char *beta_initializer, *gamma_initializer, *mean_initializer, *variance_initializer;
    char *beta_regularizer, *gamma_regularizer, *beta_constraint, *gamma_constraint;
} batch_config;

#define AT(FIELD) offsetof(batch_config, FIELD)

static const layer_field fields[] = {
    {.name = "axis", .type = FIELD_INT, .offset = AT(axis), .number = -1},
    {.name = "momentum", .type = FIELD_FLOAT, .offset = AT(momentum), .number = 0.99},
    {.name = "epsilon", .type = FIELD_FLOAT, .offset = AT(epsilon), .number = 1e-3},
    {.name = "center", .type = FIELD_BOOL, .offset = AT(center), .number = 1},
    {.name = "scale", .type = FIELD_BOOL, .offset = AT(scale), .number = 1},
    {.name = "beta_initializer",
     .type = FIELD_INITIALIZER,
     .offset = AT(beta_initializer),
     .text = "zeros"},
    {.name = "gamma_initializer",
     .type = FIELD_INITIALIZER,
     .offset = AT(gamma_initializer),
     .text = "ones"},
    {.name = "moving_mean_initializer",
     .type = FIELD_INITIALIZER,
     .offset = AT(mean_initializer),
     .text = "zeros"},
    {.name = "moving_variance_initializer",
     .type = FIELD_INITIALIZER,
     .offset = AT(variance_initializer),
     .text = "ones"},
    {.name = "beta_regularizer", .type = FIELD_REGULARIZER, .offset = AT(beta_regularizer)},
    {.name = "gamma_regularizer", .type = FIELD_REGULARIZER, .offset = AT(gamma_regularizer)},
    {.name = "beta_constraint", .type = FIELD_CONSTRAINT, .offset = AT(beta_constraint)},
    {.name = "gamma_constraint", .type = FIELD_CONSTRAINT, .offset = AT(gamma_constraint)},
    {.name = "synchronized", .type = FIELD_FIXED, .text = "false"},
    {.name = "renorm", .type = FIELD_FIXED, .text = "false"},
    {.name = "renorm_clipping", .type = FIELD_FIXED, .text = "null"},
    {.name = "renorm_momentum", .type = FIELD_IGNORED, .text = "0.99"},
};

static kiln_status check(const kiln_layer *layer)
{
    const batch_config *c = layer->config;
    if (!(c->momentum >= 0 && c->momentum <= 1))
        return kiln_fail(KILN_ERROR_ARGUMENT, "momentum is %g; it must lie between 0 and 1",
                         c->momentum);
    if (!(c->epsilon >= 0) || !isfinite(c->epsilon))
        return kiln_fail(KILN_ERROR_ARGUMENT, "epsilon is %g; it must be finite and not negative",
                         c->epsilon);
    return KILN_OK;
}

/* The axis among those of one sample. Keras counts the batch axis. */
static kiln_status find_axis(const kiln_layer *layer, kiln_shape input, int *axis)
{
    int64_t given = ((const batch_config *)layer->config)->axis;
    int64_t real = given < 0 ? given + input.rank : given - 1;
    if (real < 0 || real >= input.rank)
        return kiln_fail(KILN_ERROR_SHAPE,
                         "axis %lld is none of its input %s, or that of the batch",
                         (long long)given, ir_shape_text(input));
    *axis = (int)real;
    return KILN_OK;
}

static kiln_status output_shape(const kiln_layer *layer, kiln_shape input, kiln_shape *output)
{
    int axis = 0;
    *output = input;
    return find_axis(layer, input, &axis);
}

static kiln_status build(kiln_layer *layer, kiln_shape input)
{
    const batch_config *c = layer->config;
    int axis = 0;
    KILN_TRY(find_axis(layer, input, &axis));
    kiln_shape shape = {1, {input.dims[axis]}};
    if (c->scale) {
        KILN_TRY(layer_add_weight(layer, "gamma", shape, c->gamma_initializer, c->gamma_regularizer,
                                  true));
        KILN_TRY(layer_constrain(layer, c->gamma_constraint));
    }
    if (c->center) {
        KILN_TRY(
            layer_add_weight(layer, "beta", shape, c->beta_initializer, c->beta_regularizer, true));
        KILN_TRY(layer_constrain(layer, c->beta_constraint));
    }
    KILN_TRY(layer_add_weight(layer, "moving_mean", shape, c->mean_initializer, NULL, false));
    return layer_add_weight(layer, "moving_variance", shape, c->variance_initializer, NULL, false);
}

static kiln_status assign(layer_call *call, ir_weight *weight, double momentum, ir_id value)
{
    ir_graph *g = call->graph;
    ir_id now = op_affine(g, layer_current(call, weight), momentum, 0);
    value = op_reshape(g, value, weight->shape);
    return layer_assign(call, weight,
                        op_binary(g, F_ADD, now, op_affine(g, value, 1 - momentum, 0)));
}

static kiln_status call(kiln_layer *layer, layer_call *call, ir_id input, ir_id *output)
{
    const batch_config *c = layer->config;
    ir_graph *g = call->graph;
    kiln_shape x = g->items[input].shape, sample = {.rank = x.rank - 1}, column;
    int axis = 0;
    for (int i = 0; i < sample.rank; i++)
        sample.dims[i] = x.dims[i + 1];
    KILN_TRY(find_axis(layer, sample, &axis));
    column = (kiln_shape){.rank = sample.rank - axis, .dims = {sample.dims[axis]}};
    for (int i = 1; i < column.rank; i++)
        column.dims[i] = 1;
    ir_id figures[4] = {IR_NONE, IR_NONE, IR_NONE, IR_NONE}; /* gamma, beta, mean, variance */
    size_t at = 0;
    for (int i = 0; i < 4; i++)
        if (i == 0 ? c->scale : i == 1 ? c->center : true) {
            figures[i] = op_reshape(g, op_weight(g, &layer->weights[at++]->weight), column);
            if (figures[i] == IR_NONE)
                return kiln_last_status();
        }
    op_moments m = {.mean = figures[2], .variance = figures[3]};
    if (call->training && layer->trainable) {
        ir_weight *mean = &layer->weights[at - 2]->weight,
                  *variance = &layer->weights[at - 1]->weight;
        kiln_shape rows = {.rank = x.rank, .dims = {x.dims[0]}};
        for (int i = 1; i < rows.rank; i++)
            rows.dims[i] = 1;
        double each = (double)kiln_shape_size(sample) / (double)sample.dims[axis];
        m.weight = op_reshape(g, op_row_mask(g, x.dims[0]), rows);
        m.count = op_affine(g, op_row_count(g), each, 0);
        ir_id mask;
        KILN_TRY(layer_mask_for(call, 0, input, &mask));
        if (mask != IR_NONE) {
            if (axis != sample.rank - 1 || g->items[layer_mask(call, 0)].shape.rank != x.rank - 1)
                return kiln_fail(KILN_ERROR_UNSUPPORTED,
                                 "a mask %s for an input %s that is normalized along axis %d",
                                 ir_shape_text(g->items[layer_mask(call, 0)].shape),
                                 ir_shape_text(x), axis + 1);
            m.weight = op_binary(g, F_MUL, m.weight, mask);
            m.count = op_affine(g, op_reduce(g, R_SUM, m.weight, 0, -1, false), 1, 1e-7);
        }
        KILN_TRY(op_batch_moments(g, input, column, figures[2], &m));
        KILN_TRY(assign(call, mean, c->momentum, m.mean));
        KILN_TRY(assign(call, variance, c->momentum, m.variance));
        *output = op_batch_normalize(g, input, &m, c->epsilon, figures[0], figures[1]);
    } else {
        ir_id scale = op_unary(g, F_RSQRT, op_affine(g, m.variance, 1, c->epsilon));
        if (c->scale)
            scale = op_binary(g, F_MUL, scale, figures[0]);
        *output = op_binary(g, F_MUL, op_binary(g, F_SUB, input, m.mean), scale);
        if (c->center)
            *output = op_binary(g, F_ADD, *output, figures[1]);
    }
    return *output == IR_NONE ? kiln_last_status() : KILN_OK;
}

static bool joins_rows(const kiln_layer *layer, bool training)
{
    return training && layer->trainable;
}

const layer_class batch_normalization_class = {
    .class_name = "BatchNormalization",
    .snake_name = "batch_normalization",
    .config_size = sizeof(batch_config),
    .fields = fields,
    .field_count = sizeof fields / sizeof *fields,
    .check = check,
    .output_shape = output_shape,
    .build = build,
    .call = call,
    .joins_rows = joins_rows,
    .passes_mask = true,
};

static double number_or(double value, double fallback)
{
    return value == 0 && !signbit(value) ? fallback : value;
}

kiln_layer *kiln_batch_normalization_with(const kiln_batch_normalization_args *args)
{
    kiln_layer *layer = layer_new(&batch_normalization_class);
    if (layer == NULL)
        return NULL;
    batch_config *c = layer->config;
    if (args->axis != 0) /* the batch axis; here: left out */
        c->axis = args->axis;
    c->momentum = number_or(args->momentum, c->momentum);
    c->epsilon = number_or(args->epsilon, c->epsilon);
    c->center = args->center != KILN_NO;
    c->scale = args->scale != KILN_NO;
    const char *texts[][2] = {
        {"beta_initializer", args->beta_initializer},
        {"gamma_initializer", args->gamma_initializer},
        {"moving_mean_initializer", args->moving_mean_initializer},
        {"moving_variance_initializer", args->moving_variance_initializer},
        {"beta_regularizer", args->beta_regularizer},
        {"beta_constraint", args->beta_constraint},
        {"gamma_regularizer", args->gamma_regularizer},
        {"gamma_constraint", args->gamma_constraint},
    };
    kiln_status status = KILN_OK;
    for (size_t i = 0; i < sizeof texts / sizeof *texts && status == KILN_OK; i++)
        status = layer_set_text(layer, texts[i][0], texts[i][1]);
    if (status == KILN_OK)
        status = layer_set_common(layer, args->input_shape, args->name, args->trainable);
    return layer_finish(layer, status);
}
