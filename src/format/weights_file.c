#include "format/weights_file.h"

#include "base/file.h"
#include "data/npy.h"
#include "format/archive_inside.h"
#include "format/safetensors.h"
#include "format/tensors.h"

#include <string.h>
#include <strings.h>

static bool ends_with(const char *path, const char *end)
{
    size_t length = strlen(path), n = strlen(end);
    return length > n && strcasecmp(path + length - n, end) == 0;
}

file_kind file_kind_of(const char *path)
{
    static const struct {
        const char *end;
        file_kind kind;
    } ends[] = {{".keras", FILE_KIND_KERAS},
                {".json", FILE_KIND_JSON},
                {".weights.h5", FILE_KIND_WEIGHTS_H5},
                {".h5", FILE_KIND_H5},
                {".hdf5", FILE_KIND_H5},
                {".safetensors", FILE_KIND_SAFETENSORS},
                {".npz", FILE_KIND_NPZ}};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (ends_with(path, ends[i].end))
            return ends[i].kind;
    return FILE_KIND_NONE;
}

/* ---- writing ---- */

static kiln_status encode_tensors(const data_array_list *list, const char *path, void **bytes,
                                  size_t *size)
{
    if (file_kind_of(path) == FILE_KIND_NPZ)
        return npz_encode(list->items, list->count, false, bytes, size);
    return safetensors_encode(list, bytes, size);
}

kiln_status tensors_write(const data_array_list *list, const char *path)
{
    void *bytes = NULL;
    size_t size = 0;
    kiln_status status = encode_tensors(list, path, &bytes, &size);
    if (status == KILN_OK)
        status = file_write_atomic(path, bytes, size);
    free(bytes);
    return status;
}

static kiln_status write_hdf5(kiln_model *model, const char *optimizer,
                              const archive_arrays *variables, const char *path)
{
    hdf5_contents contents;
    void *bytes = NULL;
    size_t size = 0;
    KILN_TRY(hdf5_of_model(model, optimizer ? optimizer : "optimizer", variables, &contents));
    kiln_status status = hdf5_write(&contents, &bytes, &size);
    hdf5_free(&contents);
    if (status == KILN_OK)
        status = file_write_atomic(path, bytes, size);
    free(bytes);
    return status;
}

kiln_status weights_check_path(const char *path)
{
    switch (file_kind_of(path)) {
    case FILE_KIND_WEIGHTS_H5:
    case FILE_KIND_SAFETENSORS:
    case FILE_KIND_NPZ:
        return KILN_OK;
    default:
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "%s: the name of a file of weights ends in .weights.h5, .safetensors or "
                         ".npz",
                         path);
    }
}

kiln_status weights_write(kiln_model *model, const char *optimizer, const archive_arrays *variables,
                          const char *path)
{
    data_array_list list;
    KILN_TRY(weights_check_path(path));
    if (file_kind_of(path) == FILE_KIND_WEIGHTS_H5)
        return write_hdf5(model, optimizer, variables, path);
    KILN_TRY(tensors_of_model(model, &list));
    kiln_status status = tensors_write(&list, path);
    data_array_list_free(&list);
    return status;
}

/* ---- reading ---- */

static kiln_status decode_tensors(const char *path, const void *bytes, size_t size,
                                  data_array_list *list)
{
    if (npz_looks_like(bytes, size))
        return npz_decode(bytes, size, path, list);
    if (safetensors_looks_like(bytes, size))
        return safetensors_decode(path, bytes, size, list);
    return kiln_fail(KILN_ERROR_FORMAT,
                     "%s: it is no file of weights; those are .weights.h5, .safetensors and .npz",
                     path);
}

kiln_status tensors_read(const char *path, data_array_list *list)
{
    void *bytes;
    size_t size;
    *list = (data_array_list){0};
    KILN_TRY(file_read(path, SIZE_MAX / 4, &bytes, &size));
    kiln_status status = decode_tensors(path, bytes, size, list);
    free(bytes);
    return status;
}

static kiln_status read_bytes(kiln_model *model, const char *path, const void *bytes, size_t size,
                              archive_arrays *variables)
{
    if (hdf5_looks_like(bytes, size)) {
        hdf5_contents contents;
        KILN_TRY(hdf5_read(path, bytes, size, &contents));
        kiln_status status = hdf5_is_legacy(&contents) ? hdf5_legacy_to_model(&contents, model)
                                                       : hdf5_to_model(&contents, model, variables);
        hdf5_free(&contents);
        return status == KILN_OK ? KILN_OK : kiln_fail_in("%s", path);
    }
    if (archive_looks_like(bytes, size))
        return archive_read_weights(path, bytes, size, model, variables);
    data_array_list list;
    KILN_TRY(decode_tensors(path, bytes, size, &list));
    kiln_status status = tensors_to_model(&list, model, NULL);
    data_array_list_free(&list);
    return status == KILN_OK ? KILN_OK : kiln_fail_in("%s", path);
}

kiln_status weights_read(kiln_model *model, const char *path, archive_arrays *variables)
{
    void *bytes;
    size_t size;
    *variables = (archive_arrays){0};
    KILN_TRY(file_read(path, SIZE_MAX / 4, &bytes, &size));
    kiln_status status = read_bytes(model, path, bytes, size, variables);
    free(bytes);
    if (status != KILN_OK)
        archive_arrays_free(variables);
    return status;
}
