/* .npz archives: what is read can be written and read again. */
#include "data/npy.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    npy_list list, again;
    void *file;
    size_t length;
    if (npz_decode(bytes, size, "fuzz", &list) != KILN_OK) {
        if (*kiln_last_error() == '\0' || list.count != 0)
            abort();
        kiln_clear_error();
        return 0;
    }
    /* a name may be one that libzip reads but does not write */
    if (npz_encode(list.items, list.count, size & 1, &file, &length) == KILN_OK) {
        if (npz_decode(file, length, "again", &again) != KILN_OK || again.count != list.count)
            abort();
        for (size_t i = 0; i < list.count; i++)
            if (again.items[i].bytes != list.items[i].bytes ||
                memcmp(again.items[i].data, list.items[i].data, list.items[i].bytes) != 0)
                abort();
        data_array_list_free(&again);
        free(file);
    }
    data_array_list_free(&list);
    kiln_clear_error();
    return 0;
}
