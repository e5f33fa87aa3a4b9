/* kiln_dataset_open: which reader a source is for. */
#include "base/file.h"
#include "data/csv.h"
#include "data/idx.h"
#include "data/npy.h"
#include "data/picture.h"
#include "data/pictures.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define WHAT_DATA_IS                                                                               \
    "data is mnist, digits, IMAGES,LABELS of IDX files, .npz, .npy, X.npy,Y.npy, .csv, .tsv, or "  \
    "pictures: a folder of classes, a .tar, .tar.gz or .zip of one, .png, .jpg"

typedef enum file_kind {
    KIND_IDX,
    KIND_NPY,
    KIND_NPZ,
    KIND_TEXT,
    KIND_ARCHIVE,
    KIND_PICTURE
} file_kind;

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

static bool is_utf16(const unsigned char *head, size_t size)
{
    return size >= 2 && (memcmp(head, "\xff\xfe", 2) == 0 || memcmp(head, "\xfe\xff", 2) == 0);
}

/* A zip archive whose first file is no array, and that is not called .npz. */
static bool is_zip_of_pictures(const char *path, const unsigned char *head, size_t size)
{
    size_t length = strlen(path), name = size > 30 ? (size_t)head[26] + 256 * (size_t)head[27] : 0;
    if (!npz_looks_like(head, size) || (length > 4 && strcasecmp(path + length - 4, ".npz") == 0))
        return false;
    return name < 4 || 30 + name > size || memcmp(head + 30 + name - 4, ".npy", 4) != 0;
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
    else if (!gzip && is_zip_of_pictures(path, head, size))
        *kind = KIND_ARCHIVE;
    else if (npz_looks_like(head, size))
        *kind = KIND_NPZ;
    else if (packed_is_tar(head, size))
        *kind = KIND_ARCHIVE;
    else if (!gzip && (picture_is_png(head, size) || picture_is_jpeg(head, size)))
        *kind = KIND_PICTURE;
    else if (gzip)
        return kiln_fail(KILN_ERROR_FORMAT,
                         "%s: is a gzip file with neither an IDX nor a .npy file nor a tar archive "
                         "in it; unpack it",
                         path);
    else if (is_utf16(head, size))
        return kiln_fail(KILN_ERROR_FORMAT, "%s: is UTF-16 text; save it as UTF-8", path);
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
                         path,
                         kind == KIND_NPZ       ? "a zip archive"
                         : kind == KIND_ARCHIVE ? "an archive"
                         : kind == KIND_PICTURE ? "a picture"
                                                : "text");
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

static kiln_status picture_request(const kiln_dataset_args *args, bool test,
                                   pictures_request *request)
{
    *request = (pictures_request){.wish = {.test = test,
                                           .labels = args->has_labels,
                                           .class_count = args->class_count,
                                           .class_names = args->class_names},
                                  .skip_unreadable = args->skip_unreadable == KILN_YES};
    return pictures_request_size(request, args->image_size, args->color_mode, args->input_shape);
}

static kiln_dataset *open_pictures(const char *path, const kiln_dataset_args *args, bool test,
                                   bool folder)
{
    pictures_request request;
    if (picture_request(args, test, &request) != KILN_OK)
        return NULL;
    return folder ? pictures_from_folder(path, &request) : pictures_from_archive(path, &request);
}

kiln_dataset *kiln_dataset_from_images(size_t count, const char *const *paths,
                                       const kiln_dataset_args *args)
{
    static const kiln_dataset_args none;
    pictures_request request;
    if (count == 0 || paths == NULL) {
        kiln_fail(KILN_ERROR_ARGUMENT, "no picture was named; name .png or .jpg files");
        return NULL;
    }
    for (size_t i = 0; i < count; i++)
        if (paths[i] == NULL) {
            kiln_fail_null("a picture's path");
            return NULL;
        }
    if (picture_request(args ? args : &none, false, &request) != KILN_OK)
        return NULL;
    kiln_dataset *dataset = pictures_from_files(count, paths, &request);
    if (dataset == NULL)
        kiln_advise("correct the file, or get it again");
    return dataset;
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
    case KIND_ARCHIVE:
        return open_pictures(path, args, test, false);
    case KIND_PICTURE:
        return kiln_dataset_from_images(1, &path, args);
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

static bool is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
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
    else if (is_folder(source))
        dataset = open_pictures(source, args, test, true);
    else
        dataset = open_file(source, args, test);
    if (dataset == NULL)
        kiln_advise(advice_for(kiln_last_status()));
    return dataset;
}

/* ---- Keras's image_dataset_from_directory ---- */

static kiln_status check_choice(const char *what, const char *given, const char *only)
{
    if (given == NULL || strcmp(given, only) == 0)
        return KILN_OK;
    return kiln_fail(KILN_ERROR_UNSUPPORTED,
                     "image_dataset_from_directory: the %s '%s' is not there; use '%s'", what,
                     given, only);
}

static kiln_status check_image_args(const kiln_image_dataset_args *args)
{
    bool split = args->validation_split != 0;
    KILN_TRY(check_choice("label mode", args->label_mode, "int"));
    KILN_TRY(check_choice("interpolation", args->interpolation, "bilinear"));
    if (split && !(args->validation_split > 0 && args->validation_split < 1))
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "image_dataset_from_directory: a validation_split of %g; it lies between "
                         "0 and 1",
                         args->validation_split);
    if (split != (args->subset != NULL))
        return kiln_fail(KILN_ERROR_ARGUMENT, "image_dataset_from_directory: validation_split and "
                                              "subset belong together; give both or neither");
    if (split && strcmp(args->subset, "training") != 0 && strcmp(args->subset, "validation") != 0)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "image_dataset_from_directory: the subset '%s' is unknown; there are "
                         "training and validation",
                         args->subset);
    return KILN_OK;
}

static kiln_dataset *pick_subset(kiln_dataset *whole, const kiln_image_dataset_args *args)
{
    kiln_dataset *first, *second;
    if (whole == NULL || args->validation_split == 0)
        return whole;
    bool validation = strcmp(args->subset, "validation") == 0;
    kiln_status status =
        kiln_dataset_split(whole, args->validation_split, args->seed, 1, &first, &second);
    kiln_dataset_free(whole);
    if (status != KILN_OK)
        return NULL;
    kiln_dataset_free(validation ? first : second);
    return validation ? second : first;
}

kiln_dataset *kiln_image_dataset_from_directory_with(const char *directory,
                                                     const kiln_image_dataset_args *args)
{
    static const kiln_image_dataset_args none;
    args = args ? args : &none;
    if (directory == NULL) {
        kiln_fail_null("the directory");
        return NULL;
    }
    if (check_image_args(args) != KILN_OK)
        return NULL;
    kiln_dataset_args plain = {.part = args->part,
                               .has_labels = args->labels == KILN_NO ? KILN_NO : KILN_YES,
                               .class_count = args->class_count,
                               .class_names = args->class_names,
                               .image_size = {args->image_size[0], args->image_size[1]},
                               .color_mode = args->color_mode,
                               .skip_unreadable = args->skip_unreadable};
    if (plain.image_size[0] == 0 && plain.image_size[1] == 0)
        plain.image_size[0] = plain.image_size[1] = 256;
    return pick_subset(kiln_dataset_open_with(directory, &plain), args);
}
