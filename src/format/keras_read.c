/* Keras's architecture JSON, the reading half: Sequential and Functional models of Keras 2 and 3.
 */
#include "format/keras_json.h"
#include "format/keras_layer.h"

#include <string.h>

/* ---- Sequential ---- */

static kiln_status read_sequential(kiln_model *model, const json_t *layers,
                                   const json_t *build_shape, open_axis *open)
{
    for (size_t i = 0; i < json_array_size(layers); i++) {
        kiln_layer *layer = keras_part_read(json_array_get(layers, i), i + 1, open);
        if (layer == NULL)
            return kiln_last_status();
        if (i == 0 && !layer->has_input_shape && json_is_array(build_shape)) {
            kiln_status status =
                keras_shape_read(build_shape, "build_input_shape", &layer->batch,
                                 &layer->input_shape);
            if (status == KILN_OK && open_axis_fix(layer, open) != KILN_OK)
                status = kiln_fail_in("build_input_shape");
            if (status != KILN_OK) {
                kiln_layer_free(layer);
                return status;
            }
            layer->has_input_shape = layer->input_shape.rank > 0;
        }
        KILN_TRY(model_add(model, layer));
    }
    return model_close_sequential(model);
}

/* ---- Functional ---- */

#define MAX_NODES 64

/* A layer of the file, and which of its calls are in the model so far. */
typedef struct pending {
    kiln_layer *layer;
    const json_t *nodes;  /* its calls */
    int calls[MAX_NODES]; /* by node: index in the model, or -1 */
    size_t node_count;
} pending;

typedef struct call_list {
    int *items;
    size_t count, capacity;
} call_list;

typedef struct functional {
    kiln_model *model;
    const json_t *layers; /* as they are in the file */
    pending *items;
    size_t count;
} functional;

/* Keras keeps the computation of masks in the model, as operations among its layers. Here masks
 * travel by themselves. */
static bool makes_masks(const json_t *object)
{
    static const char *const names[] = {"NotEqual", "Any",       "LogicalOr",   "ExpandDims",
                                        "OnesLike", "ZerosLike", "Concatenate", "BroadcastTo"};
    const char *module = json_string_value(json_object_get(object, "module")),
               *name = json_string_value(json_object_get(object, "class_name"));
    /* Files of HDF5 name no modules. */
    if (name == NULL || (module == NULL && strcmp(name, "Concatenate") == 0) ||
        (module && strncmp(module, "keras.src.ops", 13) != 0 &&
         strncmp(module, "keras.ops", 9) != 0))
        return false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

/* Is this argument a mask that such operations made? */
static bool is_made_mask(const functional *f, const char *key, const json_t *value)
{
    const json_t *history = json_object_get(json_object_get(value, "config"), "keras_history");
    const char *name = json_string_value(json_array_get(history, 0));
    if (strcmp(key, "mask") != 0 || name == NULL)
        return false;
    for (size_t i = 0; i < json_array_size(f->layers); i++) {
        const json_t *object = json_array_get(f->layers, i);
        const char *other = json_string_value(json_object_get(object, "name"));
        if (other && strcmp(other, name) == 0)
            return makes_masks(object);
    }
    return false;
}

/* ["dense", 0, 0], perhaps with more behind it: the layer, its call, the output of that call. */
static kiln_status find_call(const functional *f, const json_t *history, const char *what,
                             bool *ready, int *call)
{
    const char *name = json_string_value(json_array_get(history, 0));
    const json_t *node = json_array_get(history, 1), *output = json_array_get(history, 2);
    *ready = false;
    if (name == NULL || !json_is_integer(node) || !json_is_integer(output))
        return kiln_fail(KILN_ERROR_FORMAT,
                         "%s: a tensor is named by a layer, a call and an output, and this is not",
                         what);
    for (size_t i = 0; i < f->count; i++) {
        const pending *p = &f->items[i];
        if (strcmp(p->layer->name, name) != 0)
            continue;
        json_int_t n = json_integer_value(node), o = json_integer_value(output);
        if (n < 0 || (size_t)n >= p->node_count)
            break;
        if (o < 0 || o >= layer_output_count(p->layer))
            return kiln_fail(KILN_ERROR_FORMAT, "%s: %s has %d output%s, and none at index %lld",
                             what, layer_label(p->layer), layer_output_count(p->layer),
                             layer_output_count(p->layer) == 1 ? "" : "s", (long long)o);
        *ready = p->calls[n] >= 0;
        *call = p->calls[n] + (int)o;
        return KILN_OK;
    }
    return kiln_fail(KILN_ERROR_FORMAT, "%s: call %lld of layer \"%.100s\" is not in the model",
                     what, (long long)json_integer_value(node), name);
}

/* The tensors that one call reads, each as ["dense", 0, 0], in *list (a new array). */
static kiln_status list_tensors(const json_t *value, json_t *list, int depth)
{
    const json_t *history = json_object_get(json_object_get(value, "config"), "keras_history");
    if (history)
        return json_array_append(list, (json_t *)history) == 0 ? KILN_OK : kiln_fail_memory(64);
    if (json_is_array(value) && json_is_string(json_array_get(value, 0)))
        return json_array_append(list, (json_t *)value) == 0 ? KILN_OK : kiln_fail_memory(64);
    if (!json_is_array(value) || depth > 3)
        return kiln_fail(KILN_ERROR_UNSUPPORTED, "it is called with something that is no tensor");
    for (size_t i = 0; i < json_array_size(value); i++)
        KILN_TRY(list_tensors(json_array_get(value, i), list, depth + 1));
    return KILN_OK;
}

/* Arguments of a call besides its first; tensors among them that the layer takes join the list. */
static kiln_status check_arguments(const functional *f, const pending *p, const json_t *node,
                                   json_t *list)
{
    const char *key, *more = p->layer->cls->more_inputs;
    const json_t *given = json_object_get(node, "kwargs"),
                 *states = more ? json_object_get(given, more) : NULL;
    json_t *value;
    bool started = json_is_object(states) || json_array_size(states) > 0;
    json_object_foreach((json_t *)given, key, value)
    {
        /* A mask travels by itself only where Keras hands it over without being told to. */
        if (started && strcmp(key, "mask") == 0 && !json_is_null(value))
            return kiln_fail(KILN_ERROR_UNSUPPORTED,
                             "it is called with %s and with a mask as an argument, which is not "
                             "supported; without that argument Keras 3 applies no mask there",
                             more);
        /* What fit and predict say of training goes before what the call noted. */
        if (json_is_null(value) || (strcmp(key, "training") == 0 && json_is_boolean(value)) ||
            is_made_mask(f, key, value))
            continue;
        if (more && strcmp(key, more) == 0) {
            KILN_TRY(list_tensors(value, list, 0));
            continue;
        }
        return kiln_fail(KILN_ERROR_UNSUPPORTED,
                         "it is called with the argument \"%.100s\", which is not supported", key);
    }
    return KILN_OK;
}

/* Makes one call if all that it reads is there. */
static kiln_status apply_node(functional *f, pending *p, size_t n, bool *progress)
{
    const json_t *node = json_array_get(p->nodes, n), *args = json_object_get(node, "args");
    int inputs[MODEL_MAX_LAYER_INPUTS];
    size_t count = 0;
    bool ready = true;
    json_t *tensors = json_array();
    if (tensors == NULL)
        return kiln_fail_memory(64);
    kiln_status status = list_tensors(args ? args : node, tensors, 0);
    if (status == KILN_OK)
        status = check_arguments(f, p, node, tensors);
    if (status == KILN_OK && json_array_size(tensors) > MODEL_MAX_LAYER_INPUTS)
        status =
            kiln_fail(KILN_ERROR_UNSUPPORTED, "it has more than %d inputs", MODEL_MAX_LAYER_INPUTS);
    for (; status == KILN_OK && ready && count < json_array_size(tensors); count++)
        status = find_call(f, json_array_get(tensors, count), "its input", &ready, &inputs[count]);
    json_decref(tensors);
    if (status != KILN_OK)
        return kiln_fail_in("%s", layer_label(p->layer));
    if (!ready)
        return KILN_OK;
    *progress = true;
    return model_apply(f->model, p->layer, (int)count, inputs, &p->calls[n]);
}

/* Makes all calls, each when its inputs are there. */
static kiln_status apply_all(functional *f)
{
    const pending *waiting = NULL;
    for (bool progress = true; progress;) {
        progress = false;
        waiting = NULL;
        for (size_t i = 0; i < f->count; i++) {
            pending *p = &f->items[i];
            for (size_t n = 0; n < p->node_count; n++) {
                if (p->calls[n] >= 0)
                    continue;
                if (p->layer->cls == &input_class) {
                    KILN_TRY(model_apply(f->model, p->layer, 0, NULL, &p->calls[n]));
                    progress = true;
                } else {
                    KILN_TRY(apply_node(f, p, n, &progress));
                }
                if (p->calls[n] < 0)
                    waiting = p;
            }
        }
    }
    if (waiting)
        return kiln_fail(KILN_ERROR_FORMAT, "%s waits for its own output",
                         layer_label(waiting->layer));
    return KILN_OK;
}

/* Inputs or outputs: ["dense", 0, 0], or a list of such and of lists of them, which are flattened as
 * Keras does it with what such a model returns. */
static kiln_status read_ends(const functional *f, const json_t *value, const char *what, int depth,
                             call_list *ends)
{
    const json_t *first = json_array_get(value, 0);
    bool ready;
    if (json_is_object(value))
        return kiln_fail(KILN_ERROR_UNSUPPORTED,
                         "%s: tensors by name are not supported, only lists of them", what);
    if (value == NULL || (json_is_array(value) && first == NULL))
        return KILN_OK;
    if (!json_is_array(first) || depth > 8) {
        KILN_TRY(MEM_PUSH_ROOM(ends));
        KILN_TRY(find_call(f, value, what, &ready, &ends->items[ends->count]));
        ends->count++;
        return KILN_OK;
    }
    for (size_t i = 0; i < json_array_size(value); i++)
        KILN_TRY(read_ends(f, json_array_get(value, i), what, depth + 1, ends));
    return KILN_OK;
}

static kiln_status read_layers(functional *f, const json_t *layers, open_axis *open)
{
    f->layers = layers;
    f->items = mem_new(json_array_size(layers), sizeof *f->items);
    if (f->items == NULL)
        return KILN_ERROR_MEMORY;
    for (size_t i = 0; i < json_array_size(layers); i++) {
        const json_t *object = json_array_get(layers, i);
        if (makes_masks(object))
            continue;
        kiln_layer *layer = keras_part_read(object, i + 1, open);
        if (layer == NULL)
            return kiln_last_status();
        pending *p = &f->items[f->count++];
        p->layer = layer;
        layer->references++; /* held here until the model has it */
        p->nodes = json_object_get(object, "inbound_nodes");
        p->node_count = layer->cls == &input_class ? 1 : json_array_size(p->nodes);
        if (layer->name == NULL)
            return kiln_fail(KILN_ERROR_FORMAT, "layer %zu has no name", i + 1);
        if (p->node_count > MAX_NODES)
            return kiln_fail(KILN_ERROR_UNSUPPORTED, "%s is called more than %d times",
                             layer_label(layer), MAX_NODES);
        for (size_t n = 0; n < p->node_count; n++)
            p->calls[n] = -1;
    }
    return KILN_OK;
}

static kiln_status read_functional(kiln_model *model, const json_t *config, open_axis *open)
{
    functional f = {.model = model};
    call_list inputs = {0}, outputs = {0};
    kiln_status status = read_layers(&f, json_object_get(config, "layers"), open);
    if (status == KILN_OK)
        status = apply_all(&f);
    if (status == KILN_OK)
        status = read_ends(&f, json_object_get(config, "input_layers"), "input_layers", 0, &inputs);
    if (status == KILN_OK)
        status =
            read_ends(&f, json_object_get(config, "output_layers"), "output_layers", 0, &outputs);
    if (status == KILN_OK)
        status = model_set_ends(model, inputs.count, inputs.items, outputs.count, outputs.items);
    for (size_t i = 0; i < f.count; i++) {
        f.items[i].layer->references--;
        kiln_layer_free(f.items[i].layer); /* those that the model did not take */
    }
    free(f.items);
    free(inputs.items);
    free(outputs.items);
    return status;
}

/* ---- both ---- */

static kiln_status keep_compile_config(kiln_model *model, const json_t *compile)
{
    if (!json_is_object(compile) || json_object_size(compile) == 0)
        return KILN_OK;
    char *dump = json_dumps(compile, JSON_COMPACT | JSON_REAL_PRECISION(17));
    if (dump)
        model->facts->compile_config = str_copy(dump);
    free(dump);
    return model->facts->compile_config ? KILN_OK : KILN_ERROR_MEMORY;
}

static bool is_model_class(const char *class_name)
{
    return strcmp(class_name, "Sequential") == 0 || strcmp(class_name, "Functional") == 0 ||
           strcmp(class_name, "Model") == 0;
}

/* A model from its object, without what stands beside the architecture. */
static kiln_status read_architecture(const json_t *root, open_axis *open, kiln_model **model)
{
    static const char *const keys[] = {
        "name",         "layers",        "trainable", "dtype", "build_input_shape",
        "input_layers", "output_layers", NULL};
    const char *class_name = json_string_value(json_object_get(root, "class_name"));
    const json_t *config = json_object_get(root, "config");
    bool sequential = strcmp(class_name, "Sequential") == 0;
    /* The first versions had the list of layers for a config. */
    const json_t *layers = json_is_array(config) ? config : json_object_get(config, "layers");
    if (json_is_object(config))
        KILN_TRY(keras_keys_check(config, keys, NULL));
    if (!json_is_array(layers) || json_array_size(layers) == 0)
        return kiln_fail(KILN_ERROR_FORMAT, "the model has no layers");
    *model = model_new(json_string_value(json_object_get(config, "name")), sequential);
    if (*model == NULL)
        return KILN_ERROR_MEMORY;
    return sequential
               ? read_sequential(*model, layers, json_object_get(config, "build_input_shape"), open)
               : read_functional(*model, config, open);
}

/* A model that is a layer of another. How it was compiled says nothing there. */
static kiln_layer *read_nested(const json_t *object, size_t number, open_axis *open)
{
    static const char *const keys[] = {
        "class_name",     "config", "module",        "registered_name",  "build_config",
        "compile_config", "name",   "inbound_nodes", "shared_object_id", NULL};
    const json_t *config = json_object_get(object, "config"),
                 *trainable = json_object_get(config, "trainable");
    const char *name = json_string_value(json_object_get(config, "name"));
    kiln_model *model = NULL;
    kiln_layer *layer = NULL;
    if (name == NULL)
        name = json_string_value(json_object_get(object, "name"));
    if (keras_keys_check(object, keys, NULL) == KILN_OK &&
        read_architecture(object, open, &model) == KILN_OK)
        layer = kiln_model_as_layer(model, .name = name,
                                    .trainable = json_is_false(trainable) ? KILN_NO : KILN_DEFAULT);
    kiln_model_free(model); /* the layer holds it */
    if (layer == NULL && name)
        kiln_fail_in("model %.100s", name);
    else if (layer == NULL)
        kiln_fail_in("layer %zu, a model", number);
    return layer;
}

kiln_layer *keras_part_read(const json_t *object, size_t number, open_axis *open)
{
    const char *class_name = json_string_value(json_object_get(object, "class_name"));
    if (class_name && is_model_class(class_name))
        return read_nested(object, number, open);
    return keras_layer_read(object, number, open);
}

static kiln_status read_model(const json_t *root, open_axis *open, kiln_model **model)
{
    static const char *const root_keys[] = {
        "class_name",     "config",        "module",  "registered_name",  "build_config",
        "compile_config", "keras_version", "backend", "shared_object_id", NULL};
    const char *class_name = json_string_value(json_object_get(root, "class_name"));
    if (class_name == NULL || json_object_get(root, "config") == NULL)
        return kiln_fail(KILN_ERROR_FORMAT,
                         "this is no Keras architecture: it has no class_name or no config");
    KILN_TRY(keras_keys_check(root, root_keys, NULL));
    if (!is_model_class(class_name))
        return kiln_fail(
            KILN_ERROR_UNSUPPORTED,
            "models of class \"%.100s\" are not supported, only Sequential and Functional",
            class_name);
    KILN_TRY(read_architecture(root, open, model));
    return keep_compile_config(*model, json_object_get(root, "compile_config"));
}

kiln_status keras_json_read(const char *origin, const char *json, size_t bytes, open_axis *open,
                            kiln_model **model)
{
    *model = NULL;
    json_t *root = json_parse(origin, json, bytes);
    if (root == NULL)
        return kiln_last_status();
    kiln_status status = read_model(root, open, model);
    json_decref(root);
    if (status == KILN_OK)
        return KILN_OK;
    kiln_model_free(*model);
    *model = NULL;
    return kiln_fail_in("%s", origin);
}

kiln_model *kiln_model_from_json_with(const char *json, const kiln_load_args *args)
{
    kiln_model *model = NULL;
    open_axis open = {0};
    if (json == NULL)
        kiln_fail_null("kiln_model_from_json: json");
    else if (open_axis_take(&open, args) == KILN_OK)
        keras_json_read("the architecture", json, strlen(json), &open, &model);
    return model;
}

kiln_model *kiln_model_from_json(const char *json)
{
    return kiln_model_from_json_with(json, NULL);
}
