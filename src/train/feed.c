#include "train/feed.h"

#include "base/clock.h"
#include "base/philox.h"

#include <string.h>

#define CHUNK_BYTES ((size_t)8 << 20)
#define FUNCTION_SECONDS 0.02 /* how long a function is asked for batches of one chunk */

size_t feed_whole_limit = SIZE_MAX;

static const char *origin_of(const feed *f)
{
    return f->data->origin ? f->data->origin : "the data set";
}

/* ---- opening ---- */

static kiln_status add_column(feed *f, int slot, kiln_dtype dtype, kiln_shape shape,
                              const void *host, const data_block *block)
{
    f->columns[f->column_count++] =
        (feed_column){.slot = slot,
                      .declared = -1,
                      .row_bytes = (size_t)kiln_shape_size(shape) * kiln_dtype_size(dtype),
                      .host = host,
                      .block = block};
    return KILN_OK;
}

/* The weight of each sample: its own times that of its class. */
static kiln_status fold_weights(feed *f)
{
    const kiln_dataset *data = f->data;
    const float *own = data->sample_weights ? data->sample_weights->data : NULL;
    const data_column *target = columns_get(f->training, data, f->types.input_count);
    if (!data_column_is_packed(target))
        return kiln_fail(KILN_ERROR_UNSUPPORTED,
                         "%s: class weights are for labels, not for windows of them", origin_of(f));
    f->weights = mem_new((size_t)f->samples, sizeof *f->weights);
    if (f->weights == NULL)
        return KILN_ERROR_MEMORY;
    for (int64_t i = 0; i < f->samples; i++)
        f->weights[i] = own ? own[i] : 1;
    columns_class_weights(f->class_weight, f->class_weight_count, target->dtype, target->shape,
                          target->data, f->samples, f->weights);
    return KILN_OK;
}

static kiln_status list_columns(feed *f)
{
    size_t count = f->types.input_count + f->types.target_count;
    bool function = f->data->function != NULL;
    for (size_t i = 0; i < count; i++) {
        const data_column *column = columns_get(f->training, f->data, i);
        if (column == NULL)
            return kiln_last_status();
        if (i >= f->types.input_count && !function)
            KILN_TRY(columns_check_labels(f->training, origin_of(f), i - f->types.input_count,
                                          column->dtype, column->data,
                                          data_column_span(column, f->samples)));
        KILN_TRY(add_column(f, TRAINING_SLOT_COLUMN(i), column->dtype, column->shape,
                            function ? NULL : column->data, column->block));
        f->columns[i].from = function ? NULL : column;
        f->columns[i].declared =
            i < f->types.input_count
                ? (int)(column - f->data->inputs)
                : (int)(f->data->input_count + (size_t)(column - f->data->targets));
    }
    if (!f->types.weighted)
        return KILN_OK;
    const void *weights = f->data->sample_weights ? f->data->sample_weights->data : NULL;
    if (f->class_weight && !function) {
        KILN_TRY(fold_weights(f));
        weights = f->weights;
    }
    return add_column(f, TRAINING_SLOT_WEIGHTS, KILN_FLOAT32, (kiln_shape){0}, weights, NULL);
}

/* Bytes of a column as it lies on the host. */
static size_t host_bytes(const feed *f, const feed_column *column)
{
    return column->from ? (size_t)data_column_span(column->from, f->samples) *
                              kiln_dtype_size(column->from->dtype)
                        : column->row_bytes * (size_t)f->samples;
}

static bool fits(const feed *f)
{
    const kiln_device_info *info = &f->device->info;
    uint64_t total = 0,
             free_bytes = info->memory > f->device->used ? info->memory - f->device->used : 0;
    for (size_t i = 0; i < f->column_count; i++) {
        uint64_t bytes = host_bytes(f, &f->columns[i]);
        if (bytes > info->largest_allocation)
            return false;
        total += bytes;
    }
    return total <= free_bytes / 2 && total <= feed_whole_limit && f->samples <= INT32_MAX;
}

/* Piece by piece, so that a mapped file never lies in memory twice. */
static kiln_status upload_column(feed *f, feed_column *column)
{
    size_t bytes = host_bytes(f, column);
    KILN_TRY(device_alloc(f->device, bytes, origin_of(f), &column->memory[0]));
    for (size_t at = 0; at < bytes; at += CHUNK_BYTES) {
        size_t piece = bytes - at < CHUNK_BYTES ? bytes - at : CHUNK_BYTES;
        KILN_TRY(device_write(f->device, column->memory[0], at, column->host + at, piece));
        data_block_cool(column->block, column->host + at, piece);
    }
    return KILN_OK;
}

static kiln_status upload_whole(feed *f)
{
    for (size_t i = 0; i < f->column_count; i++)
        KILN_TRY(upload_column(f, &f->columns[i]));
    f->rows = mem_new((size_t)f->samples, sizeof *f->rows);
    if (f->rows == NULL)
        return KILN_ERROR_MEMORY;
    return device_alloc(f->device, (size_t)f->samples * sizeof *f->rows, "the order of samples",
                        &f->order);
}

static const data_column *declared_column(const kiln_dataset *data, size_t i)
{
    return i < data->input_count ? &data->inputs[i] : &data->targets[i - data->input_count];
}

/* Is this array of the data set one that the plan takes? */
static bool is_used(const feed *f, size_t declared)
{
    for (size_t i = 0; i < f->column_count; i++)
        if (f->columns[i].declared == (int)declared)
            return true;
    return false;
}

/* Room for what a function fills and nobody wants: the targets, when predicting. */
static kiln_status make_scratch(feed *f)
{
    const kiln_dataset *data = f->data;
    size_t count = data->input_count + data->target_count, bytes = 1;
    if (count > TRAINING_MAX_COLUMNS)
        return kiln_fail(KILN_ERROR_UNSUPPORTED, "%s has %zu arrays; %d are the most", origin_of(f),
                         count, TRAINING_MAX_COLUMNS);
    for (size_t i = 0; i < count; i++)
        if (!is_used(f, i))
            bytes += data_column_row(declared_column(data, i)) * (size_t)f->batch;
    f->scratch = mem_new(bytes, 1);
    return f->scratch ? KILN_OK : KILN_ERROR_MEMORY;
}

static kiln_status make_chunks(feed *f)
{
    size_t batch_bytes = 1;
    for (size_t i = 0; i < f->column_count; i++)
        batch_bytes += f->columns[i].row_bytes * (size_t)f->batch;
    f->chunk_batches = (int64_t)(CHUNK_BYTES / batch_bytes);
    if (f->chunk_batches < 1)
        f->chunk_batches = 1;
    if (f->chunk_batches > FEED_CHUNK_BATCHES)
        f->chunk_batches = FEED_CHUNK_BATCHES;
    size_t rows = (size_t)(f->chunk_batches * f->batch);
    for (size_t i = 0; i < f->column_count; i++) {
        feed_column *column = &f->columns[i];
        size_t bytes = column->row_bytes * rows;
        for (int k = 0; k < 2; k++) {
            column->chunk[k] = mem_new(bytes, 1);
            if (column->chunk[k] == NULL)
                return KILN_ERROR_MEMORY;
            KILN_TRY(device_alloc(f->device, bytes, "batches on their way", &column->memory[k]));
        }
    }
    if (f->data->function)
        KILN_TRY(make_scratch(f));
    uint32_t *identity = mem_new(rows, sizeof *identity);
    if (identity == NULL)
        return KILN_ERROR_MEMORY;
    for (size_t i = 0; i < rows; i++)
        identity[i] = (uint32_t)i;
    kiln_status status =
        device_alloc(f->device, rows * sizeof *identity, "the order of samples", &f->order);
    if (status == KILN_OK)
        status = device_write(f->device, f->order, 0, identity, rows * sizeof *identity);
    free(identity);
    if (status != KILN_OK || f->data->function)
        return status;
    f->rows = mem_new((size_t)f->samples, sizeof *f->rows);
    return f->rows ? KILN_OK : KILN_ERROR_MEMORY;
}

kiln_status feed_open(model_training *t, const kiln_dataset *data, const feed_request *request,
                      feed *f)
{
    *f = (feed){.training = t,
                .device = t->device,
                .data = data,
                .batch = request->batch,
                .samples = data->function ? -1 : data->samples,
                .class_weight = request->class_weight,
                .class_weight_count = request->class_weight_count,
                .budget = -1};
    KILN_TRY(feed_types(t, data, request->targets, &f->types));
    if (request->class_weight && f->types.target_count > 1)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "class weights are for models with one output; this one has %zu",
                         f->types.target_count);
    f->types.weighted = f->types.weighted || (request->class_weight && request->targets);
    if (f->samples == 0)
        return kiln_fail(KILN_ERROR_ARGUMENT, "%s has no samples", origin_of(f));
    if (f->samples > UINT32_MAX)
        return kiln_fail(KILN_ERROR_UNSUPPORTED, "%s has %lld samples; %lld are the most",
                         origin_of(f), (long long)f->samples, (long long)UINT32_MAX);
    f->steps = f->samples < 0 ? (data->function_steps > 0 ? data->function_steps : -1)
                              : (f->samples + f->batch - 1) / f->batch;
    KILN_TRY(list_columns(f));
    f->whole = data->function == NULL && fits(f);
    if (f->whole)
        return upload_whole(f);
    /* What goes to the device are the samples, not what they are windows of. */
    memset(f->types.strides, 0, sizeof f->types.strides);
    memset(f->types.steps, 0, sizeof f->types.steps);
    return make_chunks(f);
}

/* Takes memory that is about to be freed out of the plan it was bound to: a later buffer may get
 * the same handle, and the plan would take it for this one. */
static void forget(program *p, int slot, cl_mem memory)
{
    if (p && memory)
        plan_unbind(p->plan, slot, memory);
}

void feed_close(feed *f)
{
    for (size_t i = 0; i < f->column_count; i++)
        for (int k = 0; k < 2; k++)
            forget(f->bound, f->columns[i].slot, f->columns[i].memory[k]);
    forget(f->bound, TRAINING_SLOT_ORDER, f->order);
    for (size_t i = 0; i < f->column_count; i++) {
        for (int k = 0; k < 2; k++) {
            if (f->columns[i].memory[k])
                device_free(f->device, f->columns[i].memory[k]);
            free(f->columns[i].chunk[k]);
        }
    }
    if (f->order)
        device_free(f->device, f->order);
    free(f->rows);
    free(f->weights);
    free(f->scratch);
    *f = (feed){0};
}

/* ---- passes ---- */

kiln_status feed_start(feed *f, bool shuffle, uint64_t seed, uint64_t stream)
{
    f->position = 0;
    f->ended = false;
    if (f->data->function == NULL) {
        size_t count = (size_t)f->samples;
        if (shuffle)
            philox_permutation(seed, stream, f->rows, count);
        else
            for (size_t i = 0; i < count; i++)
                f->rows[i] = (uint32_t)i;
        f->prepared = false;
        memset(f->chunks, 0, sizeof f->chunks);
        if (f->whole)
            return device_write(f->device, f->order, 0, f->rows, count * sizeof *f->rows);
    }
    return KILN_OK;
}

kiln_status feed_skip(feed *f, int64_t batches)
{
    if (f->data->function)
        return kiln_fail(KILN_ERROR_UNSUPPORTED,
                         "%s: batches made by a function cannot be left out; leave out "
                         "steps_per_epoch",
                         origin_of(f));
    f->position = batches > f->samples / f->batch ? f->samples : batches * f->batch;
    return KILN_OK;
}

static kiln_status bind(feed *f, program *p, int k, int64_t rows)
{
    f->bound = p;
    KILN_TRY(plan_bind(p->plan, TRAINING_SLOT_ORDER, f->order, 0, rows));
    for (size_t i = 0; i < f->column_count; i++)
        KILN_TRY(plan_bind(p->plan, f->columns[i].slot, f->columns[i].memory[k], 0, rows));
    return KILN_OK;
}

static kiln_status next_of_whole(feed *f, program *p, int64_t limit, plan_step *steps,
                                 int64_t *count)
{
    if (f->position < f->samples)
        KILN_TRY(bind(f, p, 0, f->samples));
    while (*count < limit && f->position < f->samples) {
        int64_t left = f->samples - f->position, rows = left < f->batch ? left : f->batch;
        steps[(*count)++] = (plan_step){.position = (uint32_t)f->position, .rows = (uint32_t)rows};
        f->position += rows;
    }
    return KILN_OK;
}

static void gather(feed *f, int k, int64_t batch, int64_t rows)
{
    for (size_t i = 0; i < f->column_count; i++) {
        const feed_column *column = &f->columns[i];
        size_t size = column->row_bytes;
        unsigned char *to = column->chunk[k] + (size_t)(batch * f->batch) * size;
        for (int64_t r = 0; r < rows; r++)
            if (column->from)
                data_column_copy(column->from, f->rows[f->position + r], 1, to + (size_t)r * size);
            else
                memcpy(to + (size_t)r * size, column->host + f->rows[f->position + r] * size, size);
    }
}

/* What a function put into x and y of a batch: labels checked, class weights folded. */
static kiln_status check_batch(feed *f, int k, int64_t batch, int64_t rows)
{
    const data_types *types = &f->types;
    for (size_t i = 0; i < types->target_count; i++) {
        const feed_column *column = &f->columns[types->input_count + i];
        const void *values = column->chunk[k] + (size_t)(batch * f->batch) * column->row_bytes;
        kiln_dtype dtype = types->dtypes[types->input_count + i];
        kiln_shape shape = types->shapes[types->input_count + i];
        KILN_TRY(columns_check_labels(f->training, origin_of(f), i, dtype, values,
                                      rows * kiln_shape_size(shape)));
        if (f->class_weight == NULL)
            continue;
        float *weights = (float *)f->columns[f->column_count - 1].chunk[k] + batch * f->batch;
        for (int64_t r = 0; r < rows; r++)
            weights[r] = 1;
        columns_class_weights(f->class_weight, f->class_weight_count, dtype, shape, values, rows,
                              weights);
    }
    return KILN_OK;
}

/* Where a function's arrays go, in the order the data set declares them. */
static void lay_out(feed *f, int k, int64_t batch, void **x, void **y)
{
    const kiln_dataset *data = f->data;
    unsigned char *scratch = f->scratch;
    for (size_t i = 0; i < data->input_count + data->target_count; i++) {
        void **to = i < data->input_count ? &x[i] : &y[i - data->input_count];
        if (!is_used(f, i)) {
            *to = scratch;
            scratch += data_column_row(declared_column(data, i)) * (size_t)f->batch;
        }
        for (size_t j = 0; j < f->column_count; j++)
            if (f->columns[j].declared == (int)i)
                *to = f->columns[j].chunk[k] + (size_t)(batch * f->batch) * f->columns[j].row_bytes;
    }
}

static kiln_status call_function(feed *f, int k, int64_t batch, int64_t *rows)
{
    void *x[TRAINING_MAX_COLUMNS] = {NULL}, *y[TRAINING_MAX_COLUMNS] = {NULL};
    const kiln_dataset *data = f->data;
    kiln_error_record before;
    lay_out(f, k, batch, x, y);
    *rows = 0;
    kiln_error_save(&before);
    kiln_clear_error(); /* what is on record afterwards is the function's */
    kiln_status status = data->function(data->user, f->batch, x, y, rows);
    if (status != KILN_OK)
        return kiln_last_status() != KILN_OK
                   ? status
                   : kiln_fail(status,
                               "%s: the function that makes batches failed at batch %lld with "
                               "status %d",
                               origin_of(f), (long long)f->position + 1, (int)status);
    kiln_error_restore(&before);
    if (*rows < 0 || *rows > f->batch)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "%s: the function that makes batches says it made %lld samples; it may "
                         "make 1 to %lld, or 0 at the end of the epoch",
                         origin_of(f), (long long)*rows, (long long)f->batch);
    return check_batch(f, k, batch, *rows);
}

static bool function_is_over(const feed *f)
{
    return f->ended || f->budget == 0 || (f->steps >= 0 && f->position >= f->steps);
}

/* The function's position counts batches. */
static kiln_status fill_from_function(feed *f, int k)
{
    struct feed_chunk *chunk = &f->chunks[k];
    double start = clock_seconds();
    while (chunk->count < f->chunk_batches && !function_is_over(f)) {
        int64_t rows;
        KILN_TRY(call_function(f, k, chunk->count, &rows));
        if (rows == 0) {
            f->ended = true;
            break;
        }
        chunk->rows[chunk->count++] = (uint32_t)rows;
        f->position++;
        if (f->budget > 0)
            f->budget--;
        if (clock_seconds() - start > FUNCTION_SECONDS)
            break;
    }
    return KILN_OK;
}

static kiln_status fill(feed *f, int k)
{
    struct feed_chunk *chunk = &f->chunks[k];
    chunk->count = chunk->taken = 0;
    if (f->data->function)
        KILN_TRY(fill_from_function(f, k));
    while (f->data->function == NULL && chunk->count < f->chunk_batches &&
           f->position < f->samples) {
        int64_t left = f->samples - f->position, rows = left < f->batch ? left : f->batch;
        gather(f, k, chunk->count, rows);
        chunk->rows[chunk->count++] = (uint32_t)rows;
        f->position += rows;
    }
    for (size_t i = 0; chunk->count > 0 && i < f->column_count; i++) {
        const feed_column *column = &f->columns[i];
        size_t bytes = column->row_bytes * (size_t)(chunk->count * f->batch);
        KILN_TRY(device_upload(f->device, column->memory[k], 0, column->chunk[k], bytes));
    }
    return KILN_OK;
}

kiln_status feed_prepare(feed *f)
{
    if (f->whole || f->prepared)
        return KILN_OK;
    KILN_TRY(fill(f, 1 - f->use));
    f->prepared = true;
    return KILN_OK;
}

static kiln_status next_of_chunk(feed *f, program *p, int64_t limit, plan_step *steps,
                                 int64_t *count)
{
    struct feed_chunk *chunk = &f->chunks[f->use];
    if (chunk->taken == chunk->count) {
        KILN_TRY(feed_prepare(f));
        KILN_TRY(device_finish(f->device)); /* the upload, and what used the old chunk */
        f->use = 1 - f->use;
        f->prepared = false;
        chunk = &f->chunks[f->use];
    }
    if (chunk->taken < chunk->count)
        KILN_TRY(bind(f, p, f->use, f->chunk_batches * f->batch));
    while (*count < limit && chunk->taken < chunk->count) {
        steps[(*count)++] = (plan_step){.position = (uint32_t)(chunk->taken * f->batch),
                                        .rows = chunk->rows[chunk->taken]};
        chunk->taken++;
    }
    return KILN_OK;
}

kiln_status feed_next(feed *f, program *p, int64_t limit, plan_step *steps, int64_t *count)
{
    *count = 0;
    return f->whole ? next_of_whole(f, p, limit, steps, count)
                    : next_of_chunk(f, p, limit, steps, count);
}

static int64_t batches_in_hand(const feed *f)
{
    const struct feed_chunk *now = &f->chunks[f->use], *then = &f->chunks[1 - f->use];
    return now->count - now->taken + (f->prepared ? then->count : 0);
}

bool feed_exhausted(const feed *f)
{
    if (f->whole)
        return f->position >= f->samples;
    bool out = f->data->function ? f->ended || (f->steps >= 0 && f->position >= f->steps)
                                 : f->position >= f->samples;
    return out && batches_in_hand(f) == 0;
}

void feed_set_budget(feed *f, int64_t batches)
{
    f->budget = batches;
    if (batches >= 0 && !f->whole) {
        f->budget -= batches_in_hand(f);
        if (f->budget < 0)
            f->budget = 0;
    }
}

/* ---- single batches ---- */

static kiln_status stage(model_training *t, int index, const void *data, size_t bytes)
{
    staging_buffer *buffer = &t->staging[index];
    if (buffer->bytes < bytes || buffer->memory == NULL) {
        for (size_t i = 0; i < t->program_count; i++)
            forget(t->programs[i], index, buffer->memory);
        device_free(t->device, buffer->memory);
        *buffer = (staging_buffer){0};
        KILN_TRY(device_alloc(t->device, bytes, "a batch", &buffer->memory));
        buffer->bytes = bytes;
    }
    return device_write_later(t->device, buffer->memory, 0, data, bytes);
}

static kiln_status stage_order(model_training *t, int64_t rows)
{
    if (rows <= t->staging_rows)
        return KILN_OK;
    uint32_t *identity = mem_new((size_t)rows, sizeof *identity);
    if (identity == NULL)
        return KILN_ERROR_MEMORY;
    for (int64_t i = 0; i < rows; i++)
        identity[i] = (uint32_t)i;
    kiln_status status = stage(t, TRAINING_SLOT_ORDER, identity, (size_t)rows * sizeof *identity);
    if (status == KILN_OK)
        status = device_finish(t->device);
    free(identity);
    if (status == KILN_OK)
        t->staging_rows = rows;
    return status;
}

kiln_status feed_batch(model_training *t, program *p, int64_t rows, const void *const *columns,
                       const float *weights)
{
    size_t count = p->types.input_count + p->types.target_count;
    KILN_TRY(stage_order(t, p->batch));
    KILN_TRY(plan_bind(p->plan, TRAINING_SLOT_ORDER, t->staging[0].memory, 0, p->batch));
    for (size_t i = 0; i < count; i++) {
        int slot = TRAINING_SLOT_COLUMN(i);
        size_t bytes = (size_t)(rows * kiln_shape_size(p->types.shapes[i])) *
                       kiln_dtype_size(p->types.dtypes[i]);
        KILN_TRY(stage(t, slot, columns[i], bytes));
        KILN_TRY(plan_bind(p->plan, slot, t->staging[slot].memory, 0, rows));
    }
    if (p->types.weighted) {
        int slot = TRAINING_SLOT_WEIGHTS;
        KILN_TRY(stage(t, slot, weights, (size_t)rows * sizeof *weights));
        KILN_TRY(plan_bind(p->plan, slot, t->staging[slot].memory, 0, rows));
    }
    return KILN_OK;
}
