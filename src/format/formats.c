/* The kinds of files that hold a model, and archive_read, which tells them apart. */
#include "format/format.h"

#include "base/file.h"
#include "format/keras_json.h"

#include <string.h>

/* ---- an architecture alone ---- */

static bool looks_like_json(const unsigned char *head, size_t count)
{
    size_t i = count >= 3 && memcmp(head, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    while (i < count && strchr(" \t\r\n", head[i]) && head[i])
        i++;
    return i < count && (head[i] == '{' || head[i] == '[');
}

static kiln_status read_json(const char *path, const void *bytes, size_t count, open_axis *open,
                             kiln_model **model, archive_arrays *extra)
{
    const char *text_start = bytes;
    (void)extra;
    if (count >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0) { /* a byte order mark */
        text_start += 3;
        count -= 3;
    }
    return keras_json_read(path, text_start, count, open, model);
}

static const format format_json = {"JSON", looks_like_json, read_json};

const format *const format_registry[] = {&format_archive, &format_json, &format_hdf5, NULL};

/* ---- reading ---- */

static kiln_status read_bytes(const char *path, const void *bytes, size_t count, open_axis *open,
                              kiln_model **model, archive_arrays *extra)
{
    for (const format *const *f = format_registry; *f; f++) {
        if (!(*f)->looks_like(bytes, count))
            continue;
        return (*f)->read(path, bytes, count, open, model, extra);
    }
    return kiln_fail(KILN_ERROR_FORMAT,
                     "%s: %s; a model is a .keras archive, a Keras architecture in JSON or a whole "
                     "model in HDF5",
                     path, count ? "is no model file" : "is empty");
}

kiln_status archive_read(const char *path, open_axis *open, kiln_model **model,
                         char **compile_config, archive_arrays *extra)
{
    archive_arrays found = {0};
    struct open_axis none = {0};
    void *bytes;
    size_t count;
    *model = NULL;
    if (compile_config)
        *compile_config = NULL;
    if (extra)
        *extra = (archive_arrays){0};
    KILN_TRY(file_read(path, SIZE_MAX / 4, &bytes, &count));
    kiln_status status = read_bytes(path, bytes, count, open ? open : &none, model, &found);
    free(bytes);
    if (status == KILN_OK && compile_config && (*model)->facts->compile_config) {
        *compile_config = str_copy((*model)->facts->compile_config);
        if (*compile_config == NULL)
            status = KILN_ERROR_MEMORY;
    }
    if (status == KILN_OK && extra)
        *extra = found;
    else
        archive_arrays_free(&found);
    if (status != KILN_OK) {
        kiln_model_free(*model);
        *model = NULL;
    }
    return status;
}
