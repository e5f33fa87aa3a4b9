/* Weights of layers: made at build, given their values at initialization. */
#include "layer/layer.h"

#include <string.h>

kiln_status weight_elements(kiln_shape shape, const char *what, size_t *elements)
{
    *elements = 1;
    for (int i = 0; i < shape.rank; i++) {
        if (shape.dims[i] < 1)
            return kiln_fail(KILN_ERROR_SHAPE, "%s cannot have the shape %s", what,
                             ir_shape_text(shape));
        if ((uint64_t)shape.dims[i] > SIZE_MAX / 16 / *elements)
            return kiln_fail(KILN_ERROR_MEMORY, "%s of shape %s is larger than any memory", what,
                             ir_shape_text(shape));
        *elements *= (size_t)shape.dims[i];
    }
    return KILN_OK;
}

static void drop_weight(layer_weight *w)
{
    free(w->weight.path);
    free(w->weight.host);
    free(w->initializer);
    free(w->regularizer);
    free(w->constraint);
    free(w);
}

kiln_status layer_add_weight(kiln_layer *layer, const char *name, kiln_shape shape,
                             const char *initializer, const char *regularizer, bool trainable)
{
    size_t elements;
    if (weight_elements(shape, name, &elements) != KILN_OK)
        return kiln_fail_in("%s", layer_label(layer));
    KILN_TRY(mem_grow(&layer->weights, &layer->weight_capacity, layer->weight_count + 1,
                      sizeof *layer->weights));
    layer_weight *w = mem_new(1, sizeof *w);
    if (w == NULL)
        return KILN_ERROR_MEMORY;
    w->weight.shape = shape;
    w->weight.trainable = trainable;
    /* The first part of a path is the layer's name, when it has one. */
    w->weight.path = str_format("%s/%s", layer->name ? layer->name : layer->cls->snake_name, name);
    w->initializer = str_copy(initializer ? initializer : "zeros");
    w->regularizer = regularizer ? str_copy(regularizer) : NULL;
    if (w->weight.path == NULL || w->initializer == NULL ||
        (regularizer && w->regularizer == NULL)) {
        drop_weight(w);
        return KILN_ERROR_MEMORY;
    }
    layer->weights[layer->weight_count++] = w;
    return KILN_OK;
}

kiln_status layer_constrain(kiln_layer *layer, const char *constraint)
{
    layer_weight *w = layer->weights[layer->weight_count - 1];
    if (constraint == NULL)
        return KILN_OK;
    if (constraint_check_for(constraint, w->weight.shape) != KILN_OK)
        return kiln_fail_in("%s", w->weight.path);
    w->constraint = str_copy(constraint);
    return w->constraint ? KILN_OK : KILN_ERROR_MEMORY;
}

kiln_status layer_build_inner(kiln_layer *layer, int place, kiln_shape input)
{
    kiln_layer *inner = layer->inner[place];
    KILN_TRY(layer_set_batch(inner, layer->batch));
    KILN_TRY(layer_build(inner, input));
    KILN_TRY(mem_grow(&layer->weights, &layer->weight_capacity,
                      layer->weight_count + inner->weight_count, sizeof *layer->weights));
    for (size_t i = 0; i < inner->weight_count; i++) {
        ir_weight *w = &inner->weights[i]->weight;
        char *path =
            str_format("%s/%s", layer->name ? layer->name : layer->cls->snake_name, w->path);
        if (path == NULL)
            return KILN_ERROR_MEMORY;
        free(w->path);
        w->path = path;
        layer->weights[layer->weight_count++] = inner->weights[i];
    }
    return KILN_OK;
}

kiln_status layer_build(kiln_layer *layer, kiln_shape input)
{
    if (layer->built) {
        const kiln_shape *was = &layer->built_shape;
        if (layer->weight_count > 0 && was->rank > 0 && !layer->cls->any_input &&
            (input.rank == 0 || input.dims[input.rank - 1] != was->dims[was->rank - 1]))
            return kiln_fail(KILN_ERROR_SHAPE,
                             "%s has weights for inputs %s and cannot take inputs %s",
                             layer_label(layer), ir_shape_text(*was), ir_shape_text(input));
        return KILN_OK;
    }
    kiln_status status = layer->cls->build ? layer->cls->build(layer, input) : KILN_OK;
    if (status != KILN_OK) {
        if (layer->inner_count > 0) /* they are the wrapped layers' */
            layer->weight_count = 0;
        while (layer->weight_count > 0)
            drop_weight(layer->weights[--layer->weight_count]);
        return status;
    }
    layer->built = true;
    layer->built_shape = input;
    return KILN_OK;
}

kiln_status layer_output_shape(const kiln_layer *layer, kiln_shape input, kiln_shape *output)
{
    *output = input;
    if (layer->cls->output_shape && layer->cls->output_shape(layer, input, output) != KILN_OK)
        return kiln_fail_in("%s", layer_label(layer));
    return KILN_OK;
}

int layer_output_count(const kiln_layer *layer)
{
    return layer->cls->output_count ? layer->cls->output_count(layer) : 1;
}

kiln_status layer_set_batch(kiln_layer *layer, int64_t batch)
{
    if (!layer->built) {
        layer->batch = batch;
        return KILN_OK;
    }
    for (size_t i = 0; i < layer->weight_count && batch != layer->batch; i++)
        if (layer->weights[i]->state)
            return batch ? kiln_fail(KILN_ERROR_SHAPE,
                                     "%s is stateful with batches of %lld and cannot take batches "
                                     "of %lld",
                                     layer_label(layer), (long long)layer->batch, (long long)batch)
                         : kiln_fail(KILN_ERROR_SHAPE,
                                     "%s is stateful with batches of %lld and cannot take batches "
                                     "of any size",
                                     layer_label(layer), (long long)layer->batch);
    return KILN_OK;
}

kiln_status layer_add_state(kiln_layer *layer, const char *name, kiln_shape row)
{
    kiln_shape shape = {.rank = row.rank + 1, .dims = {layer->batch}};
    if (layer->batch == 0)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "%s is stateful, so the number of rows in a batch must be fixed: give the "
                         "model's input a batch_size",
                         layer_label(layer));
    memcpy(&shape.dims[1], row.dims, (size_t)row.rank * sizeof *row.dims);
    KILN_TRY(layer_add_weight(layer, name, shape, "zeros", NULL, false));
    layer->weights[layer->weight_count - 1]->constant = true;
    layer->weights[layer->weight_count - 1]->state = true;
    return KILN_OK;
}

kiln_status layer_apply(kiln_layer *layer, layer_call *call, int count, const ir_id *inputs,
                        ir_id *output)
{
    return count == 1 && layer->cls->call
               ? layer->cls->call(layer, call, inputs[0], output)
               : layer->cls->call_many(layer, call, count, inputs, output);
}

kiln_status layer_settle(kiln_layer *layer, int count, const kiln_shape *inputs,
                         kiln_shape *outputs)
{
    size_t elements;
    if (layer->cls->is_cell)
        return kiln_fail(KILN_ERROR_UNSUPPORTED,
                         "%s is a cell and no layer by itself; RNN makes one of it",
                         layer_label(layer));
    if (layer->cls->output_shape_of && (count > 1 || layer->cls->call == NULL)) {
        if (layer->cls->output_shape_of(layer, count, inputs, outputs) != KILN_OK)
            return kiln_fail_in("%s", layer_label(layer));
    } else if (count != 1) {
        return kiln_fail(KILN_ERROR_ARGUMENT, "%s takes one input, not %d", layer_label(layer),
                         count);
    } else {
        KILN_TRY(layer_output_shape(layer, inputs[0], outputs));
    }
    for (int i = 0; i < layer_output_count(layer); i++)
        if (weight_elements(outputs[i], "its output", &elements) != KILN_OK)
            return kiln_fail_in("%s", layer_label(layer));
    return layer_build(layer, inputs[0]);
}

kiln_status layer_initialize(kiln_layer *layer, uint64_t seed, uint32_t first_weight_index)
{
    for (size_t i = 0; i < layer->weight_count; i++) {
        layer_weight *w = layer->weights[i];
        size_t elements;
        if (w->weight.host || w->weight.device)
            continue;
        KILN_TRY(weight_elements(w->weight.shape, w->weight.path, &elements));
        float *values = mem_new(elements, sizeof *values);
        if (values == NULL)
            return KILN_ERROR_MEMORY;
        if (initializer_fill(w->initializer, w->weight.shape, seed,
                             first_weight_index + (uint32_t)i, values) != KILN_OK) {
            free(values);
            return kiln_fail_in("%s", w->weight.path);
        }
        for (int64_t k = 0; k < w->ones_count; k++)
            values[w->ones_first + k] = 1.0f;
        w->weight.host = values;
    }
    return KILN_OK;
}

kiln_status weight_write(ir_weight *weight, const float *values)
{
    size_t elements;
    KILN_TRY(weight_elements(weight->shape, weight->path, &elements));
    if (weight->device)
        return device_write(weight->device, weight->memory, weight->offset * sizeof *values, values,
                            elements * sizeof *values);
    if (weight->host == NULL && (weight->host = mem_new(elements, sizeof *values)) == NULL)
        return KILN_ERROR_MEMORY;
    memmove(weight->host, values, elements * sizeof *values);
    return KILN_OK;
}

ir_id layer_mask(const layer_call *call, int input)
{
    return call->masks ? call->masks[input] : IR_NONE;
}

kiln_status layer_mask_for(const layer_call *call, int input, ir_id x, ir_id *mask)
{
    ir_graph *g = call->graph;
    *mask = layer_mask(call, input);
    if (*mask == IR_NONE)
        return KILN_OK;
    kiln_shape from = g->items[*mask].shape, to = g->items[x].shape;
    bool fits = from.rank <= to.rank;
    for (int i = 0; i < from.rank && fits; i++)
        fits = from.dims[i] == to.dims[i];
    if (!fits)
        return kiln_fail(KILN_ERROR_SHAPE, "the mask %s does not fit its input %s",
                         ir_shape_text(from), ir_shape_text(to));
    for (int i = from.rank; i < to.rank; i++)
        to.dims[i] = 1;
    *mask = op_reshape(g, *mask, to);
    return *mask == IR_NONE ? kiln_last_status() : KILN_OK;
}

kiln_status layer_add_penalty(layer_call *call, ir_id penalty)
{
    if (penalty == IR_NONE)
        return kiln_last_status();
    call->loss =
        call->loss == IR_NONE ? penalty : op_binary(call->graph, F_ADD, call->loss, penalty);
    return call->loss == IR_NONE ? kiln_last_status() : KILN_OK;
}

kiln_status layer_add_activity(layer_call *call, const char *regularizer, ir_id output)
{
    ir_graph *g = call->graph;
    if (regularizer == NULL)
        return KILN_OK;
    if (output == IR_NONE)
        return kiln_last_status();
    /* Rows past the end of a partial batch do not count. */
    kiln_shape mask_shape = {.rank = g->items[output].shape.rank};
    for (int i = 0; i < mask_shape.rank; i++)
        mask_shape.dims[i] = i == 0 ? g->items[output].shape.dims[0] : 1;
    ir_id mask = op_reshape(g, op_row_mask(g, mask_shape.dims[0]), mask_shape);
    ir_id penalty = regularizer_apply(g, regularizer, op_binary(g, F_MUL, output, mask));
    return layer_add_penalty(call, op_binary(g, F_DIV, penalty, op_row_count(g)));
}

kiln_status layer_assign(layer_call *call, ir_weight *weight, ir_id value)
{
    if (value == IR_NONE)
        return kiln_last_status();
    for (size_t i = 0; i < call->assign_count; i++)
        if (call->assigns[i].weight == weight) {
            call->assigns[i].value = value;
            return KILN_OK;
        }
    KILN_TRY(mem_grow(&call->assigns, &call->assign_capacity, call->assign_count + 1,
                      sizeof *call->assigns));
    call->assigns[call->assign_count++] = (plan_assign){.weight = weight, .value = value};
    return KILN_OK;
}

ir_id layer_current(const layer_call *call, ir_weight *weight)
{
    for (size_t i = 0; i < call->assign_count; i++)
        if (call->assigns[i].weight == weight)
            return call->assigns[i].value;
    return op_weight(call->graph, weight);
}
