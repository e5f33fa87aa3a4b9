/* The batches of an epoch: in which order samples come, and their bytes on the host where they are
 * needed.
 *
 * Arrays that lie on the device are gathered there by loader_order's indices; loader_next is for
 * functions and for data that does not fit. As in Keras, each epoch has its own order and its last
 * batch may be smaller. */
#ifndef DATA_LOADER_H
#define DATA_LOADER_H

#include "data/dataset.h"

typedef struct loader_args {
    int64_t batch_size;
    bool shuffle;  /* ignored for a function */
    uint64_t seed; /* the order is a function of seed and epoch alone */
} loader_args;

typedef struct loader_batch {
    int64_t samples;      /* 0: the epoch is over */
    int64_t first;        /* place of its first sample in the epoch's order */
    void *const *x;       /* per input: (samples, shape), staged */
    void *const *y;       /* per target */
    const float *weights; /* (samples), or NULL */
} loader_batch;

typedef struct loader loader;

/* The data set must outlive the loader. Free with loader_free. */
kiln_status loader_new(const kiln_dataset *dataset, const loader_args *args, loader **out);
void loader_free(loader *loader); /* NULL is allowed */

/* Starts an epoch (from 0): makes its order and goes to its first batch. */
kiln_status loader_epoch(loader *loader, int64_t epoch);

/* Batches in an epoch; -1: a function that did not say. */
int64_t loader_steps(const loader *loader);

/* The epoch's order: sample indices, as many as the data set has; NULL for a function. Changed by
 * the next loader_epoch. */
const uint32_t *loader_order(const loader *loader);

/* Stages the next batch in host memory. The arrays are the loader's and stay until the next call. A
 * function is called here, and its failure passed on. */
kiln_status loader_next(loader *loader, loader_batch *batch);

#endif
