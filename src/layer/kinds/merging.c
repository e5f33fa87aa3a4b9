/* Layers of several inputs: element by element, side by side, and products of samples. */
#include "layer/layer.h"

#include <string.h>

static kiln_shape with_batch(kiln_shape sample)
{
    kiln_shape shape = {.rank = sample.rank + 1, .dims = {1}};
    memcpy(&shape.dims[1], sample.dims, (size_t)sample.rank * sizeof *sample.dims);
    return shape;
}

static kiln_status finish(ir_id made, ir_id *output)
{
    *output = made;
    return made == IR_NONE ? kiln_last_status() : KILN_OK;
}

/* ---- element by element; inputs broadcast as in Keras, from the last axis on ---- */

static kiln_status elementwise_shape(const kiln_layer *layer, int count, const kiln_shape *inputs,
                                     kiln_shape *output)
{
    if (count < 2 || (count > 2 && strcmp(layer->cls->class_name, "Subtract") == 0))
        return kiln_fail(KILN_ERROR_ARGUMENT, "it takes %s inputs, not %d",
                         count < 2 ? "two or more" : "two", count);
    *output = inputs[0];
    for (int i = 1; i < count; i++) {
        kiln_shape a = *output, b = inputs[i], out = {.rank = a.rank > b.rank ? a.rank : b.rank};
        for (int k = 1; k <= out.rank; k++) {
            int64_t x = k <= a.rank ? a.dims[a.rank - k] : 1,
                    y = k <= b.rank ? b.dims[b.rank - k] : 1;
            if (x != y && x != 1 && y != 1)
                return kiln_fail(KILN_ERROR_SHAPE,
                                 "its inputs %s and %s differ in axis %d, and neither is 1 there",
                                 ir_shape_text(with_batch(inputs[0])), ir_shape_text(with_batch(b)),
                                 out.rank - k + 1);
            out.dims[out.rank - k] = x == 1 ? y : x;
        }
        *output = out;
    }
    return KILN_OK;
}

/* (batch, ...) with axes of 1 behind the batch, up to a rank. */
static ir_id of_rank(ir_graph *g, ir_id x, int rank)
{
    if (x == IR_NONE)
        return x;
    kiln_shape from = g->items[x].shape, to = {.rank = rank, .dims = {from.dims[0]}};
    for (int i = 1; i < rank; i++) {
        int k = i - (rank - from.rank);
        to.dims[i] = k >= 1 ? from.dims[k] : 1;
    }
    return op_reshape(g, x, to);
}

/* A mask with axes of 1 behind it, up to a rank. */
static ir_id mask_of_rank(ir_graph *g, ir_id mask, int rank)
{
    if (mask == IR_NONE)
        return mask;
    kiln_shape shape = g->items[mask].shape;
    while (shape.rank < rank)
        shape.dims[shape.rank++] = 1;
    return op_reshape(g, mask, shape);
}

static kiln_status elementwise_call(kiln_layer *layer, layer_call *call, int count,
                                    const ir_id *inputs, ir_id *output)
{
    static const struct {
        const char *class_name;
        op_function function;
    } functions[] = {{"Add", F_ADD},     {"Subtract", F_SUB}, {"Multiply", F_MUL},
                     {"Average", F_ADD}, {"Maximum", F_MAX},  {"Minimum", F_MIN}};
    ir_graph *g = call->graph;
    op_function f = F_ADD;
    int rank = 0;
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        if (strcmp(functions[i].class_name, layer->cls->class_name) == 0)
            f = functions[i].function;
    for (int i = 0; i < count; i++)
        rank = g->items[inputs[i]].shape.rank > rank ? g->items[inputs[i]].shape.rank : rank;
    ir_id x = of_rank(g, inputs[0], rank), mask = layer_mask(call, 0);
    bool excludes = f == F_MAX || f == F_MIN;
    for (int i = 1; i < count; i++) {
        ir_id y = of_rank(g, inputs[i], rank), other = layer_mask(call, i);
        /* What is masked on one side only is the other side's. */
        if (excludes && other != IR_NONE)
            y = op_select(g, mask_of_rank(g, other, rank), y, x);
        if (excludes && mask != IR_NONE)
            x = op_select(g, mask_of_rank(g, mask, rank), x, y);
        mask = mask == IR_NONE || other == IR_NONE ? IR_NONE : op_binary(g, F_MAX, mask, other);
        x = op_binary(g, f, x, y);
    }
    call->mask = mask;
    if (x != IR_NONE && strcmp(layer->cls->class_name, "Average") == 0)
        x = op_affine(g, x, 1.0 / count, 0.0);
    return finish(x, output);
}

#define ELEMENTWISE .output_shape_of = elementwise_shape, .call_many = elementwise_call

const layer_class add_class = {.class_name = "Add", .snake_name = "add", ELEMENTWISE};
const layer_class subtract_class = {
    .class_name = "Subtract", .snake_name = "subtract", ELEMENTWISE};
const layer_class multiply_class = {
    .class_name = "Multiply", .snake_name = "multiply", ELEMENTWISE};
const layer_class average_class = {.class_name = "Average", .snake_name = "average", ELEMENTWISE};
const layer_class maximum_class = {.class_name = "Maximum", .snake_name = "maximum", ELEMENTWISE};
const layer_class minimum_class = {.class_name = "Minimum", .snake_name = "minimum", ELEMENTWISE};

static kiln_layer *merging_new(const layer_class *cls, const kiln_merging_args *args)
{
    kiln_layer *layer = layer_new(cls);
    return layer ? layer_finish(layer, layer_set_common(layer, args->input_shape, args->name,
                                                        args->trainable))
                 : NULL;
}

#define BUILDER(NAME)                                                                              \
    kiln_layer *kiln_##NAME##_with(const kiln_merging_args *args)                                  \
    {                                                                                              \
        return merging_new(&NAME##_class, args);                                                   \
    }
BUILDER(add)
BUILDER(subtract)
BUILDER(multiply)
BUILDER(average)
BUILDER(maximum)
BUILDER(minimum)

/* ---- Concatenate ---- */

typedef struct concatenate_config {
    int64_t axis;
} concatenate_config;

static const layer_field concatenate_fields[] = {
    {.name = "axis", .type = FIELD_INT, .offset = offsetof(concatenate_config, axis), .number = -1},
};

/* The axis of one sample that an axis of the batch is. */
static kiln_status sample_axis(const char *what, int64_t axis, int rank, int *out)
{
    int64_t at = axis < 0 ? axis + rank + 1 : axis;
    if (at < 1 || at > rank)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "%s is %lld, and an input has the axes 1 to %d behind the batch", what,
                         (long long)axis, rank);
    *out = (int)at - 1;
    return KILN_OK;
}

static kiln_status concatenate_shape(const kiln_layer *layer, int count, const kiln_shape *inputs,
                                     kiln_shape *output)
{
    int axis = 0;
    if (count < 2)
        return kiln_fail(KILN_ERROR_ARGUMENT, "it takes two or more inputs, not %d", count);
    *output = inputs[0];
    KILN_TRY(sample_axis("axis", ((const concatenate_config *)layer->config)->axis, output->rank,
                         &axis));
    for (int i = 1; i < count; i++) {
        bool fits = inputs[i].rank == output->rank;
        for (int k = 0; fits && k < output->rank; k++)
            fits = k == axis || inputs[i].dims[k] == output->dims[k];
        if (!fits)
            return kiln_fail(KILN_ERROR_SHAPE,
                             "its inputs %s and %s differ elsewhere than in axis %d",
                             ir_shape_text(with_batch(inputs[0])),
                             ir_shape_text(with_batch(inputs[i])), axis + 1);
        output->dims[axis] += inputs[i].dims[axis];
    }
    return KILN_OK;
}

/* A step counts that counts in one of the inputs; along another axis than the last, masks are put
 * side by side like the inputs. */
static kiln_status concatenate_masks(layer_call *call, int count, const ir_id *inputs, int axis)
{
    ir_graph *g = call->graph;
    ir_id masks[LAYER_MAX_INPUTS];
    bool any = false;
    for (int i = 0; i < count; i++)
        any |= layer_mask(call, i) != IR_NONE;
    if (!any)
        return KILN_OK;
    for (int i = 0; i < count; i++) {
        kiln_shape shape = g->items[inputs[i]].shape;
        shape.rank--;
        masks[i] = layer_mask(call, i);
        if (masks[i] == IR_NONE)
            masks[i] = op_constant(g, 1);
        else if (g->items[masks[i]].shape.rank <
                 shape.rank) /* of fewer axes than all but the last */
            KILN_TRY(layer_mask_for(call, i, inputs[i], &masks[i]));
        if (masks[i] != IR_NONE && g->items[masks[i]].shape.rank > shape.rank)
            masks[i] =
                op_reshape(g, masks[i], kiln_shape_of(shape.rank, g->items[masks[i]].shape.dims));
        masks[i] = op_broadcast(g, masks[i], shape);
    }
    call->mask = masks[0];
    if (call->mask != IR_NONE && axis < g->items[call->mask].shape.rank)
        call->mask = op_concatenate(g, count, masks, axis);
    else
        for (int i = 1; i < count; i++)
            call->mask = op_binary(g, F_MAX, call->mask, masks[i]);
    return call->mask == IR_NONE ? kiln_last_status() : KILN_OK;
}

static kiln_status concatenate_call(kiln_layer *layer, layer_call *call, int count,
                                    const ir_id *inputs, ir_id *output)
{
    int axis = 0;
    KILN_TRY(sample_axis("axis", ((const concatenate_config *)layer->config)->axis,
                         call->graph->items[inputs[0]].shape.rank - 1, &axis));
    KILN_TRY(concatenate_masks(call, count, inputs, axis + 1));
    return finish(op_concatenate(call->graph, count, inputs, axis + 1), output);
}

const layer_class concatenate_class = {
    .class_name = "Concatenate",
    .snake_name = "concatenate",
    .config_size = sizeof(concatenate_config),
    .fields = concatenate_fields,
    .field_count = sizeof concatenate_fields / sizeof *concatenate_fields,
    .output_shape_of = concatenate_shape,
    .call_many = concatenate_call,
};

kiln_layer *kiln_concatenate_with(const kiln_concatenate_args *args)
{
    kiln_layer *layer = layer_new(&concatenate_class);
    if (layer == NULL)
        return NULL;
    if (args->axis != 0)
        ((concatenate_config *)layer->config)->axis = args->axis;
    return layer_finish(layer,
                        layer_set_common(layer, args->input_shape, args->name, args->trainable));
}

/* ---- Dot ---- */

typedef struct dot_config {
    layer_numbers axes;
    bool normalize;
} dot_config;

static const layer_field dot_fields[] = {
    {.name = "axes", .type = FIELD_AXES, .offset = offsetof(dot_config, axes), .required = true},
    {.name = "normalize", .type = FIELD_BOOL, .offset = offsetof(dot_config, normalize)},
};

static kiln_status dot_check(const kiln_layer *layer)
{
    const layer_numbers *axes = &((const dot_config *)layer->config)->axes;
    if (axes->count != 1 && axes->count != 2)
        return kiln_fail(KILN_ERROR_ARGUMENT, "axes are one number, or one for each input");
    if (axes->count == 2)
        return KILN_OK;
    double both[2] = {axes->values[0], axes->values[0]}; /* Keras reads a list of two alone */
    return layer_set_numbers((kiln_layer *)layer, "axes", both, 2);
}

static kiln_status dot_axes(const kiln_layer *layer, int x_rank, int y_rank, int axes[2])
{
    const dot_config *c = layer->config;
    KILN_TRY(sample_axis("the first of axes", (int64_t)c->axes.values[0], x_rank, &axes[0]));
    return sample_axis("the second of axes", (int64_t)c->axes.values[1], y_rank, &axes[1]);
}

static kiln_status dot_shape(const kiln_layer *layer, int count, const kiln_shape *inputs,
                             kiln_shape *output)
{
    int axes[2] = {0};
    if (count != 2)
        return kiln_fail(KILN_ERROR_ARGUMENT, "it takes two inputs, not %d", count);
    KILN_TRY(dot_axes(layer, inputs[0].rank, inputs[1].rank, axes));
    if (inputs[0].dims[axes[0]] != inputs[1].dims[axes[1]])
        return kiln_fail(KILN_ERROR_SHAPE,
                         "its inputs %s and %s have different sizes in their axes %d and %d",
                         ir_shape_text(with_batch(inputs[0])), ir_shape_text(with_batch(inputs[1])),
                         axes[0] + 1, axes[1] + 1);
    if (inputs[0].rank + inputs[1].rank - 1 > KILN_MAX_RANK)
        return kiln_fail(KILN_ERROR_SHAPE, "its result would have more than %d axes",
                         KILN_MAX_RANK);
    *output = (kiln_shape){0};
    for (int i = 0; i < 2; i++)
        for (int k = 0; k < inputs[i].rank; k++)
            if (k != axes[i])
                output->dims[output->rank++] = inputs[i].dims[k];
    if (output->rank == 0)
        output->dims[output->rank++] = 1;
    return KILN_OK;
}

/* (batch, other axes, the axis), or with the axis in front of the others. */
static ir_id as_matrices(ir_graph *g, ir_id x, int axis, bool last)
{
    kiln_shape shape = g->items[x].shape;
    int order[KILN_MAX_RANK] = {0}, at = last ? 1 : 2;
    int64_t others = 1, n = shape.dims[axis + 1];
    order[last ? shape.rank - 1 : 1] = axis + 1;
    for (int i = 1; i < shape.rank; i++)
        if (i != axis + 1) {
            order[at++] = i;
            others *= shape.dims[i];
        }
    return op_reshape(g, op_transpose(g, x, order),
                      (kiln_shape){3, {shape.dims[0], last ? others : n, last ? n : others}});
}

/* x / max(|x|, 1e-7) along an axis. */
static ir_id normalized(ir_graph *g, ir_id x, int axis)
{
    ir_id norm = op_unary(g, F_SQRT,
                          op_reduce(g, R_SUM, op_unary(g, F_SQUARE, x), axis + 1, axis + 1, true));
    return op_binary(g, F_DIV, x, op_binary(g, F_MAX, norm, op_constant(g, 1e-7)));
}

static kiln_status dot_call(kiln_layer *layer, layer_call *call, int count, const ir_id *inputs,
                            ir_id *output)
{
    ir_graph *g = call->graph;
    const dot_config *c = layer->config;
    kiln_shape shapes[2], out;
    int axes[2] = {0};
    ir_id x[2];
    for (int i = 0; i < 2; i++) {
        kiln_shape s = g->items[inputs[i]].shape;
        shapes[i] = kiln_shape_of(s.rank - 1, s.dims + 1);
    }
    KILN_TRY(dot_shape(layer, count, shapes, &out));
    KILN_TRY(dot_axes(layer, shapes[0].rank, shapes[1].rank, axes));
    for (int i = 0; i < 2; i++) {
        x[i] = c->normalize ? normalized(g, inputs[i], axes[i]) : inputs[i];
        if (x[i] == IR_NONE)
            return kiln_last_status();
        x[i] = as_matrices(g, x[i], axes[i], i == 0);
    }
    kiln_shape shape = with_batch(out);
    shape.dims[0] = g->items[inputs[0]].shape.dims[0];
    ir_id y = op_matmul(g, x[0], x[1], false, false);
    return finish(y == IR_NONE ? y : op_reshape(g, y, shape), output);
}

const layer_class dot_class = {
    .class_name = "Dot",
    .snake_name = "dot",
    .config_size = sizeof(dot_config),
    .fields = dot_fields,
    .field_count = sizeof dot_fields / sizeof *dot_fields,
    .check = dot_check,
    .output_shape_of = dot_shape,
    .call_many = dot_call,
};

kiln_layer *kiln_dot_with(const kiln_dot_args *args)
{
    kiln_layer *layer = layer_new(&dot_class);
    if (layer == NULL)
        return NULL;
    double axes[2] = {(double)args->axes, (double)(args->axes2 ? args->axes2 : args->axes)};
    ((dot_config *)layer->config)->normalize = args->normalize == KILN_YES;
    kiln_status status = layer_set_numbers(layer, "axes", axes, 2);
    if (status == KILN_OK)
        status = layer_set_common(layer, args->input_shape, args->name, args->trainable);
    return layer_finish(layer, status);
}
