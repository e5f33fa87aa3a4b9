/* .npy files, the writing half. */
#include "data/npy.h"

#include "base/file.h"

#include <errno.h>
#include <string.h>

size_t npy_header(const npy_array *array, char header[NPY_HEADER])
{
    static const char *const types[] = {[KILN_FLOAT32] = "f4",
                                        [KILN_INT32] = "i4",
                                        [KILN_UINT8] = "u1",
                                        [KILN_INT64] = "i8",
                                        [KILN_FLOAT64] = "f8"};
    static const uint16_t probe = 1;
    char order = array->dtype == KILN_UINT8 ? '|' : *(const unsigned char *)&probe ? '<' : '>';
    char shape[DATA_SHAPE_TEXT];
    data_shape_text(array->rank, array->dims, shape);
    memcpy(header, "\x93NUMPY\x01\x00", 8);
    int n = snprintf(header + 10, NPY_HEADER - 10,
                     "{'descr': '%c%s', 'fortran_order': False, 'shape': %s, }", order,
                     types[array->dtype], shape);
    size_t used = 10 + (size_t)n, total = (used + 1 + 63) / 64 * 64;
    memset(header + used, ' ', total - used - 1);
    header[total - 1] = '\n';
    header[8] = (char)((total - 10) & 255);
    header[9] = (char)((total - 10) >> 8);
    return total;
}

kiln_status npy_encode(const npy_array *array, void **bytes, size_t *size)
{
    char header[NPY_HEADER];
    size_t head = npy_header(array, header);
    char *out = malloc(head + array->bytes);
    *bytes = out;
    if (out == NULL)
        return kiln_fail_memory(head + array->bytes);
    memcpy(out, header, head);
    if (array->bytes > 0)
        memcpy(out + head, array->data, array->bytes);
    *size = head + array->bytes;
    return KILN_OK;
}

kiln_status npy_write(const char *path, const npy_array *array)
{
    char header[NPY_HEADER];
    size_t head = npy_header(array, header);
    file_writer writer;
    KILN_TRY(file_begin(&writer, path));
    if (fwrite(header, 1, head, writer.stream) != head ||
        fwrite(array->data, 1, array->bytes, writer.stream) != array->bytes) {
        file_abandon(&writer);
        return kiln_fail(KILN_ERROR_FILE, "%s: cannot be written: %s", path, strerror(errno));
    }
    return file_commit(&writer);
}
