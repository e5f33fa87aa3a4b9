/* The learning rate, and the callbacks that change it. */
#include "train/callbacks.h"

#include <math.h>

double kiln_learning_rate(const kiln_model *model)
{
    const model_training *t = model ? training_of(model) : NULL;
    return t ? optimizer_rate(&t->optimizer, t->optimizer.iterations) : NAN;
}

kiln_status kiln_set_learning_rate(kiln_model *model, double rate)
{
    model_training *t = model ? training_of(model) : NULL;
    if (t == NULL || !t->compiled)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "the learning rate belongs to a compiled model; call kiln_compile first");
    if (!(rate >= 0) || isinf(rate))
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "the learning rate %g is not a finite number from 0 up", rate);
    if (t->optimizer.args.schedule.kind != KILN_SCHEDULE_NONE)
        return kiln_fail(KILN_ERROR_ARGUMENT,
                         "the optimizer of model %s was compiled with a schedule, so its learning "
                         "rate cannot be set",
                         model->name);
    t->optimizer.rate = rate;
    t->rate_changed = true;
    return KILN_OK;
}

/* Adds the rate to the epoch's figures; those that callbacks get are fit's own, which may be added
 * to. */
static kiln_status log_rate(kiln_model *model, const kiln_logs *logs)
{
    return logs_set((kiln_logs *)(uintptr_t)logs, "learning_rate", kiln_learning_rate(model));
}

/* ---- LearningRateScheduler ---- */

static kiln_status scheduler_begin(void *user, kiln_model *model, int64_t epoch)
{
    const kiln_learning_rate_scheduler_args *s = user;
    double rate = s->function(epoch, kiln_learning_rate(model), s->user);
    if (kiln_set_learning_rate(model, rate) != KILN_OK)
        return kiln_fail_in("LearningRateScheduler");
    char number[40];
    if (s->verbose > 0 && callback_may_print(model))
        progress_message("\nEpoch %lld: LearningRateScheduler setting learning rate to %s.",
                         (long long)epoch + 1, callback_number(rate, number));
    return KILN_OK;
}

static kiln_status scheduler_end(void *user, kiln_model *model, int64_t epoch,
                                 const kiln_logs *logs)
{
    (void)user, (void)epoch;
    return log_rate(model, logs);
}

kiln_callback *kiln_learning_rate_scheduler_with(const kiln_learning_rate_scheduler_args *args)
{
    if (args->function == NULL) {
        kiln_fail_null("the function of the LearningRateScheduler");
        return NULL;
    }
    kiln_learning_rate_scheduler_args *s = mem_new(1, sizeof *s);
    if (s == NULL)
        return NULL;
    *s = *args;
    return callback_make(&(kiln_callback_functions){.on_epoch_begin = scheduler_begin,
                                                    .on_epoch_end = scheduler_end,
                                                    .release = free},
                         s);
}

/* ---- ReduceLROnPlateau ---- */

typedef struct plateau {
    monitor monitor;
    double factor, min_lr, best;
    int64_t patience, cooldown, wait, cooling;
    bool has_best;
    int verbose;
} plateau;

static kiln_status plateau_begin(void *user, kiln_model *model)
{
    plateau *p = user;
    (void)model;
    p->has_best = false;
    p->wait = p->cooling = 0;
    return KILN_OK;
}

static kiln_status reduce(plateau *p, kiln_model *model, int64_t epoch)
{
    double old = kiln_learning_rate(model);
    if (!(old > (double)(float)p->min_lr))
        return KILN_OK;
    double rate = fmax(old * p->factor, p->min_lr);
    char number[40];
    KILN_TRY(kiln_set_learning_rate(model, rate));
    if (p->verbose > 0 && callback_may_print(model))
        progress_message("\nEpoch %lld: ReduceLROnPlateau reducing learning rate to %s.",
                         (long long)epoch + 1, callback_number(rate, number));
    p->cooling = p->cooldown;
    p->wait = 0;
    return KILN_OK;
}

static kiln_status plateau_end(void *user, kiln_model *model, int64_t epoch, const kiln_logs *logs)
{
    plateau *p = user;
    double value;
    bool there;
    KILN_TRY(log_rate(model, logs));
    KILN_TRY(monitor_read(&p->monitor, model, logs, &value, &there));
    if (!there)
        return KILN_OK;
    if (p->cooling > 0) {
        p->cooling--;
        p->wait = 0;
    }
    if (!p->has_best || monitor_better(&p->monitor, value, p->best)) {
        p->has_best = true;
        p->best = value;
        p->wait = 0;
    } else if (p->cooling == 0 && ++p->wait >= p->patience) {
        return reduce(p, model, epoch);
    }
    return KILN_OK;
}

static void plateau_release(void *user)
{
    plateau *p = user;
    monitor_free(&p->monitor);
    free(p);
}

kiln_callback *kiln_reduce_lr_on_plateau_with(const kiln_reduce_lr_on_plateau_args *args)
{
    double factor = optimizer_number(args->factor, 0.1);
    if (!(factor >= 0 && factor < 1)) {
        kiln_fail(KILN_ERROR_ARGUMENT, "ReduceLROnPlateau: factor is %g; it must be below 1",
                  factor);
        return NULL;
    }
    plateau *p = mem_new(1, sizeof *p);
    if (p == NULL)
        return NULL;
    p->factor = factor;
    p->min_lr = args->min_lr;
    p->patience = args->patience == 0 ? 10 : args->patience < 0 ? 0 : args->patience;
    p->cooldown = args->cooldown;
    p->verbose = args->verbose;
    if (monitor_init(&p->monitor, "ReduceLROnPlateau", args->monitor, args->mode,
                     optimizer_number(args->min_delta, 1e-4)) != KILN_OK) {
        plateau_release(p);
        return NULL;
    }
    kiln_callback *callback =
        callback_make(&(kiln_callback_functions){.on_train_begin = plateau_begin,
                                                 .on_epoch_end = plateau_end,
                                                 .release = plateau_release},
                      p);
    if (callback)
        callback->replays = true;
    return callback;
}
