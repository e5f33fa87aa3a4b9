/* Models as objects: calls of layers, names, ends, ownership. */
#include "model/model.h"

#include <stdio.h>
#include <string.h>

/* ---- making and freeing ---- */

kiln_model *model_new(const char *name, bool sequential)
{
    kiln_model *model = mem_new(1, sizeof *model);
    if (model == NULL)
        return NULL;
    model->sequential = sequential;
    model->holders = 1;
    model->named = name != NULL;
    model->name = str_copy(name ? name : sequential ? "sequential" : "functional");
    model->facts = mem_new(1, sizeof *model->facts);
    if (model->name && model->facts)
        return model;
    kiln_model_free(model);
    return NULL;
}

static void free_names(char ***names, size_t *count)
{
    for (size_t i = 0; i < *count; i++)
        free((*names)[i]);
    free(*names);
    *names = NULL;
    *count = 0;
}

void model_let_go(kiln_layer *layer)
{
    if (--layer->references > 0)
        return;
    for (size_t i = 0; i < layer->weight_count; i++)
        store_release(&layer->weights[i]->weight);
    kiln_layer_free(layer);
}

void kiln_model_free(kiln_model *model)
{
    if (model == NULL)
        return;
    if (model->free_training)
        model->free_training(model);
    model->free_training = NULL;
    model_release(model);
}

void model_release(kiln_model *model)
{
    if (--model->holders > 0)
        return;
    model_leave_net(model);
    for (size_t i = 0; i < model->layer_count; i++)
        model_let_go(model->layers[i]);
    if (model->facts) {
        free_names(&model->facts->class_names, &model->facts->class_count);
        free_names(&model->facts->feature_names, &model->facts->feature_count);
        model_series_free(model->facts->series);
        model_text_free(&model->facts->text);
        free(model->facts->compile_config);
    }
    free(model->facts);
    free(model->layers);
    free(model->leaves);
    free(model->calls);
    free(model->inputs);
    free(model->outputs);
    free(model->name);
    free(model);
}

kiln_status model_set_name(kiln_model *model, const char *name)
{
    char *copy = str_copy(name);
    if (copy == NULL)
        return KILN_ERROR_MEMORY;
    free(model->name);
    model->name = copy;
    return KILN_OK;
}

static kiln_status set_names(char ***list, size_t *count, size_t n, const char *const *names)
{
    char **copy = n ? mem_new(n, sizeof *copy) : NULL;
    if (n && copy == NULL)
        return KILN_ERROR_MEMORY;
    for (size_t i = 0; i < n; i++)
        if ((copy[i] = str_copy(names[i])) == NULL) {
            free_names(&copy, &i);
            return KILN_ERROR_MEMORY;
        }
    free_names(list, count);
    *list = copy;
    *count = n;
    return KILN_OK;
}

kiln_status model_set_class_names(kiln_model *model, size_t count, const char *const *names)
{
    return set_names(&model->facts->class_names, &model->facts->class_count, count, names);
}

kiln_status model_set_feature_names(kiln_model *model, size_t count, const char *const *names)
{
    return set_names(&model->facts->feature_names, &model->facts->feature_count, count, names);
}

kiln_status model_set_series(kiln_model *model, const model_series *series)
{
    model_series *copy = model_series_copy(series);
    if (series && copy == NULL)
        return KILN_ERROR_MEMORY;
    model_series_free(model->facts->series);
    model->facts->series = copy;
    return KILN_OK;
}

/* ---- applying layers ---- */

static const kiln_layer *named(const kiln_model *model, const char *name)
{
    for (size_t i = 0; i < model->layer_count; i++)
        if (strcmp(model->layers[i]->name, name) == 0)
            return model->layers[i];
    return NULL;
}

/* "dense", or "dense_1" and so on: the first that is free in this model. */
static kiln_status name_layer(const kiln_model *model, kiln_layer *layer)
{
    char name[128];
    if (layer->name) {
        if (named(model, layer->name))
            return kiln_fail(KILN_ERROR_ARGUMENT,
                             "model %s has two layers named %s; give one of them another name",
                             model->name, layer->name);
        return KILN_OK;
    }
    snprintf(name, sizeof name, "%s", layer->cls->snake_name);
    for (unsigned i = 1; named(model, name); i++)
        snprintf(name, sizeof name, "%s_%u", layer->cls->snake_name, i);
    return layer_set_name(layer, name);
}

static bool has_layer(const kiln_model *model, const kiln_layer *layer)
{
    for (size_t i = 0; i < model->layer_count; i++)
        if (model->layers[i] == layer)
            return true;
    return false;
}

static kiln_status add_leaf(kiln_model *model, kiln_layer *layer)
{
    for (size_t i = 0; i < model->leaf_count; i++)
        if (model->leaves[i] == layer)
            return KILN_OK;
    KILN_TRY(mem_grow(&model->leaves, &model->leaf_capacity, model->leaf_count + 1,
                      sizeof *model->leaves));
    model->leaves[model->leaf_count++] = layer;
    return KILN_OK;
}

/* The layer, or what is in the model that it nests or wraps. */
static kiln_status add_leaves(kiln_model *model, kiln_layer *layer)
{
    const kiln_model *nested = model_within(layer);
    if (nested == NULL)
        return add_leaf(model, layer);
    if (model_in(layer) == NULL && model_state_batch(nested) > 0)
        return kiln_fail(KILN_ERROR_UNSUPPORTED,
                         "%s: model %s is stateful, and a layer that each step runs cannot be",
                         layer_label(layer), nested->name);
    for (size_t i = 0; i < nested->leaf_count; i++)
        KILN_TRY(add_leaf(model, nested->leaves[i]));
    return model_name_nested(layer);
}

/* Takes the layer over; frees it on failure. */
static kiln_status take_layer(kiln_model *model, kiln_layer *layer)
{
    kiln_status status = has_layer(model, layer) ? KILN_OK : name_layer(model, layer);
    if (status == KILN_OK && !has_layer(model, layer)) {
        status = mem_grow(&model->layers, &model->layer_capacity, model->layer_count + 1,
                          sizeof *model->layers);
        if (status == KILN_OK)
            status = add_leaves(model, layer);
        if (status == KILN_OK) {
            model->layers[model->layer_count++] = layer;
            layer->references++;
        }
    }
    if (status != KILN_OK)
        kiln_layer_free(layer); /* which spares one that another model has */
    return status;
}

/* The shapes of the call's outputs, from those of its inputs; builds the layer. */
static kiln_status settle_shapes(const kiln_model *model, model_call *call, kiln_shape *shapes)
{
    kiln_layer *layer = call->layer;
    if (call->input_count == 0) {
        shapes[0] = layer->input_shape;
        call->batch = layer->batch;
        return layer_build(layer, shapes[0]);
    }
    kiln_shape inputs[MODEL_MAX_LAYER_INPUTS];
    for (int i = 0; i < call->input_count; i++) {
        inputs[i] = model->calls[call->inputs[i]].shape;
        if (call->batch == 0)
            call->batch = model->calls[call->inputs[i]].batch;
    }
    if (layer->has_input_shape && !ir_shape_equal(layer->input_shape, inputs[0]))
        return kiln_fail(KILN_ERROR_SHAPE, "%s has the input_shape %s, but %s yields %s",
                         layer_label(layer), ir_shape_text(layer->input_shape),
                         layer_label(model->calls[call->inputs[0]].layer),
                         ir_shape_text(inputs[0]));
    KILN_TRY(layer_set_batch(layer, call->batch));
    return layer_settle(layer, call->input_count, inputs, shapes);
}

kiln_status model_apply(kiln_model *model, kiln_layer *layer, int input_count, const int *inputs,
                        int *call)
{
    model_call made = {.layer = layer, .input_count = input_count};
    if (layer == NULL)
        return kiln_fail_null("a layer");
    bool is_input = layer->cls == &input_class;
    KILN_TRY(take_layer(model, layer));
    if (is_input ? input_count != 0 : input_count < 1)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         is_input ? "%s is an input layer and cannot follow another layer"
                                  : "%s has no input",
                         layer_label(layer));
    if (input_count > MODEL_MAX_LAYER_INPUTS)
        return kiln_fail(KILN_ERROR_UNSUPPORTED, "%s has %d inputs; %d are possible",
                         layer_label(layer), input_count, MODEL_MAX_LAYER_INPUTS);
    for (int i = 0; i < input_count; i++) {
        if (inputs[i] < 0 || (size_t)inputs[i] >= model->call_count)
            return kiln_fail(KILN_ERROR_ARGUMENT, "%s: its input is not part of model %s",
                             layer_label(layer), model->name);
        made.inputs[i] = inputs[i];
    }
    kiln_shape shapes[LAYER_MAX_OUTPUTS];
    KILN_TRY(settle_shapes(model, &made, shapes));
    size_t outputs = (size_t)layer_output_count(layer);
    KILN_TRY(mem_grow(&model->calls, &model->call_capacity, model->call_count + outputs,
                      sizeof *model->calls));
    *call = (int)model->call_count;
    for (; (size_t)made.output < outputs; made.output++) {
        made.shape = shapes[made.output];
        model->calls[model->call_count++] = made;
    }
    return KILN_OK;
}

static kiln_status set_calls(const kiln_model *model, size_t count, const int *calls, int **list,
                             size_t *list_count)
{
    if (count == 0)
        return kiln_fail(KILN_ERROR_ARGUMENT, "model %s needs an input and an output", model->name);
    for (size_t i = 0; i < count; i++)
        if (calls[i] < 0 || (size_t)calls[i] >= model->call_count)
            return kiln_fail(KILN_ERROR_ARGUMENT, "model %s: an input or output is not part of it",
                             model->name);
    int *copy = mem_new(count, sizeof *copy);
    if (copy == NULL)
        return KILN_ERROR_MEMORY;
    memcpy(copy, calls, count * sizeof *copy);
    free(*list);
    *list = copy;
    *list_count = count;
    return KILN_OK;
}

const char *model_output_name(const kiln_model *model, size_t output)
{
    static _Thread_local char ring[32][128];
    static _Thread_local unsigned turn;
    const model_call *call = &model->calls[model->outputs[output]];
    int before = 0;
    for (size_t i = 0; i < output; i++)
        before += model->calls[model->outputs[i]].layer == call->layer;
    if (before == 0)
        return call->layer->name;
    char *name = ring[turn++ % 32];
    snprintf(name, sizeof ring[0], "%.100s_%d", call->layer->name, before);
    return name;
}

kiln_status model_set_ends(kiln_model *model, size_t inputs, const int *input_calls, size_t outputs,
                           const int *output_calls)
{
    KILN_TRY(set_calls(model, inputs, input_calls, &model->inputs, &model->input_count));
    return set_calls(model, outputs, output_calls, &model->outputs, &model->output_count);
}

kiln_model *kiln_model_share(kiln_model *model)
{
    if (model == NULL) {
        kiln_fail_null("kiln_model_share: model");
        return NULL;
    }
    kiln_model *copy = model_new(model->name, model->sequential);
    if (copy == NULL)
        return NULL;
    kiln_status status = model_seed_weights(model);
    for (size_t i = 0; i < model->layer_count && status == KILN_OK; i++)
        status = take_layer(copy, model->layers[i]);
    if (status == KILN_OK)
        status =
            mem_grow(&copy->calls, &copy->call_capacity, model->call_count, sizeof *copy->calls);
    if (status == KILN_OK) {
        memcpy(copy->calls, model->calls, model->call_count * sizeof *copy->calls);
        copy->call_count = model->call_count;
        status = model_set_ends(copy, model->input_count, model->inputs, model->output_count,
                                model->outputs);
    }
    const model_facts *facts = model->facts;
    if (status == KILN_OK)
        status = model_set_class_names(copy, facts->class_count,
                                       (const char *const *)facts->class_names);
    if (status == KILN_OK)
        status = model_set_feature_names(copy, facts->feature_count,
                                         (const char *const *)facts->feature_names);
    if (status == KILN_OK)
        status = model_set_series(copy, facts->series);
    if (status == KILN_OK)
        status = model_text_copy(&facts->text, &copy->facts->text);
    copy->facts->input_scale = facts->input_scale;
    copy->seed = model->seed;
    copy->seeded = true;
    if (status == KILN_OK)
        return copy;
    kiln_model_free(copy);
    return NULL;
}

/* ---- what a user sees ---- */

const char *kiln_model_name(const kiln_model *model)
{
    return model ? model->name : "";
}

bool model_is_mixed(const kiln_model *model)
{
    for (size_t i = 0; i < model->leaf_count; i++)
        if (model->leaves[i]->mixed)
            return true;
    return false;
}

const char *kiln_model_dtype_policy(const kiln_model *model)
{
    return model && model_is_mixed(model) ? "mixed_float16" : "float32";
}

kiln_status kiln_model_set_dtype_policy(kiln_model *model, const char *policy)
{
    if (model == NULL)
        return kiln_fail_null("kiln_model_set_dtype_policy: model");
    for (size_t i = 0; i < model->layer_count; i++)
        KILN_TRY(kiln_layer_set_dtype_policy(model->layers[i], policy));
    return KILN_OK;
}

/* Keras does not count the input layer of a sequential model. */
static bool is_shown(const kiln_model *model, size_t i)
{
    return !(model->sequential && model->layers[i]->cls == &input_class);
}

size_t kiln_model_layer_count(const kiln_model *model)
{
    size_t count = 0;
    for (size_t i = 0; model && i < model->layer_count; i++)
        count += is_shown(model, i);
    return count;
}

kiln_layer *kiln_model_layer(const kiln_model *model, size_t index)
{
    for (size_t i = 0; model && i < model->layer_count; i++)
        if (is_shown(model, i) && index-- == 0)
            return model->layers[i];
    return NULL;
}

kiln_layer *kiln_model_find_layer(const kiln_model *model, const char *name)
{
    if (model == NULL || name == NULL) {
        kiln_fail_null("kiln_model_find_layer: model or name");
        return NULL;
    }
    const kiln_layer *found = named(model, name);
    if (found)
        return (kiln_layer *)found;
    const char **names = mem_new(model->layer_count + 1, sizeof *names);
    if (names == NULL)
        return NULL;
    for (size_t i = 0; i < model->layer_count; i++)
        names[i] = model->layers[i]->name;
    kiln_fail(KILN_ERROR_ARGUMENT, "model %s has no layer named \"%s\"%s", model->name, name,
              spec_hint(name, names));
    free(names);
    return NULL;
}

size_t kiln_model_input_count(const kiln_model *model)
{
    return model ? model->input_count : 0;
}

size_t kiln_model_output_count(const kiln_model *model)
{
    return model ? model->output_count : 0;
}

kiln_shape kiln_model_input_shape(const kiln_model *model, size_t index)
{
    return model && index < model->input_count ? model->calls[model->inputs[index]].shape
                                               : (kiln_shape){0};
}

kiln_shape kiln_model_output_shape(const kiln_model *model, size_t index)
{
    return model && index < model->output_count ? model->calls[model->outputs[index]].shape
                                                : (kiln_shape){0};
}
