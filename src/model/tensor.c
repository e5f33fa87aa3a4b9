/* Functional models: tensors as a program gets them when it applies layers, and models cut from
 * them. What is connected is a net; the models made from it keep it. */
#include "model/model.h"

#include <stdio.h>
#include <string.h>

struct kiln_tensor {
    kiln_layer *layer;
    kiln_tensor *inputs[MODEL_MAX_LAYER_INPUTS];
    int input_count;
    int output;         /* which of the layer's */
    kiln_tensor *first; /* the first output of the same call; this one itself */
    kiln_tensor *next;  /* the output behind this one, or NULL */
    kiln_shape shape;   /* of one sample */
    int64_t batch;      /* rows of each batch; 0: any number */
    model_net *net;
    int call; /* while a model is made: its call there; -1: none yet */
};

struct model_net {
    kiln_tensor **items; /* inputs first */
    size_t count, capacity;
    kiln_model **models; /* those made from it */
    size_t model_count, model_capacity;
};

static void net_free(model_net *net)
{
    for (size_t i = 0; i < net->count; i++) {
        model_let_go(net->items[i]->layer);
        free(net->items[i]);
    }
    free(net->items);
    free(net->models);
    free(net);
}

static void leave(kiln_model *model)
{
    model_net *net = model->net;
    size_t kept = 0;
    for (size_t i = 0; net && i < net->model_count; i++)
        if (net->models[i] != model)
            net->models[kept++] = net->models[i];
    if (net)
        net->model_count = kept;
    model->net = NULL;
}

void model_leave_net(kiln_model *model)
{
    model_net *net = model->net;
    leave(model);
    if (net && net->model_count == 0)
        net_free(net);
}

void kiln_tensor_free(kiln_tensor *tensor)
{
    if (tensor && tensor->net->model_count == 0)
        net_free(tensor->net);
}

/* Moves all of `from` into `into`. */
static kiln_status join(model_net *into, model_net *from)
{
    if (into == from)
        return KILN_OK;
    KILN_TRY(
        mem_grow(&into->items, &into->capacity, into->count + from->count, sizeof *into->items));
    KILN_TRY(mem_grow(&into->models, &into->model_capacity, into->model_count + from->model_count,
                      sizeof *into->models));
    for (size_t i = 0; i < from->count; i++) {
        from->items[i]->net = into;
        into->items[into->count++] = from->items[i];
    }
    for (size_t i = 0; i < from->model_count; i++) {
        from->models[i]->net = into;
        into->models[into->model_count++] = from->models[i];
    }
    free(from->items);
    free(from->models);
    free(from);
    return KILN_OK;
}

/* A tensor in a net that has room for it. Holds the layer. */
static kiln_tensor *add_tensor(model_net *net, kiln_layer *layer, kiln_shape shape, int64_t batch)
{
    kiln_tensor *t = mem_new(1, sizeof *t);
    if (t == NULL ||
        mem_grow(&net->items, &net->capacity, net->count + 1, sizeof *net->items) != KILN_OK) {
        free(t);
        return NULL;
    }
    *t = (kiln_tensor){
        .layer = layer, .first = t, .shape = shape, .batch = batch, .net = net, .call = -1};
    layer->references++;
    net->items[net->count++] = t;
    return t;
}

static kiln_tensor *input_of(kiln_layer *layer)
{
    model_net *net = layer ? mem_new(1, sizeof *net) : NULL;
    kiln_tensor *t = NULL;
    if (net)
        t = add_tensor(net, layer, layer->input_shape, layer->batch);
    if (t)
        return t;
    if (net)
        net_free(net);
    kiln_layer_free(layer);
    return NULL;
}

kiln_tensor *kiln_input_with(const kiln_input_layer_args *args)
{
    return input_of(kiln_input_layer_with(args));
}

/* The shapes of what a layer makes of the inputs. Builds the layer. */
static kiln_status settle(kiln_layer *layer, size_t count, kiln_tensor *const *inputs,
                          kiln_shape *made, int64_t *batch)
{
    kiln_shape shapes[MODEL_MAX_LAYER_INPUTS];
    if (layer->cls == &input_class)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "%s is an input layer and cannot follow another layer",
                         layer_label(layer));
    *batch = 0;
    for (size_t i = 0; i < count; i++) {
        shapes[i] = inputs[i]->shape;
        if (*batch == 0)
            *batch = inputs[i]->batch;
    }
    KILN_TRY(layer_set_batch(layer, *batch));
    return layer_settle(layer, (int)count, shapes, made);
}

/* The tensors of a call's outputs; the first, or NULL (then the net may have some of them, which
 * nobody reads). */
static kiln_tensor *add_outputs(kiln_layer *layer, size_t count, kiln_tensor *const *inputs,
                                const kiln_shape *shapes, int64_t batch)
{
    kiln_tensor *first = NULL, *last = NULL;
    for (int i = 0; i < layer_output_count(layer); i++) {
        kiln_tensor *t = add_tensor(inputs[0]->net, layer, shapes[i], batch);
        if (t == NULL)
            return NULL;
        t->input_count = (int)count;
        memcpy(t->inputs, inputs, count * sizeof *inputs);
        t->output = i;
        if (first) {
            t->first = first;
            last->next = t;
        } else {
            first = t;
        }
        last = t;
    }
    return first;
}

kiln_tensor *kiln_apply_to(kiln_layer *layer, size_t count, kiln_tensor *const *inputs)
{
    kiln_status status = layer ? KILN_OK : kiln_fail_null("kiln_apply: the layer");
    kiln_shape shapes[LAYER_MAX_OUTPUTS];
    int64_t batch = 0;
    kiln_tensor *t = NULL;
    if (status == KILN_OK && (count < 1 || count > MODEL_MAX_LAYER_INPUTS))
        status =
            kiln_fail(KILN_ERROR_ARGUMENT, "%s is applied to %zu tensors; 1 to %d are possible",
                      layer_label(layer), count, MODEL_MAX_LAYER_INPUTS);
    for (size_t i = 0; i < count && status == KILN_OK; i++)
        if (inputs[i] == NULL)
            status = kiln_fail_null("kiln_apply: a tensor");
    if (status == KILN_OK)
        status = settle(layer, count, inputs, shapes, &batch);
    for (size_t i = 1; i < count && status == KILN_OK; i++)
        status = join(inputs[0]->net, inputs[i]->net);
    if (status == KILN_OK)
        t = add_outputs(layer, count, inputs, shapes, batch);
    if (t == NULL)
        kiln_layer_free(layer); /* which spares one that has been applied before */
    return t;
}

size_t kiln_tensor_output_count(const kiln_tensor *tensor)
{
    return tensor ? (size_t)layer_output_count(tensor->layer) : 0;
}

kiln_tensor *kiln_tensor_output(const kiln_tensor *tensor, size_t index)
{
    if (tensor == NULL) {
        kiln_fail_null("kiln_tensor_output: the tensor");
        return NULL;
    }
    for (kiln_tensor *t = tensor->first; t; t = t->next)
        if ((size_t)t->output == index)
            return t;
    kiln_fail(KILN_ERROR_ARGUMENT, "%s has %d output%s, and none at index %zu",
              layer_label(tensor->layer), layer_output_count(tensor->layer),
              layer_output_count(tensor->layer) == 1 ? "" : "s", index);
    return NULL;
}

kiln_shape kiln_tensor_shape(const kiln_tensor *tensor)
{
    return tensor ? tensor->shape : (kiln_shape){0};
}

/* ---- models ---- */

/* Whether an output depends on each tensor, in t->call: -2 yes, -1 no. */
static void mark(kiln_tensor *const *outputs, size_t count)
{
    model_net *net = outputs[0]->net;
    for (size_t i = 0; i < net->count; i++)
        net->items[i]->call = -1;
    for (size_t i = 0; i < count; i++)
        outputs[i]->call = -2;
}

static bool is_taken(const model_net *net, const char *name)
{
    for (size_t i = 0; i < net->count; i++)
        if (net->items[i]->layer->name && strcmp(net->items[i]->layer->name, name) == 0)
            return true;
    return false;
}

/* Layers of one net have different names, whatever models they will be in. */
static kiln_status name_layers(const model_net *net)
{
    for (size_t i = 0; i < net->count; i++) {
        kiln_layer *layer = net->items[i]->layer;
        char name[128];
        if (layer->name)
            continue;
        snprintf(name, sizeof name, "%s", layer->cls->snake_name);
        for (unsigned k = 1; is_taken(net, name); k++)
            snprintf(name, sizeof name, "%s_%u", layer->cls->snake_name, k);
        KILN_TRY(layer_set_name(layer, name));
    }
    return KILN_OK;
}

/* Applies a tensor's layer: calls for all outputs; those that are inputs of the model stay so. */
static kiln_status add_call(kiln_model *model, kiln_tensor *t, const int *inputs)
{
    int call;
    KILN_TRY(model_apply(model, t->layer, t->input_count, inputs, &call));
    for (; t; t = t->next)
        if (t->call < 0)
            t->call = call + t->output;
    return KILN_OK;
}

/* Is the call of this first output needed, for one of its outputs? */
static bool is_wanted(const kiln_tensor *t)
{
    while (t && t->call != -2)
        t = t->next;
    return t != NULL;
}

/* Adds the calls of a tensor that the model wants and whose inputs it has. A tensor is behind its
 * inputs within the net that it was made in; nets that were joined later stay in order too. */
static kiln_status add_calls(kiln_model *model, const model_net *net)
{
    for (bool progress = true; progress;) {
        progress = false;
        for (size_t i = 0; i < net->count; i++) {
            kiln_tensor *t = net->items[i];
            int inputs[MODEL_MAX_LAYER_INPUTS];
            bool ready = t->output == 0 && is_wanted(t);
            for (int k = 0; ready && k < t->input_count; k++) {
                inputs[k] = t->inputs[k]->call;
                ready = inputs[k] >= 0;
            }
            if (!ready)
                continue;
            if (t->input_count == 0)
                return kiln_fail(KILN_ERROR_ARGUMENT,
                                 "the outputs depend on %s, which is not among the inputs of the "
                                 "model",
                                 t->layer->name ? t->layer->name : "an input");
            KILN_TRY(add_call(model, t, inputs));
            progress = true;
        }
    }
    return KILN_OK;
}

/* Marks what the marked ones read, up to the inputs, which have calls already. */
static void mark_back(const model_net *net)
{
    for (bool progress = true; progress;) {
        progress = false;
        for (size_t i = net->count; i-- > 0;) {
            const kiln_tensor *t = net->items[i];
            for (int k = 0; t->call == -2 && k < t->input_count; k++)
                if (t->inputs[k]->call == -1) {
                    t->inputs[k]->call = -2;
                    progress = true;
                }
        }
    }
}

/* The inputs become calls; a tensor in the middle of a net gets an input layer in its place. */
static kiln_status add_inputs(kiln_model *model, const kiln_tensor_list *inputs, int *calls)
{
    for (size_t i = 0; i < inputs->count; i++) {
        kiln_tensor *t = inputs->items[i];
        kiln_layer *layer = t->layer;
        for (size_t k = 0; k < i; k++)
            if (inputs->items[k] == t)
                return kiln_fail(KILN_ERROR_ARGUMENT, "an input is there twice");
        if (t->input_count > 0) {
            layer = kiln_input_layer(t->shape, .batch_size = t->batch);
            if (layer == NULL)
                return kiln_last_status();
        }
        KILN_TRY(model_apply(model, layer, 0, NULL, &calls[i]));
    }
    return KILN_OK;
}

static kiln_status check_tensors(const char *what, const kiln_tensor_list *list)
{
    if (list->count == 0 || list->count > MODEL_MAX_LAYER_INPUTS)
        return kiln_fail(KILN_ERROR_ARGUMENT, "kiln_functional: %zu %s; 1 to %d are possible",
                         list->count, what, MODEL_MAX_LAYER_INPUTS);
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i] == NULL)
            return kiln_fail_null("kiln_functional: a tensor");
    return KILN_OK;
}

static kiln_status build(kiln_model *model, const kiln_functional_args *a)
{
    int inputs[MODEL_MAX_LAYER_INPUTS], outputs[MODEL_MAX_LAYER_INPUTS];
    model_net *net = a->inputs.items[0]->net;
    for (size_t i = 1; i < a->inputs.count; i++)
        KILN_TRY(join(net, a->inputs.items[i]->net));
    for (size_t i = 0; i < a->outputs.count; i++)
        KILN_TRY(join(net, a->outputs.items[i]->net));
    KILN_TRY(
        mem_grow(&net->models, &net->model_capacity, net->model_count + 1, sizeof *net->models));
    net->models[net->model_count++] = model;
    model->net = net;
    KILN_TRY(name_layers(net));
    mark(a->outputs.items, a->outputs.count);
    for (size_t i = 0; i < a->inputs.count; i++)
        if (a->inputs.items[i]->call == -2)
            return kiln_fail(KILN_ERROR_ARGUMENT,
                             "a tensor is an input and an output of the model");
    KILN_TRY(add_inputs(model, &a->inputs, inputs));
    for (size_t i = 0; i < a->inputs.count; i++)
        a->inputs.items[i]->call = inputs[i];
    mark_back(net);
    KILN_TRY(add_calls(model, net));
    for (size_t i = 0; i < a->outputs.count; i++)
        outputs[i] = a->outputs.items[i]->call;
    return model_set_ends(model, a->inputs.count, inputs, a->outputs.count, outputs);
}

/* Frees what no model has. */
static void give_up(const kiln_functional_args *a)
{
    model_net *nets[2 * MODEL_MAX_LAYER_INPUTS];
    size_t count = 0;
    for (int side = 0; side < 2; side++) {
        const kiln_tensor_list *list = side == 0 ? &a->inputs : &a->outputs;
        for (size_t i = 0; i < list->count && i < MODEL_MAX_LAYER_INPUTS; i++) {
            bool seen = list->items[i] == NULL;
            for (size_t k = 0; k < count && !seen; k++)
                seen = nets[k] == list->items[i]->net;
            if (!seen)
                nets[count++] = list->items[i]->net;
        }
    }
    for (size_t i = 0; i < count; i++)
        if (nets[i]->model_count == 0)
            net_free(nets[i]);
}

kiln_model *kiln_functional_with(const kiln_functional_args *args)
{
    kiln_status status = check_tensors("inputs", &args->inputs);
    if (status == KILN_OK)
        status = check_tensors("outputs", &args->outputs);
    kiln_model *model = status == KILN_OK ? model_new(args->name, false) : NULL;
    if (model && build(model, args) == KILN_OK)
        return model;
    if (model)
        leave(model);
    kiln_model_free(model);
    give_up(args);
    return NULL;
}
