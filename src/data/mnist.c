/* MNIST: found in $KILN_DATA_DIR or the cache, or downloaded; checked by SHA-256 of the unpacked
 * files. */
#include "data/mnist.h"

#include "base/env.h"
#include "base/file.h"
#include "data/dataset.h"
#include "data/download.h"
#include "data/idx.h"
#include "data/mapped.h"

#include <inttypes.h>
#include <nettle/sha2.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct source_file {
    const char *name, *other_name;
    uint32_t count;
    const char *sha256;
} source_file;

static const source_file files[2][2] = {
    {{"train-images-idx3-ubyte", "train-images.idx3-ubyte", 60000,
      "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"},
     {"train-labels-idx1-ubyte", "train-labels.idx1-ubyte", 60000,
      "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"}},
    {{"t10k-images-idx3-ubyte", "t10k-images.idx3-ubyte", 10000,
      "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"},
     {"t10k-labels-idx1-ubyte", "t10k-labels.idx1-ubyte", 10000,
      "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"}},
};

/* The largest of them packed has 9.9 MB, unpacked 47. */
enum { LARGEST_FILE = 64 << 20 };

/* SHA-256 of the array as the IDX file it was read from. */
static void hash_array(const data_array *array, char hex[2 * SHA256_DIGEST_SIZE + 1])
{
    struct sha256_ctx context;
    uint8_t head[4 + 4 * DATA_MAX_RANK] = {0, 0, 0x08, (uint8_t)array->rank},
                         digest[SHA256_DIGEST_SIZE];
    for (int i = 0; i < array->rank; i++)
        for (int b = 0; b < 4; b++)
            head[4 + 4 * i + b] = (uint8_t)(array->dims[i] >> (24 - 8 * b));
    sha256_init(&context);
    sha256_update(&context, 4 + 4 * (size_t)array->rank, head);
    sha256_update(&context, array->bytes, array->data);
    sha256_digest(&context, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}

/* Reads a file and makes sure that it is the one. */
static kiln_status read_checked(const source_file *file, const char *path, data_array *array)
{
    char hex[2 * SHA256_DIGEST_SIZE + 1] = "";
    KILN_TRY(idx_read(path, array));
    if (array->dtype == KILN_UINT8)
        hash_array(array, hex);
    if (strcmp(hex, file->sha256) == 0)
        return KILN_OK;
    char shape[DATA_SHAPE_TEXT];
    kiln_fail(KILN_ERROR_FORMAT,
              "%s is not MNIST's %s: it holds %s of shape %s with the SHA-256 %.16s... instead of "
              "%.16s...; to use "
              "other IDX files, name them: IMAGES,LABELS",
              path, file->name, kiln_dtype_name(array->dtype),
              data_shape_text(array->rank, array->dims, shape), *hex ? hex : "(none)",
              file->sha256);
    data_array_free(array);
    return KILN_ERROR_FORMAT;
}

/* A download is checked by reading it; the array is kept. */
typedef struct arrival {
    const source_file *file;
    data_array array;
} arrival;

static kiln_status check_arrival(void *user, const char *path)
{
    arrival *a = user;
    data_array_free(&a->array);
    return read_checked(a->file, path, &a->array);
}

/* The file below $KILN_DATA_DIR, or NULL. Free with free(). */
static char *find_given(const source_file *file)
{
    const char *base = env_get(ENV_DATA_DIR);
    for (int i = 0; base && i < 8; i++) {
        char path[4096];
        int n = snprintf(path, sizeof path, "%s/%s%s%s", base, i < 4 ? "mnist/" : "",
                         i % 2 ? file->other_name : file->name, i % 4 < 2 ? ".gz" : "");
        if (n > 0 && (size_t)n < sizeof path && file_exists(path))
            return str_copy(path);
    }
    return NULL;
}

static kiln_status read_cached(const source_file *file, data_array *array)
{
    char *name = str_format("%s.gz", file->name);
    char *path = name ? file_cache_path("mnist", name) : NULL;
    kiln_status status = path ? KILN_OK : kiln_last_status();
    if (status == KILN_OK && file_exists(path)) {
        if (read_checked(file, path, array) == KILN_OK) {
            free(name);
            free(path);
            return KILN_OK;
        }
        unlink(path); /* damaged: get it again */
    }
    if (status == KILN_OK) {
        arrival a = {.file = file};
        download what = {.set = "mnist",
                         .file = name,
                         .path = path,
                         .most = LARGEST_FILE,
                         .check = check_arrival,
                         .user = &a};
        status = download_get(&what);
        if (status == KILN_OK)
            *array = a.array;
        else
            data_array_free(&a.array);
    }
    if (status != KILN_OK && status != KILN_INTERRUPTED) {
        char why[1024];
        snprintf(why, sizeof why, "%s", kiln_last_error());
        kiln_fail(
            status,
            "MNIST is neither in $KILN_DATA_DIR nor in the cache, and its download failed: %s; "
            "put %s into $KILN_DATA_DIR/mnist by hand, or use the built-in data set digits, "
            "which needs no download",
            why, name ? name : file->name);
    }
    free(name);
    free(path);
    return status;
}

static kiln_status read_file(const source_file *file, data_array *array)
{
    *array = (data_array){0};
    char *given = find_given(file);
    if (given == NULL)
        return read_cached(file, array);
    kiln_status status = read_checked(file, given, array);
    free(given);
    return status;
}

/* The packed file that read_file would read, or NULL when it has to be downloaded. Free with
 * free(). */
static char *find_file(const source_file *file)
{
    kiln_error_record before;
    kiln_error_save(&before);
    char *path = find_given(file);
    if (path)
        return path;
    char *name = str_format("%s.gz", file->name);
    path = name ? file_cache_path("mnist", name) : NULL;
    free(name);
    if (path && file_exists(path))
        return path;
    free(path);
    kiln_error_restore(&before);
    return NULL;
}

bool mnist_at_hand(void)
{
    bool there = true;
    for (int i = 0; i < 4 && there; i++) {
        char *path = find_file(&files[i / 2][i % 2]);
        there = path != NULL;
        free(path);
    }
    return there;
}

/* Names the packed file as it is now: one that is changed or replaced gets another stamp. */
static bool stamp_file(const source_file *file, const char *path, char stamp[256])
{
    struct stat info;
    if (path == NULL || stat(path, &info) != 0)
        return false;
    snprintf(stamp, 256, "%s %s of device %ju, inode %ju, size %jd, time %jd.%09ld", file->name,
             file->sha256, (uintmax_t)info.st_dev, (uintmax_t)info.st_ino, (intmax_t)info.st_size,
             (intmax_t)info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
    return true;
}

/* The pictures, unpacked and checked once and mapped from then on. */
static kiln_status load_images(const source_file *file, kiln_dataset *dataset)
{
    char stamp[256], name[64];
    data_block *block = NULL;
    const void *data = NULL;
    data_array array = {0};
    size_t bytes = (size_t)file->count * 28 * 28;
    snprintf(name, sizeof name, "%s.bin", file->name);
    char *path = find_file(file);
    bool stamped = stamp_file(file, path, stamp);
    if (stamped)
        block = mapped_open("mnist", name, stamp, bytes, &data);
    if (block == NULL) {
        kiln_status status = read_file(file, &array);
        if (status != KILN_OK) {
            free(path);
            return status;
        }
        if (path == NULL) { /* it was downloaded */
            path = find_file(file);
            stamped = stamp_file(file, path, stamp);
        }
        if (stamped) {
            mapped_keep("mnist", name, stamp, array.data, array.bytes);
            block = mapped_open("mnist", name, stamp, bytes, &data);
        }
        if (block) { /* its pages can leave the memory, those of the array cannot */
            data_array_free(&array);
        } else {
            data = array.data;
            block = data_block_new(array.data, array.bytes, false);
        }
    }
    free(path);
    if (block == NULL)
        return kiln_last_status();
    kiln_status status =
        dataset_share_input(dataset, NULL, KILN_UINT8, KILN_SHAPE(28, 28), block, data);
    data_block_release(block);
    return status;
}

static kiln_status load_labels(const source_file *file, kiln_dataset *dataset)
{
    data_array labels;
    KILN_TRY(read_file(file, &labels));
    int32_t *targets = mem_new(file->count, sizeof *targets);
    for (uint32_t i = 0; targets && i < file->count; i++)
        targets[i] = ((uint8_t *)labels.data)[i];
    data_array_free(&labels);
    return dataset_take_target(dataset, NULL, KILN_INT32, (kiln_shape){0}, targets,
                               file->count * sizeof *targets);
}

static kiln_status load_part(int part, kiln_dataset **out)
{
    kiln_dataset *dataset = dataset_new(part ? "mnist:test" : "mnist:train");
    if (dataset == NULL)
        return kiln_last_status();
    dataset->samples = files[part][0].count;
    dataset->scale = 1.0 / 255;
    kiln_status status = load_images(&files[part][0], dataset);
    if (status == KILN_OK)
        status = load_labels(&files[part][1], dataset);
    if (status != KILN_OK) {
        kiln_dataset_free(dataset);
        return status;
    }
    *out = dataset;
    return KILN_OK;
}

kiln_status kiln_datasets_mnist_load(kiln_dataset **train, kiln_dataset **test)
{
    kiln_dataset *parts[2] = {NULL, NULL};
    kiln_status status = KILN_OK;
    if (train)
        *train = NULL;
    if (test)
        *test = NULL;
    if (train)
        status = load_part(0, &parts[0]);
    if (test && status == KILN_OK)
        status = load_part(1, &parts[1]);
    if (status != KILN_OK) {
        kiln_dataset_free(parts[0]);
        return status;
    }
    if (train)
        *train = parts[0];
    if (test)
        *test = parts[1];
    return KILN_OK;
}
