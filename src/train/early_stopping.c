#include "train/callbacks.h"

#include <math.h>

typedef struct early_stopping {
    monitor monitor;
    int64_t patience, start_from_epoch;
    bool has_baseline, restore;
    double baseline;
    int verbose;

    int64_t wait, stopped_epoch, best_epoch;
    bool has_best;
    double best;
    float **weights; /* of the best epoch */
    size_t weight_count;
} early_stopping;

static void free_weights(early_stopping *s)
{
    for (size_t i = 0; i < s->weight_count; i++)
        free(s->weights[i]);
    free(s->weights);
    s->weights = NULL;
    s->weight_count = 0;
}

static kiln_status keep_weights(early_stopping *s, kiln_model *model)
{
    size_t count = kiln_model_weight_count(model);
    if (s->weights == NULL) {
        s->weights = mem_new(count, sizeof *s->weights);
        if (s->weights == NULL)
            return KILN_ERROR_MEMORY;
        s->weight_count = count;
    }
    for (size_t i = 0; i < count; i++) {
        size_t size = (size_t)kiln_shape_size(kiln_model_weight_shape(model, i));
        if (s->weights[i] == NULL)
            s->weights[i] = mem_new(size, sizeof(float));
        if (s->weights[i] == NULL)
            return KILN_ERROR_MEMORY;
        KILN_TRY(kiln_get_weights(model, i, s->weights[i], size));
    }
    return KILN_OK;
}

static kiln_status begin(void *user, kiln_model *model)
{
    early_stopping *s = user;
    (void)model;
    s->wait = s->stopped_epoch = s->best_epoch = 0;
    s->has_best = false;
    free_weights(s);
    return KILN_OK;
}

static kiln_status epoch_end(void *user, kiln_model *model, int64_t epoch, const kiln_logs *logs)
{
    early_stopping *s = user;
    double value;
    bool there;
    KILN_TRY(monitor_read(&s->monitor, model, logs, &value, &there));
    if (!there || epoch < s->start_from_epoch)
        return KILN_OK;
    if (s->restore && s->weights == NULL) {
        KILN_TRY(keep_weights(s, model));
        s->best_epoch = epoch;
    }
    s->wait++;
    if (!s->has_best || monitor_better(&s->monitor, value, s->best)) {
        s->has_best = true;
        s->best = value;
        s->best_epoch = epoch;
        if (s->restore)
            KILN_TRY(keep_weights(s, model));
        if (!s->has_baseline || monitor_better(&s->monitor, value, s->baseline))
            s->wait = 0;
        return KILN_OK;
    }
    if (s->wait >= s->patience && epoch > 0) {
        s->stopped_epoch = epoch;
        callback_stop(model);
    }
    return KILN_OK;
}

static kiln_status end(void *user, kiln_model *model)
{
    early_stopping *s = user;
    bool print = s->verbose > 0 && callback_may_print(model);
    if (print && s->stopped_epoch > 0)
        progress_message("Epoch %lld: early stopping", (long long)s->stopped_epoch + 1);
    if (s->weights == NULL)
        return KILN_OK;
    if (print)
        progress_message("Restoring model weights from the end of the best epoch: %lld.",
                         (long long)s->best_epoch + 1);
    for (size_t i = 0; i < s->weight_count; i++)
        KILN_TRY(kiln_set_weights(model, i, s->weights[i],
                                  (size_t)kiln_shape_size(kiln_model_weight_shape(model, i))));
    return KILN_OK;
}

static float ***kept(void *user, size_t *count)
{
    early_stopping *s = user;
    *count = s->weight_count;
    return s->restore ? &s->weights : NULL;
}

static void release(void *user)
{
    early_stopping *s = user;
    monitor_free(&s->monitor);
    free_weights(s);
    free(s);
}

kiln_callback *kiln_early_stopping_with(const kiln_early_stopping_args *args)
{
    early_stopping *s = mem_new(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->patience = args->patience;
    s->start_from_epoch = args->start_from_epoch;
    s->has_baseline = args->baseline != 0 || signbit(args->baseline);
    s->baseline = args->baseline;
    s->restore = args->restore_best_weights == KILN_YES;
    s->verbose = args->verbose;
    if (monitor_init(&s->monitor, "EarlyStopping", args->monitor, args->mode, args->min_delta) !=
        KILN_OK) {
        release(s);
        return NULL;
    }
    kiln_callback *callback = callback_make(&(kiln_callback_functions){.on_train_begin = begin,
                                                                       .on_epoch_end = epoch_end,
                                                                       .on_train_end = end,
                                                                       .release = release},
                                            s);
    if (callback) {
        callback->replays = true;
        callback->kept = kept;
    }
    return callback;
}
