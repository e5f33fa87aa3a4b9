#include "train/fit.h"

#include "base/clock.h"
#include "base/file.h"
#include "train/callbacks.h"
#include "train/resume.h"

#include <math.h>
#include <string.h>

/* Everything one kiln_fit holds. */
typedef struct fitting {
    const kiln_fit_args *args;
    model_training *t;
    fit_run run;
    int64_t batch, validation_batch, validation_freq, epochs, steps;
    bool shuffle;
    uint64_t seed;
    int generation;
    kiln_dataset *train_part, *validation_part; /* made by validation_split */
    const kiln_dataset *train, *validation;
    feed feed, validation_feed;
    program *program;
    double *totals;
    bool resume;           /* the epoch goes on where the last one stopped (steps_per_epoch) */
    int64_t pass_start;    /* steps of the optimizer when the pass over the data began */
    resume_state *resumed; /* from a checkpoint; NULL: begun here */
    bool not_finite;       /* the loss, and a callback took it as the end */
    bool interrupted;
    int64_t interrupted_at;
} fitting;

kiln_status batch_size_of(const kiln_model *model, const char *what, int64_t given, int64_t samples,
                          int64_t steps, int64_t *batch)
{
    int64_t fixed = model_state_batch(model);
    if (given < 0 || given > INT32_MAX)
        return kiln_fail(KILN_ERROR_ARGUMENT, "%s: batch_size is %lld; it must be positive", what,
                         (long long)given);
    *batch = given ? given : 32;
    if (given == 0 && steps > 0 && samples > 0)
        *batch = (samples + steps - 1) / steps;
    if (fixed == 0)
        return KILN_OK;
    if (given == 0)
        *batch = fixed;
    if (*batch != fixed)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "%s: model %s is stateful with batches of %lld rows and cannot take "
                         "batches of %lld",
                         what, model->name, (long long)fixed, (long long)*batch);
    int64_t rest = samples > 0 ? samples % fixed : 0;
    if (rest && (steps <= 0 || steps > samples / fixed))
        return kiln_fail(
            KILN_ERROR_ARGUMENT,
            "%s: model %s is stateful with batches of %lld rows, and the last batch of "
            "%lld samples would have %lld; leave those out",
            what, model->name, (long long)fixed, (long long)samples, (long long)rest);
    return KILN_OK;
}

void training_forget_stop(model_training *t)
{
    if (t->fit)
        return;
    atomic_store(&t->stop, 0);
    t->stop_by_callback = false;
}

kiln_status fail_interrupted(const char *what, int64_t done)
{
    return kiln_fail(KILN_INTERRUPTED, "%s was interrupted after %lld steps", what,
                     (long long)done);
}

static kiln_status check_args(fitting *f)
{
    const kiln_fit_args *a = f->args;
    if (a->model == NULL)
        return kiln_fail_null("the model to fit");
    if (a->data == NULL)
        return kiln_fail_null("the data to fit");
    if (a->epochs < 0 || a->initial_epoch < 0)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "kiln_fit: epochs is %lld and initial_epoch %lld; "
                         "neither can be negative",
                         (long long)a->epochs, (long long)a->initial_epoch);
    if (a->steps_per_epoch < 0)
        return kiln_fail(KILN_ERROR_ARGUMENT, "kiln_fit: steps_per_epoch is %lld",
                         (long long)a->steps_per_epoch);
    if (!(a->validation_split >= 0 && a->validation_split < 1))
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "kiln_fit: validation_split is %g; it must lie between 0 and 1",
                         a->validation_split);
    if (a->validation_freq < 0)
        return kiln_fail(KILN_ERROR_ARGUMENT, "kiln_fit: validation_freq is %lld",
                         (long long)a->validation_freq);
    if (a->validation_steps < 0)
        return kiln_fail(KILN_ERROR_ARGUMENT, "kiln_fit: validation_steps is %lld",
                         (long long)a->validation_steps);
    if (a->class_weight_count > 0 && a->class_weight == NULL)
        return kiln_fail_null("class_weight");
    if (a->class_weight && a->class_weight_count > 0 &&
        (a->data->sample_weights || a->data->function_weights))
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "kiln_fit: class_weight and sample weights cannot be used together");
    for (size_t i = 0; i < a->class_weight_count; i++)
        if (!isfinite(a->class_weight[i]))
            return kiln_fail(KILN_ERROR_ARGUMENT, "kiln_fit: the weight of class %zu is %g", i,
                             a->class_weight[i]);
    f->epochs = a->epochs ? a->epochs : 1;
    f->validation_freq = a->validation_freq ? a->validation_freq : 1;
    f->shuffle = a->shuffle != KILN_NO && a->data->function == NULL;
    return KILN_OK;
}

static kiln_status split_data(fitting *f)
{
    const kiln_fit_args *a = f->args;
    f->train = a->data;
    f->validation = a->validation_data;
    if (a->validation_split == 0 || a->validation_data)
        return KILN_OK;
    if (a->data->function)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "kiln_fit: validation_split is not for batches made by a function; give "
                         "validation_data");
    KILN_TRY(dataset_validation_split(a->data, a->validation_split, f->seed, &f->train_part,
                                      &f->validation_part));
    f->train = f->train_part;
    f->validation = f->validation_part;
    return KILN_OK;
}

static kiln_status open_feeds(fitting *f)
{
    const kiln_fit_args *a = f->args;
    KILN_TRY(batch_size_of(f->t->model, "kiln_fit", a->batch_size, kiln_dataset_size(f->train),
                           a->steps_per_epoch, &f->batch));
    if (f->validation)
        KILN_TRY(batch_size_of(f->t->model, "kiln_fit's validation",
                               a->validation_batch_size ? a->validation_batch_size : a->batch_size,
                               kiln_dataset_size(f->validation), a->validation_steps,
                               &f->validation_batch));
    feed_request train = {.targets = true,
                          .batch = f->batch,
                          .class_weight = a->class_weight_count ? a->class_weight : NULL,
                          .class_weight_count = a->class_weight_count};
    KILN_TRY(feed_open(f->t, f->train, &train, &f->feed));
    f->steps = a->steps_per_epoch ? a->steps_per_epoch : f->feed.steps;
    if (a->steps_per_epoch && f->feed.steps >= 0 && f->steps > f->feed.steps)
        f->steps = f->feed.steps; /* as Keras: the data end the epoch */
    if (f->validation) {
        feed_request validation = {.targets = true, .batch = f->validation_batch};
        if (feed_open(f->t, f->validation, &validation, &f->validation_feed) != KILN_OK)
            return kiln_fail_in("validation data");
    }
    return KILN_OK;
}

/* ---- checkpoints ---- */

static kiln_status read_checkpoint(fitting *f)
{
    const kiln_fit_args *a = f->args;
    if (a->checkpoint == NULL)
        return KILN_OK;
    KILN_TRY(save_check_path(a->checkpoint));
    KILN_TRY(file_writable(a->checkpoint));
    file_remove_parts(a->checkpoint);
    if (a->resume != KILN_YES || !file_exists(a->checkpoint))
        return KILN_OK;
    f->resumed = mem_new(1, sizeof *f->resumed);
    if (f->resumed == NULL)
        return KILN_ERROR_MEMORY;
    KILN_TRY(resume_read(f->t, a->checkpoint, f->resumed));
    if (a->seed && a->seed != f->resumed->seed)
        return kiln_fail(
            KILN_ERROR_ARGUMENT,
            "%s: the checkpoint is of a training with seed %llu, and this one has %llu; "
            "resume with the same arguments",
            a->checkpoint, (unsigned long long)f->resumed->seed, (unsigned long long)a->seed);
    f->seed = f->resumed->seed;
    return KILN_OK;
}

static kiln_status check_same(const fitting *f, const char *what, int64_t then, int64_t now)
{
    if (then == now)
        return KILN_OK;
    return kiln_fail(
        KILN_ERROR_ARGUMENT,
        "%s: the checkpoint is of a training with %lld %s, and this one has %lld; resume "
        "with the same data and arguments",
        f->args->checkpoint, (long long)then, what, (long long)now);
}

/* Puts the pass over the data where it stood. */
static kiln_status go_on(fitting *f)
{
    const resume_state *s = f->resumed;
    KILN_TRY(check_same(f, "samples in a batch", s->batch, f->batch));
    KILN_TRY(check_same(f, "samples", s->samples, f->feed.samples));
    KILN_TRY(check_same(f, "steps in an epoch", s->steps, f->steps));
    for (size_t i = 0; i < s->history.count; i++)
        KILN_TRY(history_add(&f->t->history, s->history.items[i].epoch, &s->history.items[i].logs));
    int64_t done = f->t->optimizer.iterations - s->pass_start;
    if (f->args->steps_per_epoch == 0 || done <= 0)
        return KILN_OK;
    f->resume = true;
    f->pass_start = s->pass_start;
    KILN_TRY(feed_start(&f->feed, f->shuffle, f->seed, (uint64_t)s->pass_start));
    return feed_skip(&f->feed, done);
}

static kiln_status write_checkpoint(const fitting *f)
{
    if (f->args->checkpoint == NULL)
        return KILN_OK;
    const resume_state s = {.epoch = f->run.epoch + 1,
                            .seed = f->seed,
                            .pass_start = f->pass_start,
                            .batch = f->batch,
                            .samples = f->feed.samples,
                            .steps = f->steps};
    return resume_write(&f->run, &s, f->args->checkpoint);
}

static kiln_status set_up(fitting *f)
{
    KILN_TRY(check_args(f));
    KILN_TRY(training_get(f->args->model, &f->t));
    if (f->t->fit) {
        f->t = NULL;
        return kiln_fail(KILN_ERROR_ARGUMENT, "kiln_fit: model %s is being trained already",
                         f->args->model->name);
    }
    KILN_TRY(training_needs_loss(f->t, "kiln_fit"));
    KILN_TRY(model_seed_weights(f->t->model));
    f->seed = f->args->seed ? f->args->seed : f->t->model->seed;
    KILN_TRY(read_checkpoint(f));
    KILN_TRY(split_data(f));
    KILN_TRY(adapt_layers(f->t->model, f->train));
    KILN_TRY(training_ready(f->t));
    f->t->seed = f->seed;
    KILN_TRY(facts_take(f->t->model, f->train));
    KILN_TRY(open_feeds(f));
    KILN_TRY(program_get(f->t, TRAINING_FIT, f->batch, &f->feed.types, &f->program));
    f->totals = mem_new(f->t->sums, sizeof *f->totals);
    if (f->totals == NULL)
        return KILN_ERROR_MEMORY;
    history_free(&f->t->history);
    f->run = callbacks_of(f->t, f->args->callbacks);
    f->run.verbose = progress_verbosity(f->args->verbose);
    f->run.epochs = f->epochs;
    f->run.validates = f->validation != NULL;
    f->run.check_numerics = f->args->check_numerics != 0;
    atomic_store(&f->t->stop, 0);
    f->t->stop_by_callback = false;
    f->t->fit = &f->run;
    return f->resumed ? go_on(f) : KILN_OK;
}

/* Adds the figures of the validation data, "val_loss" and so on. */
static kiln_status validate(fitting *f, kiln_logs *logs)
{
    kiln_logs figures = {0};
    int64_t done;
    bool stopped;
    kiln_status status = evaluate_feed(f->t, &f->validation_feed, f->args->validation_steps,
                                       &f->run, NULL, f->generation, &figures, &done, &stopped);
    if (status == KILN_OK && stopped)
        f->interrupted = true;
    else if (status == KILN_OK)
        status = logs_merge(logs, &figures, "val_");
    logs_free(&figures);
    return status;
}

static kiln_status start_pass(fitting *f)
{
    if (f->resume && !feed_exhausted(&f->feed))
        return KILN_OK;
    f->resume = f->args->steps_per_epoch > 0;
    f->pass_start = f->t->optimizer.iterations;
    /* The orders of a training differ from epoch to epoch, and go on after a pause. */
    return feed_start(&f->feed, f->shuffle, f->seed, (uint64_t)f->t->optimizer.iterations);
}

static kiln_status finish_epoch(fitting *f, progress *bar, int64_t done, kiln_logs *logs)
{
    KILN_TRY(training_logs(f->t, f->totals, logs));
    int64_t epoch = f->run.epoch;
    if (f->validation && (epoch + 1) % f->validation_freq == 0)
        KILN_TRY(validate(f, logs));
    if (f->interrupted) {
        progress_abort(bar);
        return KILN_OK;
    }
    KILN_TRY(callbacks_call(&f->run, CALLBACK_EPOCH_END, epoch, logs));
    progress_finish(bar, done, logs, clock_seconds());
    return history_add(&f->t->history, epoch, logs);
}

static kiln_status run_epoch(fitting *f)
{
    progress bar;
    memset(f->totals, 0, f->t->sums * sizeof *f->totals);
    KILN_TRY(plan_reset_accumulators(f->program->plan));
    progress_begin(&bar, f->run.verbose, f->steps, clock_seconds());
    KILN_TRY(callbacks_call(&f->run, CALLBACK_EPOCH_BEGIN, f->run.epoch, NULL));
    progress_epoch(f->run.verbose, f->run.epoch, f->epochs);
    KILN_TRY(start_pass(f));
    pass p = {.training = f->t,
              .program = f->program,
              .feed = &f->feed,
              .steps = f->steps,
              .totals = f->totals,
              .bar = &bar,
              .fit = &f->run,
              .generation = f->generation};
    kiln_status status = pass_run(&p);
    if (status == KILN_OK && p.done == 0 && !p.stopped)
        status = kiln_fail(KILN_ERROR_ARGUMENT, "kiln_fit: %s yielded no batch in epoch %lld",
                           f->train->origin ? f->train->origin : "the data set",
                           (long long)f->run.epoch + 1);
    f->interrupted = p.stopped && !p.not_finite && training_stopping(f->t, f->generation);
    f->interrupted_at = p.done;
    f->not_finite = p.not_finite;
    if (p.not_finite)
        f->t->stop_by_callback = true;
    if (status != KILN_OK || f->interrupted) {
        progress_abort(&bar);
        return status;
    }
    if (f->steps < 0 && f->feed.ended)
        f->feed.steps = -1; /* a function's epochs may differ in length */
    kiln_logs logs = {0};
    status = finish_epoch(f, &bar, p.done, &logs);
    logs_free(&logs);
    return status;
}

static kiln_status run_epochs(fitting *f)
{
    int64_t first = f->resumed ? f->resumed->epoch : f->args->initial_epoch;
    KILN_TRY(callbacks_call(&f->run, CALLBACK_TRAIN_BEGIN, 0, NULL));
    if (f->resumed)
        KILN_TRY(resume_callbacks(&f->run, f->resumed));
    for (int64_t epoch = first; epoch < f->epochs && !f->t->stop_by_callback; epoch++) {
        f->run.epoch = epoch;
        KILN_TRY(run_epoch(f));
        if (!f->interrupted && !f->not_finite)
            KILN_TRY(write_checkpoint(f));
        if (f->interrupted || f->t->stop_by_callback)
            break;
        if (training_stopping(f->t, f->generation)) {
            f->interrupted = true;
            break;
        }
    }
    if (f->interrupted)
        return KILN_OK;
    return callbacks_call(&f->run, CALLBACK_TRAIN_END, 0, NULL);
}

static void tear_down(fitting *f)
{
    if (f->t) {
        if (f->t->fit == &f->run)
            f->t->fit = NULL;
        snapshot_free(f->run.snapshot);
        feed_close(&f->feed);
        feed_close(&f->validation_feed);
        atomic_store(&f->t->stop, 0);
    }
    kiln_dataset_free(f->train_part);
    kiln_dataset_free(f->validation_part);
    free(f->totals);
    if (f->resumed)
        resume_free(f->resumed);
    free(f->resumed);
    callbacks_free(f->args->callbacks);
}

/* A device that is lost leaves the file of the last epoch: says how to go on from there. */
static kiln_status point_to_checkpoint(const fitting *f, kiln_status status)
{
    const char *path = f->args->checkpoint;
    if (f->t == NULL || f->t->device == NULL || !f->t->device->lost || path == NULL ||
        !file_exists(path))
        return status;
    char *reason = str_copy(kiln_last_error());
    if (reason == NULL)
        return status;
    kiln_fail(
        status,
        "%s; %s keeps the training as it was after its last whole epoch, and resume (kiln fit "
        "--resume) goes on from there",
        reason, path);
    free(reason);
    return status;
}

const kiln_history *kiln_fit_with(const kiln_fit_args *args)
{
    fitting f = {.args = args, .generation = training_stop_generation()};
    kiln_status status = set_up(&f);
    if (status == KILN_OK)
        status = run_epochs(&f);
    if (status == KILN_OK && f.interrupted)
        kiln_fail(KILN_INTERRUPTED,
                  "the training of model %s was interrupted in epoch %lld after %lld steps; the "
                  "model keeps what it has learned",
                  args->model->name, (long long)f.run.epoch + 1, (long long)f.interrupted_at);
    if (status != KILN_OK)
        status = point_to_checkpoint(&f, status);
    tear_down(&f);
    return status == KILN_OK ? &args->model->training->history : NULL;
}
