/* Whole models and weights as Keras 2 kept them in HDF5: the attribute "model_config", a group for
 * each layer with its weights under their names, which lists in attributes put into order. Keras 3
 * still writes such files for names that end in .h5. */
#include "format/format.h"

#include "format/json.h"
#include "format/keras_json.h"
#include "format/tensors.h"
#include "format/weight_paths.h"

#include <stdio.h>
#include <string.h>

#define WEIGHTS "model_weights"
#define OPTIMIZER "optimizer_weights"

/* ---- lists of names ---- */

/* A list of texts that long ones are cut into: "layer_names", or "layer_names0", "layer_names1".
 * The texts stay the contents'; *names is the caller's. *found: there is such a list. */
static kiln_status list_names(const hdf5_contents *contents, const char *path, const char *key,
                              const char ***names, size_t *count, bool *found)
{
    size_t capacity = 0;
    *names = NULL;
    *count = 0;
    *found = false;
    for (int piece = -1;; piece++) {
        char name[64];
        snprintf(name, sizeof name, piece < 0 ? "%s" : "%s%d", key, piece);
        const hdf5_text *t = hdf5_attribute(contents, path, name);
        if (t == NULL && piece >= 0)
            break;
        *found |= t != NULL;
        if (t == NULL)
            continue;
        KILN_TRY(mem_grow(names, &capacity, *count + t->count, sizeof **names));
        for (size_t i = 0; i < t->count; i++)
            (*names)[(*count)++] = t->values[i];
    }
    return KILN_OK;
}

/* ---- weights ---- */

static const weight_place *find_place(const weight_places *places, const char *name)
{
    for (size_t i = 0; i < places->count; i++)
        if (strcmp(places->items[i].layer->name, name) == 0)
            return &places->items[i];
    return NULL;
}

/* The n-th weight of a layer in Keras 2's order: those that are trained now come first, whichever
 * of the layers in it they are of. */
static kiln_status read_weight(const data_array *array, const weight_place *place, size_t n)
{
    for (int trained = 1; trained >= 0; trained--)
        for (size_t p = 0; p < place->part_count; p++) {
            const weight_part *part = &place->parts[p];
            for (size_t i = part->first; i < part->first + part->count; i++) {
                bool is = part->layer->trainable && place->items[i]->weight.trainable;
                if (is == (trained == 1) && n-- == 0)
                    return tensor_to_weight(array, part->layer, place->items[i]);
            }
        }
    return KILN_OK;
}

/* The arrays of one layer, in the order of their list. */
static kiln_status read_layer(const hdf5_contents *contents, const char *group, const char *name,
                              const weight_place *place)
{
    const char **weights = NULL;
    size_t count = 0;
    bool found;
    kiln_status status = list_names(contents, group, "weight_names", &weights, &count, &found);
    if (status == KILN_OK && place == NULL && count > 0)
        status = kiln_fail(KILN_ERROR_FORMAT,
                           "the file has weights of a layer \"%s\", which the model has not; use "
                           "the architecture that they were saved with",
                           name);
    if (status == KILN_OK && place && count != place->count)
        status = kiln_fail(KILN_ERROR_FORMAT, "%s has %zu weights in the file and %zu in the model",
                           layer_label(place->layer), count, place->count);
    for (size_t i = 0; status == KILN_OK && i < count; i++) {
        char *path = str_format("%s/%s", group, weights[i]);
        const data_array *array = path ? data_array_find(&contents->arrays, path) : NULL;
        if (path == NULL)
            status = KILN_ERROR_MEMORY;
        else if (array == NULL)
            status = kiln_fail(KILN_ERROR_FORMAT, "%s: its weights \"%s\" are not in the file",
                               layer_label(place->layer), path);
        else
            status = read_weight(array, place, i);
        free(path);
    }
    free(weights);
    return status;
}

/* base: "model_weights", or "" for a file of weights alone. */
static kiln_status read_layers(const hdf5_contents *contents, const char *base,
                               const weight_places *places)
{
    const char **names = NULL;
    size_t count = 0;
    bool found;
    kiln_status status = list_names(contents, base, "layer_names", &names, &count, &found);
    if (status == KILN_OK && !found)
        status = kiln_fail(KILN_ERROR_FORMAT, "it has no weights: the list layer_names is missing");
    for (size_t i = 0; i < count && status == KILN_OK; i++) {
        char *group = *base ? str_format("%s/%s", base, names[i]) : str_copy(names[i]);
        status = group ? read_layer(contents, group, names[i], find_place(places, names[i]))
                       : KILN_ERROR_MEMORY;
        free(group);
    }
    for (size_t i = 0; i < places->count && status == KILN_OK; i++) {
        const weight_place *place = &places->items[i];
        bool there = place->count == 0;
        for (size_t k = 0; k < count && !there; k++)
            there = strcmp(names[k], place->layer->name) == 0;
        if (!there)
            status = kiln_fail(KILN_ERROR_FORMAT, "the file has no weights of %s",
                               layer_label(place->layer));
    }
    free(names);
    return status;
}

kiln_status hdf5_legacy_to_model(const hdf5_contents *contents, kiln_model *model)
{
    weight_places places;
    bool whole = hdf5_attribute(contents, "", "model_config") != NULL;
    KILN_TRY(weight_places_list(model, &places));
    kiln_status status = read_layers(contents, whole ? WEIGHTS : "", &places);
    weight_places_free(&places);
    if (status == KILN_OK)
        model->seeded = true;
    return status;
}

bool hdf5_is_legacy(const hdf5_contents *contents)
{
    return hdf5_attribute(contents, "", "model_config") ||
           hdf5_attribute(contents, "", "layer_names") ||
           hdf5_attribute(contents, "", "layer_names0");
}

/* ---- the optimizer ---- */

/* Before version 2.11 Adam's slots came one kind after the other ("Adam/dense/kernel/m:0"); Keras 3
 * has them side by side. */
static size_t place_of(size_t i, size_t count, const char *const *names)
{
    size_t slots = count - 1, half = slots / 2;
    for (size_t k = 1; k < count; k++) {
        size_t n = strlen(names[k]);
        const char *end = k <= half ? "/m:0" : "/v:0";
        if (slots % 2 || n < 4 || strcmp(names[k] + n - 4, end) != 0)
            return i;
    }
    return i == 0 ? 0 : i <= half ? 2 * i - 1 : 2 * (i - half);
}

static kiln_status add_variable(const hdf5_contents *contents, const char *name, size_t number,
                                archive_arrays *extra)
{
    char path[1024], variable[64];
    snprintf(path, sizeof path, OPTIMIZER "/%s", name);
    snprintf(variable, sizeof variable, ARCHIVE_VARIABLE "%zu", number);
    const data_array *array = data_array_find(&contents->arrays, path);
    if (array == NULL || array->rank > KILN_MAX_RANK)
        return kiln_fail(KILN_ERROR_FORMAT, "the optimizer's \"%s\" is not in the file", name);
    if (array->dtype == KILN_INT64 && array->rank == 0)
        return archive_add_whole(extra, variable, *(const int64_t *)array->data);
    float *values;
    KILN_TRY(tensor_floats(array, &values));
    kiln_status status =
        archive_add(extra, variable, kiln_shape_of(array->rank, array->dims), values);
    free(values);
    return status;
}

static kiln_status read_optimizer(const hdf5_contents *contents, archive_arrays *extra)
{
    const char **names = NULL, **sorted = NULL;
    size_t count = 0;
    bool found;
    kiln_status status = list_names(contents, OPTIMIZER, "weight_names", &names, &count, &found);
    if (status == KILN_OK && count) {
        sorted = mem_new(count, sizeof *sorted);
        status = sorted ? KILN_OK : KILN_ERROR_MEMORY;
    }
    for (size_t i = 0; i < count && status == KILN_OK; i++)
        sorted[place_of(i, count, names)] = names[i];
    for (size_t i = 0; i < count && status == KILN_OK; i++)
        status = add_variable(contents, sorted[i], i, extra);
    free(sorted);
    free(names);
    return status;
}

/* ---- the compile configuration ---- */

/* Keras 2 called it training_config, and the optimizer in it optimizer_config. */
static kiln_status read_training(const hdf5_contents *contents, kiln_model *model)
{
    static const char *const same[] = {"loss", "metrics", "loss_weights", "weighted_metrics"};
    const hdf5_text *t = hdf5_attribute(contents, "", "training_config");
    if (t == NULL || t->count != 1)
        return KILN_OK;
    json_t *root = json_parse("training_config", t->values[0], strlen(t->values[0]));
    if (root == NULL)
        return kiln_last_status();
    static const char custom[] = "Custom>"; /* version 2.11 and later put it before the class */
    json_t *made = json_object(), *optimizer = json_object_get(root, "optimizer_config");
    const char *name = json_string_value(json_object_get(optimizer, "class_name"));
    if (name && strncmp(name, custom, strlen(custom)) == 0)
        json_object_set_new(optimizer, "class_name", json_string(name + strlen(custom)));
    json_object_set(made, "optimizer", optimizer ? optimizer : json_object_get(root, "optimizer"));
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        if (json_object_get(root, same[i]))
            json_object_set(made, same[i], json_object_get(root, same[i]));
    char *words = json_dumps(made, JSON_COMPACT | JSON_REAL_PRECISION(17));
    free(model->facts->compile_config);
    model->facts->compile_config = words ? str_copy(words) : NULL;
    free(words);
    json_decref(made);
    json_decref(root);
    return model->facts->compile_config ? KILN_OK : KILN_ERROR_MEMORY;
}

/* ---- the whole ---- */

static kiln_status read_whole(const hdf5_contents *contents, open_axis *open, kiln_model **model,
                              archive_arrays *extra)
{
    const hdf5_text *config = hdf5_attribute(contents, "", "model_config");
    if (config == NULL || config->count != 1)
        return kiln_fail(KILN_ERROR_FORMAT,
                         "it is an HDF5 file without an architecture (model_config); if it holds "
                         "weights, give the architecture first and load them into it");
    KILN_TRY(
        keras_json_read("model_config", config->values[0], strlen(config->values[0]), open, model));
    KILN_TRY(hdf5_legacy_to_model(contents, *model));
    KILN_TRY(read_optimizer(contents, extra));
    return read_training(contents, *model);
}

static kiln_status read_hdf5(const char *path, const void *bytes, size_t count, open_axis *open,
                             kiln_model **model, archive_arrays *extra)
{
    hdf5_contents contents;
    KILN_TRY(hdf5_read(path, bytes, count, &contents));
    kiln_status status = read_whole(&contents, open, model, extra);
    hdf5_free(&contents);
    if (status == KILN_OK)
        return KILN_OK;
    kiln_model_free(*model);
    *model = NULL;
    return kiln_fail_in("%s", path);
}

const format format_hdf5 = {"HDF5", hdf5_looks_like, read_hdf5};
