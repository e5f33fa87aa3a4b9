/* Weights and the optimizer's variables as Keras 3 lays them out in HDF5. */
#include "format/tensors.h"

#include "format/weight_paths.h"

#include <stdio.h>
#include <string.h>

/* ---- writing ---- */

#define INNER_OPTIMIZER ARCHIVE_EXTRA "inner_optimizer/"

/* The group of a layer's variables, with the layer's name as Keras notes it there. */
static kiln_status note_name(hdf5_contents *contents, const char *path, const char *name)
{
    char *vars = str_format("%s%svars", path, *path ? "/" : "");
    kiln_status status =
        vars ? hdf5_add_texts(&contents->attributes, vars, "name", 1, (const char *[]){name})
             : KILN_ERROR_MEMORY;
    free(vars);
    return status;
}

/* Normalization counts its samples in a whole number. */
static bool is_count(const kiln_layer *layer, const layer_weight *weight)
{
    const char *slash = strrchr(weight->weight.path, '/');
    return strcmp(layer->cls->class_name, "Normalization") == 0 && slash &&
           strcmp(slash, "/count") == 0;
}

static kiln_status write_part(const weight_place *place, const weight_part *part,
                              hdf5_contents *contents)
{
    for (size_t i = 0; i < part->count; i++) {
        layer_weight *weight = place->items[part->first + i];
        char *name = str_format("%s/vars/%zu", part->path, i);
        kiln_status status =
            name ? tensor_of_weight(weight, name, &contents->arrays) : KILN_ERROR_MEMORY;
        free(name);
        KILN_TRY(status);
        data_array *array = &contents->arrays.items[contents->arrays.count - 1];
        if (is_count(part->layer, weight) && array->rank == 0) {
            float value = *(float *)array->data;
            array->dtype = KILN_INT32;
            *(int32_t *)array->data = value > 0 && value < 2e9f ? (int32_t)value : 0;
        }
    }
    return note_name(contents, part->path, part->name);
}

static kiln_status write_place(const weight_place *place, hdf5_contents *contents)
{
    for (size_t i = 0; i < place->part_count; i++)
        KILN_TRY(write_part(place, &place->parts[i], contents));
    return KILN_OK;
}

static kiln_status write_variable(const archive_array *from, const char *path, size_t number,
                                  hdf5_contents *contents)
{
    bool small = from->whole && from->integer >= INT32_MIN && from->integer <= INT32_MAX;
    char name[64];
    snprintf(name, sizeof name, "%s%zu", path, number);
    data_array *to = tensor_add(&contents->arrays, name,
                                small         ? KILN_INT32
                                : from->whole ? KILN_INT64
                                              : KILN_FLOAT32,
                                from->shape.rank, from->shape.dims);
    if (to == NULL)
        return KILN_ERROR_MEMORY;
    if (small)
        *(int32_t *)to->data = (int32_t)from->integer;
    else if (from->whole)
        *(int64_t *)to->data = from->integer;
    else
        memcpy(to->data, from->values, to->bytes);
    return KILN_OK;
}

/* An optimizer in another one has its variables twice, as Keras writes them. */
static kiln_status write_extra(const archive_arrays *extra, hdf5_contents *contents)
{
    size_t inner = extra->count;
    for (size_t i = 0; i < extra->count; i++) {
        KILN_TRY(write_variable(&extra->items[i], ARCHIVE_VARIABLE, i, contents));
        if (strcmp(extra->items[i].name, ARCHIVE_LOSS_SCALE) == 0)
            inner = i + 1;
    }
    for (size_t i = inner; i < extra->count; i++)
        KILN_TRY(write_variable(&extra->items[i], INNER_OPTIMIZER "vars/", i - inner, contents));
    return KILN_OK;
}

kiln_status hdf5_of_model(kiln_model *model, const char *name, const archive_arrays *extra,
                          hdf5_contents *contents)
{
    weight_places places = {0};
    *contents = (hdf5_contents){0};
    kiln_status status = model_seed_weights(model);
    if (status == KILN_OK)
        status = weight_places_list(model, &places);
    for (size_t i = 0; i < places.count && status == KILN_OK; i++)
        status = write_place(&places.items[i], contents);
    if (status == KILN_OK && extra && extra->count)
        status = write_extra(extra, contents);
    if (status == KILN_OK && extra && extra->count)
        status = note_name(contents, "optimizer", name);
    if (status == KILN_OK)
        status = note_name(contents, "", model->name);
    weight_places_free(&places);
    if (status != KILN_OK)
        hdf5_free(contents);
    return status;
}

/* ---- reading ---- */

/* Keras 2.13 and later, which wrote the first .keras files, called the layers' group thus. */
#define OLD_LAYERS "_layer_checkpoint_dependencies"

/* Is this array none of the model's weights, with good reason? */
static bool may_be_left(const char *path)
{
    static const char *const of_others[] = {"metrics/",       "_metrics/",     "_compile_metrics/",
                                            "_loss_tracker/", "loss_tracker/",
                                            /* again what the optimizer's own variables have */
                                            INNER_OPTIMIZER, NULL};
    for (size_t i = 0; of_others[i]; i++)
        if (strncmp(path, of_others[i], strlen(of_others[i])) == 0)
            return true;
    return strstr(path, "/seed_generator/vars/") !=
           NULL; /* Kiln's draws follow from its own seed */
}

static long find_index(const hdf5_contents *contents, const char *path)
{
    for (size_t i = 0; i < contents->arrays.count; i++)
        if (strcmp(contents->arrays.items[i].name, path) == 0)
            return (long)i;
    return -1;
}

/* The array of a place, by Keras 3's path or the older one; -1: there is none. */
static long find_variable(const hdf5_contents *contents, const char *place, size_t number)
{
    char *path = str_format("%s/vars/%zu", place, number);
    long found = path ? find_index(contents, path) : -1;
    free(path);
    if (found >= 0 || strncmp(place, "layers/", 7) != 0)
        return found;
    path = str_format(OLD_LAYERS "/%s/vars/%zu", place + 7, number);
    found = path ? find_index(contents, path) : -1;
    free(path);
    return found;
}

static kiln_status read_part(const hdf5_contents *contents, const weight_place *place,
                             const weight_part *part, bool *used)
{
    for (size_t i = 0; i < part->count; i++) {
        layer_weight *weight = place->items[part->first + i];
        long found = find_variable(contents, part->path, i);
        if (found < 0) {
            for (size_t k = 0; k < contents->others.count; k++) {
                const hdf5_text *o = &contents->others.items[k];
                size_t n = strlen(part->path);
                if (strncmp(o->path, part->path, n) == 0 && o->path[n] == '/')
                    return kiln_fail(KILN_ERROR_UNSUPPORTED, "%s: \"%s\" has %s",
                                     layer_label(part->layer), o->path, o->values[0]);
            }
            return kiln_fail(KILN_ERROR_FORMAT,
                             "%s: its weight %s is not in the file, which has no \"%s/vars/%zu\"",
                             layer_label(part->layer), weight_name(weight), part->path, i);
        }
        KILN_TRY(tensor_to_weight(&contents->arrays.items[found], part->layer, weight));
        used[found] = true;
    }
    return KILN_OK;
}

static kiln_status read_place(const hdf5_contents *contents, const weight_place *place, bool *used)
{
    for (size_t i = 0; i < place->part_count; i++)
        KILN_TRY(read_part(contents, place, &place->parts[i], used));
    return KILN_OK;
}

/* The optimizer's variables, numbered from 0. */
static kiln_status read_extra(const hdf5_contents *contents, bool *used, archive_arrays *extra)
{
    for (size_t i = 0;; i++) {
        long found = find_variable(contents, "optimizer", i);
        if (found < 0)
            return KILN_OK;
        const data_array *array = &contents->arrays.items[found];
        used[found] = true;
        if (extra == NULL)
            continue;
        if (array->rank > KILN_MAX_RANK)
            return kiln_fail(KILN_ERROR_UNSUPPORTED, "\"%s\" has %d axes", array->name,
                             array->rank);
        if (array->dtype == KILN_INT64 && array->rank == 0) {
            KILN_TRY(archive_add_whole(extra, array->name, *(const int64_t *)array->data));
            continue;
        }
        float *values;
        KILN_TRY(tensor_floats(array, &values));
        kiln_status status =
            archive_add(extra, array->name, kiln_shape_of(array->rank, array->dims), values);
        free(values);
        KILN_TRY(status);
    }
}

static kiln_status check_rest(const hdf5_contents *contents, const bool *used)
{
    for (size_t i = 0; i < contents->arrays.count; i++) {
        const char *path = contents->arrays.items[i].name;
        if (!used[i] && !may_be_left(path))
            return kiln_fail(KILN_ERROR_FORMAT,
                             "the file has weights \"%s\", and no layer of the model takes them; "
                             "use the architecture that they were saved with",
                             path);
    }
    for (size_t i = 0; i < contents->others.count; i++)
        if (!may_be_left(contents->others.items[i].path))
            return kiln_fail(KILN_ERROR_UNSUPPORTED, "\"%s\" has %s",
                             contents->others.items[i].path, contents->others.items[i].values[0]);
    return KILN_OK;
}

kiln_status hdf5_to_model(const hdf5_contents *contents, kiln_model *model, archive_arrays *extra)
{
    weight_places places;
    bool *used = mem_new(contents->arrays.count, sizeof *used);
    if (used == NULL)
        return KILN_ERROR_MEMORY;
    kiln_status status = weight_places_list(model, &places);
    for (size_t i = 0; status == KILN_OK && i < places.count; i++)
        status = read_place(contents, &places.items[i], used);
    if (status == KILN_OK)
        status = read_extra(contents, used, extra);
    if (status == KILN_OK)
        status = check_rest(contents, used);
    weight_places_free(&places);
    free(used);
    if (status == KILN_OK)
        model->seeded = true;
    return status;
}
