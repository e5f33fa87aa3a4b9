/* A model's weights, in Keras's order. */
#include "model/model.h"

#include "base/hash.h"

#include <stdatomic.h>
#include <string.h>
#include <time.h>

/* The weight at index, counting all or only those that are saved. */
static layer_weight *find(const kiln_model *model, size_t index, bool saved, kiln_layer **layer)
{
    for (size_t i = 0; i < model->leaf_count; i++)
        for (size_t k = 0; k < model->leaves[i]->weight_count; k++) {
            layer_weight *w = model->leaves[i]->weights[k];
            if (saved && w->constant)
                continue;
            if (index-- == 0) {
                if (layer)
                    *layer = model->leaves[i];
                return w;
            }
        }
    return NULL;
}

size_t model_weight_count(const kiln_model *model)
{
    size_t count = 0;
    for (size_t i = 0; i < model->leaf_count; i++)
        count += model->leaves[i]->weight_count;
    return count;
}

layer_weight *model_weight(const kiln_model *model, size_t index, kiln_layer **layer)
{
    return find(model, index, false, layer);
}

layer_weight *model_saved_weight(const kiln_model *model, size_t index, kiln_layer **layer)
{
    return find(model, index, true, layer);
}

layer_weight *model_find_weight(const kiln_model *model, const char *path)
{
    for (size_t i = 0; i < model->leaf_count; i++)
        for (size_t k = 0; k < model->leaves[i]->weight_count; k++) {
            layer_weight *w = model->leaves[i]->weights[k];
            if (!w->constant && strcmp(w->weight.path, path) == 0)
                return w;
        }
    return NULL;
}

/* ---- states ---- */

int64_t model_state_batch(const kiln_model *model)
{
    for (size_t i = 0; i < model_weight_count(model); i++) {
        const layer_weight *w = model_weight(model, i, NULL);
        if (w->state)
            return w->weight.shape.dims[0];
    }
    return 0;
}

kiln_status kiln_reset_states(kiln_model *model)
{
    if (model == NULL)
        return kiln_fail_null("kiln_reset_states: model");
    for (size_t i = 0; i < model_weight_count(model); i++) {
        layer_weight *w = model_weight(model, i, NULL);
        if (!w->state)
            continue;
        float *zeros = mem_new((size_t)kiln_shape_size(w->weight.shape), sizeof *zeros);
        kiln_status status = zeros ? store_upload(&w->weight, zeros) : KILN_ERROR_MEMORY;
        free(zeros);
        KILN_TRY(status);
    }
    return KILN_OK;
}

/* ---- initial values ---- */

/* A seed from the clock, another for each model of the process. */
uint64_t model_draw_seed(void)
{
    static atomic_uint_fast64_t drawn;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t parts[3] = {(uint64_t)now.tv_sec, (uint64_t)now.tv_nsec, atomic_fetch_add(&drawn, 1)};
    uint64_t seed = hash_bytes(0, parts, sizeof parts);
    return seed ? seed : 1;
}

kiln_status kiln_model_set_seed(kiln_model *model, uint64_t seed)
{
    if (model == NULL)
        return kiln_fail_null("kiln_model_set_seed: model");
    bool seeded = model->seeded;
    for (size_t i = 0; i < model->leaf_count && !seeded; i++) /* by a model that nests this one */
        seeded = model->leaves[i]->weight_count && model->leaves[i]->weights[0]->weight.host;
    if (seeded)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "model %s has its initial weights already; set the seed before compiling "
                         "it or reading its weights",
                         model->name);
    model->seed = seed;
    return KILN_OK;
}

kiln_status model_seed_weights(kiln_model *model)
{
    uint32_t index = 0;
    if (model->seed == 0)
        model->seed = model_draw_seed();
    for (size_t i = 0; i < model->leaf_count; i++) {
        KILN_TRY(layer_initialize(model->leaves[i], model->seed, index));
        index += (uint32_t)model->leaves[i]->weight_count;
    }
    model->seeded = true;
    return KILN_OK;
}

/* ---- for users ---- */

size_t kiln_model_weight_count(const kiln_model *model)
{
    size_t count = 0;
    while (model && model_saved_weight(model, count, NULL))
        count++;
    return count;
}

const char *kiln_model_weight_path(const kiln_model *model, size_t index)
{
    const layer_weight *w = model ? model_saved_weight(model, index, NULL) : NULL;
    return w ? w->weight.path : NULL;
}

kiln_shape kiln_model_weight_shape(const kiln_model *model, size_t index)
{
    const layer_weight *w = model ? model_saved_weight(model, index, NULL) : NULL;
    return w ? w->weight.shape : (kiln_shape){0};
}

int64_t kiln_model_count_params(const kiln_model *model)
{
    int64_t total = 0;
    const layer_weight *w;
    for (size_t i = 0; model && (w = model_saved_weight(model, i, NULL)); i++)
        total += kiln_shape_size(w->weight.shape);
    return total;
}

/* The weight that a caller means by index, with room for count values. */
static kiln_status check_weight(const char *what, kiln_model *model, size_t index,
                                const float *values, size_t count, layer_weight **weight)
{
    if (model == NULL || values == NULL)
        return kiln_fail_null(what);
    *weight = model_saved_weight(model, index, NULL);
    if (*weight == NULL)
        return kiln_fail(KILN_ERROR_ARGUMENT, "%s: model %s has %zu weights, and none at index %zu",
                         what, model->name, kiln_model_weight_count(model), index);
    const ir_weight *w = &(*weight)->weight;
    if (count != (size_t)kiln_shape_size(w->shape))
        return kiln_fail(KILN_ERROR_SHAPE, "%s: %s has the shape %s, %lld values, not %zu", what,
                         w->path, ir_shape_text(w->shape), (long long)kiln_shape_size(w->shape),
                         count);
    return model_seed_weights(model);
}

kiln_status kiln_get_weights(kiln_model *model, size_t index, float *values, size_t count)
{
    layer_weight *w = NULL;
    KILN_TRY(check_weight("kiln_get_weights", model, index, values, count, &w));
    return store_download(&w->weight, values);
}

kiln_status model_set_weight(kiln_model *model, size_t index, const float *values)
{
    kiln_layer *layer = NULL;
    layer_weight *w = model_saved_weight(model, index, &layer);
    if (w == NULL)
        return kiln_fail(KILN_ERROR_ARGUMENT, "model %s has no weight at index %zu", model->name,
                         index);
    KILN_TRY(store_upload(&w->weight, values));
    layer->adapted = true;
    return KILN_OK;
}

kiln_status kiln_set_weights(kiln_model *model, size_t index, const float *values, size_t count)
{
    layer_weight *w = NULL;
    KILN_TRY(check_weight("kiln_set_weights", model, index, values, count, &w));
    return model_set_weight(model, index, values);
}
