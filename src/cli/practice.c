#include "cli/practice.h"

#include "data/mnist.h"

#include <string.h>

kiln_dataset *practice_data(const network *which, const char **name)
{
    if (which->sized.rank > 0) {
        kiln_shape sample = which->sized.rank == 1 ? KILN_SHAPE(16) : which->sized;
        size_t rows = which->sized.rank == 1 ? 8192 : 1024,
               features = (size_t)kiln_shape_size(sample);
        float *x = mem_new(rows * features, sizeof *x);
        int32_t *y = mem_new(rows, sizeof *y);
        kiln_dataset *data = NULL;
        uint32_t state = 1;
        for (size_t i = 0; x && y && i < rows * features; i++) {
            state = state * 1664525u + 1013904223u;
            x[i] = (float)(state >> 8) / 16777216.0f;
            y[i / features] = (int32_t)(state >> 30);
        }
        if (x && y) {
            kiln_array xs = {.dtype = KILN_FLOAT32, .shape = sample, .data = x};
            kiln_array ys = {.dtype = KILN_INT32, .data = y};
            data = kiln_dataset_from_arrays((int64_t)rows, 1, &xs, 1, &ys);
        }
        free(x);
        free(y);
        *name = which->sized.rank == 1 ? "random rows" : "random pictures";
        return data;
    }
    kiln_dataset *data = NULL;
    bool real = mnist_at_hand();
    *name = real ? "mnist" : "digits";
    kiln_status status =
        real ? kiln_datasets_mnist_load(&data, NULL) : kiln_datasets_digits_load(&data, NULL);
    return status == KILN_OK ? data : NULL;
}
