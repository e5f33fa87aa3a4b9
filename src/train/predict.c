#include "train/fit.h"

#include "base/clock.h"
#include "train/callbacks.h"

#include <math.h>
#include <string.h>

/* Where the outputs go. */
typedef struct collected {
    size_t output, row;     /* elements of a sample */
    float *batch;           /* one batch of outputs */
    float *items;           /* all so far */
    size_t count, capacity; /* elements */
    fit_run calls;          /* the callbacks */
} collected;

static kiln_status keep_output(pass *p, int64_t rows)
{
    collected *c = p->output_user;
    size_t size = (size_t)rows * c->row;
    KILN_TRY(plan_read_output(p->program->plan, (int)c->output, c->batch));
    KILN_TRY(mem_grow(&c->items, &c->capacity, c->count + size, sizeof *c->items));
    memcpy(c->items + c->count, c->batch, size * sizeof *c->items);
    c->count += size;
    return callbacks_call(&c->calls, CALLBACK_PREDICT_BATCH_END, p->done - 1, NULL);
}

static kiln_status tell_before(pass *p)
{
    collected *c = p->output_user;
    return callbacks_call(&c->calls, CALLBACK_PREDICT_BATCH_BEGIN, p->done, NULL);
}

static kiln_status run(model_training *t, feed *f, program *prog, collected *c, int64_t steps,
                       progress *bar, int generation)
{
    pass p = {.training = t,
              .program = prog,
              .feed = f,
              .steps = steps,
              .bar = bar,
              .generation = generation,
              .output = keep_output,
              .before = tell_before,
              .output_user = c};
    kiln_status status = callbacks_call(&c->calls, CALLBACK_PREDICT_BEGIN, 0, NULL);
    if (status == KILN_OK)
        status = feed_start(f, false, 0, 0);
    if (status == KILN_OK)
        status = pass_run(&p);
    if (status != KILN_OK || p.stopped) {
        progress_abort(bar);
        return status != KILN_OK ? status : fail_interrupted("the prediction", p.done);
    }
    progress_finish(bar, p.done, NULL, clock_seconds());
    return callbacks_call(&c->calls, CALLBACK_PREDICT_END, 0, NULL);
}

/* ---- check_numerics ---- */

static bool all_finite(const float *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(values[i]))
            return false;
    return true;
}

static kiln_status check_output(pass *p, int64_t rows)
{
    const collected *c = p->output_user;
    KILN_TRY(plan_read_output(p->program->plan, (int)c->output, c->batch));
    if (all_finite(c->batch, (size_t)rows * c->row))
        return KILN_OK;
    return kiln_fail(KILN_ERROR_NUMERIC,
                     "predicting with model %s failed: its output is not finite at step %lld, and "
                     "the first result that is "
                     "not finite is that of %s; check the data there, and the weights",
                     p->training->model->name, (long long)p->done, p->where[0] ? p->where : "none");
}

/* After outputs that are not finite: predicts again, launch by launch, and fails where it begins.
 */
static kiln_status find_where(model_training *t, program *prog, feed *f, collected *c)
{
    char where[512] = "";
    pass p = {.training = t,
              .program = prog,
              .feed = f,
              .steps = f->steps,
              .generation = training_stop_generation(),
              .output = check_output,
              .output_user = c,
              .where = where,
              .where_room = sizeof where};
    KILN_TRY(feed_start(f, false, 0, 0));
    return pass_run(&p);
}

static kiln_status predict(const kiln_predict_args *args, model_training *t, feed *f, collected *c,
                           int generation)
{
    int64_t batch;
    const kiln_model *model = args->model;
    KILN_TRY(batch_size_of(model, "kiln_predict", args->batch_size, kiln_dataset_size(args->data),
                           args->steps, &batch));
    if (args->output >= model->output_count)
        return kiln_fail(KILN_ERROR_ARGUMENT, "kiln_predict: output %zu of model %s, which has %zu",
                         args->output, model->name, model->output_count);
    if (args->steps < 0)
        return kiln_fail(KILN_ERROR_ARGUMENT, "kiln_predict: steps is %lld",
                         (long long)args->steps);
    KILN_TRY(training_ready(t));
    KILN_TRY(feed_open(t, args->data, &(feed_request){.batch = batch}, f));
    int64_t steps = args->steps > 0 ? args->steps : f->steps;
    if (f->steps >= 0 && steps > f->steps)
        steps = f->steps;
    program *prog;
    KILN_TRY(program_get(t, TRAINING_PREDICT, batch, &f->types, &prog));
    c->calls = callbacks_of(t, args->callbacks);
    c->output = args->output;
    c->row = (size_t)kiln_shape_size(model->calls[model->outputs[args->output]].shape);
    c->batch = mem_new((size_t)batch * c->row, sizeof *c->batch);
    if (c->batch == NULL)
        return KILN_ERROR_MEMORY;
    if (f->samples > 0)
        KILN_TRY(mem_grow(&c->items, &c->capacity, (size_t)f->samples * c->row, sizeof *c->items));
    progress bar;
    progress_begin(&bar, progress_verbosity(args->verbose), steps, clock_seconds());
    KILN_TRY(run(t, f, prog, c, steps, &bar, generation));
    if (args->check_numerics && args->data->function == NULL && !all_finite(c->items, c->count))
        return find_where(t, prog, f, c);
    return KILN_OK;
}

static kiln_status predict_with(const kiln_predict_args *args, collected *c, int generation)
{
    model_training *t = NULL;
    feed f = {0};
    KILN_TRY(training_get(args->model, &t));
    if (args->data == NULL)
        return kiln_fail_null("the data to predict");
    training_forget_stop(t);
    kiln_status status = predict(args, t, &f, c, generation);
    feed_close(&f);
    return status;
}

float *kiln_predict_with(const kiln_predict_args *args, int64_t *samples)
{
    collected c = {0};
    kiln_status status = predict_with(args, &c, training_stop_generation());
    callbacks_free(args->callbacks);
    free(c.batch);
    if (status != KILN_OK) {
        free(c.items);
        return NULL;
    }
    if (samples)
        *samples = c.row ? (int64_t)(c.count / c.row) : 0;
    if (c.items == NULL)
        c.items = mem_new(1, sizeof *c.items);
    return c.items;
}
