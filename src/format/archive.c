/* Named arrays that go with a saved model. */
#include "format/archive.h"

#include <string.h>

void archive_arrays_free(archive_arrays *arrays)
{
    for (size_t i = 0; i < arrays->count; i++) {
        free(arrays->items[i].name);
        free(arrays->items[i].values);
    }
    free(arrays->items);
    *arrays = (archive_arrays){0};
}

void archive_training_free(archive_training *training)
{
    free(training->json);
    archive_arrays_free(&training->kept);
    *training = (archive_training){0};
}

const archive_array *archive_find(const archive_arrays *arrays, const char *name)
{
    for (size_t i = 0; i < arrays->count; i++)
        if (strcmp(arrays->items[i].name, name) == 0)
            return &arrays->items[i];
    return NULL;
}

kiln_status archive_add(archive_arrays *arrays, const char *name, kiln_shape shape,
                        const float *values)
{
    size_t elements;
    KILN_TRY(weight_elements(shape, name, &elements));
    KILN_TRY(MEM_PUSH_ROOM(arrays));
    archive_array made = {
        .name = str_copy(name), .shape = shape, .values = mem_new(elements, sizeof *values)};
    if (made.name == NULL || made.values == NULL) {
        free(made.name);
        free(made.values);
        return KILN_ERROR_MEMORY;
    }
    memcpy(made.values, values, elements * sizeof *values);
    arrays->items[arrays->count++] = made;
    return KILN_OK;
}

kiln_status archive_add_whole(archive_arrays *arrays, const char *name, int64_t value)
{
    float near = (float)value;
    KILN_TRY(archive_add(arrays, name, (kiln_shape){0}, &near));
    arrays->items[arrays->count - 1].whole = true;
    arrays->items[arrays->count - 1].integer = value;
    return KILN_OK;
}
