/* What a data set is inside: arrays in host memory, or a function. */
#ifndef DATA_DATASET_H
#define DATA_DATASET_H

#include "base/memory.h"
#include "model/model_text.h"

#include <kiln/data.h>
#include <stdatomic.h>

/* Memory shared by slices. */
typedef struct data_block {
    atomic_int references;
    void *memory;
    size_t bytes;
    bool mapped;    /* munmap instead of free */
    bool anonymous; /* mapped, but from no file: its pages must stay */
} data_block;

typedef struct data_column {
    char *name;       /* NULL: the only one */
    kiln_dtype dtype; /* KILN_FLOAT32, KILN_INT32 or KILN_UINT8 */
    kiln_shape shape; /* of one sample */
    data_block *block;
    const void *data; /* (samples, shape), inside block; NULL for a function */
    /* Windows of one array, which may overlap: elements from one sample to the next, and, inside a
     * sample, from one entry along its first axis to the next. 0: samples lie packed, one behind
     * the other. */
    int64_t stride, step;
} data_column;

struct kiln_dataset {
    int64_t samples; /* -1: unknown (a function) */
    size_t input_count, target_count;
    data_column *inputs, *targets;
    data_column *sample_weights; /* NULL: none; else float32, rank 0 */
    double scale;                /* of the inputs; 1 unless byte images */
    char **class_names;          /* NULL: none */
    size_t class_count;
    double *class_values; /* a CSV file's label column of integers: the number each class stands
                             for; else NULL */
    char **feature_names; /* CSV columns in the order of the input's last axis; NULL: none */
    size_t feature_count;
    bool names_open; /* every named array is among the inputs: dataset_assign says which are targets
                      */
    bool split_by_class; /* --validation-split draws by the seed (CSV) instead of taking the last
                            part */
    int64_t skipped;     /* pictures that could not be read and were left out */
    char *skipped_why;   /* a line about each of the first of them; NULL: none */
    model_text text;     /* what its numbers stand for; no tokens: they come from no text */
    char *columns_read;  /* of a table of text: which are the text and the label, in words; NULL */
    char **sample_names; /* files that each are a sample; NULL: none */
    struct model_series *series; /* the samples are windows of it; NULL: of none */
    char *origin;        /* what was opened, for messages: "mnist:train" */
    kiln_batch_function function; /* NULL: arrays */
    void *user;
    int64_t function_steps;
    bool function_weights; /* behind its targets it fills one more array, the samples' weights */
};

/* An empty data set; set samples, fill it, then hand it out. NULL on failure. */
kiln_dataset *dataset_new(const char *origin);

/* A column whose memory the data set takes over (freed on failure too). `block_data` must come from
 * malloc. 64-bit elements are narrowed. dataset->samples must be set. */
kiln_status dataset_take_input(kiln_dataset *dataset, const char *name, kiln_dtype dtype,
                               kiln_shape shape, void *block_data, size_t bytes);
kiln_status dataset_take_target(kiln_dataset *dataset, const char *name, kiln_dtype dtype,
                                kiln_shape shape, void *block_data, size_t bytes);

/* A column inside a block that others use too; the data set takes a reference of its own. */
kiln_status dataset_share_input(kiln_dataset *dataset, const char *name, kiln_dtype dtype,
                                kiln_shape shape, data_block *block, const void *data);
kiln_status dataset_share_target(kiln_dataset *dataset, const char *name, kiln_dtype dtype,
                                 kiln_shape shape, data_block *block, const void *data);

/* The same column from sample `first` on, under another name. */
kiln_status dataset_share_column(kiln_dataset *dataset, bool target, const char *name,
                                 const data_column *column, int64_t first);

/* A block with one reference, which owns memory (freed on failure too). NULL on failure. */
data_block *data_block_new(void *memory, size_t bytes, bool mapped);
void data_block_release(data_block *block); /* NULL is allowed */

/* These bytes of a block are not needed for a while: those of a mapped file leave the memory and
 * come back from the file when they are read again. NULL is allowed. */
void data_block_cool(const data_block *block, const void *bytes, size_t size);

/* Bytes of one sample of a column, packed. */
size_t data_column_row(const data_column *column);

/* Do the samples lie one behind the other, without gaps or overlaps? */
bool data_column_is_packed(const data_column *column);

/* Elements from one sample to the next, and from one entry along a sample's first axis to the
 * next. */
int64_t data_column_stride(const data_column *column);
int64_t data_column_step(const data_column *column);

/* Elements from the first to the last one of so many samples. */
int64_t data_column_span(const data_column *column, int64_t samples);

/* Where a sample begins; and a copy of `count` of them, packed. */
const void *data_column_sample(const data_column *column, int64_t sample);
void data_column_copy(const data_column *column, int64_t first, int64_t count, void *to);

/* The class number of a sample of a column of integers. */
int64_t data_column_label(const data_column *column, int64_t sample);

/* Copies names. */
kiln_status dataset_set_class_names(kiln_dataset *dataset, size_t count, const char *const *names);
kiln_status dataset_set_feature_names(kiln_dataset *dataset, size_t count,
                                      const char *const *names);

/* Notes, by a copy, what series the samples are windows of. */
kiln_status dataset_set_series(kiln_dataset *dataset, const struct model_series *series);

/* The same data set without its columns, for `samples` samples. NULL on failure. */
kiln_dataset *dataset_like(const kiln_dataset *dataset, int64_t samples);

/* The rows with these indices, copied, in this order. NULL on failure. */
kiln_dataset *dataset_gather(const kiln_dataset *dataset, int64_t count, const int64_t *rows);

/* Keras's validation_split: the last part, floor(samples * (1 - fraction)) samples stay in *train;
 * or, where split_by_class is set, a part drawn by the seed. */
kiln_status dataset_validation_split(const kiln_dataset *dataset, double fraction, uint64_t seed,
                                     kiln_dataset **train, kiln_dataset **validation);

/* Puts the columns into the order of a model's input and target names and drops columns that it
 * does not have. Of several targets one is enough. A column without a name, or the only one against
 * an only name, fits any. targets = 0 with need_targets false (predict): targets may be missing.
 * The error lists what is missing and what there is. */
kiln_status dataset_assign(kiln_dataset *dataset, size_t inputs, const char *const *input_names,
                           size_t targets, const char *const *target_names, bool need_targets);

/* Replaces class numbers by the numbers they stand for (class_values), as float32: for a regression
 * on a CSV column of integers. Does nothing to other data sets, except that int32 targets become
 * float32. */
kiln_status dataset_labels_as_numbers(kiln_dataset *dataset);

#endif
