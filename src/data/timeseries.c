#include "data/timeseries.h"

#include <inttypes.h>

/* Makes the last column of a list, which is one of rows, one of `length` rows a sample. */
static kiln_status make_windows(data_column *column, int64_t length, bool axis,
                                const timeseries_cut *cut)
{
    int64_t size = kiln_shape_size(column->shape), row = column->stride ? column->stride : size;
    if (column->shape.rank + axis >= KILN_MAX_RANK)
        return kiln_fail(KILN_ERROR_SHAPE,
                         "windows over rows of %d axes: with the axis of time they would have more "
                         "than the %d a sample can have",
                         column->shape.rank, KILN_MAX_RANK - 1);
    if (axis) {
        kiln_shape shape = {.rank = column->shape.rank + 1, .dims = {length}};
        for (int i = 0; i < column->shape.rank; i++)
            shape.dims[i + 1] = column->shape.dims[i];
        column->shape = shape;
        column->step = cut->rate * row == size ? 0 : cut->rate * row;
    }
    column->stride = cut->stride * row;
    return KILN_OK;
}

kiln_dataset *timeseries_windows(const char *origin, const data_column *data,
                                 const data_column *targets, int64_t target_first,
                                 const timeseries_cut *cut)
{
    kiln_dataset *dataset = dataset_new(origin);
    if (dataset == NULL)
        return NULL;
    dataset->samples = cut->count;
    kiln_status status = dataset_share_column(dataset, false, NULL, data, cut->first);
    if (status == KILN_OK)
        status = make_windows(&dataset->inputs[0], cut->length, true, cut);
    if (status == KILN_OK && targets)
        status = dataset_share_column(dataset, true, NULL, targets, target_first);
    if (status == KILN_OK && targets)
        status = make_windows(&dataset->targets[0], cut->horizon, cut->horizon > 1, cut);
    if (status != KILN_OK) {
        kiln_dataset_free(dataset);
        return NULL;
    }
    return dataset;
}

/* ---- Keras's timeseries_dataset_from_array ---- */

static kiln_status out_of_range(const char *what, int64_t value, const char *wanted)
{
    return kiln_fail(KILN_ERROR_ARGUMENT, "timeseries_dataset_from_array: %s is %" PRId64 "; %s",
                     what, value, wanted);
}

/* Checks the arguments; fills everything but the number of windows. *end: the row behind the last.
 */
static kiln_status read_args(const kiln_timeseries_dataset_args *args, timeseries_cut *cut,
                             int64_t *end)
{
    *cut = (timeseries_cut){.length = args->sequence_length,
                            .rate = args->sampling_rate ? args->sampling_rate : 1,
                            .stride = args->sequence_stride ? args->sequence_stride : 1,
                            .horizon = args->horizon ? args->horizon : 1,
                            .first = args->start_index};
    *end = args->end_index ? args->end_index : args->rows;
    if (args->data == NULL)
        return kiln_fail_null("the data of timeseries_dataset_from_array");
    if (args->rows < 1)
        return out_of_range("the number of rows", args->rows, "there must be some");
    if (cut->length < 1)
        return out_of_range("sequence_length", cut->length, "a window has at least one row");
    if (cut->first < 0 || cut->first >= args->rows)
        return out_of_range("start_index", cut->first, "it is 0 or more, and lower than the rows");
    if (*end <= cut->first || *end > args->rows)
        return out_of_range("end_index", *end,
                            "it is higher than start_index, and not higher than the rows");
    if (cut->rate < 1 || (cut->rate > 1 && cut->rate >= args->rows))
        return out_of_range("sampling_rate", cut->rate, "it is 1 or more, and lower than the rows");
    if (cut->stride < 1 || (cut->stride > 1 && cut->stride >= args->rows))
        return out_of_range("sequence_stride", cut->stride,
                            "it is 1 or more, and lower than the rows");
    if (cut->horizon < 1)
        return out_of_range("horizon", cut->horizon, "a target has at least one row");
    if (args->target_rows < 0 || (args->targets && args->target_rows > INT32_MAX))
        return out_of_range("target_rows", args->target_rows, "it is a number of rows");
    return KILN_OK;
}

static kiln_status count_windows(const kiln_timeseries_dataset_args *args, int64_t end,
                                 timeseries_cut *cut)
{
    int64_t limit = INT64_MAX / 4; /* of products of the arguments */
    int64_t rows = end - cut->first, before = 0;
    if (cut->length - 1 > limit / cut->rate || cut->horizon - 1 > limit / cut->rate)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "timeseries_dataset_from_array: windows longer than any memory");
    int64_t positions = rows - (cut->length - 1) * cut->rate;
    if (positions < 1)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "timeseries_dataset_from_array: %" PRId64
                         " rows are fewer than one window, which takes %" PRId64,
                         rows, (cut->length - 1) * cut->rate + 1);
    if (args->targets) {
        int64_t count = args->target_rows ? args->target_rows : args->rows;
        before = (count < end ? count : end) - cut->first - (cut->horizon - 1) * cut->rate;
        if (before < 1)
            return kiln_fail(KILN_ERROR_ARGUMENT,
                             "timeseries_dataset_from_array: the targets have %" PRId64
                             " rows; from start_index %" PRId64
                             " on not even one target is whole, which takes %" PRId64,
                             count, cut->first, (cut->horizon - 1) * cut->rate + 1);
        positions = positions < before ? positions : before;
    }
    cut->count = (positions + cut->stride - 1) / cut->stride;
    return KILN_OK;
}

kiln_dataset *kiln_timeseries_dataset_from_array_with(const kiln_timeseries_dataset_args *args)
{
    timeseries_cut cut;
    int64_t end;
    kiln_dataset *data = NULL, *targets = NULL, *windows = NULL;
    if (args == NULL) {
        kiln_fail_null("the arguments of timeseries_dataset_from_array");
        return NULL;
    }
    if (read_args(args, &cut, &end) != KILN_OK || count_windows(args, end, &cut) != KILN_OK)
        return NULL;
    data = kiln_dataset_from_arrays(args->rows, 1, args->data, 0, NULL);
    if (data && args->targets)
        targets = kiln_dataset_from_arrays(args->target_rows ? args->target_rows : args->rows, 1,
                                           args->targets, 0, NULL);
    if (data && (targets || args->targets == NULL))
        windows = timeseries_windows("timeseries", &data->inputs[0],
                                     targets ? &targets->inputs[0] : NULL, cut.first, &cut);
    kiln_dataset_free(data);
    kiln_dataset_free(targets);
    return windows;
}
