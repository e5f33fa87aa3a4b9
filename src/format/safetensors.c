#include "format/safetensors.h"

#include "data/npy.h"
#include "format/json.h"

#include <stdio.h>
#include <string.h>

#define HEADER_MOST ((uint64_t)100 << 20)

static uint64_t read_u64(const unsigned char *bytes)
{
    uint64_t value = 0;
    for (int i = 7; i >= 0; i--)
        value = value << 8 | bytes[i];
    return value;
}

bool safetensors_looks_like(const unsigned char *bytes, size_t size)
{
    return size >= 10 && bytes[8] == '{' && read_u64(bytes) <= HEADER_MOST;
}

/* ---- elements ---- */

typedef enum element {
    E_BOOL,
    E_U8,
    E_I8,
    E_I16,
    E_U16,
    E_I32,
    E_U32,
    E_I64,
    E_F16,
    E_BF16,
    E_F32,
    E_F64,
    E_COUNT
} element;

static const struct {
    const char *name;
    size_t size;
    kiln_dtype dtype; /* what it becomes */
} elements[E_COUNT] = {
    [E_BOOL] = {"BOOL", 1, KILN_UINT8}, [E_U8] = {"U8", 1, KILN_UINT8},
    [E_I8] = {"I8", 1, KILN_INT32},     [E_I16] = {"I16", 2, KILN_INT32},
    [E_U16] = {"U16", 2, KILN_INT32},   [E_I32] = {"I32", 4, KILN_INT32},
    [E_U32] = {"U32", 4, KILN_INT64},   [E_I64] = {"I64", 8, KILN_INT64},
    [E_F16] = {"F16", 2, KILN_FLOAT32}, [E_BF16] = {"BF16", 2, KILN_FLOAT32},
    [E_F32] = {"F32", 4, KILN_FLOAT32}, [E_F64] = {"F64", 8, KILN_FLOAT64},
};

static uint64_t bits_at(const unsigned char *at, size_t size)
{
    uint64_t value = 0;
    for (size_t i = size; i-- > 0;)
        value = value << 8 | at[i];
    return value;
}

/* Element i of the array, whose place has room for its new type. */
static void convert(element e, const unsigned char *at, void *to, size_t i)
{
    uint64_t bits = bits_at(at, elements[e].size);
    uint32_t narrow = (uint32_t)bits;
    float single;
    switch (e) {
    case E_BOOL:
    case E_U8:
        ((uint8_t *)to)[i] = (uint8_t)bits;
        break;
    case E_I8:
        ((int32_t *)to)[i] = (int8_t)bits;
        break;
    case E_I16:
        ((int32_t *)to)[i] = (int16_t)bits;
        break;
    case E_U16:
    case E_I32:
        ((int32_t *)to)[i] = (int32_t)bits;
        break;
    case E_U32:
    case E_I64:
        ((int64_t *)to)[i] = (int64_t)bits;
        break;
    case E_F16:
        ((float *)to)[i] = npy_half((uint16_t)bits);
        break;
    case E_BF16:
        narrow <<= 16;
        memcpy((float *)to + i, &narrow, sizeof single);
        break;
    case E_F32:
        memcpy((float *)to + i, &narrow, sizeof single);
        break;
    default:
        memcpy((double *)to + i, &bits, sizeof bits);
        break;
    }
}

/* ---- reading ---- */

typedef struct entry {
    const char *name;
    element element;
    int rank;
    int64_t dims[DATA_MAX_RANK];
    uint64_t begin, end;
} entry;

static kiln_status read_entry(const char *name, const json_t *value, uint64_t data, entry *e)
{
    const char *dtype = json_string_value(json_object_get(value, "dtype"));
    const json_t *shape = json_object_get(value, "shape"),
                 *offsets = json_object_get(value, "data_offsets"),
                 *begin = json_array_get(offsets, 0), *end = json_array_get(offsets, 1);
    *e = (entry){.name = name, .element = E_COUNT};
    if (dtype == NULL || !json_is_array(shape) || json_array_size(offsets) != 2 ||
        !json_is_integer(begin) || !json_is_integer(end) || json_object_size(value) != 3)
        return kiln_fail(KILN_ERROR_FORMAT,
                         "\"%.200s\" wants a dtype, a shape and two data_offsets, and nothing else",
                         name);
    for (int i = 0; i < E_COUNT; i++)
        if (strcmp(dtype, elements[i].name) == 0)
            e->element = (element)i;
    if (e->element == E_COUNT)
        return kiln_fail(KILN_ERROR_UNSUPPORTED,
                         "\"%.200s\" has elements of type %.50s, which is not supported", name,
                         dtype);
    if (json_array_size(shape) > DATA_MAX_RANK)
        return kiln_fail(KILN_ERROR_UNSUPPORTED,
                         "\"%.200s\" has %zu axes; at most %d are supported", name,
                         json_array_size(shape), DATA_MAX_RANK);
    for (; (size_t)e->rank < json_array_size(shape); e->rank++) {
        const json_t *size = json_array_get(shape, (size_t)e->rank);
        e->dims[e->rank] = json_is_integer(size) ? json_integer_value(size) : -1;
    }
    size_t bytes;
    if (!data_size(e->rank, e->dims, elements[e->element].size, &bytes))
        return kiln_fail(KILN_ERROR_FORMAT, "\"%.200s\" has a shape that cannot be", name);
    if (json_integer_value(begin) < 0 || json_integer_value(end) < json_integer_value(begin) ||
        (uint64_t)json_integer_value(end) > data)
        return kiln_fail(KILN_ERROR_FORMAT,
                         "\"%.200s\" lies outside the %llu bytes of data that the file has", name,
                         (unsigned long long)data);
    e->begin = (uint64_t)json_integer_value(begin);
    e->end = (uint64_t)json_integer_value(end);
    if (e->end - e->begin != bytes)
        return kiln_fail(KILN_ERROR_FORMAT,
                         "\"%.200s\" has %llu bytes of data, and its shape wants %zu", name,
                         (unsigned long long)(e->end - e->begin), bytes);
    return KILN_OK;
}

static int by_place(const void *a, const void *b)
{
    const entry *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end; /* empty ones first */
}

/* Nothing twice, nothing left out. */
static kiln_status check_cover(entry *entries, size_t count, uint64_t data)
{
    uint64_t at = 0;
    if (count)
        qsort(entries, count, sizeof *entries, by_place);
    for (size_t i = 0; i < count; at = entries[i++].end)
        if (entries[i].begin != at)
            return kiln_fail(
                KILN_ERROR_FORMAT,
                "the data of \"%.200s\" begin at byte %llu and should at %llu: tensors "
                "lie one behind the other",
                entries[i].name, (unsigned long long)entries[i].begin, (unsigned long long)at);
    if (at != data)
        return kiln_fail(KILN_ERROR_FORMAT, "the file has %llu bytes of data, and its tensors %llu",
                         (unsigned long long)data, (unsigned long long)at);
    return KILN_OK;
}

static kiln_status take(const entry *e, const unsigned char *data, data_array_list *list)
{
    size_t size = elements[e->element].size;
    KILN_TRY(MEM_PUSH_ROOM(list));
    data_array *array = &list->items[list->count];
    *array = (data_array){.dtype = elements[e->element].dtype, .rank = e->rank};
    for (int i = 0; i < e->rank; i++)
        array->dims[i] = e->dims[i];
    if (!data_size(e->rank, e->dims, kiln_dtype_size(array->dtype), &array->bytes))
        return kiln_fail_memory((size_t)(e->end - e->begin));
    array->name = str_copy(e->name);
    array->data = mem_new(array->bytes ? array->bytes : 1, 1);
    list->count++;
    if (array->name == NULL || array->data == NULL)
        return KILN_ERROR_MEMORY;
    for (size_t i = 0; i < (e->end - e->begin) / size; i++)
        convert(e->element, data + e->begin + i * size, array->data, i);
    return KILN_OK;
}

static kiln_status read_header(const json_t *root, const unsigned char *data, uint64_t bytes,
                               data_array_list *list)
{
    const char *name;
    json_t *value;
    size_t count = 0;
    if (!json_is_object(root))
        return kiln_fail(KILN_ERROR_FORMAT, "its header is no JSON object");
    entry *entries = mem_new(json_object_size(root), sizeof *entries);
    if (entries == NULL)
        return KILN_ERROR_MEMORY;
    kiln_status status = KILN_OK;
    json_object_foreach((json_t *)(uintptr_t)root, name, value)
    {
        if (strcmp(name, "__metadata__") == 0) /* notes of whoever wrote it */
            continue;
        status = read_entry(name, value, bytes, &entries[count++]);
        if (status != KILN_OK)
            break;
    }
    if (status == KILN_OK)
        status = check_cover(entries, count, bytes);
    for (size_t i = 0; i < count && status == KILN_OK; i++)
        status = take(&entries[i], data, list);
    free(entries);
    return status;
}

kiln_status safetensors_decode(const char *origin, const void *file, size_t size,
                               data_array_list *list)
{
    const unsigned char *bytes = file;
    uint64_t header = size >= 8 ? read_u64(bytes) : 0;
    *list = (data_array_list){0};
    if (size < 8 || header > HEADER_MOST || header > size - 8)
        return kiln_fail(KILN_ERROR_FORMAT,
                         "%s is no safetensors file, or cut off: its header would have %llu bytes, "
                         "and the file has %zu",
                         origin, (unsigned long long)header, size);
    json_t *root = json_parse(origin, (const char *)bytes + 8, (size_t)header);
    if (root == NULL)
        return kiln_last_status();
    kiln_status status = read_header(root, bytes + 8 + header, size - 8 - header, list);
    json_decref(root);
    if (status == KILN_OK)
        return KILN_OK;
    data_array_list_free(list);
    return kiln_fail_in("%s", origin);
}

/* ---- writing ---- */

static int by_name(const void *a, const void *b)
{
    const data_array *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static void write_header(const data_array *const *arrays, size_t count, text *out)
{
    json_writer w = {.out = out, .indent = -1};
    long long at = 0;
    json_write_open(&w, NULL, '{');
    for (size_t i = 0; i < count; i++) {
        const data_array *array = arrays[i];
        json_write_open(&w, array->name, '{');
        json_write_string(&w, "dtype", "F32");
        json_write_open(&w, "shape", '[');
        for (int k = 0; k < array->rank; k++)
            json_write_integer(&w, NULL, (long long)array->dims[k]);
        json_write_close(&w, ']');
        json_write_open(&w, "data_offsets", '[');
        json_write_integer(&w, NULL, at);
        json_write_integer(&w, NULL, at += (long long)array->bytes);
        json_write_close(&w, ']');
        json_write_close(&w, '}');
    }
    json_write_close(&w, '}');
    while (out->length % 8 && !out->failed) /* the data are aligned */
        text_add(out, " ");
}

kiln_status safetensors_encode(const data_array_list *list, void **bytes, size_t *size)
{
    text header = {0};
    size_t total = 0;
    *bytes = NULL;
    const data_array **sorted = mem_new(list->count, sizeof *sorted);
    if (sorted == NULL)
        return KILN_ERROR_MEMORY;
    for (size_t i = 0; i < list->count; i++) {
        sorted[i] = &list->items[i];
        total += list->items[i].bytes;
    }
    if (list->count)
        qsort(sorted, list->count, sizeof *sorted, by_name);
    write_header(sorted, list->count, &header);
    unsigned char *out = header.failed ? NULL : mem_new(8 + header.length + total, 1);
    if (out) {
        for (int i = 0; i < 8; i++)
            out[i] = (unsigned char)((uint64_t)header.length >> 8 * i);
        memcpy(out + 8, header.data, header.length);
        *size = 8 + header.length;
        for (size_t i = 0; i < list->count; i++) {
            memcpy(out + *size, sorted[i]->data, sorted[i]->bytes);
            *size += sorted[i]->bytes;
        }
    }
    text_free(&header);
    free(sorted);
    *bytes = out;
    return out ? KILN_OK : KILN_ERROR_MEMORY;
}
