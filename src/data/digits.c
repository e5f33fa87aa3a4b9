/* The data set `digits`: drawn once, then mapped from the cache. */
#include "data/digits.h"

#include "data/dataset.h"
#include "data/mapped.h"

/* In the cache and in memory: the pictures, then the labels as bytes. */
enum {
    COUNT = DIGITS_TRAIN + DIGITS_TEST,
    PICTURES = COUNT * DIGITS_PIXELS,
    SIZE = PICTURES + COUNT
};

static data_block *load(const void **data)
{
    char stamp[128];
    snprintf(stamp, sizeof stamp, "digits, version %d: %d + %d", DIGITS_VERSION, DIGITS_TRAIN,
             DIGITS_TEST);
    data_block *block = mapped_open("digits", "digits.bin", stamp, SIZE, data);
    if (block)
        return block;
    uint8_t *bytes = malloc(SIZE);
    if (bytes == NULL) {
        kiln_fail_memory(SIZE);
        return NULL;
    }
    digits_draw_all(0, COUNT, bytes, bytes + PICTURES);
    mapped_keep("digits", "digits.bin", stamp, bytes, SIZE);
    block = mapped_open("digits", "digits.bin", stamp, SIZE, data);
    if (block) { /* its pages can leave the memory, those drawn here cannot */
        free(bytes);
        return block;
    }
    *data = bytes;
    return data_block_new(bytes, SIZE, false);
}

static kiln_dataset *part(data_block *block, const void *data, const char *origin, int first,
                          int count)
{
    kiln_dataset *dataset = dataset_new(origin);
    if (dataset == NULL)
        return NULL;
    const uint8_t *bytes = data, *labels = bytes + PICTURES + first;
    int32_t *targets = mem_new((size_t)count, sizeof *targets);
    for (int i = 0; targets && i < count; i++)
        targets[i] = labels[i];
    dataset->samples = count;
    dataset->scale = 1.0 / 255;
    kiln_status status =
        dataset_share_input(dataset, NULL, KILN_UINT8, KILN_SHAPE(DIGITS_SIDE, DIGITS_SIDE), block,
                            bytes + (size_t)first * DIGITS_PIXELS);
    if (status == KILN_OK)
        status = dataset_take_target(dataset, NULL, KILN_INT32, (kiln_shape){0}, targets,
                                     (size_t)count * sizeof *targets);
    else
        free(targets);
    if (status != KILN_OK) {
        kiln_dataset_free(dataset);
        return NULL;
    }
    return dataset;
}

kiln_status kiln_datasets_digits_load(kiln_dataset **train, kiln_dataset **test)
{
    if (train)
        *train = NULL;
    if (test)
        *test = NULL;
    const void *data;
    data_block *block = load(&data);
    if (block == NULL)
        return kiln_last_status();
    bool good = true;
    if (train)
        good = (*train = part(block, data, "digits:train", 0, DIGITS_TRAIN)) != NULL;
    if (test && good)
        good = (*test = part(block, data, "digits:test", DIGITS_TRAIN, DIGITS_TEST)) != NULL;
    data_block_release(block);
    if (!good && train) {
        kiln_dataset_free(*train);
        *train = NULL;
    }
    return good ? KILN_OK : kiln_last_status();
}
