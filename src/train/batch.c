/* Single batches, for a loop of the user's own. */
#include "train/feed.h"

#include <math.h>
#include <string.h>

/* One call's arrays, as columns that a model takes: 64-bit elements are narrowed to copies. */
typedef struct batch {
    kiln_dataset data;
    data_column columns[TRAINING_MAX_COLUMNS];
    data_column weights;
    void *copies[TRAINING_MAX_COLUMNS];
    float *folded; /* by class */
    const void *pointers[TRAINING_MAX_COLUMNS];
    data_types types;
    plan_step step;
} batch;

static kiln_status narrow(const kiln_array *array, int64_t samples, void **copy)
{
    size_t count = (size_t)(samples * kiln_shape_size(array->shape));
    *copy = mem_new(count, 4);
    if (*copy == NULL)
        return KILN_ERROR_MEMORY;
    for (size_t i = 0; array->dtype == KILN_FLOAT64 && i < count; i++)
        ((float *)*copy)[i] = (float)((const double *)array->data)[i];
    for (size_t i = 0; array->dtype == KILN_INT64 && i < count; i++) {
        int64_t value = ((const int64_t *)array->data)[i];
        if (value < INT32_MIN || value > INT32_MAX)
            return kiln_fail(KILN_ERROR_ARGUMENT, "element %zu is %lld, more than int32 holds", i,
                             (long long)value);
        ((int32_t *)*copy)[i] = (int32_t)value;
    }
    return KILN_OK;
}

static kiln_status add_arrays(batch *b, size_t first, size_t count, const kiln_array *arrays,
                              int64_t samples, const char *what)
{
    if (arrays == NULL)
        return kiln_fail_null(what);
    for (size_t i = 0; i < count; i++) {
        const kiln_array *array = &arrays[i];
        data_column *column = &b->columns[first + i];
        if (array->data == NULL || array->shape.rank < 0 || array->shape.rank >= KILN_MAX_RANK)
            return kiln_fail(KILN_ERROR_ARGUMENT, "%s %zu has no data or no proper shape", what, i);
        *column = (data_column){
            .name = NULL, .dtype = array->dtype, .shape = array->shape, .data = array->data};
        if (array->dtype == KILN_INT64 || array->dtype == KILN_FLOAT64) {
            if (narrow(array, samples, &b->copies[first + i]) != KILN_OK)
                return kiln_fail_in("%s %zu", what, i);
            column->data = b->copies[first + i];
            column->dtype = array->dtype == KILN_INT64 ? KILN_INT32 : KILN_FLOAT32;
        }
        b->pointers[first + i] = column->data;
    }
    return KILN_OK;
}

static void release(batch *b)
{
    for (int i = 0; i < TRAINING_MAX_COLUMNS; i++)
        free(b->copies[i]);
    free(b->folded);
}

/* The weight of each sample: that of its class. */
static kiln_status fold_weights(batch *b, const model_training *t,
                                const kiln_train_on_batch_args *args)
{
    if (t->target_count != 1)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "class weights are for models with one output; this one has %zu",
                         t->target_count);
    if (args->sample_weight)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "class weights and sample weights cannot be used together");
    const data_column *target = &b->columns[t->model->input_count];
    b->folded = mem_new((size_t)args->samples, sizeof *b->folded);
    if (b->folded == NULL)
        return KILN_ERROR_MEMORY;
    for (int64_t i = 0; i < args->samples; i++)
        b->folded[i] = 1;
    columns_class_weights(args->class_weight, args->class_weight_count, target->dtype,
                          target->shape, target->data, args->samples, b->folded);
    return KILN_OK;
}

static kiln_status gather(batch *b, const model_training *t, const kiln_train_on_batch_args *args)
{
    const kiln_model *model = t->model;
    size_t inputs = model->input_count, targets = args->y ? t->target_count : 0;
    int64_t samples = args->samples;
    const float *weights = args->sample_weight;
    if (samples < 1 || samples > INT32_MAX)
        return kiln_fail(KILN_ERROR_ARGUMENT, "a batch of %lld samples", (long long)samples);
    if (inputs + targets > TRAINING_MAX_COLUMNS)
        return kiln_fail(KILN_ERROR_UNSUPPORTED, "%zu inputs and outputs; %d are the most",
                         inputs + targets, TRAINING_MAX_COLUMNS);
    KILN_TRY(add_arrays(b, 0, inputs, args->x, samples, "input"));
    if (args->y)
        KILN_TRY(add_arrays(b, inputs, targets, args->y, samples, "target"));
    if (args->class_weight_count > 0) {
        if (args->class_weight == NULL)
            return kiln_fail_null("the class weights");
        KILN_TRY(fold_weights(b, t, args));
        weights = b->folded;
    }
    b->data = (kiln_dataset){.samples = samples,
                             .input_count = inputs,
                             .target_count = targets,
                             .inputs = b->columns,
                             .targets = b->columns + inputs,
                             .scale = 1,
                             .origin = "the batch"};
    if (weights) {
        b->weights = (data_column){.dtype = KILN_FLOAT32, .data = weights};
        b->data.sample_weights = &b->weights;
    }
    KILN_TRY(feed_types(t, &b->data, args->y != NULL, &b->types));
    for (size_t i = 0; i < targets; i++) {
        const data_column *column = &b->columns[inputs + i];
        KILN_TRY(columns_check_labels(t, "the batch", i, column->dtype, column->data,
                                      samples * kiln_shape_size(column->shape)));
    }
    return KILN_OK;
}

/* A program made for a somewhat bigger batch does, with fewer rows: a last, partial batch then runs
 * as in kiln_fit. */
static kiln_status program_for(model_training *t, training_mode mode, int64_t samples,
                               const data_types *types, program **p)
{
    int64_t fixed = model_state_batch(t->model);
    if (fixed && samples != fixed)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "model %s is stateful with batches of %lld rows and cannot take one of "
                         "%lld",
                         t->model->name, (long long)fixed, (long long)samples);
    *p = program_find(t, mode, samples, types);
    if (*p && ((*p)->batch <= 4 * samples || (*p)->batch <= 64))
        return KILN_OK;
    return program_get(t, mode, samples, types, p);
}

static kiln_status run_step(model_training *t, program *p, int64_t samples, batch *b)
{
    b->step = (plan_step){.rows = (uint32_t)samples, .step = (uint32_t)t->optimizer.iterations};
    if (p->mode == TRAINING_FIT)
        optimizer_step(&t->optimizer, t->optimizer.iterations, &b->step);
    KILN_TRY(feed_batch(t, p, samples, b->pointers, b->weights.data));
    KILN_TRY(plan_load_step(p->plan, &b->step));
    return training_enqueue(t, p, 1);
}

/* After a failure: writes from the caller's arrays may still be on their way. */
static kiln_status settle(model_training *t, kiln_status status)
{
    if (status == KILN_OK || t->device == NULL)
        return status;
    kiln_error_record record;
    kiln_error_save(&record);
    device_finish(t->device);
    kiln_error_restore(&record);
    return status;
}

static kiln_status on_batch(model_training *t, training_mode mode, batch *b,
                            const kiln_train_on_batch_args *args)
{
    program *p;
    int64_t samples = args->samples;
    const char *what = mode == TRAINING_FIT ? "kiln_train_on_batch" : "kiln_test_on_batch";
    if (t->fit)
        return kiln_fail(KILN_ERROR_ARGUMENT, "%s: model %s is being trained by kiln_fit", what,
                         t->model->name);
    KILN_TRY(training_needs_loss(t, what));
    if (args->y == NULL)
        return kiln_fail_null("the targets");
    KILN_TRY(training_ready(t));
    KILN_TRY(gather(b, t, args));
    KILN_TRY(program_for(t, mode, samples, &b->types, &p));
    if (t->batch_sums == NULL && (t->batch_sums = mem_new(t->sums, sizeof(double))) == NULL)
        return KILN_ERROR_MEMORY;
    memset(t->batch_sums, 0, t->sums * sizeof(double));
    KILN_TRY(plan_reset_accumulators(p->plan));
    KILN_TRY(run_step(t, p, samples, b));
    if (mode == TRAINING_FIT)
        t->optimizer.iterations++;
    KILN_TRY(training_collect(t, p, t->batch_sums));
    return training_logs(t, t->batch_sums, &t->batch_logs);
}

static const kiln_logs *one_batch(training_mode mode, const kiln_train_on_batch_args *args)
{
    model_training *t = NULL;
    if (training_get(args->model, &t) != KILN_OK)
        return NULL;
    batch b = {0};
    kiln_status status = settle(t, on_batch(t, mode, &b, args));
    release(&b);
    return status == KILN_OK ? &t->batch_logs : NULL;
}

const kiln_logs *kiln_train_on_batch_with(const kiln_train_on_batch_args *args)
{
    return one_batch(TRAINING_FIT, args);
}

const kiln_logs *kiln_train_on_batch(kiln_model *model, int64_t samples, const kiln_array *x,
                                     const kiln_array *y, const float *sample_weights)
{
    return one_batch(
        TRAINING_FIT,
        &(kiln_train_on_batch_args){
            .model = model, .samples = samples, .x = x, .y = y, .sample_weight = sample_weights});
}

const kiln_logs *kiln_test_on_batch(kiln_model *model, int64_t samples, const kiln_array *x,
                                    const kiln_array *y, const float *sample_weights)
{
    return one_batch(
        TRAINING_EVALUATE,
        &(kiln_train_on_batch_args){
            .model = model, .samples = samples, .x = x, .y = y, .sample_weight = sample_weights});
}

/* Reads output i of the step that was run; only the batch's rows of it. */
static kiln_status read_rows(program *p, int i, int64_t samples, size_t row, float *out)
{
    if (p->batch == samples)
        return plan_read_output(p->plan, i, out);
    float *all = mem_new((size_t)p->batch * row, sizeof *all);
    if (all == NULL)
        return KILN_ERROR_MEMORY;
    kiln_status status = plan_read_output(p->plan, i, all);
    if (status == KILN_OK)
        memcpy(out, all, (size_t)samples * row * sizeof *all);
    free(all);
    return status;
}

static kiln_status predict(model_training *t, batch *b, int64_t samples, const kiln_array *x,
                           float *const *y)
{
    program *p;
    const kiln_model *model = t->model;
    if (y == NULL)
        return kiln_fail_null("the arrays for the outputs");
    KILN_TRY(training_ready(t));
    KILN_TRY(gather(b, t, &(kiln_train_on_batch_args){.samples = samples, .x = x}));
    KILN_TRY(program_for(t, TRAINING_PREDICT, samples, &b->types, &p));
    KILN_TRY(run_step(t, p, samples, b));
    for (size_t i = 0; i < model->output_count; i++)
        KILN_TRY(read_rows(p, (int)i, samples,
                           (size_t)kiln_shape_size(model->calls[model->outputs[i]].shape), y[i]));
    return KILN_OK;
}

kiln_status kiln_predict_on_batch(kiln_model *model, int64_t samples, const kiln_array *x,
                                  float *const *y)
{
    model_training *t = NULL;
    KILN_TRY(training_get(model, &t));
    batch b = {0};
    kiln_status status = settle(t, predict(t, &b, samples, x, y));
    release(&b);
    return status;
}
