/* Saved models, the reading half. */
#include "format/format.h"

#include "data/npy.h"
#include "format/json.h"
#include "format/keras_json.h"

#include <math.h>
#include <string.h>
#include <zip.h>

#define JSON_LIMIT ((size_t)64 << 20)

static bool looks_like_zip(const unsigned char *head, size_t count)
{
    return count >= 4 && (memcmp(head, "PK\3\4", 4) == 0 || memcmp(head, "PK\5\6", 4) == 0);
}

/* ---- members ---- */

/* Reads a member whole, with a zero byte behind it. What the archive says of its size is not
 * believed. */
static kiln_status read_member(zip_t *archive, const char *name, size_t limit, text *out)
{
    zip_file_t *file = zip_fopen(archive, name, 0);
    if (file == NULL)
        return kiln_fail(KILN_ERROR_FORMAT, "%s cannot be opened: %s", name, zip_strerror(archive));
    kiln_status status = KILN_OK;
    for (size_t piece = 1 << 16; status == KILN_OK; piece = out->length + 1) {
        if (out->length > limit) {
            status = kiln_fail(KILN_ERROR_FORMAT, "%s is larger than %zu bytes", name, limit);
            break;
        }
        status = mem_grow(&out->data, &out->capacity, out->length + piece + 1, 1);
        if (status != KILN_OK)
            break;
        zip_int64_t n = zip_fread(file, out->data + out->length, out->capacity - out->length - 1);
        if (n < 0)
            status =
                kiln_fail(KILN_ERROR_FORMAT, "%s is damaged: %s", name, zip_file_strerror(file));
        if (n <= 0)
            break;
        out->length += (size_t)n;
    }
    zip_fclose(file);
    if (status == KILN_OK)
        out->data[out->length] = '\0';
    else
        text_free(out);
    return status;
}

/* ---- metadata.json ---- */

/* A list of texts under key, if there is one. */
static kiln_status read_names(const json_t *kiln, const char *key, kiln_model *model,
                              kiln_status (*set)(kiln_model *, size_t, const char *const *))
{
    const json_t *list = json_object_get(kiln, key);
    size_t count = json_array_size(list);
    if (list == NULL)
        return KILN_OK;
    const char **names = mem_new(count, sizeof *names);
    if (names == NULL)
        return KILN_ERROR_MEMORY;
    kiln_status status = json_is_array(list)
                             ? KILN_OK
                             : kiln_fail(KILN_ERROR_FORMAT, "metadata.json: %s is no list", key);
    for (size_t i = 0; i < count && status == KILN_OK; i++) {
        names[i] = json_string_value(json_array_get(list, i));
        if (names[i] == NULL)
            status = kiln_fail(KILN_ERROR_FORMAT,
                               "metadata.json: %s has something in it that is no text", key);
    }
    if (status == KILN_OK)
        status = set(model, count, names);
    free(names);
    return status;
}

static kiln_status read_metadata(zip_t *archive, kiln_model *model)
{
    text content = {0};
    if (zip_name_locate(archive, "metadata.json", 0) < 0)
        return KILN_OK; /* nothing in it is needed */
    KILN_TRY(read_member(archive, "metadata.json", JSON_LIMIT, &content));
    json_t *root = json_parse("metadata.json", content.data, content.length);
    text_free(&content);
    if (root == NULL)
        return kiln_last_status();
    const json_t *kiln = json_object_get(root, "kiln"),
                 *scale = json_object_get(kiln, "input_scale");
    const char *seed = json_string_value(json_object_get(kiln, "seed"));
    kiln_status status = KILN_OK;
    if (scale && (!json_is_number(scale) || !isfinite(json_number_value(scale))))
        status = kiln_fail(KILN_ERROR_FORMAT, "metadata.json: input_scale is no number");
    else
        model->facts->input_scale = json_number_value(scale);
    if (seed)
        model->seed = strtoull(seed, NULL, 10);
    if (status == KILN_OK)
        status = read_names(kiln, "class_names", model, model_set_class_names);
    if (status == KILN_OK)
        status = read_names(kiln, "feature_names", model, model_set_feature_names);
    json_decref(root);
    return status;
}

/* ---- model.weights.npz ---- */

static bool same_shape(const npy_array *array, kiln_shape shape)
{
    if (array->rank != shape.rank)
        return false;
    for (int i = 0; i < shape.rank; i++)
        if (array->dims[i] != shape.dims[i])
            return false;
    return true;
}

/* The array's elements as floats, in *values (the caller's). */
static kiln_status to_floats(const npy_array *array, float **values)
{
    size_t count = (size_t)data_array_size(array);
    *values = mem_new(count, sizeof **values);
    if (*values == NULL)
        return KILN_ERROR_MEMORY;
    for (size_t i = 0; i < count; i++)
        switch (array->dtype) {
        case KILN_FLOAT32:
            (*values)[i] = ((const float *)array->data)[i];
            break;
        case KILN_INT32:
            (*values)[i] = (float)((const int32_t *)array->data)[i];
            break;
        case KILN_UINT8:
            (*values)[i] = (float)((const uint8_t *)array->data)[i];
            break;
        case KILN_INT64:
            (*values)[i] = (float)((const int64_t *)array->data)[i];
            break;
        case KILN_FLOAT64:
            (*values)[i] = (float)((const double *)array->data)[i];
            break;
        }
    return KILN_OK;
}

static kiln_status set_weight(kiln_model *model, size_t index, const npy_list *list)
{
    kiln_layer *layer = NULL;
    const ir_weight *w = &model_saved_weight(model, index, &layer)->weight;
    const npy_array *array = data_array_find(list, w->path);
    char shape[DATA_SHAPE_TEXT];
    float *values;
    if (array == NULL)
        return kiln_fail(KILN_ERROR_FORMAT, "there is no array \"%s\", which %s needs", w->path,
                         layer_label(layer));
    if (!same_shape(array, w->shape))
        return kiln_fail(KILN_ERROR_SHAPE, "%s has the shape %s in the file and %s in the model",
                         w->path, data_shape_text(array->rank, array->dims, shape),
                         ir_shape_text(w->shape));
    KILN_TRY(to_floats(array, &values));
    kiln_status status = model_set_weight(model, index, values);
    free(values);
    return status;
}

/* Arrays that are no weights belong to the optimizer. */
static kiln_status take_extra(const kiln_model *model, const npy_array *array,
                              archive_arrays *extra)
{
    if (array->name && model_find_weight(model, array->name))
        return KILN_OK;
    if (array->name == NULL || strncmp(array->name, ARCHIVE_EXTRA, strlen(ARCHIVE_EXTRA)) != 0)
        return kiln_fail(KILN_ERROR_FORMAT, "no layer of the model has a weight \"%s\"",
                         array->name ? array->name : "");
    if (array->rank > KILN_MAX_RANK)
        return kiln_fail(KILN_ERROR_FORMAT, "\"%s\" has %d axes", array->name, array->rank);
    float *values;
    KILN_TRY(to_floats(array, &values));
    kiln_status status =
        archive_add(extra, array->name, kiln_shape_of(array->rank, array->dims), values);
    free(values);
    return status;
}

static kiln_status read_weights(zip_t *archive, kiln_model *model, archive_arrays *extra)
{
    static const char name[] = "model.weights.npz";
    text content = {0};
    npy_list list = {0};
    if (zip_name_locate(archive, name, 0) < 0)
        return kiln_fail(
            zip_name_locate(archive, "model.weights.h5", 0) < 0 ? KILN_ERROR_FORMAT
                                                                : KILN_ERROR_UNSUPPORTED,
            zip_name_locate(archive, "model.weights.h5", 0) < 0
                ? "it has no model.weights.npz"
                : "its weights are in HDF5 (model.weights.h5), which is not supported yet");
    KILN_TRY(read_member(archive, name, SIZE_MAX / 4, &content));
    kiln_status status = npz_decode(content.data, content.length, name, &list);
    text_free(&content);
    if (status != KILN_OK)
        return status;
    size_t count = kiln_model_weight_count(model);
    for (size_t i = 0; i < count && status == KILN_OK; i++)
        status = set_weight(model, i, &list);
    for (size_t i = 0; i < list.count && status == KILN_OK; i++)
        status = take_extra(model, &list.items[i], extra);
    data_array_list_free(&list);
    if (status != KILN_OK)
        return kiln_fail_in("%s", name);
    model->seeded = true;
    return KILN_OK;
}

/* ---- the archive ---- */

static kiln_status read_parts(zip_t *archive, kiln_model **model, archive_arrays *extra)
{
    text config = {0};
    if (zip_name_locate(archive, "config.json", 0) < 0)
        return kiln_fail(KILN_ERROR_FORMAT,
                         "it is a zip archive without a config.json, so no saved model");
    KILN_TRY(read_member(archive, "config.json", JSON_LIMIT, &config));
    kiln_status status = keras_json_read("config.json", config.data, config.length, model);
    text_free(&config);
    if (status == KILN_OK)
        status = read_metadata(archive, *model);
    if (status == KILN_OK)
        status = read_weights(archive, *model, extra);
    return status;
}

static kiln_status read_archive(const char *path, const void *bytes, size_t count,
                                kiln_model **model, archive_arrays *extra)
{
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t *source = zip_source_buffer_create(bytes, count, 0, &error);
    zip_t *archive =
        source ? zip_open_from_source(source, ZIP_RDONLY | ZIP_CHECKCONS, &error) : NULL;
    kiln_status status;
    if (archive) {
        status = read_parts(archive, model, extra);
        zip_discard(archive);
    } else {
        status = kiln_fail(KILN_ERROR_FORMAT, "it is a zip archive that is damaged or cut off: %s",
                           zip_error_strerror(&error));
        zip_source_free(source);
    }
    zip_error_fini(&error);
    if (status == KILN_OK)
        return KILN_OK;
    kiln_model_free(*model);
    *model = NULL;
    return kiln_fail_in("%s", path);
}

const format format_archive = {"zip archive", looks_like_zip, read_archive};
