/* Keras's architecture JSON, the writing half. */
#include "format/keras_json.h"
#include "format/keras_layer.h"

#include <stdio.h>

/* How many calls of the same layer come before this one: Keras's node index. */
static int node_index(const kiln_model *model, int call)
{
    int index = 0, first = call - model->calls[call].output;
    for (int i = 0; i < first; i++)
        index += model->calls[i].layer == model->calls[call].layer && model->calls[i].output == 0;
    return index;
}

/* ["dense", 0, 0]: the layer, its call, the output of that call. */
static void write_history(json_writer *w, const char *key, const kiln_model *model, int call,
                          bool in_line)
{
    const model_call *c = &model->calls[call];
    int numbers[] = {node_index(model, call), c->output};
    json_write_open(w, key, '[');
    json_write_string(w, NULL, c->layer->name);
    for (int i = 0; i < 2; i++) {
        char digits[16];
        snprintf(digits, sizeof digits, "%d", numbers[i]);
        if (in_line)
            json_write_raw(w, NULL, digits);
        else
            json_write_integer(w, NULL, numbers[i]);
    }
    json_write_close(w, ']');
}

static void write_tensor(json_writer *w, const kiln_model *model, int call)
{
    const model_call *from = &model->calls[call];
    json_write_open(w, NULL, '{');
    json_write_string(w, "class_name", "__keras_tensor__");
    json_write_open(w, "config", '{');
    keras_shape_write(w, "shape", from->batch, from->shape,
                      from->input_count ? 0 : from->layer->open_axis);
    json_write_string(w, "dtype",
                      from->input_count ? "float32" : kiln_dtype_name(from->layer->input_dtype));
    write_history(w, "keras_history", model, call, true);
    json_write_close(w, '}');
    json_write_close(w, '}');
}

/* The inputs behind the first, in lists of as many as belong together. */
static void write_more(json_writer *w, const kiln_model *model, const model_call *c, int first)
{
    const layer_class *cls = c->layer->cls;
    int sizes[LAYER_MAX_INPUTS],
        groups = cls->group_inputs ? cls->group_inputs(c->layer, sizes) : 0;
    json_write_open(w, cls->more_inputs, '[');
    for (int i = first, group = 0; i < c->input_count; group++) {
        int end = groups > 1 ? i + sizes[group] : c->input_count;
        if (groups > 1)
            json_write_open(w, NULL, '[');
        for (; i < end; i++)
            write_tensor(w, model, c->inputs[i]);
        if (groups > 1)
            json_write_close(w, ']');
    }
    json_write_close(w, ']');
}

/* The calls of a layer in a functional model. */
static void write_nodes(json_writer *w, const kiln_model *model, const kiln_layer *layer)
{
    json_write_string(w, "name", layer->name);
    json_write_open(w, "inbound_nodes", '[');
    for (size_t i = 0; i < model->call_count; i++) {
        const model_call *c = &model->calls[i];
        if (c->layer != layer || c->input_count == 0 || c->output > 0)
            continue;
        /* One list of all inputs, or the first and the others by their name. */
        int first = layer->cls->more_inputs ? 1 : c->input_count;
        json_write_open(w, NULL, '{');
        json_write_open(w, "args", '[');
        if (first > 1)
            json_write_open(w, NULL, '[');
        for (int k = 0; k < first; k++)
            write_tensor(w, model, c->inputs[k]);
        if (first > 1)
            json_write_close(w, ']');
        json_write_close(w, ']');
        json_write_open(w, "kwargs", '{');
        if (c->input_count > first)
            write_more(w, model, c, first);
        json_write_close(w, '}');
        json_write_close(w, '}');
    }
    json_write_close(w, ']');
}

/* alone: a single one without a list around it, which the first versions of Keras 3 do not read. */
static void write_ends(json_writer *w, const char *key, const kiln_model *model, size_t count,
                       const int *calls, bool alone)
{
    if (alone && count == 1) {
        write_history(w, key, model, calls[0], false);
        return;
    }
    json_write_open(w, key, '[');
    for (size_t i = 0; i < count; i++)
        write_history(w, NULL, model, calls[i], false);
    json_write_close(w, ']');
}

/* Files would hold two layers where there is one. */
static kiln_status check_sharing(const kiln_model *model)
{
    for (size_t i = 0; i < model->layer_count; i++)
        for (size_t k = 0; k < i; k++) {
            const kiln_model *a = model_within(model->layers[i]),
                             *b = model_within(model->layers[k]);
            size_t counts[] = {a ? a->leaf_count : 1, b ? b->leaf_count : 1};
            for (size_t m = 0; m < counts[0]; m++)
                for (size_t n = 0; n < counts[1]; n++) {
                    const kiln_layer *one = a ? a->leaves[m] : model->layers[i],
                                     *other = b ? b->leaves[n] : model->layers[k];
                    if (one == other)
                        return kiln_fail(KILN_ERROR_UNSUPPORTED,
                                         "%s is in both %s and %s of model %s, and files have no "
                                         "words for that",
                                         layer_label(one), model->layers[k]->name,
                                         model->layers[i]->name, model->name);
                }
        }
    return KILN_OK;
}

/* Opens the model's object and writes all but what belongs to a model around it. */
static kiln_status write_model(json_writer *w, const char *key, const kiln_model *model,
                               bool trainable)
{
    kiln_shape input = kiln_model_input_shape(model, 0);
    int64_t batch = model->calls[model->inputs[0]].batch;
    int open = model->calls[model->inputs[0]].layer->open_axis;
    KILN_TRY(check_sharing(model));
    json_write_open(w, key, '{');
    json_write_string(w, "module", model->sequential ? "keras" : "keras.src.models.functional");
    json_write_string(w, "class_name", model->sequential ? "Sequential" : "Functional");
    json_write_open(w, "config", '{');
    json_write_string(w, "name", model->name);
    json_write_bool(w, "trainable", trainable);
    if (model->sequential)
        json_write_string(w, "dtype", kiln_model_dtype_policy(model));
    json_write_open(w, "layers", '[');
    for (size_t i = 0; i < model->layer_count; i++) {
        const kiln_layer *layer = model->layers[i];
        KILN_TRY(keras_part_write(w, NULL, layer));
        if (!model->sequential)
            write_nodes(w, model, layer);
        json_write_close(w, '}');
    }
    json_write_close(w, ']');
    if (model->sequential) {
        keras_shape_write(w, "build_input_shape", batch, input, open);
    } else {
        bool wrapped = key != NULL; /* TimeDistributed takes no list of one */
        write_ends(w, "input_layers", model, model->input_count, model->inputs, wrapped);
        write_ends(w, "output_layers", model, model->output_count, model->outputs, wrapped);
    }
    json_write_close(w, '}');
    json_write_raw(w, "registered_name", "null");
    if (model->input_count == 1) {
        json_write_open(w, "build_config", '{');
        keras_shape_write(w, "input_shape", batch, input, open);
        json_write_close(w, '}');
    }
    return KILN_OK;
}

kiln_status keras_part_write(json_writer *w, const char *key, const kiln_layer *layer)
{
    const kiln_model *model = model_in(layer);
    return model ? write_model(w, key, model, layer->trainable) : keras_layer_write(w, key, layer);
}

kiln_status keras_json_write(const kiln_model *model, const char *compile_config, int indent,
                             text *out)
{
    json_writer w = {.out = out, .indent = indent};
    KILN_TRY(write_model(&w, NULL, model, true));
    if (compile_config)
        json_write_raw(&w, "compile_config", compile_config);
    json_write_close(&w, '}');
    if (indent >= 0)
        text_bytes(out, "\n", 1);
    return out->failed ? KILN_ERROR_MEMORY : KILN_OK;
}

char *kiln_model_to_json(const kiln_model *model, int indent)
{
    text out = {0};
    if (model == NULL) {
        kiln_fail_null("kiln_model_to_json: model");
        return NULL;
    }
    if (keras_json_write(model, NULL, indent < 0 ? -1 : indent, &out) == KILN_OK)
        return out.data;
    text_free(&out);
    return NULL;
}
