#include "format/weight_paths.h"

#include <string.h>

/* ---- Keras's order of layers ---- */

typedef struct ordering {
    const kiln_model *model;
    int *depth, *layer_depth; /* by call, by layer: how far from the outputs */
    int *index;               /* by layer: when the search met it; -1: never */
    int *layer_of;            /* by call */
    int *finished;            /* calls, inputs before what reads them */
    size_t finished_count;
    char *state; /* by call: 0 not met, 1 open, 2 finished */
    int *stack, *next;
    int met;
} ordering;

static void ordering_free(ordering *o)
{
    free(o->depth), free(o->layer_depth), free(o->index), free(o->layer_of);
    free(o->finished), free(o->state), free(o->stack), free(o->next);
}

static kiln_status ordering_init(ordering *o, const kiln_model *model)
{
    size_t calls = model->call_count, layers = model->layer_count;
    *o = (ordering){.model = model,
                    .depth = mem_new(calls, sizeof(int)),
                    .layer_depth = mem_new(layers, sizeof(int)),
                    .index = mem_new(layers, sizeof(int)),
                    .layer_of = mem_new(calls, sizeof(int)),
                    .finished = mem_new(calls, sizeof(int)),
                    .state = mem_new(calls, 1),
                    .stack = mem_new(calls, sizeof(int)),
                    .next = mem_new(calls, sizeof(int))};
    if (!o->depth || !o->layer_depth || !o->index || !o->layer_of || !o->finished || !o->state ||
        !o->stack || !o->next)
        return KILN_ERROR_MEMORY;
    for (size_t i = 0; i < layers; i++)
        o->index[i] = -1;
    for (size_t c = 0; c < calls; c++)
        for (size_t i = 0; i < layers; i++)
            if (model->layers[i] == model->calls[c].layer)
                o->layer_of[c] = (int)i;
    return KILN_OK;
}

/* Meets a call: its layer gets its place at the first meeting. */
static void meet(ordering *o, int call, size_t *height)
{
    o->state[call] = 1;
    if (o->index[o->layer_of[call]] < 0)
        o->index[o->layer_of[call]] = o->met++;
    o->next[*height] = 0;
    o->stack[(*height)++] = call;
}

/* The entry that stands for the whole call of an output. */
static int first_of(const ordering *o, int call)
{
    return call - o->model->calls[call].output;
}

/* Depth first from an output, the inputs of each call in their order. */
static void search(ordering *o, int output)
{
    size_t height = 0;
    if (o->state[output])
        return;
    meet(o, output, &height);
    while (height > 0) {
        int call = o->stack[height - 1];
        const model_call *c = &o->model->calls[call];
        if (o->next[height - 1] < c->input_count) {
            int input = first_of(o, c->inputs[o->next[height - 1]++]);
            if (o->state[input] == 0)
                meet(o, input, &height);
            continue;
        }
        o->state[call] = 2;
        o->finished[o->finished_count++] = call;
        height--;
    }
}

/* The depth of a layer is that of its deepest call. */
static void measure(ordering *o)
{
    for (size_t i = o->finished_count; i-- > 0;) {
        int call = o->finished[i], layer = o->layer_of[call];
        const model_call *c = &o->model->calls[call];
        if (o->depth[call] < o->layer_depth[layer])
            o->depth[call] = o->layer_depth[layer];
        o->layer_depth[layer] = o->depth[call];
        for (int k = 0; k < c->input_count; k++) {
            int *depth = &o->depth[first_of(o, c->inputs[k])];
            if (*depth < o->depth[call] + 1)
                *depth = o->depth[call] + 1;
        }
    }
}

static bool comes_before(const ordering *o, int a, int b)
{
    if (o->layer_depth[a] != o->layer_depth[b])
        return o->layer_depth[a] > o->layer_depth[b];
    if (o->index[a] != o->index[b])
        return o->index[a] < o->index[b];
    return a < b;
}

/* Puts the model's layers into *order, those of the file only: Keras counts input layers in
 * functional models and leaves them out of sequential ones. */
static kiln_status order_layers(const kiln_model *model, kiln_layer ***order, size_t *count)
{
    ordering o;
    *count = 0;
    *order = mem_new(model->layer_count, sizeof **order);
    if (*order == NULL)
        return KILN_ERROR_MEMORY;
    if (model->sequential) {
        for (size_t i = 0; i < model->layer_count; i++)
            if (model->layers[i]->cls != &input_class)
                (*order)[(*count)++] = model->layers[i];
        return KILN_OK;
    }
    kiln_status status = ordering_init(&o, model);
    if (status == KILN_OK) {
        for (size_t i = 0; i < model->output_count; i++)
            search(&o, first_of(&o, model->outputs[i]));
        measure(&o);
        int *sorted = o.stack; /* as many as layers at most: each was called */
        for (size_t i = 0; i < model->layer_count; i++) {
            size_t at = *count;
            if (o.index[i] < 0 && model->layers[i]->cls != &input_class)
                continue; /* no output depends on it: Keras has it not */
            for (; at > 0 && comes_before(&o, (int)i, sorted[at - 1]); at--)
                sorted[at] = sorted[at - 1];
            sorted[at] = (int)i;
            (*count)++;
        }
        for (size_t i = 0; i < *count; i++)
            (*order)[i] = model->layers[sorted[i]];
    }
    ordering_free(&o);
    return status;
}

/* ---- places ---- */

void weight_places_free(weight_places *places)
{
    for (size_t i = 0; i < places->count; i++) {
        weight_place *place = &places->items[i];
        for (size_t k = 0; k < place->part_count; k++) {
            free(place->parts[k].path);
            free(place->parts[k].name);
        }
        free(place->parts);
        free(place->items);
    }
    free(places->items);
    *places = (weight_places){0};
}

/* A part without weights so far. Takes path and name over. */
static kiln_status add_part(weight_place *place, kiln_layer *layer, char *path, char *name)
{
    if (path && name &&
        mem_grow(&place->parts, &place->part_capacity, place->part_count + 1,
                 sizeof *place->parts) == KILN_OK) {
        place->parts[place->part_count++] =
            (weight_part){.layer = layer, .path = path, .name = name, .first = place->count};
        return KILN_OK;
    }
    free(path);
    free(name);
    return KILN_ERROR_MEMORY;
}

/* Is the weight there already, of a layer that several of the models have? */
static bool is_listed(const weight_places *places, const layer_weight *weight)
{
    for (size_t i = 0; i < places->count; i++)
        for (size_t k = 0; k < places->items[i].count; k++)
            if (places->items[i].items[k] == weight)
                return true;
    return false;
}

static kiln_status list_nested(const kiln_model *model, const char *path, weight_places *places);

/* What files call a wrapped layer: "forward_layer", or in a list "cells/lstm_cell_1", the number
 * counting those of the same class. */
static char *inner_path(const kiln_layer *layer, int number, const char *path)
{
    if (layer->cls->inner_list == NULL)
        return str_format("%s/%s", path, layer->cls->inner_names[number]);
    const char *name = layer->inner[number]->cls->snake_name;
    int before = 0;
    for (int i = 0; i < number; i++)
        before += layer->inner[i]->cls == layer->inner[number]->cls;
    return before ? str_format("%s/%s/%s_%d", path, layer->cls->inner_list, name, before)
                  : str_format("%s/%s/%s", path, layer->cls->inner_list, name);
}

/* Into the last place: those that train first, otherwise as the layer made them. Takes path over.
 */
static kiln_status list_weights(kiln_layer *layer, char *path, weight_places *places)
{
    weight_place *place = &places->items[places->count - 1];
    KILN_TRY(add_part(place, layer, path, str_copy(layer->name)));
    if (model_in(layer))
        return list_nested(model_in(layer), path, places);
    if (layer->cls->cell_name)
        KILN_TRY(
            add_part(place, layer, str_format("%s/cell", path), str_copy(layer->cls->cell_name)));
    for (int i = 0; i < layer->inner_count; i++)
        KILN_TRY(list_weights(layer->inner[i], inner_path(layer, i, path), places));
    if (layer->inner_count > 0)
        return KILN_OK;
    for (int trainable = 1; trainable >= 0; trainable--)
        for (size_t i = 0; i < layer->weight_count; i++) {
            layer_weight *weight = layer->weights[i];
            if (weight->constant || weight->weight.trainable != (trainable == 1) ||
                is_listed(places, weight))
                continue;
            KILN_TRY(
                mem_grow(&place->items, &place->capacity, place->count + 1, sizeof *place->items));
            place->items[place->count++] = weight;
            place->parts[place->part_count - 1].count++;
        }
    return KILN_OK;
}

/* "layers/dense", "layers/dense_1": the i-th of the layers. NULL: no memory. */
static char *path_of(kiln_layer *const *order, size_t i, const char *base)
{
    const char *name = order[i]->cls->snake_name, *slash = *base ? "/" : "";
    size_t before = 0;
    for (size_t k = 0; k < i; k++)
        before += strcmp(order[k]->cls->snake_name, name) == 0;
    return before ? str_format("%s%slayers/%s_%zu", base, slash, name, before)
                  : str_format("%s%slayers/%s", base, slash, name);
}

/* The layers of a model that is a layer itself, at this path. */
static kiln_status list_nested(const kiln_model *model, const char *path, weight_places *places)
{
    kiln_layer **order = NULL;
    size_t count = 0;
    char *base = str_copy(path);
    kiln_status status = base ? order_layers(model, &order, &count) : KILN_ERROR_MEMORY;
    for (size_t i = 0; i < count && status == KILN_OK; i++)
        status = list_weights(order[i], path_of(order, i, base), places);
    free(order);
    free(base);
    return status;
}

kiln_status weight_places_list(const kiln_model *model, weight_places *places)
{
    kiln_layer **order = NULL;
    size_t count = 0;
    *places = (weight_places){0};
    kiln_status status = order_layers(model, &order, &count);
    for (size_t i = 0; i < count && status == KILN_OK; i++) {
        status = MEM_PUSH_ROOM(places);
        if (status != KILN_OK)
            break;
        places->items[places->count++] = (weight_place){.layer = order[i]};
        status = list_weights(order[i], path_of(order, i, ""), places);
    }
    free(order);
    if (status != KILN_OK)
        weight_places_free(places);
    return status;
}

const char *weight_name(const layer_weight *weight)
{
    return weight->weight.path;
}

kiln_status weight_places_trained(const kiln_model *model, bool frozen_too, ir_weight ***weights,
                                  size_t *count)
{
    weight_places places;
    *count = 0;
    *weights = mem_new(model_weight_count(model), sizeof **weights);
    if (*weights == NULL)
        return KILN_ERROR_MEMORY;
    kiln_status status = weight_places_list(model, &places);
    for (size_t i = 0; status == KILN_OK && i < places.count; i++)
        for (size_t p = 0; p < places.items[i].part_count; p++) {
            const weight_part *part = &places.items[i].parts[p];
            for (size_t k = part->first; k < part->first + part->count; k++) {
                ir_weight *weight = &places.items[i].items[k]->weight;
                if (weight->trainable && (frozen_too || part->layer->trainable))
                    (*weights)[(*count)++] = weight;
            }
        }
    if (status == KILN_OK)
        weight_places_free(&places);
    else
        free(*weights);
    return status;
}
