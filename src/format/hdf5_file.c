/* What is in an HDF5 file: memory, finding, and the stream of kiln-hdf5 taken apart. */
#include "format/hdf5_file.h"

#include "format/hdf5_stream.h"

#include <string.h>

static void texts_free(hdf5_texts *list)
{
    for (size_t i = 0; i < list->count; i++) {
        hdf5_text *t = &list->items[i];
        for (size_t k = 0; t->values && k < t->count; k++)
            free(t->values[k]);
        free(t->values);
        free(t->path);
        free(t->name);
    }
    free(list->items);
    *list = (hdf5_texts){0};
}

void hdf5_free(hdf5_contents *contents)
{
    data_array_list_free(&contents->arrays);
    texts_free(&contents->attributes);
    texts_free(&contents->others);
}

const hdf5_text *hdf5_attribute(const hdf5_contents *contents, const char *path, const char *name)
{
    for (size_t i = 0; i < contents->attributes.count; i++) {
        const hdf5_text *t = &contents->attributes.items[i];
        if (strcmp(t->path, path) == 0 && strcmp(t->name, name) == 0)
            return t;
    }
    return NULL;
}

kiln_status hdf5_add_texts(hdf5_texts *list, const char *path, const char *name, size_t count,
                           const char *const *values)
{
    KILN_TRY(MEM_PUSH_ROOM(list));
    hdf5_text *t = &list->items[list->count++];
    *t = (hdf5_text){.path = str_copy(path),
                     .name = name ? str_copy(name) : NULL,
                     .values = mem_new(count, sizeof(char *))};
    if (t->path == NULL || (name && t->name == NULL) || t->values == NULL)
        return KILN_ERROR_MEMORY;
    t->count = count;
    for (size_t i = 0; i < count; i++) {
        t->values[i] = str_copy(values[i]);
        if (t->values[i] == NULL)
            return KILN_ERROR_MEMORY;
    }
    return KILN_OK;
}

bool hdf5_looks_like(const unsigned char *bytes, size_t size)
{
    return size >= 8 && memcmp(bytes, "\x89HDF\r\n\x1a\n", 8) == 0;
}

/* ---- the stream ---- */

typedef struct stream {
    const char *at, *end;
} stream;

static kiln_status fail_stream(void)
{
    return kiln_fail(KILN_ERROR_FORMAT, "the program that reads HDF5 files handed back nonsense; "
                                        "install Kiln again, so that its parts belong together");
}

/* The next count bytes, or NULL when there are fewer. */
static const char *take(stream *s, uint64_t count)
{
    if (count > (uint64_t)(s->end - s->at))
        return NULL;
    const char *bytes = s->at;
    s->at += count;
    return bytes;
}

static char *copy_text(const char *bytes, size_t count)
{
    char *copy = mem_new(count + 1, 1);
    if (copy)
        memcpy(copy, bytes, count);
    return copy;
}

static kiln_status take_array(const hdf5_record *head, const uint64_t *dims, const char *name,
                              const char *data, hdf5_contents *contents)
{
    int64_t sizes[HDF5_MAX_RANK];
    size_t bytes, element = head->type == HDF5_TYPE_FLOAT ? sizeof(float) : sizeof(int64_t);
    for (int i = 0; i < head->rank; i++)
        sizes[i] = dims[i] > INT64_MAX ? -1 : (int64_t)dims[i];
    if (!data_size(head->rank, sizes, element, &bytes) || bytes != head->data_bytes)
        return fail_stream();
    if (head->rank > DATA_MAX_RANK) {
        char why[64];
        snprintf(why, sizeof why, "data with %d axes", head->rank);
        return hdf5_add_texts(&contents->others, name, NULL, 1, (const char *[]){why});
    }
    KILN_TRY(MEM_PUSH_ROOM(&contents->arrays));
    data_array *array = &contents->arrays.items[contents->arrays.count];
    *array = (data_array){.name = str_copy(name),
                          .dtype = head->type == HDF5_TYPE_FLOAT ? KILN_FLOAT32 : KILN_INT64,
                          .rank = head->rank,
                          .data = mem_new(bytes ? bytes : 1, 1),
                          .bytes = bytes};
    contents->arrays.count++;
    if (array->name == NULL || array->data == NULL)
        return KILN_ERROR_MEMORY;
    for (int i = 0; i < head->rank; i++)
        array->dims[i] = sizes[i];
    if (bytes)
        memcpy(array->data, data, bytes);
    return KILN_OK;
}

static kiln_status take_texts(const hdf5_record *head, uint64_t count, const char *name,
                              size_t name_bytes, const char *data, hdf5_contents *contents)
{
    size_t first = strlen(name);
    if (first >= name_bytes || strlen(name + first + 1) + first + 1 != name_bytes ||
        count > head->data_bytes || (head->data_bytes && data[head->data_bytes - 1] != '\0'))
        return fail_stream();
    const char **values = mem_new((size_t)count, sizeof *values), *at = data,
               *end = data + head->data_bytes;
    if (values == NULL)
        return KILN_ERROR_MEMORY;
    kiln_status status = KILN_OK;
    for (uint64_t i = 0; i < count && status == KILN_OK; i++) {
        if (at == end)
            status = fail_stream();
        values[i] = at;
        at += at < end ? strlen(at) + 1 : 0;
    }
    if (status == KILN_OK && at != end)
        status = fail_stream();
    if (status == KILN_OK)
        status =
            hdf5_add_texts(&contents->attributes, name, name + first + 1, (size_t)count, values);
    free(values);
    return status;
}

static kiln_status take_record(stream *s, const hdf5_record *head, const char *origin,
                               hdf5_contents *contents)
{
    uint64_t dims[HDF5_MAX_RANK];
    if (head->version != HDF5_STREAM_VERSION || head->rank > HDF5_MAX_RANK ||
        head->name_bytes > 2 * HDF5_MAX_NAME + 1)
        return fail_stream();
    const char *sizes = take(s, head->rank * sizeof *dims),
               *name_at = sizes ? take(s, head->name_bytes) : NULL,
               *data = name_at ? take(s, head->data_bytes) : NULL;
    if (data == NULL)
        return fail_stream();
    memcpy(dims, sizes, head->rank * sizeof *dims);
    char *name = copy_text(name_at, head->name_bytes);
    if (name == NULL)
        return KILN_ERROR_MEMORY;
    kiln_status status;
    if (head->kind == HDF5_RECORD_ERROR) {
        status = kiln_fail(KILN_ERROR_FORMAT, "%s: %.*s", origin,
                           (int)(head->data_bytes < 1024 ? head->data_bytes : 1024), data);
    } else if (head->kind == HDF5_RECORD_TEXTS && head->rank == 1) {
        status = take_texts(head, dims[0], name, head->name_bytes, data, contents);
    } else if (head->kind == HDF5_RECORD_DATA && head->type == HDF5_TYPE_OTHER) {
        char *why = copy_text(data, (size_t)head->data_bytes);
        status = why ? hdf5_add_texts(&contents->others, name, NULL, 1, (const char *[]){why})
                     : KILN_ERROR_MEMORY;
        free(why);
    } else if (head->kind == HDF5_RECORD_DATA &&
               (head->type == HDF5_TYPE_FLOAT || head->type == HDF5_TYPE_INTEGER)) {
        status = take_array(head, dims, name, data, contents);
    } else {
        status = fail_stream();
    }
    free(name);
    return status;
}

kiln_status hdf5_decode(const char *origin, const void *bytes, size_t size, hdf5_contents *contents)
{
    stream s = {bytes, (const char *)bytes + size};
    const char *magic = take(&s, strlen(HDF5_STREAM_MAGIC));
    kiln_status status = KILN_OK;
    *contents = (hdf5_contents){0};
    if (magic == NULL || memcmp(magic, HDF5_STREAM_MAGIC, strlen(HDF5_STREAM_MAGIC)) != 0)
        return fail_stream();
    for (;;) {
        hdf5_record head;
        const char *at = take(&s, sizeof head);
        if (at == NULL) {
            status = fail_stream();
            break;
        }
        memcpy(&head, at, sizeof head);
        if (head.kind == HDF5_RECORD_END)
            break;
        status = take_record(&s, &head, origin, contents);
        if (status != KILN_OK)
            break;
    }
    if (status != KILN_OK)
        hdf5_free(contents);
    return status;
}
