/* A model as a layer of another. */
#include "model/model.h"

#include <string.h>

typedef struct nested_config {
    kiln_model *model; /* held */
} nested_config;

static nested_config *config_of(const kiln_layer *layer)
{
    return layer->config;
}

static int output_count(const kiln_layer *layer)
{
    return (int)config_of(layer)->model->output_count;
}

static kiln_status output_shapes(const kiln_layer *layer, int count, const kiln_shape *inputs,
                                 kiln_shape *outputs)
{
    const kiln_model *model = config_of(layer)->model;
    if ((size_t)count != model->input_count)
        return kiln_fail(KILN_ERROR_ARGUMENT, "the model has %zu input%s and is called with %d",
                         model->input_count, model->input_count == 1 ? "" : "s", count);
    for (int i = 0; i < count; i++) {
        kiln_shape wanted = kiln_model_input_shape(model, (size_t)i);
        if (!ir_shape_equal(inputs[i], wanted))
            return kiln_fail(KILN_ERROR_SHAPE,
                             "the model's input %s takes samples of shape %s, not %s",
                             model->calls[model->inputs[i]].layer->name, ir_shape_text(wanted),
                             ir_shape_text(inputs[i]));
    }
    for (size_t i = 0; i < model->output_count; i++)
        outputs[i] = kiln_model_output_shape(model, i);
    return KILN_OK;
}

static kiln_status call_model(kiln_layer *layer, layer_call *call, int count, const ir_id *inputs,
                              ir_id *outputs)
{
    ir_id masks[LAYER_MAX_OUTPUTS];
    const char *within = call->within;
    char *inside = within ? str_format("%s/%s", within, layer->name) : str_copy(layer->name);
    (void)count;
    if (inside == NULL)
        return KILN_ERROR_MEMORY;
    call->within = inside;
    kiln_status status =
        model_call_graph(config_of(layer)->model, call, inputs, call->masks, outputs, masks);
    call->within = within;
    free(inside);
    if (status != KILN_OK)
        return status;
    call->mask = masks[0];
    for (int i = 1; i < output_count(layer); i++)
        call->other_masks[i] = masks[i];
    return KILN_OK;
}

/* Has a layer, or one that it wraps, a penalty on what it makes, which is a mean over the rows? */
static bool has_activity(const kiln_layer *layer)
{
    const layer_field *field = layer_find_field(layer->cls, "activity_regularizer");
    bool found = field && field->type == FIELD_REGULARIZER &&
                 *(char *const *)layer_field_at(layer, field) != NULL;
    for (int i = 0; i < layer->inner_count && !found; i++)
        found = has_activity(layer->inner[i]);
    return found;
}

static bool joins_rows(const kiln_layer *layer, bool training)
{
    const kiln_model *model = config_of(layer)->model;
    for (size_t i = 0; i < model->leaf_count; i++) {
        const kiln_layer *leaf = model->leaves[i];
        if (has_activity(leaf) || (leaf->cls->joins_rows && leaf->cls->joins_rows(leaf, training)))
            return true;
    }
    return false;
}

static void set_trainable(kiln_layer *layer, bool trainable)
{
    const kiln_model *model = config_of(layer)->model;
    for (size_t i = 0; i < model->layer_count; i++)
        kiln_layer_set_trainable(model->layers[i], trainable);
}

static void set_mixed(kiln_layer *layer, bool mixed)
{
    kiln_model_set_dtype_policy(config_of(layer)->model, mixed ? "mixed_float16" : "float32");
}

static void let_go(kiln_layer *layer)
{
    kiln_model *model = config_of(layer)->model;
    if (model == NULL)
        return;
    model->nested = NULL;
    model_release(model);
}

#define NESTED                                                                                     \
    .config_size = sizeof(nested_config), .output_shape_of = output_shapes,                        \
    .call_many = call_model, .output_count = output_count, .set_trainable = set_trainable,         \
    .set_mixed = set_mixed, .free_config = let_go, .joins_rows = joins_rows, .is_model = true

static const layer_class sequential_class = {
    .class_name = "Sequential", .snake_name = "sequential", NESTED};
static const layer_class functional_class = {
    .class_name = "Functional", .snake_name = "functional", NESTED};

kiln_model *model_in(const kiln_layer *layer)
{
    return layer->cls->is_model ? config_of(layer)->model : NULL;
}

kiln_model *model_within(const kiln_layer *layer)
{
    while (!layer->cls->is_model && layer->inner_count == 1)
        layer = layer->inner[0];
    return model_in(layer);
}

kiln_model *kiln_layer_model(const kiln_layer *layer)
{
    return layer ? model_in(layer) : NULL;
}

/* "time_distributed/frames": the layer, and those that it wraps. NULL: no memory. */
static char *full_name(const kiln_layer *layer)
{
    if (layer->inner_count == 0)
        return str_copy(layer->name);
    char *inner = full_name(layer->inner[0]),
         *made = inner ? str_format("%s/%s", layer->name, inner) : NULL;
    free(inner);
    return made;
}

static kiln_status name_weights(const kiln_model *model, const char *name)
{
    for (size_t i = 0; i < model->leaf_count; i++)
        for (size_t k = 0; k < model->leaves[i]->weight_count; k++) {
            ir_weight *w = &model->leaves[i]->weights[k]->weight;
            char *path = str_format("%s/%s", name, w->path);
            if (path == NULL)
                return KILN_ERROR_MEMORY;
            free(w->path);
            w->path = path;
        }
    return KILN_OK;
}

kiln_status model_name_nested(kiln_layer *layer)
{
    kiln_model *model = model_within(layer);
    if (model == NULL || model->in_names)
        return KILN_OK;
    model->in_names = model->named = true;
    char *name = full_name(layer);
    kiln_status status = name ? name_weights(model, name) : KILN_ERROR_MEMORY;
    free(name);
    return status == KILN_OK ? model_set_name(model, model->nested->name) : status;
}

/* The layer that a model is in others. */
static kiln_layer *make_layer(kiln_model *model)
{
    if (model->output_count > LAYER_MAX_OUTPUTS || model->input_count > LAYER_MAX_INPUTS) {
        kiln_fail(KILN_ERROR_UNSUPPORTED,
                  "model %s has %zu inputs and %zu outputs; a layer can have %d and %d",
                  model->name, model->input_count, model->output_count, LAYER_MAX_INPUTS,
                  LAYER_MAX_OUTPUTS);
        return NULL;
    }
    kiln_layer *layer = layer_new(model->sequential ? &sequential_class : &functional_class);
    if (layer == NULL)
        return NULL;
    config_of(layer)->model = model;
    model->nested = layer;
    model->holders++;
    /* Built before anything else asks: the weights are there, and none of them are this layer's. */
    layer->built = true;
    if (model->input_count == 1) {
        layer->input_shape = kiln_model_input_shape(model, 0);
        layer->has_input_shape = true;
        layer->input_dtype = model->calls[model->inputs[0]].layer->input_dtype;
    }
    if (!model->named || layer_set_name(layer, model->name) == KILN_OK)
        return layer;
    kiln_layer_free(layer);
    return NULL;
}

kiln_layer *kiln_model_as_layer_with(kiln_model *model, const kiln_model_as_layer_args *args)
{
    if (model == NULL) {
        kiln_fail_null("kiln_model_as_layer: the model");
        return NULL;
    }
    kiln_layer *layer = model->nested ? model->nested : make_layer(model);
    if (layer == NULL)
        return NULL;
    kiln_status status = KILN_OK;
    if (args->name && (layer->name == NULL || strcmp(layer->name, args->name) != 0)) {
        if (model->in_names)
            status = kiln_fail(KILN_ERROR_ARGUMENT,
                               "model %s is a layer of a model already and cannot be called %s",
                               model->name, args->name);
        else
            status = layer_set_name(layer, args->name);
    }
    if (status == KILN_OK && args->trainable == KILN_NO)
        status = kiln_layer_set_trainable(layer, 0);
    if (status == KILN_OK)
        return layer;
    kiln_layer_free(layer); /* which spares one that a model has */
    return NULL;
}

kiln_layer *kiln_model_as_layer_plain(kiln_model *model)
{
    return kiln_model_as_layer_with(model, &(kiln_model_as_layer_args){0});
}

kiln_layer *kiln_layer_itself(kiln_layer *layer)
{
    return layer;
}
