/* .npy files: what is read can be written and read again. */
#include "data/npy.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    npy_array array, again;
    void *file;
    size_t length;
    if (npy_decode(bytes, size, "fuzz", &array) != KILN_OK) {
        if (*kiln_last_error() == '\0')
            abort();
        kiln_clear_error();
        return 0;
    }
    if (npy_encode(&array, &file, &length) != KILN_OK || npy_decode(file, length, "again", &again) != KILN_OK)
        abort();
    if (again.dtype != array.dtype || again.rank != array.rank || again.bytes != array.bytes ||
        memcmp(again.dims, array.dims, (size_t)array.rank * sizeof *array.dims) != 0 ||
        memcmp(again.data, array.data, array.bytes) != 0)
        abort();
    free(file);
    data_array_free(&array);
    data_array_free(&again);
    return 0;
}
