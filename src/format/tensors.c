/* Weights under Keras's names, as in .npz and safetensors. */
#include "format/tensors.h"

#include "format/weight_paths.h"

#include <string.h>

kiln_status tensor_floats(const data_array *array, float **values)
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

static bool same_shape(const data_array *array, kiln_shape shape)
{
    if (array->rank != shape.rank)
        return false;
    for (int i = 0; i < shape.rank; i++)
        if (array->dims[i] != shape.dims[i])
            return false;
    return true;
}

kiln_status tensor_to_weight(const data_array *array, kiln_layer *layer, layer_weight *weight)
{
    ir_weight *w = &weight->weight;
    char shape[DATA_SHAPE_TEXT];
    float *values;
    if (!same_shape(array, w->shape))
        return kiln_fail(KILN_ERROR_SHAPE,
                         "%s: its weight %s has the shape %s in the file and %s in the model",
                         layer_label(layer), w->path,
                         data_shape_text(array->rank, array->dims, shape), ir_shape_text(w->shape));
    KILN_TRY(tensor_floats(array, &values));
    kiln_status status = store_upload(w, values);
    free(values);
    if (status == KILN_OK)
        layer->adapted = true;
    return status;
}

data_array *tensor_add(data_array_list *list, const char *name, kiln_dtype dtype, int rank,
                       const int64_t *dims)
{
    if (MEM_PUSH_ROOM(list) != KILN_OK)
        return NULL;
    data_array *array = &list->items[list->count];
    *array = (data_array){.dtype = dtype, .rank = rank};
    for (int i = 0; i < rank; i++)
        array->dims[i] = dims[i];
    if (!data_size(rank, dims, kiln_dtype_size(dtype), &array->bytes)) {
        kiln_fail(KILN_ERROR_MEMORY, "%s has more elements than memory could hold", name);
        return NULL;
    }
    array->name = str_copy(name);
    array->data = mem_new(array->bytes ? array->bytes : 1, 1);
    list->count++;
    return array->name && array->data ? array : NULL;
}

kiln_status tensor_of_weight(layer_weight *weight, const char *name, data_array_list *list)
{
    ir_weight *w = &weight->weight;
    data_array *array = tensor_add(list, name, KILN_FLOAT32, w->shape.rank, w->shape.dims);
    return array ? store_download(w, array->data) : KILN_ERROR_MEMORY;
}

kiln_status tensors_of_model(kiln_model *model, data_array_list *list)
{
    layer_weight *weight;
    *list = (data_array_list){0};
    kiln_status status = model_seed_weights(model);
    for (size_t i = 0; status == KILN_OK && (weight = model_saved_weight(model, i, NULL)); i++)
        status = tensor_of_weight(weight, weight_name(weight), list);
    if (status != KILN_OK)
        data_array_list_free(list);
    return status;
}

/* Arrays that are no weights belong to the optimizer. */
static kiln_status take_extra(const kiln_model *model, const data_array *array,
                              archive_arrays *extra)
{
    if (array->name && model_find_weight(model, array->name))
        return KILN_OK;
    if (array->name == NULL || strncmp(array->name, ARCHIVE_EXTRA, strlen(ARCHIVE_EXTRA)) != 0)
        return kiln_fail(KILN_ERROR_FORMAT, "no layer of the model has a weight \"%s\"",
                         array->name ? array->name : "");
    if (array->rank > KILN_MAX_RANK)
        return kiln_fail(KILN_ERROR_FORMAT, "\"%s\" has %d axes", array->name, array->rank);
    if (extra == NULL)
        return KILN_OK;
    float *values;
    KILN_TRY(tensor_floats(array, &values));
    kiln_status status =
        archive_add(extra, array->name, kiln_shape_of(array->rank, array->dims), values);
    free(values);
    return status;
}

kiln_status tensors_to_model(const data_array_list *list, kiln_model *model, archive_arrays *extra)
{
    layer_weight *weight;
    kiln_layer *layer = NULL;
    for (size_t i = 0; (weight = model_saved_weight(model, i, &layer)); i++) {
        const data_array *array = data_array_find(list, weight_name(weight));
        if (array == NULL)
            return kiln_fail(KILN_ERROR_FORMAT, "there is no array \"%s\", which %s needs",
                             weight_name(weight), layer_label(layer));
        KILN_TRY(tensor_to_weight(array, layer, weight));
    }
    for (size_t i = 0; i < list->count; i++)
        KILN_TRY(take_extra(model, &list->items[i], extra));
    model->seeded = true;
    return KILN_OK;
}
