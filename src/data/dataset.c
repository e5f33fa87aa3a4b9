/* A data set's life: columns in shared blocks, slices, scale, names, weights. */
#include "data/dataset.h"

#include "data/array.h"
#include "model/series.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

data_block *data_block_new(void *memory, size_t bytes, bool mapped)
{
    data_block *block = memory ? mem_new(1, sizeof *block) : NULL;
    if (block == NULL) {
        if (memory && mapped)
            munmap(memory, bytes);
        else
            free(memory);
        return NULL;
    }
    atomic_init(&block->references, 1);
    block->memory = memory;
    block->bytes = bytes;
    block->mapped = mapped;
    return block;
}

void data_block_release(data_block *block)
{
    if (block == NULL || atomic_fetch_sub(&block->references, 1) > 1)
        return;
    if (block->mapped)
        munmap(block->memory, block->bytes);
    else
        free(block->memory);
    free(block);
}

void data_block_cool(const data_block *block, const void *bytes, size_t size)
{
    if (block == NULL || !block->mapped || block->anonymous)
        return;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t first = (uintptr_t)bytes & ~(page - 1), end = ((uintptr_t)bytes + size) & ~(page - 1);
    if (end > first)
        madvise((void *)first, end - first, MADV_DONTNEED);
}

size_t data_column_row(const data_column *column)
{
    return (size_t)kiln_shape_size(column->shape) * kiln_dtype_size(column->dtype);
}

/* Elements of an entry along the first axis of a sample. */
static int64_t entry_size(const data_column *column)
{
    int64_t size = 1;
    for (int i = 1; i < column->shape.rank; i++)
        size *= column->shape.dims[i];
    return size;
}

int64_t data_column_stride(const data_column *column)
{
    return column->stride ? column->stride : kiln_shape_size(column->shape);
}

int64_t data_column_step(const data_column *column)
{
    return column->step ? column->step : entry_size(column);
}

bool data_column_is_packed(const data_column *column)
{
    return data_column_stride(column) == kiln_shape_size(column->shape) &&
           (column->shape.rank == 0 || data_column_step(column) == entry_size(column));
}

int64_t data_column_span(const data_column *column, int64_t samples)
{
    int64_t entries = column->shape.rank ? column->shape.dims[0] : 1;
    if (samples < 1)
        return 0;
    return (samples - 1) * data_column_stride(column) + (entries - 1) * data_column_step(column) +
           entry_size(column);
}

const void *data_column_sample(const data_column *column, int64_t sample)
{
    return (const char *)column->data +
           (size_t)(sample * data_column_stride(column)) * kiln_dtype_size(column->dtype);
}

void data_column_copy(const data_column *column, int64_t first, int64_t count, void *to)
{
    size_t row = data_column_row(column), element = kiln_dtype_size(column->dtype),
           entry = (size_t)entry_size(column) * element,
           step = (size_t)data_column_step(column) * element;
    char *out = to;
    for (int64_t i = 0; i < count; i++, out += row) {
        const char *from = data_column_sample(column, first + i);
        if (step == entry || column->shape.rank == 0)
            memcpy(out, from, row);
        else
            for (int64_t k = 0; k < column->shape.dims[0]; k++)
                memcpy(out + (size_t)k * entry, from + (size_t)k * step, entry);
    }
}

int64_t data_column_label(const data_column *column, int64_t sample)
{
    const void *at = data_column_sample(column, sample);
    return column->dtype == KILN_UINT8 ? *(const uint8_t *)at : *(const int32_t *)at;
}

kiln_dataset *dataset_new(const char *origin)
{
    kiln_dataset *dataset = mem_new(1, sizeof *dataset);
    if (dataset == NULL)
        return NULL;
    dataset->scale = 1.0;
    dataset->origin = str_copy(origin);
    if (dataset->origin == NULL) {
        free(dataset);
        return NULL;
    }
    return dataset;
}

static void free_column(data_column *column)
{
    free(column->name);
    data_block_release(column->block);
}

static void free_columns(data_column *columns, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free_column(&columns[i]);
    free(columns);
}

static void free_names(char **names, size_t count)
{
    for (size_t i = 0; names && i < count; i++)
        free(names[i]);
    free(names);
}

void kiln_dataset_free(kiln_dataset *dataset)
{
    if (dataset == NULL)
        return;
    free_columns(dataset->inputs, dataset->input_count);
    free_columns(dataset->targets, dataset->target_count);
    if (dataset->sample_weights)
        free_columns(dataset->sample_weights, 1);
    free_names(dataset->class_names, dataset->class_count);
    free_names(dataset->feature_names, dataset->feature_count);
    free(dataset->class_values);
    free_names(dataset->sample_names, dataset->sample_names ? (size_t)dataset->samples : 0);
    model_text_free(&dataset->text);
    free(dataset->columns_read);
    free(dataset->skipped_why);
    model_series_free(dataset->series);
    free(dataset->origin);
    free(dataset);
}

/* Appends to one of the two lists of columns and takes a reference of the block. */
static kiln_status add_column(data_column **columns, size_t *count, const char *name,
                              kiln_dtype dtype, kiln_shape shape, data_block *block,
                              const void *data)
{
    data_column column = {.dtype = dtype, .shape = shape, .block = block, .data = data};
    data_column *grown = realloc(*columns, (*count + 1) * sizeof column);
    if (grown == NULL)
        return kiln_fail_memory((*count + 1) * sizeof column);
    *columns = grown;
    if (name && (column.name = str_copy(name)) == NULL)
        return kiln_last_status();
    if (block)
        atomic_fetch_add(&block->references, 1);
    grown[(*count)++] = column;
    return KILN_OK;
}

/* The same for a column that is there already, from sample `first` on. */
static kiln_status add_view(data_column **columns, size_t *count, const char *name,
                            const data_column *from, int64_t first)
{
    KILN_TRY(add_column(columns, count, name, from->dtype, from->shape, from->block,
                        data_column_sample(from, first)));
    (*columns)[*count - 1].stride = from->stride;
    (*columns)[*count - 1].step = from->step;
    return KILN_OK;
}

kiln_status dataset_share_input(kiln_dataset *dataset, const char *name, kiln_dtype dtype,
                                kiln_shape shape, data_block *block, const void *data)
{
    return add_column(&dataset->inputs, &dataset->input_count, name, dtype, shape, block, data);
}

kiln_status dataset_share_target(kiln_dataset *dataset, const char *name, kiln_dtype dtype,
                                 kiln_shape shape, data_block *block, const void *data)
{
    return add_column(&dataset->targets, &dataset->target_count, name, dtype, shape, block, data);
}

kiln_status dataset_share_column(kiln_dataset *dataset, bool target, const char *name,
                                 const data_column *column, int64_t first)
{
    data_column **columns = target ? &dataset->targets : &dataset->inputs;
    size_t *count = target ? &dataset->target_count : &dataset->input_count;
    return add_view(columns, count, name, column, first);
}

static kiln_status take(kiln_dataset *dataset, bool target, const char *name, kiln_dtype dtype,
                        kiln_shape shape, void *memory, size_t bytes)
{
    if (memory == NULL)
        return kiln_fail_memory(bytes);
    int64_t count = dataset->samples * kiln_shape_size(shape);
    if ((size_t)count * kiln_dtype_size(dtype) != bytes) {
        free(memory);
        return kiln_fail(KILN_ERROR_SHAPE,
                         "%s: %zu bytes were given for %" PRId64 " samples of %" PRId64 " %s",
                         dataset->origin, bytes, dataset->samples, kiln_shape_size(shape),
                         kiln_dtype_name(dtype));
    }
    data_array array = {
        .dtype = dtype, .rank = 1, .dims = {dataset->samples}, .data = memory, .bytes = bytes};
    kiln_status status = data_array_narrow(&array, dataset->origin);
    data_block *block = NULL;
    if (status != KILN_OK) {
        free(array.data);
        return status;
    }
    block = data_block_new(array.data, array.bytes, false);
    if (block == NULL)
        return kiln_last_status();
    status = target ? dataset_share_target(dataset, name, array.dtype, shape, block, array.data)
                    : dataset_share_input(dataset, name, array.dtype, shape, block, array.data);
    data_block_release(block);
    return status;
}

kiln_status dataset_take_input(kiln_dataset *dataset, const char *name, kiln_dtype dtype,
                               kiln_shape shape, void *block_data, size_t bytes)
{
    return take(dataset, false, name, dtype, shape, block_data, bytes);
}

kiln_status dataset_take_target(kiln_dataset *dataset, const char *name, kiln_dtype dtype,
                                kiln_shape shape, void *block_data, size_t bytes)
{
    return take(dataset, true, name, dtype, shape, block_data, bytes);
}

static kiln_status copy_names(char ***to, size_t *to_count, size_t count, const char *const *names)
{
    char **copies = mem_new(count, sizeof *copies);
    if (copies == NULL)
        return kiln_last_status();
    for (size_t i = 0; i < count; i++) {
        copies[i] = str_copy(names[i]);
        if (copies[i] == NULL) {
            free_names(copies, i);
            return kiln_last_status();
        }
    }
    free_names(*to, *to_count);
    *to = copies;
    *to_count = count;
    return KILN_OK;
}

kiln_status dataset_set_class_names(kiln_dataset *dataset, size_t count, const char *const *names)
{
    return copy_names(&dataset->class_names, &dataset->class_count, count, names);
}

kiln_status dataset_set_feature_names(kiln_dataset *dataset, size_t count, const char *const *names)
{
    return copy_names(&dataset->feature_names, &dataset->feature_count, count, names);
}

kiln_status dataset_set_series(kiln_dataset *dataset, const model_series *series)
{
    model_series *copy = model_series_copy(series);
    if (series && copy == NULL)
        return kiln_last_status();
    model_series_free(dataset->series);
    dataset->series = copy;
    return KILN_OK;
}

kiln_dataset *dataset_like(const kiln_dataset *dataset, int64_t samples)
{
    kiln_dataset *copy = dataset_new(dataset->origin);
    if (copy == NULL)
        return NULL;
    copy->samples = samples;
    copy->scale = dataset->scale;
    copy->names_open = dataset->names_open;
    copy->split_by_class = dataset->split_by_class;
    kiln_status status = KILN_OK;
    if (dataset->class_names)
        status = dataset_set_class_names(copy, dataset->class_count,
                                         (const char *const *)dataset->class_names);
    if (status == KILN_OK && dataset->feature_names)
        status = dataset_set_feature_names(copy, dataset->feature_count,
                                           (const char *const *)dataset->feature_names);
    if (status == KILN_OK)
        status = dataset_set_series(copy, dataset->series);
    if (status == KILN_OK)
        status = model_text_copy(&dataset->text, &copy->text);
    if (status == KILN_OK && dataset->class_values) {
        copy->class_values = mem_new(dataset->class_count, sizeof *copy->class_values);
        if (copy->class_values == NULL)
            status = kiln_last_status();
        else
            memcpy(copy->class_values, dataset->class_values,
                   dataset->class_count * sizeof *copy->class_values);
    }
    if (status != KILN_OK) {
        kiln_dataset_free(copy);
        return NULL;
    }
    return copy;
}

static kiln_status share_rows(const data_column *from, size_t count, int64_t first,
                              data_column **to, size_t *to_count)
{
    for (size_t i = 0; i < count; i++)
        KILN_TRY(add_view(to, to_count, from[i].name, &from[i], first));
    return KILN_OK;
}

kiln_dataset *kiln_dataset_slice(const kiln_dataset *dataset, int64_t first, int64_t count)
{
    if (dataset == NULL) {
        kiln_fail_null("the data set to slice");
        return NULL;
    }
    if (dataset->function) {
        kiln_fail(KILN_ERROR_ARGUMENT, "%s: the batches of a function cannot be sliced",
                  dataset->origin);
        return NULL;
    }
    if (first < 0 || count < 0 || first > dataset->samples || count > dataset->samples - first) {
        kiln_fail(KILN_ERROR_ARGUMENT,
                  "%s: the samples %" PRId64 " to %" PRId64
                  " (excluded) were asked for, but there are %" PRId64,
                  dataset->origin, first, first + count, dataset->samples);
        return NULL;
    }
    kiln_dataset *slice = dataset_like(dataset, count);
    if (slice == NULL)
        return NULL;
    size_t weights = 0;
    if (share_rows(dataset->inputs, dataset->input_count, first, &slice->inputs,
                   &slice->input_count) != KILN_OK ||
        share_rows(dataset->targets, dataset->target_count, first, &slice->targets,
                   &slice->target_count) != KILN_OK ||
        (dataset->sample_weights && share_rows(dataset->sample_weights, 1, first,
                                               &slice->sample_weights, &weights) != KILN_OK)) {
        if (weights == 0) { /* the list may have been made and stayed empty */
            free(slice->sample_weights);
            slice->sample_weights = NULL;
        }
        kiln_dataset_free(slice);
        return NULL;
    }
    return slice;
}

int64_t kiln_dataset_size(const kiln_dataset *dataset)
{
    return dataset ? dataset->samples : 0;
}

double kiln_dataset_scale(const kiln_dataset *dataset)
{
    return dataset ? dataset->scale : 1.0;
}

kiln_status kiln_dataset_set_scale(kiln_dataset *dataset, double scale)
{
    if (dataset == NULL)
        return kiln_fail_null("the data set to scale");
    if (!isfinite(scale))
        return kiln_fail(KILN_ERROR_ARGUMENT, "%s: the scale %g is not finite", dataset->origin,
                         scale);
    dataset->scale = scale;
    return KILN_OK;
}

const char *const *kiln_dataset_class_names(const kiln_dataset *dataset, size_t *count)
{
    bool some = dataset && dataset->class_names;
    if (count)
        *count = some ? dataset->class_count : 0;
    return some ? (const char *const *)dataset->class_names : NULL;
}

int64_t kiln_dataset_skipped(const kiln_dataset *dataset, const char **why)
{
    if (why)
        *why = dataset && dataset->skipped_why ? dataset->skipped_why : "";
    return dataset ? dataset->skipped : 0;
}

kiln_status kiln_dataset_set_sample_weights(kiln_dataset *dataset, const float *weights)
{
    if (dataset == NULL)
        return kiln_fail_null("the data set to weight");
    if (dataset->samples < 0 || dataset->function)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "%s: the batches of a function take no sample weights; let it make them, "
                         "kiln_dataset_set_function_weights",
                         dataset->origin);
    data_column *column = NULL;
    size_t count = 0;
    if (weights) {
        size_t bytes = (size_t)dataset->samples * sizeof *weights;
        for (int64_t i = 0; i < dataset->samples; i++)
            if (!isfinite(weights[i]))
                return kiln_fail(KILN_ERROR_ARGUMENT,
                                 "%s: the weight of sample %" PRId64 " is %g, not finite",
                                 dataset->origin, i, (double)weights[i]);
        float *copy = malloc(bytes ? bytes : 1);
        if (copy == NULL)
            return kiln_fail_memory(bytes);
        memcpy(copy, weights, bytes);
        data_block *block = data_block_new(copy, bytes, false);
        if (block == NULL)
            return kiln_last_status();
        kiln_status status =
            add_column(&column, &count, NULL, KILN_FLOAT32, (kiln_shape){0}, block, copy);
        data_block_release(block);
        if (status != KILN_OK) {
            free(column);
            return status;
        }
    }
    if (dataset->sample_weights)
        free_columns(dataset->sample_weights, 1);
    dataset->sample_weights = column;
    return KILN_OK;
}
