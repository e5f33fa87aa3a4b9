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

/* Opens what the command line calls DATA: "mnist", "digits" (":train" or ":test" behind it), "IMAGES,LABELS"
 * of IDX files, .npz, .npy or "X.npy,Y.npy", .csv or .tsv. Found by content. part is "train" or "test" and
 * says which half of a two-part source is meant. NULL on failure. Free with kiln_dataset_free. */
typedef struct kiln_dataset_args {
    const char *part;             /* "train" (default) or "test" */
    const char *label;            /* CSV: the label column, by name or index (from 0; -1: the last); default: the last */
    kiln_choice has_labels;       /* CSV: KILN_NO: every column is a feature */
    int64_t features;             /* CSV: those a model takes: a file of just as many columns has no label; 0: unknown */
    size_t class_count;           /* CSV: the classes of a text label, as kept with a model; 0: found in the file */
    const char *const *class_names;
    char unset_; /* set by nobody: lets the macro be called with the source alone */
} kiln_dataset_args;
KILN_API kiln_dataset *kiln_dataset_open_with(const char *source, const kiln_dataset_args *args);
#ifndef __cplusplus
#define kiln_dataset_open(...) KILN_DATASET_OPEN_(__VA_ARGS__, .unset_ = 0)
#define KILN_DATASET_OPEN_(source, ...) kiln_dataset_open_with(source, &(kiln_dataset_args){__VA_ARGS__})
#endif

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
