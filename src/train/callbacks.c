#include "train/callbacks.h"

#include <string.h>

kiln_callback *kiln_callback_new(const kiln_callback_functions *functions, void *user)
{
    if (functions == NULL) {
        kiln_fail_null("the functions of the callback");
        return NULL;
    }
    kiln_callback *callback = mem_new(1, sizeof *callback);
    if (callback)
        *callback = (kiln_callback){.functions = *functions, .user = user, .every = 1};
    return callback;
}

void kiln_callback_free(kiln_callback *callback)
{
    if (callback == NULL)
        return;
    if (callback->functions.release)
        callback->functions.release(callback->user);
    free(callback);
}

kiln_callback *callback_make(const kiln_callback_functions *functions, void *state)
{
    kiln_callback *callback = kiln_callback_new(functions, state);
    if (callback == NULL)
        functions->release(state);
    return callback;
}

static bool is_due(const kiln_callback *c)
{
    return c->functions.on_train_batch_end && c->seen >= c->every;
}

/* Evaluations and predictions. */
static kiln_status call_outside_training(kiln_callback *c, kiln_model *model, callback_event event,
                                         int64_t number, const kiln_logs *logs)
{
    const kiln_callback_functions *f = &c->functions;
    switch (event) {
    case CALLBACK_TEST_BEGIN:
        return f->on_test_begin ? f->on_test_begin(c->user, model) : KILN_OK;
    case CALLBACK_TEST_END:
        return f->on_test_end ? f->on_test_end(c->user, model, logs) : KILN_OK;
    case CALLBACK_TEST_BATCH_BEGIN:
        return f->on_test_batch_begin ? f->on_test_batch_begin(c->user, model, number) : KILN_OK;
    case CALLBACK_TEST_BATCH_END:
        return f->on_test_batch_end ? f->on_test_batch_end(c->user, model, number, logs) : KILN_OK;
    case CALLBACK_PREDICT_BEGIN:
        return f->on_predict_begin ? f->on_predict_begin(c->user, model) : KILN_OK;
    case CALLBACK_PREDICT_END:
        return f->on_predict_end ? f->on_predict_end(c->user, model) : KILN_OK;
    case CALLBACK_PREDICT_BATCH_BEGIN:
        return f->on_predict_batch_begin ? f->on_predict_batch_begin(c->user, model, number)
                                         : KILN_OK;
    case CALLBACK_PREDICT_BATCH_END:
        return f->on_predict_batch_end ? f->on_predict_batch_end(c->user, model, number) : KILN_OK;
    default:
        return KILN_OK;
    }
}

static kiln_status call_one(kiln_callback *c, kiln_model *model, callback_event event,
                            int64_t number, const kiln_logs *logs)
{
    const kiln_callback_functions *f = &c->functions;
    switch (event) {
    case CALLBACK_TRAIN_BEGIN:
        return f->on_train_begin ? f->on_train_begin(c->user, model) : KILN_OK;
    case CALLBACK_TRAIN_END:
        return f->on_train_end ? f->on_train_end(c->user, model) : KILN_OK;
    case CALLBACK_EPOCH_BEGIN:
        return f->on_epoch_begin ? f->on_epoch_begin(c->user, model, number) : KILN_OK;
    case CALLBACK_EPOCH_END:
        return f->on_epoch_end ? f->on_epoch_end(c->user, model, number, logs) : KILN_OK;
    case CALLBACK_BATCH_BEGIN:
        return f->on_train_batch_begin ? f->on_train_batch_begin(c->user, model, number) : KILN_OK;
    case CALLBACK_BATCH_END:
        if (!is_due(c))
            return KILN_OK;
        c->seen = 0;
        return f->on_train_batch_end(c->user, model, number, logs);
    case CALLBACK_REFRESH:
        return f->on_refresh ? f->on_refresh(c->user, model, number, logs) : KILN_OK;
    default:
        return call_outside_training(c, model, event, number, logs);
    }
}

kiln_status callbacks_replay(fit_run *fit, int64_t epoch, kiln_logs *logs)
{
    fit->replaying = true;
    kiln_status status = callbacks_call(fit, CALLBACK_EPOCH_BEGIN, epoch, NULL);
    if (status == KILN_OK)
        status = callbacks_call(fit, CALLBACK_EPOCH_END, epoch, logs);
    fit->replaying = false;
    return status;
}

kiln_status callbacks_call(fit_run *fit, callback_event event, int64_t number, kiln_logs *logs)
{
    model_training *t = fit->training;
    for (size_t i = 0; i < fit->callback_count; i++) {
        if (fit->replaying && !fit->callbacks[i]->replays)
            continue;
        kiln_error_record earlier;
        kiln_error_save(&earlier);
        kiln_clear_error(); /* what is on record afterwards is the callback's */
        t->callback_thread = pthread_self();
        atomic_store(&t->in_callback, 1);
        kiln_status status = call_one(fit->callbacks[i], t->model, event, number, logs);
        atomic_store(&t->in_callback, 0);
        if (status != KILN_OK)
            return kiln_last_status() != KILN_OK
                       ? status
                       : kiln_fail(status,
                                   "a callback of model %s ended the training with status %d",
                                   t->model->name, (int)status);
        if (kiln_last_status() == KILN_OK) /* else: it failed at something and went on */
            kiln_error_restore(&earlier);
    }
    return KILN_OK;
}

fit_run callbacks_of(model_training *t, kiln_callback *const *callbacks)
{
    fit_run run = {.training = t, .callbacks = callbacks};
    while (run.callback_count < KILN_MAX_CALLBACKS && callbacks[run.callback_count])
        run.callback_count++;
    return run;
}

void callbacks_free(kiln_callback *const *callbacks)
{
    for (int i = 0; i < KILN_MAX_CALLBACKS && callbacks[i]; i++)
        kiln_callback_free(callbacks[i]);
}

bool callbacks_want_batches(const fit_run *fit, bool predict)
{
    for (size_t i = 0; i < fit->callback_count; i++) {
        const kiln_callback_functions *f = &fit->callbacks[i]->functions;
        if (predict ? f->on_predict_batch_begin || f->on_predict_batch_end
                    : f->on_test_batch_begin || f->on_test_batch_end)
            return true;
    }
    return false;
}

bool callbacks_want_refresh(const fit_run *fit)
{
    for (size_t i = 0; i < fit->callback_count; i++)
        if (fit->callbacks[i]->functions.on_refresh)
            return true;
    return false;
}

int64_t callbacks_batches_left(const fit_run *fit)
{
    int64_t left = INT64_MAX;
    for (size_t i = 0; i < fit->callback_count; i++) {
        const kiln_callback *c = fit->callbacks[i];
        if (c->functions.on_train_batch_begin)
            return 1;
        if (c->functions.on_train_batch_end && c->every - c->seen < left)
            left = c->every - c->seen;
    }
    return left < 1 ? 1 : left;
}

bool callbacks_want_begin(const fit_run *fit)
{
    for (size_t i = 0; i < fit->callback_count; i++)
        if (fit->callbacks[i]->functions.on_train_batch_begin)
            return true;
    return false;
}

bool callbacks_count(fit_run *fit, int64_t batches)
{
    bool due = false;
    for (size_t i = 0; i < fit->callback_count; i++) {
        fit->callbacks[i]->seen += batches;
        due = due || is_due(fit->callbacks[i]);
    }
    return due;
}

bool callbacks_take_nan(const fit_run *fit)
{
    for (size_t i = 0; i < fit->callback_count; i++)
        if (fit->callbacks[i]->takes_nan)
            return true;
    return false;
}

void callback_stop(kiln_model *model)
{
    model_training *t = training_of(model);
    if (t)
        t->stop_by_callback = true;
}

bool callback_may_print(const kiln_model *model)
{
    const model_training *t = training_of(model);
    return t && t->fit && t->fit->verbose > 0 && !t->fit->replaying;
}

bool callback_replays(const kiln_model *model)
{
    const model_training *t = training_of(model);
    return t && t->fit && t->fit->replaying;
}

const char *callback_number(double number, char buffer[40])
{
    spec_number_text(number, buffer);
    if (buffer[strspn(buffer, "-0123456789")] == '\0')
        strcat(buffer, ".0");
    return buffer;
}

/* ---- TerminateOnNaN ---- */

kiln_callback *kiln_terminate_on_nan(void)
{
    kiln_callback *callback = kiln_callback_new(&(kiln_callback_functions){0}, NULL);
    if (callback)
        callback->takes_nan = true;
    return callback;
}

/* ---- stopping ---- */

static atomic_int stop_generation;

int training_stop_generation(void)
{
    return atomic_load(&stop_generation);
}

bool training_stopping(const model_training *t, int generation)
{
    return atomic_load(&t->stop) || atomic_load(&stop_generation) != generation;
}

void kiln_stop_training(kiln_model *model)
{
    model_training *t = model ? model->training : NULL;
    if (model == NULL)
        atomic_fetch_add(&stop_generation, 1);
    else if (t && atomic_load(&t->in_callback) && pthread_equal(t->callback_thread, pthread_self()))
        t->stop_by_callback = true; /* its decision, not an interruption */
    else if (t)
        atomic_store(&t->stop, 1);
}
