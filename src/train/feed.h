/* A data set on its way to a plan: on the device as a whole, or in chunks. */
#ifndef TRAIN_FEED_H
#define TRAIN_FEED_H

#include "train/training.h"

#define FEED_CHUNK_BATCHES 256

/* Data that take more bytes than this go to the device in chunks; for tests. */
extern size_t feed_whole_limit;

typedef struct feed_column {
    int slot;
    int declared; /* place among the data set's inputs, then targets; -1: weights */
    size_t row_bytes;
    const data_column *from;   /* NULL for weights and functions */
    const unsigned char *host; /* (samples, row), or windows; NULL for a function */
    const data_block *block;   /* where host lies; NULL: in the feed itself */
    cl_mem memory[2];          /* whole: [0]; chunks: one in use, one being filled */
    unsigned char *chunk[2];   /* host side of a chunk */
} feed_column;

typedef struct feed {
    model_training *training;
    kiln_device *device;
    const kiln_dataset *data;
    data_types types;
    int64_t batch, samples;                        /* samples -1: not known */
    int64_t steps;                                 /* batches in a pass; -1: not known */
    feed_column columns[TRAINING_MAX_COLUMNS + 1]; /* the last one: weights */
    size_t column_count;
    unsigned char *scratch; /* what a function fills and nobody wants */
    float *weights;         /* folded sample and class weights, or NULL */
    const double *class_weight;
    size_t class_weight_count;
    uint32_t *rows; /* order of the pass */
    cl_mem order;
    int64_t position; /* next row of the pass */
    program *bound;   /* whose plan has this feed's buffers */
    bool whole;       /* the data are on the device as a whole */
    bool ended;       /* the function ended the pass */

    /* chunks: `use` holds the batches given out now, the other one those that come next */
    int64_t chunk_batches;
    int use;
    bool prepared;  /* the other chunk is filled */
    int64_t budget; /* batches a function may still be asked for; -1: any number */
    struct feed_chunk {
        int64_t count, taken;
        uint32_t rows[FEED_CHUNK_BATCHES]; /* of each batch */
    } chunks[2];
} feed;

/* What is wanted of a data set besides its inputs. */
typedef struct feed_request {
    bool targets;
    int64_t batch;
    const double *class_weight;
    size_t class_weight_count;
} feed_request;

/* Checks the data against the model and brings them to the device where they fit. Close it also
 * after a failure. */
kiln_status feed_open(model_training *t, const kiln_dataset *data, const feed_request *request,
                      feed *f);
void feed_close(feed *f);

/* Starts a pass: in an order drawn from (seed, stream), or as they are. */
kiln_status feed_start(feed *f, bool shuffle, uint64_t seed, uint64_t stream);

/* Leaves out the first batches of the pass that was just started; not for functions. */
kiln_status feed_skip(feed *f, int64_t batches);

/* The next batches of the pass: position and rows of at most `limit` records; their data are on the
 * device and bound to p. *count 0: the pass is over. */
kiln_status feed_next(feed *f, program *p, int64_t limit, plan_step *steps, int64_t *count);

/* Is there nothing left of the pass? (A function's end is only found by asking it.) */
bool feed_exhausted(const feed *f);
/* How many batches the coming passes of a function may ask for; -1: any number. */
void feed_set_budget(feed *f, int64_t batches);

/* Gets the next chunk ready while the device works on this one. */
kiln_status feed_prepare(feed *f);

/* Sends one batch of host arrays through the model's own buffers and binds it to p; the arrays must
 * stay until device_finish. */
kiln_status feed_batch(model_training *t, program *p, int64_t rows, const void *const *columns,
                       const float *weights);

/* ---- columns.c ---- */

/* Types of a data set as this model takes them, checked. */
kiln_status feed_types(const model_training *t, const kiln_dataset *data, bool targets,
                       data_types *types);

/* The column for the model's input i, or target i - inputs. NULL when there is none. */
const data_column *columns_get(const model_training *t, const kiln_dataset *data, size_t i);

/* An element of a column as a number. */
double columns_value(kiln_dtype dtype, const void *values, int64_t i);

/* Fails for labels that are none of the output's classes, where the loss takes class numbers. */
kiln_status columns_check_labels(const model_training *t, const char *origin, size_t target,
                                 kiln_dtype dtype, const void *values, int64_t count);

/* Multiplies weights by those of the classes, as Keras reads labels: rounded, or the place of the
 * largest of several; one past the classes given weighs 1. */
void columns_class_weights(const double *by_class, size_t classes, kiln_dtype dtype,
                           kiln_shape shape, const void *values, int64_t count, float *weights);

#endif
