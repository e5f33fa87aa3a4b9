/* IDX files, plain and gzip. */
#include "data/idx.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    data_array array;
    data_reader *reader = reader_open_memory(bytes, size, "fuzz");
    if (reader == NULL)
        return 0;
    if (idx_read_from(reader, &array) == KILN_OK) {
        size_t wanted;
        if (!data_size(array.rank, array.dims, kiln_dtype_size(array.dtype), &wanted) || wanted != array.bytes ||
            data_array_narrow(&array, "fuzz") == KILN_ERROR_MEMORY)
            abort();
        data_array_free(&array);
    } else if (*kiln_last_error() == '\0') {
        abort();
    }
    reader_close(reader);
    kiln_clear_error();
    return 0;
}
