/* Keras's architecture JSON, the writing half. */
#include "format/keras_json.h"
#include "format/keras_layer.h"

#include <stdio.h>

/* How many calls of the same layer come before this one: Keras's node index. */
static int node_index(const kiln_model *model, int call)
{
    int index = 0;
    for (int i = 0; i < call; i++)
        index += model->calls[i].layer == model->calls[call].layer;
    return index;
}

static void write_tensor(json_writer *w, const kiln_model *model, int call)
{
    char history[256];
    const model_call *from = &model->calls[call];
    json_write_open(w, NULL, '{');
    json_write_string(w, "class_name", "__keras_tensor__");
    json_write_open(w, "config", '{');
    keras_shape_write(w, "shape", from->shape);
    json_write_string(w, "dtype",
                      from->input_count ? "float32" : kiln_dtype_name(from->layer->input_dtype));
    json_write_open(w, "keras_history", '[');
    json_write_string(w, NULL, from->layer->name);
    snprintf(history, sizeof history, "%d", node_index(model, call));
    json_write_raw(w, NULL, history);
    json_write_raw(w, NULL, "0");
    json_write_close(w, ']');
    json_write_close(w, '}');
    json_write_close(w, '}');
}

/* The calls of a layer in a functional model. */
static void write_nodes(json_writer *w, const kiln_model *model, const kiln_layer *layer)
{
    json_write_string(w, "name", layer->name);
    json_write_open(w, "inbound_nodes", '[');
    for (size_t i = 0; i < model->call_count; i++) {
        const model_call *c = &model->calls[i];
        if (c->layer != layer || c->input_count == 0)
            continue;
        json_write_open(w, NULL, '{');
        json_write_open(w, "args", '[');
        if (c->input_count > 1)
            json_write_open(w, NULL, '[');
        for (int k = 0; k < c->input_count; k++)
            write_tensor(w, model, c->inputs[k]);
        if (c->input_count > 1)
            json_write_close(w, ']');
        json_write_close(w, ']');
        json_write_raw(w, "kwargs", "{}");
        json_write_close(w, '}');
    }
    json_write_close(w, ']');
}

static void write_ends(json_writer *w, const char *key, const kiln_model *model, size_t count,
                       const int *calls)
{
    json_write_open(w, key, '[');
    for (size_t i = 0; i < count; i++) {
        json_write_open(w, NULL, '[');
        json_write_string(w, NULL, model->calls[calls[i]].layer->name);
        json_write_integer(w, NULL, node_index(model, calls[i]));
        json_write_integer(w, NULL, 0);
        json_write_close(w, ']');
    }
    json_write_close(w, ']');
}

kiln_status keras_json_write(const kiln_model *model, const char *compile_config, int indent,
                             text *out)
{
    json_writer w = {.out = out, .indent = indent};
    kiln_shape input = kiln_model_input_shape(model, 0);
    json_write_open(&w, NULL, '{');
    json_write_string(&w, "module", model->sequential ? "keras" : "keras.src.models.functional");
    json_write_string(&w, "class_name", model->sequential ? "Sequential" : "Functional");
    json_write_open(&w, "config", '{');
    json_write_string(&w, "name", model->name);
    json_write_bool(&w, "trainable", true);
    if (model->sequential)
        json_write_string(&w, "dtype", "float32");
    json_write_open(&w, "layers", '[');
    for (size_t i = 0; i < model->layer_count; i++) {
        KILN_TRY(keras_layer_write(&w, model->layers[i]));
        if (!model->sequential)
            write_nodes(&w, model, model->layers[i]);
        json_write_close(&w, '}');
    }
    json_write_close(&w, ']');
    if (model->sequential) {
        keras_shape_write(&w, "build_input_shape", input);
    } else {
        write_ends(&w, "input_layers", model, model->input_count, model->inputs);
        write_ends(&w, "output_layers", model, model->output_count, model->outputs);
    }
    json_write_close(&w, '}');
    json_write_raw(&w, "registered_name", "null");
    if (model->input_count == 1) {
        json_write_open(&w, "build_config", '{');
        keras_shape_write(&w, "input_shape", input);
        json_write_close(&w, '}');
    }
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
