/* Text: streams and labelled lines. The first byte chooses the arguments, the rest is the file. */
#include "data/text.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check(const kiln_dataset *dataset)
{
    size_t row = (size_t)kiln_shape_size(dataset->inputs[0].shape);
    int32_t *values = malloc(row * sizeof *values);
    for (int64_t i = 0; i < dataset->samples; i++) {
        data_column_copy(&dataset->inputs[0], i, 1, values);
        for (size_t k = 0; k < row; k++)
            if (values[k] < 0 || (size_t)values[k] >= dataset->text.token_count)
                abort();
    }
    free(values);
    if (dataset->target_count == 0 || dataset->class_count == 0)
        return;
    const int32_t *labels = dataset->targets[0].data;
    for (int64_t i = 0; i < dataset->samples; i++)
        if (labels[i] < 0 || (size_t)labels[i] >= dataset->class_count)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const char *const classes[] = {"a", "b", "3"}, *const splits[] = {NULL, "character", "none", "whitespace"},
                             *const words[] = {"", "[UNK]", "a", "x y"};
    if (size == 0)
        return 0;
    uint8_t how = bytes[0];
    kiln_text_dataset_args args = {.task = how & 1 ? "classify" : "generate", .split = splits[how >> 1 & 3]};
    args.sequence_length = how & 8 ? 3 : 0;
    args.max_tokens = how & 16 ? 4 : 0;
    if (how & 32) {
        args.validation_split = 0.3;
        args.subset = how & 64 ? "validation" : "training";
    } else if (how & 64) {
        args.vocabulary = words;
        args.vocabulary_count = 4;
        args.class_names = classes;
        args.class_count = how & 128 ? 3 : 0;
    }
    args.batch_size = (how & 1) == 0 && how & 128 ? 2 : 0;
    char *copy = malloc(size); /* exactly as large as the file and the zero behind it */
    memcpy(copy, bytes + 1, size - 1);
    copy[size - 1] = '\0';
    kiln_dataset *dataset = text_dataset_parse(how & 128 ? "fuzz.tsv" : "fuzz.txt", copy, size - 1, &args);
    free(copy);
    if (dataset)
        check(dataset);
    else if (*kiln_last_error() == '\0')
        abort();
    kiln_dataset_free(dataset);
    kiln_clear_error();
    return 0;
}
