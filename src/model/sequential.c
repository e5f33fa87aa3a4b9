/* Sequential: a chain of layers. */
#include "model/model.h"

/* The first layer of a chain: an input layer, or one that says what its input is. */
static kiln_status begin(kiln_model *model, kiln_layer *layer)
{
    int call;
    if (layer->cls == &input_class)
        return model_apply(model, layer, 0, NULL, &call);
    kiln_layer *input = NULL;
    if (!layer->has_input_shape)
        kiln_fail(KILN_ERROR_SHAPE,
                  "%s: the first layer of a sequential model needs an input_shape, the shape of "
                  "one sample, for example (28, 28)",
                  layer_label(layer));
    else if ((input = layer_new(&input_class)) != NULL) {
        input->input_shape = layer->input_shape;
        input->has_input_shape = true;
        input->open_axis = layer->open_axis;
        input->input_dtype = layer->input_dtype;
        input->batch = layer->batch;
    }
    if (input == NULL || model_apply(model, input, 0, NULL, &call) != KILN_OK) {
        kiln_layer_free(layer);
        return kiln_last_status();
    }
    return model_apply(model, layer, 1, &call, &call);
}

kiln_status model_add(kiln_model *model, kiln_layer *layer)
{
    if (layer == NULL)
        return kiln_fail_null("a layer");
    if (model->call_count == 0)
        return begin(model, layer);
    for (size_t i = 0; i < model->layer_count; i++)
        if (model->layers[i] == layer)
            return kiln_fail(KILN_ERROR_ARGUMENT,
                             "%s is in the sequential model twice; each layer can be there once",
                             layer_label(layer));
    int last = (int)model->call_count - 1, call;
    if (layer->cls == &input_class) {
        kiln_status status = kiln_fail(
            KILN_ERROR_ARGUMENT, "an input layer can only be the first of a sequential model");
        kiln_layer_free(layer);
        return status;
    }
    return model_apply(model, layer, 1, &last, &call);
}

kiln_status model_close_sequential(kiln_model *model)
{
    for (size_t i = 0; i < model->call_count; i++)
        if (model->calls[i].output)
            return kiln_fail(KILN_ERROR_ARGUMENT,
                             "%s has several outputs, and a sequential model's layers have one each; "
                             "make a functional model",
                             layer_label(model->calls[i].layer));
    int first = 0, last = (int)model->call_count - 1;
    if (model->call_count < 2)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "a sequential model needs at least one layer besides its input");
    return model_set_ends(model, 1, &first, 1, &last);
}

/* Frees layers that are not in a model, each once. */
static void free_layers(kiln_layer *const *layers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool seen = false;
        for (size_t k = 0; k < i && !seen; k++)
            seen = layers[k] == layers[i];
        if (!seen)
            kiln_layer_free(layers[i]);
    }
}

kiln_model *kiln_sequential_from(size_t count, kiln_layer *const *layers)
{
    kiln_status status = KILN_OK;
    for (size_t i = 0; i < count && status == KILN_OK; i++)
        if (layers[i] == NULL)
            status = kiln_fail_null("a layer of a sequential model");
    kiln_model *model = status == KILN_OK ? model_new(NULL, true) : NULL;
    if (model == NULL) {
        free_layers(layers, count);
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        if (model_add(model, layers[i]) == KILN_OK)
            continue;
        /* layers[i] is the model's or freed; those behind it are still the caller's. */
        for (size_t k = i + 1; k < count; k++) {
            bool done = layers[k] == layers[i];
            for (size_t m = 0; m < model->layer_count && !done; m++)
                done = model->layers[m] == layers[k];
            for (size_t m = i + 1; m < k && !done; m++)
                done = layers[m] == layers[k];
            if (!done)
                kiln_layer_free(layers[k]);
        }
        kiln_model_free(model);
        return NULL;
    }
    if (model_close_sequential(model) == KILN_OK)
        return model;
    kiln_model_free(model);
    return NULL;
}
