/* What kiln-hdf5 hands back, which a file that took it over might have made; and what a model does with it. */
#include "format/hdf5_file.h"
#include "format/tensors.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    hdf5_contents contents;
    archive_arrays extra = {0};
    kiln_clear_error();
    if (hdf5_decode("fuzz", bytes, size, &contents) != KILN_OK) {
        if (*kiln_last_error() == '\0' || contents.arrays.count != 0)
            abort();
        return 0;
    }
    kiln_model *model = kiln_sequential(kiln_dense(4, .name = "first", .input_shape = KILN_SHAPE(3)),
                                        kiln_dense(2, .name = "dense"));
    kiln_status status = hdf5_is_legacy(&contents) ? hdf5_legacy_to_model(&contents, model)
                                                   : hdf5_to_model(&contents, model, &extra);
    if (status != KILN_OK && *kiln_last_error() == '\0')
        abort();
    archive_arrays_free(&extra);
    kiln_model_free(model);
    hdf5_free(&contents);
    return 0;
}
