/* The data set `digits`: drawn once, then mapped from the cache. */
#include "data/digits.h"

#include "base/file.h"
#include "data/dataset.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The cached file: a page with the line below, the pictures, the labels as bytes. */
enum {
    COUNT = DIGITS_TRAIN + DIGITS_TEST,
    HEADER = 4096,
    PICTURES = COUNT * DIGITS_PIXELS,
    SIZE = HEADER + PICTURES + COUNT
};

static void header_line(char line[64])
{
    memset(line, 0, 64);
    snprintf(line, 64, "kiln digits version %d: %d + %d\n", DIGITS_VERSION, DIGITS_TRAIN,
             DIGITS_TEST);
}

/* NULL when there is no good file. */
static data_block *map_cached(const char *path)
{
    struct stat info;
    char line[64];
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return NULL;
    void *memory = MAP_FAILED;
    if (fstat(file, &info) == 0 && S_ISREG(info.st_mode) && info.st_size == SIZE)
        memory = mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE, file, 0);
    close(file);
    if (memory == MAP_FAILED)
        return NULL;
    header_line(line);
    if (memcmp(memory, line, sizeof line) != 0) {
        munmap(memory, SIZE);
        return NULL;
    }
    return data_block_new(memory, SIZE, true);
}

static data_block *draw(void)
{
    void *memory = NULL;
    if (posix_memalign(&memory, HEADER, SIZE) != 0) {
        kiln_fail_memory(SIZE);
        return NULL;
    }
    uint8_t *bytes = memory;
    memset(bytes, 0, HEADER);
    header_line(memory);
    digits_draw_all(0, COUNT, bytes + HEADER, bytes + HEADER + PICTURES);
    return data_block_new(memory, SIZE, false);
}

static data_block *load(void)
{
    char *path = file_cache_path("digits", "digits.bin");
    data_block *block = path ? map_cached(path) : NULL;
    if (block == NULL) {
        block = draw();
        /* without a cache they are drawn again next time */
        if (block && path && file_write_atomic(path, block->memory, block->bytes) != KILN_OK)
            kiln_clear_error();
    }
    if (block && path == NULL)
        kiln_clear_error();
    free(path);
    return block;
}

static kiln_dataset *part(data_block *block, const char *origin, int first, int count)
{
    kiln_dataset *dataset = dataset_new(origin);
    if (dataset == NULL)
        return NULL;
    const uint8_t *bytes = block->memory, *labels = bytes + HEADER + PICTURES + first;
    int32_t *targets = mem_new((size_t)count, sizeof *targets);
    for (int i = 0; targets && i < count; i++)
        targets[i] =
            labels[i] > 9 ? 9 : labels[i]; /* a damaged cache must not name a class there is not */
    dataset->samples = count;
    dataset->scale = 1.0 / 255;
    kiln_status status =
        dataset_share_input(dataset, NULL, KILN_UINT8, KILN_SHAPE(DIGITS_SIDE, DIGITS_SIDE), block,
                            bytes + HEADER + (size_t)first * DIGITS_PIXELS);
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
    data_block *block = load();
    if (block == NULL)
        return kiln_last_status();
    bool good = true;
    if (train)
        good = (*train = part(block, "digits:train", 0, DIGITS_TRAIN)) != NULL;
    if (test && good)
        good = (*test = part(block, "digits:test", DIGITS_TRAIN, DIGITS_TEST)) != NULL;
    data_block_release(block);
    if (!good && train) {
        kiln_dataset_free(*train);
        *train = NULL;
    }
    return good ? KILN_OK : kiln_last_status();
}
