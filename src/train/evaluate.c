#include "train/fit.h"

#include "base/clock.h"
#include "train/callbacks.h"

#include <math.h>
#include <string.h>

/* ---- callbacks of batches ---- */

static kiln_status tell_before(pass *p)
{
    return callbacks_call(p->output_user, CALLBACK_TEST_BATCH_BEGIN, p->done, NULL);
}

/* The figures so far. */
static kiln_status tell_after(pass *p, int64_t rows)
{
    model_training *t = p->training;
    kiln_logs logs = {0};
    (void)rows;
    KILN_TRY(training_collect(t, p->program, p->totals));
    kiln_status status = training_logs(t, p->totals, &logs);
    if (status == KILN_OK)
        status = callbacks_call(p->output_user, CALLBACK_TEST_BATCH_END, p->done - 1, &logs);
    logs_free(&logs);
    return status;
}

/* ---- the whole ---- */

kiln_status evaluate_feed(model_training *t, feed *f, int64_t steps, fit_run *run, progress *bar,
                          int generation, kiln_logs *logs, int64_t *done, bool *stopped)
{
    program *prog;
    KILN_TRY(program_get(t, TRAINING_EVALUATE, f->batch, &f->types, &prog));
    double *totals = mem_new(t->sums, sizeof *totals);
    if (totals == NULL)
        return KILN_ERROR_MEMORY;
    pass p = {.training = t,
              .program = prog,
              .feed = f,
              .steps = steps > 0 ? steps : f->steps,
              .totals = totals,
              .bar = bar,
              .generation = generation};
    if (callbacks_want_batches(run, false)) {
        p.before = tell_before;
        p.output = tell_after;
        p.output_user = run;
    }
    kiln_status status = plan_reset_accumulators(prog->plan);
    if (status == KILN_OK)
        status = callbacks_call(run, CALLBACK_TEST_BEGIN, 0, NULL);
    if (status == KILN_OK)
        status = feed_start(f, false, 0, 0);
    if (status == KILN_OK)
        status = pass_run(&p);
    if (status == KILN_OK && p.done == 0 && !p.stopped)
        status = kiln_fail(KILN_ERROR_ARGUMENT, "%s yielded no batch to evaluate",
                           f->data->origin ? f->data->origin : "the data set");
    if (status == KILN_OK)
        status = training_logs(t, totals, logs);
    if (status == KILN_OK && !p.stopped)
        status = callbacks_call(run, CALLBACK_TEST_END, 0, logs);
    *done = p.done;
    *stopped = p.stopped;
    free(totals);
    return status;
}

/* ---- check_numerics ---- */

static kiln_status check_batch(pass *p, int64_t rows)
{
    model_training *t = p->training;
    (void)rows;
    memset(p->totals, 0, t->sums * sizeof *p->totals);
    KILN_TRY(training_collect(t, p->program, p->totals));
    if (isfinite(p->totals[0]))
        return KILN_OK;
    return kiln_fail(KILN_ERROR_NUMERIC,
                     "evaluating model %s failed: its loss is not finite at step %lld of the "
                     "evaluation, and the first "
                     "result that is not finite is that of %s; check the data there, and the "
                     "weights",
                     t->model->name, (long long)p->done, p->where[0] ? p->where : "the loss");
}

/* After a loss that is not finite: evaluates again, launch by launch, and fails where it begins. */
static kiln_status find_where(model_training *t, program *prog, feed *f, int64_t steps)
{
    char where[512] = "";
    double *totals = mem_new(t->sums, sizeof *totals);
    if (totals == NULL)
        return KILN_ERROR_MEMORY;
    pass p = {.training = t,
              .program = prog,
              .feed = f,
              .steps = steps,
              .totals = totals,
              .generation = training_stop_generation(),
              .output = check_batch,
              .where = where,
              .where_room = sizeof where};
    kiln_status status = plan_reset_accumulators(prog->plan);
    if (status == KILN_OK)
        status = feed_start(f, false, 0, 0);
    if (status == KILN_OK)
        status = pass_run(&p);
    free(totals);
    return status;
}

static kiln_status evaluate(const kiln_evaluate_args *args, model_training *t, feed *f,
                            int generation)
{
    int64_t batch, done;
    bool stopped;
    KILN_TRY(training_needs_loss(t, "kiln_evaluate"));
    KILN_TRY(batch_size_of(t->model, "kiln_evaluate", args->batch_size, kiln_dataset_size(args->data),
                           args->steps, &batch));
    if (args->steps < 0)
        return kiln_fail(KILN_ERROR_ARGUMENT, "kiln_evaluate: steps is %lld",
                         (long long)args->steps);
    KILN_TRY(training_ready(t));
    KILN_TRY(feed_open(t, args->data, &(feed_request){.targets = true, .batch = batch}, f));
    int64_t steps = args->steps > 0 ? args->steps : f->steps;
    if (f->steps >= 0 && steps > f->steps)
        steps = f->steps;
    /* made before the clock starts: it may compile */
    program *prog;
    KILN_TRY(program_get(t, TRAINING_EVALUATE, batch, &f->types, &prog));
    progress bar;
    progress_begin(&bar, progress_verbosity(args->verbose), steps, clock_seconds());
    fit_run run = callbacks_of(t, args->callbacks);
    kiln_status status =
        evaluate_feed(t, f, steps, &run, &bar, generation, &t->evaluate_logs, &done, &stopped);
    if (status != KILN_OK || stopped) {
        progress_abort(&bar);
        return status != KILN_OK ? status : fail_interrupted("the evaluation", done);
    }
    progress_finish(&bar, done, &t->evaluate_logs, clock_seconds());
    if (args->check_numerics && !isfinite(kiln_logs_get(&t->evaluate_logs, "loss")) &&
        args->data->function == NULL)
        return find_where(t, prog, f, steps);
    return KILN_OK;
}

static kiln_status evaluate_with(const kiln_evaluate_args *args, int generation)
{
    model_training *t = NULL;
    feed f = {0};
    KILN_TRY(training_get(args->model, &t));
    if (args->data == NULL)
        return kiln_fail_null("the data to evaluate");
    training_forget_stop(t);
    kiln_status status = evaluate(args, t, &f, generation);
    feed_close(&f);
    return status;
}

const kiln_logs *kiln_evaluate_with(const kiln_evaluate_args *args)
{
    kiln_status status = evaluate_with(args, training_stop_generation());
    callbacks_free(args->callbacks);
    return status == KILN_OK ? &args->model->training->evaluate_logs : NULL;
}
