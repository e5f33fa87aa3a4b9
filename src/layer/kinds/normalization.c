/* Normalization: (x - mean) / sqrt(variance), with figures that come from data or from the
 * arguments. */
#include "layer/layer.h"

#include <math.h>
#include <string.h>

#define EPSILON 1e-7 /* least deviation, as in Keras */

typedef struct normalization_config {
    layer_numbers axis; /* -1: the last axis; empty: one mean over all elements */
    layer_numbers mean, variance;
    bool invert;
} normalization_config;

#define AT(FIELD) offsetof(normalization_config, FIELD)

static const layer_field fields[] = {
    {.name = "axis", .type = FIELD_NUMBERS, .offset = AT(axis), .text = "-1"},
    {.name = "invert", .type = FIELD_BOOL, .offset = AT(invert), .number = 0},
    {.name = "mean", .type = FIELD_NUMBERS, .offset = AT(mean)},
    {.name = "variance", .type = FIELD_NUMBERS, .offset = AT(variance)},
};

static kiln_status check(const kiln_layer *layer)
{
    const normalization_config *c = layer->config;
    if ((c->mean.values == NULL) != (c->variance.values == NULL) ||
        c->mean.count != c->variance.count)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "mean and variance go together, with as many values each");
    if (c->mean.values && c->mean.count == 0)
        return kiln_fail(KILN_ERROR_ARGUMENT, "mean and variance are empty");
    for (size_t i = 0; i < c->mean.count; i++)
        if (!isfinite(c->mean.values[i]) || !isfinite(c->variance.values[i]) ||
            c->variance.values[i] < 0)
            return kiln_fail(KILN_ERROR_ARGUMENT,
                             "mean must be finite, and variance finite and not negative");
    if (c->axis.count > 1)
        return kiln_fail(KILN_ERROR_UNSUPPORTED,
                         "axis names %zu axes; only -1 (the last) and None are supported",
                         c->axis.count);
    return KILN_OK;
}

/* The shape of mean and variance for inputs of this shape. */
static kiln_status statistics_shape(const kiln_layer *layer, kiln_shape input, kiln_shape *shape)
{
    const normalization_config *c = layer->config;
    *shape = (kiln_shape){0};
    if (c->axis.count == 0)
        return KILN_OK;
    if (input.rank < 1)
        return kiln_fail(KILN_ERROR_SHAPE, "its input has no axis besides the batch");
    double axis = c->axis.values[0];
    if (axis != -1 && axis != input.rank) /* Keras counts the batch axis */
        return kiln_fail(KILN_ERROR_UNSUPPORTED,
                         "axis is %g; only -1 (the last) and None are supported", axis);
    *shape = (kiln_shape){1, {input.dims[input.rank - 1]}};
    if (c->mean.count > 1 && (int64_t)c->mean.count != shape->dims[0])
        return kiln_fail(KILN_ERROR_SHAPE, "mean has %zu values for an input %s", c->mean.count,
                         ir_shape_text(input));
    return KILN_OK;
}

static kiln_status output_shape(const kiln_layer *layer, kiln_shape input, kiln_shape *output)
{
    kiln_shape shape;
    *output = input;
    return statistics_shape(layer, input, &shape);
}

/* A weight whose values are the given ones; a single one is repeated. */
static kiln_status add_given(kiln_layer *layer, const char *name, kiln_shape shape,
                             const layer_numbers *given)
{
    KILN_TRY(layer_add_weight(layer, name, shape, "zeros", NULL, false));
    layer_weight *w = layer->weights[layer->weight_count - 1];
    size_t count = (size_t)kiln_shape_size(shape);
    w->constant = true;
    w->weight.host = mem_new(count, sizeof(float));
    if (w->weight.host == NULL)
        return KILN_ERROR_MEMORY;
    for (size_t i = 0; i < count; i++)
        w->weight.host[i] = (float)given->values[given->count > 1 ? i : 0];
    return KILN_OK;
}

static kiln_status build(kiln_layer *layer, kiln_shape input)
{
    const normalization_config *c = layer->config;
    kiln_shape shape;
    if (statistics_shape(layer, input, &shape) != KILN_OK)
        return kiln_fail_in("%s", layer_label(layer));
    if (c->mean.values) {
        layer->adapted = true;
        KILN_TRY(add_given(layer, "mean", shape, &c->mean));
        return add_given(layer, "variance", shape, &c->variance);
    }
    KILN_TRY(layer_add_weight(layer, "mean", shape, "zeros", NULL, false));
    KILN_TRY(layer_add_weight(layer, "variance", shape, "ones", NULL, false));
    return layer_add_weight(layer, "count", (kiln_shape){0}, "zeros", NULL, false);
}

static kiln_status call(kiln_layer *layer, layer_call *call, ir_id input, ir_id *output)
{
    const normalization_config *c = layer->config;
    ir_graph *g = call->graph;
    ir_id mean = op_weight(g, &layer->weights[0]->weight);
    ir_id deviation =
        op_binary(g, F_MAX, op_unary(g, F_SQRT, op_weight(g, &layer->weights[1]->weight)),
                  op_constant(g, EPSILON));
    *output = c->invert ? op_binary(g, F_ADD, op_binary(g, F_MUL, input, deviation), mean)
                        : op_binary(g, F_DIV, op_binary(g, F_SUB, input, mean), deviation);
    return *output == IR_NONE ? kiln_last_status() : KILN_OK;
}

/* Mean and variance of each feature; rows x features values. */
static kiln_status adapt(kiln_layer *layer, const float *values, int64_t rows, int64_t features)
{
    const normalization_config *c = layer->config;
    if (c->mean.values)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "%s has its mean and variance from its arguments and cannot be adapted",
                         layer_label(layer));
    if (rows < 1 || features < 1)
        return kiln_fail(KILN_ERROR_ARGUMENT, "%s cannot be adapted to %lld rows of %lld values",
                         layer_label(layer), (long long)rows, (long long)features);
    KILN_TRY(layer_build(layer, (kiln_shape){1, {features}}));
    size_t n = c->axis.count == 0 ? 1 : (size_t)features, all = (size_t)rows * (size_t)features;
    double *mean = mem_new(2 * n, sizeof *mean), *variance = mean + n;
    float *result = mem_new(2 * n, sizeof *result);
    kiln_status status = mean && result ? KILN_OK : KILN_ERROR_MEMORY;
    if (status == KILN_OK) {
        size_t each = all / n;
        for (size_t r = 0; r < each; r++)
            for (size_t k = 0; k < n; k++)
                mean[k] += values[r * n + k];
        for (size_t k = 0; k < n; k++)
            mean[k] /= (double)each;
        for (size_t r = 0; r < each; r++)
            for (size_t k = 0; k < n; k++) {
                double d = values[r * n + k] - mean[k];
                variance[k] += d * d;
            }
        for (size_t k = 0; k < n; k++) {
            result[k] = (float)mean[k];
            result[n + k] = (float)(variance[k] / (double)each);
            if (!isfinite(result[k]) || !isfinite(result[n + k])) {
                status =
                    kiln_fail(KILN_ERROR_NUMERIC,
                              "%s: feature %zu has values that are not finite, so it has no mean; "
                              "clean the data",
                              layer_label(layer), k);
                break;
            }
        }
    }
    if (status == KILN_OK)
        status = weight_write(&layer->weights[0]->weight, result);
    if (status == KILN_OK)
        status = weight_write(&layer->weights[1]->weight, result + n);
    if (status == KILN_OK)
        layer->adapted = true;
    free(mean);
    free(result);
    return status;
}

const layer_class normalization_class = {
    .class_name = "Normalization",
    .snake_name = "normalization",
    .config_size = sizeof(normalization_config),
    .fields = fields,
    .field_count = sizeof fields / sizeof *fields,
    .check = check,
    .output_shape = output_shape,
    .build = build,
    .call = call,
    .passes_mask = true,
    .adapt = adapt,
};

kiln_layer *kiln_normalization_with(const kiln_normalization_args *args)
{
    kiln_layer *layer = layer_new(&normalization_class);
    if (layer == NULL)
        return NULL;
    ((normalization_config *)layer->config)->invert = args->invert == KILN_YES;
    kiln_status status = KILN_OK;
    if (args->axis != 0) /* the batch axis; here: left out */
        status = layer_set_numbers(layer, "axis", &(double){args->axis}, args->axis != KILN_NONE);
    if (status == KILN_OK)
        status = layer_set_numbers(layer, "mean", args->mean, args->count);
    if (status == KILN_OK)
        status = layer_set_numbers(layer, "variance", args->variance, args->count);
    if (status == KILN_OK)
        status = layer_set_common(layer, args->input_shape, args->name, args->trainable);
    return layer_finish(layer, status);
}

kiln_status kiln_normalization_adapt(kiln_layer *layer, const float *values, int64_t samples,
                                     int64_t features)
{
    if (layer == NULL || values == NULL)
        return kiln_fail_null("kiln_normalization_adapt: layer or values");
    if (layer->cls->adapt == NULL)
        return kiln_fail(KILN_ERROR_ARGUMENT, "%s is no Normalization and cannot be adapted",
                         layer_label(layer));
    return layer->cls->adapt(layer, values, samples, features);
}
