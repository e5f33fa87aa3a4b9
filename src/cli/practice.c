#include "cli/practice.h"

#include "data/mnist.h"

#include <string.h>

static uint32_t draw(uint32_t *state)
{
    return *state = *state * 1664525u + 1013904223u;
}

/* Sequences of whole numbers, with each one's next, or the class of each sequence. */
static kiln_dataset *draw_sequences(int64_t length, int64_t words, bool classes)
{
    enum { ROWS = 1024 };
    size_t n = ROWS * (size_t)length;
    int32_t *x = mem_new(n + 1, sizeof *x), labels[ROWS];
    uint32_t state = 1;
    kiln_dataset *data = NULL;
    for (size_t i = 0; x && i <= n; i++)
        x[i] = (int32_t)((draw(&state) >> 8) % (uint32_t)words);
    for (size_t i = 0; i < ROWS; i++)
        labels[i] = (int32_t)(i % 2);
    if (x) {
        kiln_array xs = {.dtype = KILN_INT32, .shape = KILN_SHAPE(length), .data = x},
                   ys = {.dtype = KILN_INT32, .shape = KILN_SHAPE(length), .data = x + 1},
                   zs = {.dtype = KILN_INT32, .data = labels};
        data = kiln_dataset_from_arrays(ROWS, 1, &xs, 1, classes ? &zs : &ys);
    }
    free(x);
    return data;
}

kiln_dataset *practice_data(const network *which, const char **name)
{
    if (which->words) {
        *name = "random sequences";
        return draw_sequences(which->sized.dims[0], which->words,
                              which->task && strcmp(which->task, "classify") == 0);
    }
    if (which->sized.rank > 0) {
        kiln_shape sample = which->sized.rank == 1 ? KILN_SHAPE(16) : which->sized;
        size_t rows = which->sized.rank == 1 ? 8192 : 1024,
               features = (size_t)kiln_shape_size(sample);
        float *x = mem_new(rows * features, sizeof *x);
        int32_t *y = mem_new(rows, sizeof *y);
        kiln_dataset *data = NULL;
        uint32_t state = 1;
        for (size_t i = 0; x && y && i < rows * features; i++) {
            x[i] = (float)(draw(&state) >> 8) / 16777216.0f;
            y[i / features] = (int32_t)(state >> 30);
        }
        if (x && y) {
            kiln_array xs = {.dtype = KILN_FLOAT32, .shape = sample, .data = x};
            kiln_array ys = {.dtype = KILN_INT32, .data = y};
            data = kiln_dataset_from_arrays((int64_t)rows, 1, &xs, 1, &ys);
        }
        free(x);
        free(y);
        *name = which->sized.rank == 1   ? "random rows"
                : which->sized.rank == 2 ? "random series"
                                         : "random pictures";
        return data;
    }
    kiln_dataset *data = NULL;
    bool real = mnist_at_hand();
    *name = real ? "mnist" : "digits";
    kiln_status status =
        real ? kiln_datasets_mnist_load(&data, NULL) : kiln_datasets_digits_load(&data, NULL);
    return status == KILN_OK ? data : NULL;
}
