/* Tables. The first byte chooses the arguments, the rest is the file. */
#include "data/csv.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check(const kiln_dataset *dataset)
{
    const data_column *x = &dataset->inputs[0];
    const float *values = x->data;
    for (int64_t i = 0; i < dataset->samples * kiln_shape_size(x->shape); i++)
        if (!isfinite(values[i]))
            abort();
    if (dataset->target_count == 0 || dataset->targets[0].dtype != KILN_INT32)
        return;
    const int32_t *labels = dataset->targets[0].data;
    for (int64_t i = 0; i < dataset->samples; i++)
        if (labels[i] < 0 || (size_t)labels[i] >= dataset->class_count)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const char *const classes[] = {"a", "b", "3"}, *const labels[] = {NULL, "a", "0", "-1"};
    if (size == 0)
        return 0;
    kiln_dataset_args args = {.label = labels[bytes[0] & 3]};
    if (bytes[0] & 4)
        args.has_labels = KILN_NO;
    if (bytes[0] & 8) {
        args.class_count = 3;
        args.class_names = classes;
    }
    args.features = bytes[0] & 16 ? 2 : 0;
    char *copy = malloc(size); /* exactly as large as the file */
    memcpy(copy, bytes + 1, size - 1);
    kiln_dataset *dataset = csv_parse(bytes[0] & 32 ? "fuzz.tsv" : "fuzz.csv", copy, size - 1, &args);
    free(copy);
    if (dataset)
        check(dataset);
    else if (*kiln_last_error() == '\0')
        abort();
    kiln_dataset_free(dataset);
    kiln_clear_error();
    return 0;
}
