#include "data/array.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

void data_array_free(data_array *array)
{
    free(array->name);
    free(array->data);
    *array = (data_array){0};
}

void data_array_list_free(data_array_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        data_array_free(&list->items[i]);
    free(list->items);
    *list = (data_array_list){0};
}

const data_array *data_array_find(const data_array_list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].name && strcmp(list->items[i].name, name) == 0)
            return &list->items[i];
    return NULL;
}

int64_t data_array_size(const data_array *array)
{
    return (int64_t)(array->bytes / kiln_dtype_size(array->dtype));
}

kiln_dtype data_narrow_dtype(kiln_dtype dtype)
{
    return dtype == KILN_INT64 ? KILN_INT32 : dtype == KILN_FLOAT64 ? KILN_FLOAT32 : dtype;
}

kiln_status data_narrow(const void *from, kiln_dtype dtype, int64_t count, int64_t row_size,
                        void *to, const char *what)
{
    int64_t row = row_size > 0 ? row_size : 1;
    if (dtype == KILN_INT64) {
        const int64_t *in = from;
        int32_t *out = to;
        for (int64_t i = 0; i < count; i++) {
            if (in[i] < INT32_MIN || in[i] > INT32_MAX)
                return kiln_fail(KILN_ERROR_FORMAT,
                                 "%s: element %" PRId64 " of sample %" PRId64 " is %" PRId64
                                 ", which does not fit into int32",
                                 what, i % row, i / row, in[i]);
            out[i] = (int32_t)in[i];
        }
    } else if (dtype == KILN_FLOAT64) {
        const double *in = from;
        float *out = to;
        for (int64_t i = 0; i < count; i++) {
            out[i] = (float)in[i];
            if (isinf(out[i]) && !isinf(in[i]))
                return kiln_fail(KILN_ERROR_FORMAT,
                                 "%s: element %" PRId64 " of sample %" PRId64
                                 " is %g, which does not fit into float32",
                                 what, i % row, i / row, in[i]);
        }
    } else {
        memcpy(to, from, (size_t)count * kiln_dtype_size(dtype));
    }
    return KILN_OK;
}

kiln_status data_array_narrow(data_array *array, const char *what)
{
    kiln_dtype dtype = data_narrow_dtype(array->dtype);
    if (dtype == array->dtype)
        return KILN_OK;
    int64_t count = data_array_size(array);
    int64_t rows = array->rank > 0 && array->dims[0] > 0 ? array->dims[0] : 1;
    void *narrow = mem_new((size_t)count, kiln_dtype_size(dtype));
    if (narrow == NULL)
        return kiln_last_status();
    kiln_status status = data_narrow(array->data, array->dtype, count, count / rows, narrow, what);
    if (status != KILN_OK) {
        free(narrow);
        return status;
    }
    free(array->data);
    array->data = narrow;
    array->dtype = dtype;
    array->bytes = (size_t)count * kiln_dtype_size(dtype);
    return KILN_OK;
}

bool data_size(int rank, const int64_t *dims, size_t element, size_t *bytes)
{
    size_t most = SIZE_MAX / 2, size = element;
    bool empty = false;
    for (int i = 0; i < rank; i++) {
        if (dims[i] < 0)
            return false;
        empty |= dims[i] == 0;
    }
    for (int i = 0; i < rank && !empty; i++) {
        if ((uint64_t)dims[i] > most / size)
            return false;
        size *= (size_t)dims[i];
    }
    *bytes = empty ? 0 : size;
    return true;
}

const char *data_shape_text(int rank, const int64_t *dims, char buffer[DATA_SHAPE_TEXT])
{
    size_t used = 1;
    buffer[0] = '(';
    for (int i = 0; i < rank; i++) {
        int n =
            snprintf(buffer + used, DATA_SHAPE_TEXT - used, "%s%" PRId64, i ? ", " : "", dims[i]);
        used += (size_t)n;
        if (used >= DATA_SHAPE_TEXT - 3)
            used = DATA_SHAPE_TEXT - 3;
    }
    snprintf(buffer + used, DATA_SHAPE_TEXT - used, rank == 1 ? ",)" : ")");
    return buffer;
}
