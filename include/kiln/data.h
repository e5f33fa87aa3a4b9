/* Data sets: named arrays with the samples along the first axis, or a C function that yields batches. */
#ifndef KILN_DATA_H
#define KILN_DATA_H

#include "status.h"
#include "values.h"

KILN_BEGIN_DECLS

typedef struct kiln_dataset kiln_dataset;

/* One array of a data set. shape is that of one sample (without the batch axis). */
typedef struct kiln_array {
    const char *name; /* input or target name; NULL: the only one */
    kiln_dtype dtype;
    kiln_shape shape;
    const void *data; /* samples x shape, row-major */
} kiln_array;

/* MNIST, images (28, 28) uint8 with scale 1/255, labels int32: from $KILN_DATA_DIR/mnist, else the cache,
 * else downloaded (and kept in the cache). Either pointer may be NULL. The caller frees both. */
KILN_API kiln_status kiln_datasets_mnist_load(kiln_dataset **train, kiln_dataset **test);

/* Tells how a download goes: bytes of the file that are there, and of all of it (0: not known). Called on the
 * thread that downloads. Anything but 0 stops the download (KILN_INTERRUPTED). */
typedef int (*kiln_download_progress)(void *user, const char *file, int64_t done, int64_t total);

/* Sets the function for downloads that the calling thread starts; NULL: none. */
KILN_API void kiln_set_download_progress(kiln_download_progress function, void *user);

/* Handwriting-like digits drawn by a generator, 60,000 + 10,000, shaped and typed like MNIST, the same
 * bytes on every machine. Either pointer may be NULL. The caller frees both. */
KILN_API kiln_status kiln_datasets_digits_load(kiln_dataset **train, kiln_dataset **test);

/* Copies arrays of `samples` samples each. 64-bit elements are narrowed (a value that does not fit is an
 * error). NULL on failure. Free with kiln_dataset_free. */
KILN_API kiln_dataset *kiln_dataset_from_arrays(int64_t samples, size_t inputs, const kiln_array *x,
                                                size_t targets, const kiln_array *y);

/* Keras's timeseries_dataset_from_array: windows of sequence_length rows over an array of `rows` rows, one behind the
 * other in time (data->shape: of one row). Sample i is the rows i * sequence_stride, sampling_rate apart, from start_index
 * on: (sequence_length, row...). Its target is the row i * sequence_stride of `targets` (likewise from start_index on;
 * NULL: none): to forecast the next row, pass the rows of `data` from the sequence_length-th on, and their number as
 * target_rows. Windows without a target are left out. The arrays are copied once, and windows are places in the copy, on
 * the device too. Batches and their order are kiln_fit's matter. NULL on failure. Free with kiln_dataset_free. */
typedef struct kiln_timeseries_dataset_args {
    int64_t rows;
    const kiln_array *data;
    const kiln_array *targets; /* NULL: none */
    int64_t sequence_length;
    int64_t target_rows;     /* rows of targets; default: as many as data has */
    int64_t sequence_stride; /* rows from one window to the next (1) */
    int64_t sampling_rate;   /* rows from one entry of a window to the next (1) */
    int64_t start_index;     /* rows before it are not used (0) */
    int64_t end_index;       /* rows from it on are not used (the number of rows) */
    int64_t horizon;         /* not in Keras: entries of a target, sampling_rate apart: (horizon, row...); 1 (default): (row...) */
    char unset_;             /* set by nobody */
} kiln_timeseries_dataset_args;
KILN_API kiln_dataset *kiln_timeseries_dataset_from_array_with(const kiln_timeseries_dataset_args *args);
#ifndef __cplusplus
/* kiln_timeseries_dataset_from_array(rows, &data, &targets, sequence_length, .sampling_rate = 6) */
#define kiln_timeseries_dataset_from_array(...)                                                                        \
    kiln_timeseries_dataset_from_array_with(&(kiln_timeseries_dataset_args){.rows = __VA_ARGS__})
#endif

/* A batch source: fills x[i] and y[i] (room for batch_size samples each, sizes as declared) and *samples
 * (1..batch_size), and returns KILN_OK; *samples = 0 ends the epoch. Any other status stops the
 * training with that status. */
typedef kiln_status (*kiln_batch_function)(void *user, int64_t batch_size, void *const *x, void *const *y,
                                           int64_t *samples);

/* A data set whose batches a C function makes. The arrays' data fields are ignored; steps is the number of
 * batches in an epoch (0: until the function ends the epoch). Free with kiln_dataset_free. */
KILN_API kiln_dataset *kiln_dataset_from_function(kiln_batch_function function, void *user, int64_t steps,
                                                  size_t inputs, const kiln_array *x, size_t targets,
                                                  const kiln_array *y);

/* The function makes a weight for each sample as well: a float in one more array behind its targets, y[targets]. */
KILN_API kiln_status kiln_dataset_set_function_weights(kiln_dataset *dataset, int given);

/* Opens what the command line calls DATA: "mnist", "digits" (":train" or ":test" behind it), "IMAGES,LABELS"
 * of IDX files, .npz, .npy or "X.npy,Y.npy", .csv or .tsv, a folder of pictures (a folder for each class, maybe below
 * train/ and test/) or a .tar, .tar.gz or .zip of one, one PNG or JPEG file, or CIFAR's binary files. Found by content. part is "train" or "test" and
 * says which half of a two-part source is meant. NULL on failure. Free with kiln_dataset_free. */
typedef struct kiln_dataset_args {
    const char *part;             /* "train" (default) or "test" */
    const char *label;            /* CSV: the label column, by name or index (from 0; -1: the last); default: the last */
    kiln_choice has_labels;       /* CSV: KILN_NO: every column is a feature */
    int64_t features;             /* CSV: those a model takes: a file of just as many columns has no label; 0: unknown */
    size_t class_count;           /* CSV: the classes of a text label, as kept with a model; 0: found in the file */
    const char *const *class_names;
    int64_t image_size[2];        /* pictures: height and width all are brought to; default: input_shape's, else all have the same */
    const char *color_mode;       /* pictures: "rgb", "grayscale" or "rgba"; default: input_shape's, else "rgb" */
    kiln_choice skip_unreadable;  /* pictures: KILN_YES leaves out those that cannot be read */
    kiln_shape input_shape;       /* pictures: what a model takes: (height, width, channels), or (height, width) for grey ones */
    char unset_; /* set by nobody: lets the macro be called with the source alone */
} kiln_dataset_args;
KILN_API kiln_dataset *kiln_dataset_open_with(const char *source, const kiln_dataset_args *args);
#ifndef __cplusplus
#define kiln_dataset_open(...) KILN_DATASET_OPEN_(__VA_ARGS__, .unset_ = 0)
#define KILN_DATASET_OPEN_(source, ...) kiln_dataset_open_with(source, &(kiln_dataset_args){__VA_ARGS__})
#endif

/* Pictures in a folder for each class, below `directory` or below train/ and test/ in it, or in a .tar, .tar.gz or .zip
 * of such folders: bytes 0 to 255, (height, width, channels), and int32 labels by the classes' names in order. Pictures
 * are resized as Keras does (bilinear, without cropping) and rounded to bytes. PNG and JPEG, read by several threads;
 * what does not fit into memory lies in a file of the cache. NULL on failure. Free with kiln_dataset_free. */
typedef struct kiln_image_dataset_args {
    kiln_choice labels;     /* KILN_NO: none, as Keras's labels=None */
    const char *label_mode; /* "int" (default); no other one */
    size_t class_count;     /* 0: the classes are the folders */
    const char *const *class_names;
    const char *color_mode;  /* "rgb" (default), "grayscale" or "rgba" */
    int64_t image_size[2];   /* height, width (256, 256) */
    uint64_t seed;           /* of the split */
    double validation_split; /* 0: none; else drawn within each class */
    const char *subset;      /* with a split: "training" or "validation" */
    const char *interpolation; /* "bilinear" (default); no other one */
    const char *part;            /* "train" (default) or "test", where the directory has both */
    kiln_choice skip_unreadable; /* KILN_YES leaves out what cannot be read (kiln_dataset_skipped) */
    char unset_;                 /* set by nobody */
} kiln_image_dataset_args;
KILN_API kiln_dataset *kiln_image_dataset_from_directory_with(const char *directory, const kiln_image_dataset_args *args);
#ifndef __cplusplus
#define kiln_image_dataset_from_directory(...) KILN_IMAGE_DATASET_(__VA_ARGS__, .unset_ = 0)
#define KILN_IMAGE_DATASET_(directory, ...)                                                                            \
    kiln_image_dataset_from_directory_with(directory, &(kiln_image_dataset_args){__VA_ARGS__})
#endif

/* Picture files without labels, in the order given; the image arguments of `args` count, the others do not. NULL on
 * failure. */
KILN_API kiln_dataset *kiln_dataset_from_images(size_t count, const char *const *paths, const kiln_dataset_args *args);

/* CIFAR-10 (10 classes) and CIFAR-100 (100, or 20 for label_mode "coarse"; NULL: "fine") from their binary files:
 * pictures (32, 32, 3) of bytes, int32 labels. path: their folder or the .tar.gz; NULL: below $KILN_DATA_DIR. Either
 * pointer may be NULL. The caller frees both. */
KILN_API kiln_status kiln_datasets_cifar10_load(const char *path, kiln_dataset **train, kiln_dataset **test);
KILN_API kiln_status kiln_datasets_cifar100_load(const char *path, const char *label_mode, kiln_dataset **train,
                                                 kiln_dataset **test);

/* Tells how the reading of pictures goes: `done` of `total` (files of a folder, bytes of an archive). Called on the
 * thread that opens the data. Anything but 0 stops it (KILN_INTERRUPTED). */
typedef int (*kiln_reading_progress)(void *user, const char *source, int64_t done, int64_t total);

/* Sets the function for what the calling thread reads; NULL: none. */
KILN_API void kiln_set_reading_progress(kiln_reading_progress function, void *user);

/* How many pictures could not be read and were left out. *why: a line on each of the first of them, or "" (owned by the
 * data set). */
KILN_API int64_t kiln_dataset_skipped(const kiln_dataset *dataset, const char **why);

/* Number of samples; -1 for a function. */
KILN_API int64_t kiln_dataset_size(const kiln_dataset *dataset);

/* The samples first..first+count-1 as a data set of its own, which shares the arrays' memory with the one it
 * was cut from (freed in any order). NULL on failure. */
KILN_API kiln_dataset *kiln_dataset_slice(const kiln_dataset *dataset, int64_t first, int64_t count);

/* Splits by a seed: *second gets the fraction (0..1) of the samples, drawn within each class where the
 * (single) target is an integer label and by_class is set. The caller frees both. */
KILN_API kiln_status kiln_dataset_split(const kiln_dataset *dataset, double fraction, uint64_t seed, int by_class,
                                        kiln_dataset **first, kiln_dataset **second);

/* Multiplies input elements by this on their way to the network (1/255 for byte images). */
KILN_API double kiln_dataset_scale(const kiln_dataset *dataset);
KILN_API kiln_status kiln_dataset_set_scale(kiln_dataset *dataset, double scale);

/* Names of the classes of an integer label, or NULL; owned by the data set. */
KILN_API const char *const *kiln_dataset_class_names(const kiln_dataset *dataset, size_t *count);

/* One weight for each sample (the loss is multiplied by it); weights has kiln_dataset_size elements and is
 * copied. NULL takes them off. */
KILN_API kiln_status kiln_dataset_set_sample_weights(kiln_dataset *dataset, const float *weights);

/* NULL is allowed. */
KILN_API void kiln_dataset_free(kiln_dataset *dataset);

KILN_END_DECLS

#endif
