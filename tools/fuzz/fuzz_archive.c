/* Saved models: reading what looks like one fails with a sentence, or yields a model with weights. */
#include "base/file.h"
#include "format/archive.h"

#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static char path[32];
    static int file = -1;
    kiln_model *model;
    archive_arrays extra;
    char *config;
    if (file < 0) {
        setenv("KILN_HELPER_DIR", "/nonexistent", 1); /* HDF5 is not parsed in this process anyway */
        file = memfd_create("fuzz", 0);
        snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    }
    if (file < 0 || ftruncate(file, 0) != 0 || pwrite(file, bytes, size, 0) != (ssize_t)size)
        abort();
    kiln_clear_error();
    if (archive_read(path, &(open_axis){.length = 3}, &model, &config, &extra) != KILN_OK) {
        if (*kiln_last_error() == '\0' || model != NULL || extra.count != 0 || config != NULL)
            abort();
        return 0;
    }
    if (model->seeded)
        for (size_t i = 0; i < kiln_model_weight_count(model); i++)
            if (model_saved_weight(model, i, NULL)->weight.host == NULL)
                abort();
    free(config);
    archive_arrays_free(&extra);
    kiln_model_free(model);
    return 0;
}
