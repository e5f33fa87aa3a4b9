#include "data/loader.h"

#include "base/philox.h"

#include <inttypes.h>
#include <string.h>

/* Keeps the orders apart from other draws with the same seed; the epoch is added. */
#define ORDER_STREAM ((uint64_t)0x6f72646572u << 24) /* "order" */

struct loader {
    const kiln_dataset *dataset;
    loader_args args;
    uint32_t *order;
    int64_t at;   /* arrays: samples already handed out */
    int64_t step; /* batches already handed out */
    bool ended;
    void **x, **y; /* staging, batch_size samples each; NULL until the first loader_next */
    float *weights;
};

static void free_staging(void **arrays, size_t count)
{
    for (size_t i = 0; arrays && i < count; i++)
        free(arrays[i]);
    free(arrays);
}

void loader_free(loader *l)
{
    if (l == NULL)
        return;
    free_staging(l->x, l->dataset->input_count);
    free_staging(l->y, l->dataset->target_count);
    free(l->weights);
    free(l->order);
    free(l);
}

kiln_status loader_new(const kiln_dataset *dataset, const loader_args *args, loader **out)
{
    *out = NULL;
    if (dataset == NULL)
        return kiln_fail_null("the data set");
    if (args->batch_size <= 0)
        return kiln_fail(KILN_ERROR_ARGUMENT, "a batch size of %" PRId64 "; at least 1 is needed",
                         args->batch_size);
    if (!dataset->function && (dataset->samples <= 0 || dataset->samples > INT32_MAX))
        return kiln_fail(KILN_ERROR_ARGUMENT, "%s: has %" PRId64 " samples; 1 to %d are possible",
                         dataset->origin, dataset->samples, INT32_MAX);
    loader *l = mem_new(1, sizeof *l);
    if (l == NULL)
        return kiln_last_status();
    l->dataset = dataset;
    l->args = *args;
    if (!dataset->function) {
        l->order = mem_new((size_t)dataset->samples, sizeof *l->order);
        if (l->order == NULL) {
            loader_free(l);
            return kiln_last_status();
        }
    }
    kiln_status status = loader_epoch(l, 0);
    if (status != KILN_OK) {
        loader_free(l);
        return status;
    }
    *out = l;
    return KILN_OK;
}

kiln_status loader_epoch(loader *l, int64_t epoch)
{
    if (epoch < 0)
        return kiln_fail(KILN_ERROR_ARGUMENT, "the epoch %" PRId64 " is negative", epoch);
    l->at = l->step = 0;
    l->ended = false;
    if (l->order && l->args.shuffle)
        philox_permutation(l->args.seed, ORDER_STREAM + (uint64_t)epoch, l->order,
                           (size_t)l->dataset->samples);
    else if (l->order)
        for (int64_t i = 0; i < l->dataset->samples; i++)
            l->order[i] = (uint32_t)i;
    return KILN_OK;
}

int64_t loader_steps(const loader *l)
{
    if (l->dataset->function)
        return l->dataset->function_steps > 0 ? l->dataset->function_steps : -1;
    return (l->dataset->samples + l->args.batch_size - 1) / l->args.batch_size;
}

const uint32_t *loader_order(const loader *l)
{
    return l->order;
}

/* Room for a batch of each column. */
static kiln_status stage(const data_column *columns, size_t count, int64_t batch_size, void ***out)
{
    void **arrays = mem_new(count, sizeof *arrays);
    if (arrays == NULL)
        return kiln_last_status();
    *out = arrays; /* freed with the loader, also when half made */
    for (size_t i = 0; i < count; i++) {
        size_t row = data_column_row(&columns[i]);
        if ((uint64_t)batch_size > SIZE_MAX / 2 / (row ? row : 1))
            return kiln_fail_memory(SIZE_MAX);
        arrays[i] = mem_new((size_t)batch_size, row);
        if (arrays[i] == NULL)
            return kiln_last_status();
    }
    return KILN_OK;
}

static kiln_status make_staging(loader *l)
{
    const kiln_dataset *d = l->dataset;
    int64_t rows = l->args.batch_size;
    if (!d->function && rows > d->samples)
        rows = d->samples;
    if (l->x == NULL)
        KILN_TRY(stage(d->inputs, d->input_count, rows, &l->x));
    if (l->y == NULL)
        KILN_TRY(stage(d->targets, d->target_count, rows, &l->y));
    if (d->sample_weights && l->weights == NULL) {
        l->weights = mem_new((size_t)rows, sizeof *l->weights);
        if (l->weights == NULL)
            return kiln_last_status();
    }
    return KILN_OK;
}

static void gather(const data_column *column, const uint32_t *rows, int64_t count, void *into)
{
    size_t row = data_column_row(column);
    for (int64_t i = 0; i < count; i++)
        memcpy((char *)into + (size_t)i * row, (const char *)column->data + rows[i] * row, row);
}

static kiln_status next_of_function(loader *l, loader_batch *batch)
{
    const kiln_dataset *d = l->dataset;
    if (d->function_steps > 0 && l->step == d->function_steps)
        l->ended = true;
    if (l->ended)
        return KILN_OK;
    int64_t samples = 0;
    kiln_clear_error();
    kiln_status status = d->function(d->user, l->args.batch_size, l->x, l->y, &samples);
    if (status != KILN_OK)
        return kiln_last_status() == status
                   ? kiln_fail_in("the function that makes batches")
                   : kiln_fail(status,
                               "the function that makes batches failed at batch %" PRId64
                               " with status %d",
                               l->step, (int)status);
    if (samples < 0 || samples > l->args.batch_size)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "the function that makes batches says it made %" PRId64
                         " samples; it may make 1 to %" PRId64 ", or 0 at the end of the epoch",
                         samples, l->args.batch_size);
    l->ended = samples == 0;
    batch->samples = samples;
    return KILN_OK;
}

kiln_status loader_next(loader *l, loader_batch *batch)
{
    const kiln_dataset *d = l->dataset;
    *batch = (loader_batch){.first = l->at};
    KILN_TRY(make_staging(l));
    if (d->function) {
        KILN_TRY(next_of_function(l, batch));
    } else {
        int64_t left = d->samples - l->at;
        batch->samples = left < l->args.batch_size ? left : l->args.batch_size;
        const uint32_t *rows = l->order + l->at;
        for (size_t i = 0; i < d->input_count; i++)
            gather(&d->inputs[i], rows, batch->samples, l->x[i]);
        for (size_t i = 0; i < d->target_count; i++)
            gather(&d->targets[i], rows, batch->samples, l->y[i]);
        if (d->sample_weights)
            gather(d->sample_weights, rows, batch->samples, l->weights);
    }
    l->at += batch->samples;
    l->step += batch->samples > 0;
    batch->x = l->x;
    batch->y = l->y;
    batch->weights = l->weights;
    return KILN_OK;
}
