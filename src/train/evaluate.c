#include "train/fit.h"

#include "base/clock.h"

#include <math.h>
#include <string.h>

kiln_status evaluate_feed(model_training *t, feed *f, int64_t steps, progress *bar, int generation,
                          kiln_logs *logs, int64_t *done, bool *stopped)
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
    kiln_status status = plan_reset_accumulators(prog->plan);
    if (status == KILN_OK)
        status = feed_start(f, false, 0, 0);
    if (status == KILN_OK)
        status = pass_run(&p);
    if (status == KILN_OK && p.done == 0 && !p.stopped)
        status = kiln_fail(KILN_ERROR_ARGUMENT, "%s yielded no batch to evaluate",
                           f->data->origin ? f->data->origin : "the data set");
    if (status == KILN_OK)
        status = training_logs(t, totals, logs);
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
    kiln_status status =
        evaluate_feed(t, f, steps, &bar, generation, &t->evaluate_logs, &done, &stopped);
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

const kiln_logs *kiln_evaluate_with(const kiln_evaluate_args *args)
{
    model_training *t = NULL;
    int generation = training_stop_generation();
    if (training_get(args->model, &t) != KILN_OK)
        return NULL;
    if (args->data == NULL) {
        kiln_fail_null("the data to evaluate");
        return NULL;
    }
    if (!t->fit)
        atomic_store(&t->stop, 0);
    feed f = {0};
    kiln_status status = evaluate(args, t, &f, generation);
    feed_close(&f);
    return status == KILN_OK ? &t->evaluate_logs : NULL;
}
