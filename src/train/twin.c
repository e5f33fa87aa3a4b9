#include "train/twin.h"

#include "format/json.h"
#include "format/keras_json.h"

#include <string.h>

/* Classes that make each step of a sequence by itself, or from a state. */
static const char *const stepwise[] = {"InputLayer",
                                       "Embedding",
                                       "SimpleRNN",
                                       "LSTM",
                                       "GRU",
                                       "RNN",
                                       "TimeDistributed",
                                       "Dense",
                                       "Dropout",
                                       "GaussianDropout",
                                       "GaussianNoise",
                                       "AlphaDropout",
                                       "ReLU",
                                       "Activation",
                                       "LeakyReLU",
                                       "ELU",
                                       "Softmax",
                                       "PReLU",
                                       "Add",
                                       "Subtract",
                                       "Multiply",
                                       "Average",
                                       "Maximum",
                                       "Minimum",
                                       "Concatenate",
                                       "ActivityRegularization",
                                       "LayerNormalization",
                                       "Rescaling",
                                       "SpatialDropout1D",
                                       NULL};

static kiln_status check_layer(const kiln_model *model, const char *name, const char *class_name,
                               const json_t *config)
{
    bool known = false;
    for (size_t i = 0; stepwise[i]; i++)
        known = known || strcmp(stepwise[i], class_name) == 0;
    if (strcmp(class_name, "Bidirectional") == 0 ||
        json_is_true(json_object_get(config, "go_backwards")))
        return kiln_fail(
            KILN_ERROR_UNSUPPORTED,
            "model %s: layer %s reads a text from its end too, so it cannot carry its "
            "state from one token to the next; generate with layers that read forwards",
            model->name, name);
    if (!known)
        return kiln_fail(
            KILN_ERROR_UNSUPPORTED,
            "model %s: layer %s (%s) looks at several tokens at once, so it cannot take "
            "one at a time; generate with a model of recurrent and Dense layers",
            model->name, name, class_name);
    return KILN_OK;
}

/* One step, one row, stateful. */
static kiln_status change_layer(const kiln_model *model, json_t *layer)
{
    json_t *config = json_object_get(layer, "config");
    const char *class_name = json_string_value(json_object_get(layer, "class_name")),
               *name = json_string_value(json_object_get(config, "name"));
    if (class_name == NULL || config == NULL)
        return kiln_fail(KILN_ERROR_FORMAT, "model %s: a layer has no class", model->name);
    KILN_TRY(check_layer(model, name ? name : class_name, class_name, config));
    json_t *shape = json_object_get(config, "batch_shape");
    if (shape && json_array_size(shape) >= 2) {
        json_array_set_new(shape, 0, json_integer(1));
        json_array_set_new(shape, 1, json_integer(1));
    }
    if (json_object_get(config, "stateful"))
        json_object_set_new(config, "stateful", json_true());
    json_object_del(layer, "build_config"); /* of other shapes */
    return KILN_OK;
}

static kiln_status change(const kiln_model *model, json_t *root)
{
    json_t *config = json_object_get(root, "config"), *layers = json_object_get(config, "layers");
    json_object_del(root, "build_config");
    json_object_del(config, "build_input_shape");
    for (size_t i = 0; i < json_array_size(layers); i++)
        KILN_TRY(change_layer(model, json_array_get(layers, i)));
    return KILN_OK;
}

static kiln_status copy_weights(kiln_model *from, kiln_model *to)
{
    size_t count = kiln_model_weight_count(from);
    kiln_status status = model_seed_weights(to);
    if (status == KILN_OK && count != kiln_model_weight_count(to))
        status = kiln_fail(KILN_ERROR_SHAPE, "model %s: its twin has %zu weights, not %zu",
                           from->name, kiln_model_weight_count(to), count);
    for (size_t i = 0; i < count && status == KILN_OK; i++) {
        size_t elements = (size_t)kiln_shape_size(kiln_model_weight_shape(from, i));
        float *values = mem_new(elements, sizeof *values);
        status = values ? kiln_get_weights(from, i, values, elements) : kiln_last_status();
        if (status == KILN_OK)
            status = kiln_set_weights(to, i, values, elements);
        free(values);
    }
    return status;
}

kiln_status twin_make(kiln_model *model, kiln_model **twin)
{
    text written = {0};
    json_t *root = NULL;
    char *changed = NULL;
    kiln_status status = model_seed_weights(model);
    *twin = NULL;
    if (status == KILN_OK)
        status = keras_json_write(model, NULL, -1, &written);
    if (status == KILN_OK) {
        root = json_parse(model->name, written.data, written.length);
        status = root ? change(model, root) : kiln_last_status();
    }
    if (status == KILN_OK) {
        changed = json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(17));
        status = changed ? keras_json_read(model->name, changed, strlen(changed), NULL, twin)
                         : kiln_fail_memory(written.length);
    }
    if (status == KILN_OK)
        status = copy_weights(model, *twin);
    json_decref(root);
    free(changed);
    text_free(&written);
    if (status != KILN_OK) {
        kiln_model_free(*twin);
        *twin = NULL;
    }
    return status;
}
