/* What a data set is inside: arrays in host memory, or a function. */
#ifndef DATA_DATASET_H
#define DATA_DATASET_H

#include "base/memory.h"

#include <kiln/data.h>
#include <stdatomic.h>

/* Memory shared by slices. */
typedef struct data_block {
    atomic_int references;
    void *memory;
    size_t bytes;
    bool mapped; /* munmap instead of free */
} data_block;

typedef struct data_column {
    char *name;       /* NULL: the only one */
    kiln_dtype dtype; /* KILN_FLOAT32, KILN_INT32 or KILN_UINT8 */
    kiln_shape shape; /* of one sample */
    data_block *block;
    const void *data; /* (samples, shape), inside block; NULL for a function */
} data_column;

struct kiln_dataset {
    int64_t samples; /* -1: unknown (a function) */
    size_t input_count, target_count;
    data_column *inputs, *targets;
    data_column *sample_weights; /* NULL: none; else float32, rank 0 */
    double scale;                /* of the inputs; 1 unless byte images */
    char **class_names;          /* NULL: none */
    size_t class_count;
    char **feature_names; /* CSV columns in the order of the input's last axis; NULL: none */
    size_t feature_count;
    bool split_by_class;  /* --validation-split draws by the seed (CSV) instead of taking the last part */
    char *origin;         /* what was opened, for messages: "mnist:train" */
    kiln_batch_function function; /* NULL: arrays */
    void *user;
    int64_t function_steps;
};

/* An empty data set; fill it, then hand it out. NULL on failure. */
kiln_dataset *dataset_new(const char *origin);

/* A column whose memory the data set takes over (freed on failure too). `block_data` must come from malloc. */
kiln_status dataset_take_input(kiln_dataset *dataset, const char *name, kiln_dtype dtype, kiln_shape shape, void *block_data, size_t bytes);
kiln_status dataset_take_target(kiln_dataset *dataset, const char *name, kiln_dtype dtype, kiln_shape shape, void *block_data, size_t bytes);

#endif
