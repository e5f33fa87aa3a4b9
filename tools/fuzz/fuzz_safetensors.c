/* safetensors: what is read can be written and read again. */
#include "format/safetensors.h"
#include "format/tensors.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    data_array_list list, again, floats = {0};
    void *file;
    size_t length;
    kiln_clear_error();
    if (safetensors_decode("fuzz", bytes, size, &list) != KILN_OK) {
        if (*kiln_last_error() == '\0' || list.count != 0)
            abort();
        return 0;
    }
    for (size_t i = 0; i < list.count; i++) {
        const data_array *from = &list.items[i];
        data_array *to = tensor_add(&floats, from->name, KILN_FLOAT32, from->rank, from->dims);
        float *values;
        if (to == NULL || tensor_floats(from, &values) != KILN_OK)
            abort();
        memcpy(to->data, values, to->bytes);
        free(values);
    }
    if (safetensors_encode(&floats, &file, &length) != KILN_OK ||
        safetensors_decode("again", file, length, &again) != KILN_OK || again.count != floats.count)
        abort();
    for (size_t i = 0; i < floats.count; i++) {
        const data_array *array = data_array_find(&again, floats.items[i].name);
        if (array == NULL || array->bytes != floats.items[i].bytes ||
            memcmp(array->data, floats.items[i].data, array->bytes) != 0)
            abort();
    }
    free(file);
    data_array_list_free(&list);
    data_array_list_free(&again);
    data_array_list_free(&floats);
    return 0;
}
