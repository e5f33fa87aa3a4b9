/* kiln_dataset_open: which reader a source is for. */
#include "base/file.h"
#include "data/csv.h"
#include "data/idx.h"
#include "data/npy.h"

#include <inttypes.h>
#include <string.h>

#define WHAT_DATA_IS                                                                               \
    "data is mnist, digits, IMAGES,LABELS of IDX files, .npz, .npy, X.npy,Y.npy, .csv or .tsv"

typedef enum file_kind { KIND_IDX, KIND_NPY, KIND_NPZ, KIND_TEXT } file_kind;

static bool starts_with(const unsigned char *bytes, size_t size, const char *magic, size_t length)
{
    return size >= length && memcmp(bytes, magic, length) == 0;
}

/* A word for files that people try and that are no data set. */
static const char *known_stranger(const unsigned char *bytes, size_t size)
{
    static const struct {
        const char *magic;
        size_t length;
        const char *name;
    } strangers[] = {
        {"\x89PNG", 4, "a PNG picture"},
        {"\xff\xd8\xff", 3, "a JPEG picture"},
        {"\x89HDF", 4, "an HDF5 file"},
        {"%PDF", 4, "a PDF document"},
        {"\x80\x02", 2, "a Python pickle"},
        {"\x80\x04", 2, "a Python pickle"},
        {"\x28\xb5\x2f\xfd", 4, "a zstd archive"},
        {"BZh", 3, "a bzip2 archive"},
        {"\xfd"
         "7zXZ",
         5, "an xz archive"},
        {"PAR1", 4, "a Parquet file"},
        {"\x7f"
         "ELF",
         4, "a program"},
    };
    for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++)
        if (starts_with(bytes, size, strangers[i].magic, strangers[i].length))
            return strangers[i].name;
    return NULL;
}

static kiln_status sniff(const char *path, file_kind *kind)
{
    unsigned char head[512] = {0};
    size_t size = 0;
    data_reader *reader = reader_open(path);
    if (reader == NULL)
        return kiln_last_status();
    kiln_status status = reader_read(reader, head, sizeof head, &size);
    bool gzip = reader_is_gzip(reader);
    reader_close(reader);
    KILN_TRY(status);
    if (npy_looks_like(head, size))
        *kind = KIND_NPY;
    else if (idx_looks_like(head, size))
        *kind = KIND_IDX;
    else if (npz_looks_like(head, size))
        *kind = KIND_NPZ;
    else if (gzip)
        return kiln_fail(KILN_ERROR_FORMAT,
                         "%s: is a gzip file with neither an IDX nor a .npy file in it; unpack it",
                         path);
    else if (known_stranger(head, size))
        return kiln_fail(KILN_ERROR_FORMAT, "%s: is %s; " WHAT_DATA_IS, path,
                         known_stranger(head, size));
    else if (size > 0 && memchr(head, 0, size))
        return kiln_fail(KILN_ERROR_FORMAT,
                         "%s: is neither IDX, .npy, .npz nor text (it starts with %02x %02x %02x "
                         "%02x); " WHAT_DATA_IS,
                         path, head[0], head[1], head[2], head[3]);
    else
        *kind = KIND_TEXT;
    return KILN_OK;
}

/* One array as an input or target: the first axis counts the samples. A label of one byte becomes
 * int32. */
static kiln_status add_array(kiln_dataset *dataset, bool target, const char *name, const char *what,
                             data_array *array)
{
    if (array->rank == 0)
        return kiln_fail(KILN_ERROR_SHAPE,
                         "%s: is a single number, not one value or more for each sample", what);
    char shape_text[DATA_SHAPE_TEXT];
    data_shape_text(array->rank, array->dims, shape_text);
    bool first = dataset->input_count + dataset->target_count == 0;
    if (array->bytes == 0)
        return kiln_fail(KILN_ERROR_SHAPE, "%s: holds nothing: its shape is %s", what, shape_text);
    if (array->dims[0] > INT32_MAX)
        return kiln_fail(KILN_ERROR_SHAPE, "%s: has %" PRId64 " samples; %d are possible", what,
                         array->dims[0], INT32_MAX);
    if (first)
        dataset->samples = array->dims[0];
    else if (array->dims[0] != dataset->samples)
        return kiln_fail(KILN_ERROR_SHAPE,
                         "%s: has %" PRId64 " samples, but the array before it has %" PRId64, what,
                         array->dims[0], dataset->samples);
    KILN_TRY(data_array_narrow(array, what));
    kiln_shape shape = kiln_shape_of(array->rank - 1, array->dims + 1);
    if (target && array->dtype == KILN_UINT8 && kiln_shape_size(shape) == 1) {
        int32_t *labels = mem_new((size_t)dataset->samples, sizeof *labels);
        for (int64_t i = 0; labels && i < dataset->samples; i++)
            labels[i] = ((uint8_t *)array->data)[i];
        return dataset_take_target(dataset, name, KILN_INT32, shape, labels,
                                   (size_t)dataset->samples * sizeof *labels);
    }
    void *data = array->data;
    array->data = NULL; /* the data set's from here on */
    return target ? dataset_take_target(dataset, name, array->dtype, shape, data, array->bytes)
                  : dataset_take_input(dataset, name, array->dtype, shape, data, array->bytes);
}

/* One IDX or .npy file. */
static kiln_status add_file(kiln_dataset *dataset, bool target, const char *path)
{
    file_kind kind;
    data_array array;
    KILN_TRY(sniff(path, &kind));
    if (kind == KIND_IDX) {
        KILN_TRY(idx_read(path, &array));
        if (!target && array.dtype == KILN_UINT8 && array.rank >= 3)
            dataset->scale = 1.0 / 255; /* pictures */
    } else if (kind == KIND_NPY) {
        KILN_TRY(npy_read(path, &array));
    } else {
        return kiln_fail(KILN_ERROR_FORMAT, "%s: is %s; the files of a pair are IDX or .npy files",
                         path, kind == KIND_NPZ ? "a zip archive" : "text");
    }
    kiln_status status = add_array(dataset, target, NULL, path, &array);
    data_array_free(&array);
    return status;
}

static kiln_dataset *finish(kiln_dataset *dataset, kiln_status status)
{
    if (status == KILN_OK)
        return dataset;
    kiln_dataset_free(dataset);
    return NULL;
}

static kiln_dataset *open_arrays(const char *origin, const char *x, const char *y)
{
    kiln_dataset *dataset = dataset_new(origin);
    if (dataset == NULL)
        return NULL;
    kiln_status status = add_file(dataset, false, x);
    if (status == KILN_OK && y)
        status = add_file(dataset, true, y);
    return finish(dataset, status);
}

static kiln_status add_member(kiln_dataset *dataset, bool target, const char *name,
                              data_array *array)
{
    char *what = str_format("%s(%s)", dataset->origin, array->name);
    if (what == NULL)
        return kiln_last_status();
    kiln_status status = add_array(dataset, target, name, what, array);
    free(what);
    return status;
}

static data_array *member(data_array_list *list, const char *name, const char *suffix)
{
    char full[64];
    snprintf(full, sizeof full, "%s%s", name, suffix);
    return (data_array *)data_array_find(list, full);
}

static bool is_weights(const data_array *array)
{
    return strcmp(array->name, "sample_weight") == 0 || strcmp(array->name, "sample_weights") == 0;
}

static kiln_status add_weights(kiln_dataset *dataset, const data_array *array)
{
    bool right = array->rank == 1 && array->dims[0] == dataset->samples &&
                 (array->dtype == KILN_FLOAT32 || array->dtype == KILN_FLOAT64);
    if (!right)
        return kiln_fail(KILN_ERROR_SHAPE, "%s(%s): sample weights are %" PRId64 " floats",
                         dataset->origin, array->name, dataset->samples);
    float *weights = mem_new((size_t)dataset->samples, sizeof *weights);
    if (weights == NULL)
        return kiln_last_status();
    kiln_status status =
        data_narrow(array->data, array->dtype, dataset->samples, 1, weights, array->name);
    if (status == KILN_OK)
        status = kiln_dataset_set_sample_weights(dataset, weights);
    free(weights);
    return status;
}

/* x and y with this suffix ("", "_train", "_test"). */
static kiln_status add_x_y(kiln_dataset *dataset, data_array_list *list, const char *suffix)
{
    data_array *x = member(list, "x", suffix), *y = member(list, "y", suffix);
    data_array *weights = member(list, "sample_weight", suffix);
    if (x == NULL)
        return kiln_fail(KILN_ERROR_FORMAT, "%s: has no array x%s", dataset->origin, suffix);
    KILN_TRY(add_member(dataset, false, NULL, x));
    if (y)
        KILN_TRY(add_member(dataset, true, NULL, y));
    return weights ? add_weights(dataset, weights) : KILN_OK;
}

/* Arrays by name: x... are inputs and y... targets where all are called so; else all wait among the
 * inputs for a model to say. */
static kiln_status add_named(kiln_dataset *dataset, data_array_list *list)
{
    size_t xs = 0, ys = 0, others = 0;
    const data_array *weights = NULL;
    for (size_t i = 0; i < list->count; i++) {
        const data_array *array = &list->items[i];
        if (is_weights(array))
            weights = array;
        else if (array->name[0] == 'x')
            xs++;
        else if (array->name[0] == 'y')
            ys++;
        else
            others++;
    }
    bool by_letter = others == 0 && xs > 0;
    if (xs + ys + others == 0)
        return kiln_fail(KILN_ERROR_FORMAT, "%s: holds no array", dataset->origin);
    dataset->names_open = !by_letter;
    for (size_t i = 0; i < list->count; i++) {
        data_array *array = &list->items[i];
        if (!is_weights(array))
            KILN_TRY(add_member(dataset, by_letter && array->name[0] == 'y', array->name, array));
    }
    return weights ? add_weights(dataset, weights) : KILN_OK;
}

static kiln_dataset *open_npz(const char *path, bool test)
{
    npy_list list;
    kiln_dataset *dataset = dataset_new(path);
    if (dataset == NULL)
        return NULL;
    kiln_status status = npz_read(path, &list);
    if (status == KILN_OK) {
        if (data_array_find(&list, "x_train") || data_array_find(&list, "x_test"))
            status = add_x_y(dataset, &list, test ? "_test" : "_train");
        else if (data_array_find(&list, "x") && list.count <= 3 &&
                 (list.count == 1 || data_array_find(&list, "y") ||
                  data_array_find(&list, "sample_weight")))
            status = add_x_y(dataset, &list, "");
        else
            status = add_named(dataset, &list);
        data_array_list_free(&list);
    }
    return finish(dataset, status);
}

static kiln_dataset *open_file(const char *path, const kiln_dataset_args *args, bool test)
{
    file_kind kind;
    if (sniff(path, &kind) != KILN_OK)
        return NULL;
    switch (kind) {
    case KIND_NPZ:
        return open_npz(path, test);
    case KIND_TEXT:
        return csv_read(path, args);
    default:
        return open_arrays(path, path, NULL);
    }
}

/* "X,Y": a file's name may hold commas itself, so the comma is one with a file on either side. */
static kiln_dataset *open_pair(const char *source)
{
    char *copy = str_copy(source);
    kiln_dataset *dataset = NULL;
    if (copy == NULL)
        return NULL;
    char *cut = NULL;
    for (char *comma = strchr(copy, ','); comma && cut == NULL; comma = strchr(comma + 1, ',')) {
        *comma = '\0';
        if (file_exists(copy) && file_exists(comma + 1))
            cut = comma;
        else
            *comma = ',';
    }
    if (cut == NULL) {
        char *comma = strchr(copy, ',');
        *comma = '\0';
        const char *missing = file_exists(copy) ? comma + 1 : copy;
        kiln_fail(KILN_ERROR_FILE, "%s: there is no file %s", source,
                  *missing ? missing : "behind the comma");
    } else {
        dataset = open_arrays(source, copy, cut + 1);
    }
    free(copy);
    return dataset;
}

/* "mnist", "mnist:train": *part is what follows the colon, or NULL. */
static bool is_set(const char *source, const char *name, const char **part)
{
    size_t n = strlen(name);
    if (strncmp(source, name, n) != 0 || (source[n] != '\0' && source[n] != ':'))
        return false;
    if (source[n] == ':')
        *part = source + n + 1;
    return true;
}

/* For files whose reader does not say what to do. */
static const char *advice_for(kiln_status code)
{
    switch (code) {
    case KILN_ERROR_SHAPE:
        return "give arrays with as many samples each, the samples along the first axis";
    case KILN_ERROR_FILE:
        return "check the path";
    case KILN_ERROR_ARGUMENT:
        return "correct the arguments";
    default:
        return "correct the file, or get it again";
    }
}

kiln_dataset *kiln_dataset_open_with(const char *source, const kiln_dataset_args *args)
{
    static const kiln_dataset_args none;
    if (source == NULL || *source == '\0') {
        kiln_fail(KILN_ERROR_ARGUMENT, "no data was named; " WHAT_DATA_IS);
        return NULL;
    }
    args = args ? args : &none;
    const char *part = args->part ? args->part : "train";
    bool mnist = is_set(source, "mnist", &part), digits = !mnist && is_set(source, "digits", &part);
    bool test = strcmp(part, "test") == 0;
    if (!test && strcmp(part, "train") != 0) {
        kiln_fail(KILN_ERROR_ARGUMENT,
                  "%s: the part '%s' of a data set is unknown; there are train and test", source,
                  part);
        return NULL;
    }
    kiln_dataset *dataset = NULL;
    if (mnist)
        kiln_datasets_mnist_load(test ? NULL : &dataset, test ? &dataset : NULL);
    else if (digits)
        kiln_datasets_digits_load(test ? NULL : &dataset, test ? &dataset : NULL);
    else if (strchr(source, ',') && !file_exists(source))
        dataset = open_pair(source);
    else if (!file_exists(source))
        kiln_fail(KILN_ERROR_FILE, "%s: there is no such file; " WHAT_DATA_IS, source);
    else
        dataset = open_file(source, args, test);
    if (dataset == NULL)
        kiln_advise(advice_for(kiln_last_status()));
    return dataset;
}
