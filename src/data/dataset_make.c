/* Data sets made of a program's own arrays, or of a function. */
#include "data/array.h"
#include "data/dataset.h"

#include <inttypes.h>

/* "input 'a'" or "input 0" */
static void describe(char *out, size_t size, const char *kind, size_t index,
                     const kiln_array *array)
{
    if (array->name)
        snprintf(out, size, "%s '%.80s'", kind, array->name);
    else
        snprintf(out, size, "%s %zu", kind, index);
}

static kiln_status check_declaration(const kiln_array *array, int64_t samples, const char *what,
                                     size_t *bytes)
{
    int64_t dims[DATA_MAX_RANK] = {samples};
    if ((unsigned)array->dtype > KILN_FLOAT64)
        return kiln_fail(KILN_ERROR_ARGUMENT, "%s: the element type %d is unknown", what,
                         (int)array->dtype);
    if (array->shape.rank < 0 || array->shape.rank > KILN_MAX_RANK)
        return kiln_fail(KILN_ERROR_SHAPE, "%s: has %d axes; 0 to %d are possible", what,
                         array->shape.rank, KILN_MAX_RANK);
    for (int i = 0; i < array->shape.rank; i++) {
        if (array->shape.dims[i] <= 0)
            return kiln_fail(KILN_ERROR_SHAPE, "%s: axis %d has the length %" PRId64, what, i,
                             array->shape.dims[i]);
        dims[i + 1] = array->shape.dims[i];
    }
    if (!data_size(array->shape.rank + 1, dims, kiln_dtype_size(array->dtype), bytes))
        return kiln_fail(KILN_ERROR_SHAPE, "%s: is larger than any memory", what);
    return KILN_OK;
}

static kiln_status check_columns(size_t inputs, const kiln_array *x, size_t targets,
                                 const kiln_array *y)
{
    if (inputs == 0)
        return kiln_fail(KILN_ERROR_ARGUMENT, "a data set has at least one input array");
    if (x == NULL || (targets > 0 && y == NULL))
        return kiln_fail(KILN_ERROR_ARGUMENT, "the data set's %s are NULL",
                         x == NULL ? "inputs" : "targets");
    for (size_t i = 0; i < inputs + targets; i++)
        if ((i < inputs ? inputs : targets) > 1 && (i < inputs ? x[i] : y[i - inputs]).name == NULL)
            return kiln_fail(KILN_ERROR_ARGUMENT,
                             "%s %zu has no name; where there are several, each needs one",
                             i < inputs ? "input" : "target", i < inputs ? i : i - inputs);
    return KILN_OK;
}

static kiln_status copy_column(kiln_dataset *dataset, bool target, size_t index,
                               const kiln_array *array)
{
    char what[128];
    size_t bytes;
    describe(what, sizeof what, target ? "target" : "input", index, array);
    KILN_TRY(check_declaration(array, dataset->samples, what, &bytes));
    if (array->data == NULL)
        return kiln_fail(KILN_ERROR_ARGUMENT, "%s: data is NULL", what);
    kiln_dtype dtype = data_narrow_dtype(array->dtype);
    int64_t row = kiln_shape_size(array->shape), count = row * dataset->samples;
    bytes = (size_t)count * kiln_dtype_size(dtype);
    void *copy = malloc(bytes ? bytes : 1);
    if (copy == NULL)
        return kiln_fail_memory(bytes);
    kiln_status status = data_narrow(array->data, array->dtype, count, row, copy, what);
    if (status != KILN_OK) {
        free(copy);
        return status;
    }
    return target ? dataset_take_target(dataset, array->name, dtype, array->shape, copy, bytes)
                  : dataset_take_input(dataset, array->name, dtype, array->shape, copy, bytes);
}

kiln_dataset *kiln_dataset_from_arrays(int64_t samples, size_t inputs, const kiln_array *x,
                                       size_t targets, const kiln_array *y)
{
    if (check_columns(inputs, x, targets, y) != KILN_OK)
        return NULL;
    if (samples <= 0 || samples > INT32_MAX) {
        kiln_fail(KILN_ERROR_ARGUMENT, "a data set of %" PRId64 " samples: 1 to %d are possible",
                  samples, INT32_MAX);
        return NULL;
    }
    kiln_dataset *dataset = dataset_new("arrays");
    if (dataset == NULL)
        return NULL;
    dataset->samples = samples;
    kiln_status status = KILN_OK;
    for (size_t i = 0; i < inputs && status == KILN_OK; i++)
        status = copy_column(dataset, false, i, &x[i]);
    for (size_t i = 0; i < targets && status == KILN_OK; i++)
        status = copy_column(dataset, true, i, &y[i]);
    if (status != KILN_OK) {
        kiln_dataset_free(dataset);
        return NULL;
    }
    return dataset;
}

static kiln_status declare_column(kiln_dataset *dataset, bool target, size_t index,
                                  const kiln_array *array)
{
    char what[128];
    size_t bytes;
    describe(what, sizeof what, target ? "target" : "input", index, array);
    KILN_TRY(check_declaration(array, 1, what, &bytes));
    if (data_narrow_dtype(array->dtype) != array->dtype)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "%s: a function fills float32, int32 or uint8 arrays, not %s", what,
                         kiln_dtype_name(array->dtype));
    return target
               ? dataset_share_target(dataset, array->name, array->dtype, array->shape, NULL, NULL)
               : dataset_share_input(dataset, array->name, array->dtype, array->shape, NULL, NULL);
}

kiln_dataset *kiln_dataset_from_function(kiln_batch_function function, void *user, int64_t steps,
                                         size_t inputs, const kiln_array *x, size_t targets,
                                         const kiln_array *y)
{
    if (check_columns(inputs, x, targets, y) != KILN_OK)
        return NULL;
    if (function == NULL || steps < 0) {
        kiln_fail(KILN_ERROR_ARGUMENT, "a data set from a function: %s",
                  function ? "the number of steps is negative" : "the function is NULL");
        return NULL;
    }
    kiln_dataset *dataset = dataset_new("function");
    if (dataset == NULL)
        return NULL;
    dataset->samples = -1;
    dataset->function = function;
    dataset->user = user;
    dataset->function_steps = steps;
    kiln_status status = KILN_OK;
    for (size_t i = 0; i < inputs && status == KILN_OK; i++)
        status = declare_column(dataset, false, i, &x[i]);
    for (size_t i = 0; i < targets && status == KILN_OK; i++)
        status = declare_column(dataset, true, i, &y[i]);
    if (status != KILN_OK) {
        kiln_dataset_free(dataset);
        return NULL;
    }
    return dataset;
}

kiln_status kiln_dataset_set_function_weights(kiln_dataset *dataset, int given)
{
    if (dataset == NULL)
        return kiln_fail_null("the data set to weight");
    if (dataset->function == NULL)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "%s: its batches are made by no function; kiln_dataset_set_sample_weights "
                         "gives arrays their weights",
                         dataset->origin);
    if (dataset->target_count == 0 && given)
        return kiln_fail(KILN_ERROR_ARGUMENT, "%s: weights without targets", dataset->origin);
    dataset->function_weights = given != 0;
    return KILN_OK;
}
