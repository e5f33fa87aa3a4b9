/* Callbacks: calling them, and what the built-in ones share. */
#ifndef TRAIN_CALLBACKS_H
#define TRAIN_CALLBACKS_H

#include "train/run.h"

struct kiln_callback {
    kiln_callback_functions functions;
    void *user;
    bool takes_nan; /* a loss that is not finite ends the training without a failure */
    int64_t every;  /* batches between two calls of on_train_batch_end */
    int64_t seen;   /* since the last one */
    /* When a training is resumed: it is called for the epochs that were, with their figures, so
     * that it stands where it stood; then callback_replays says so. */
    bool replays;
    /* Weights that it keeps, by position as in kiln_get_weights, or NULL; where they are, so that a
     * resumed training can put them back. NULL: it keeps none. */
    float ***(*kept)(void *user, size_t *count);
};

typedef enum callback_event {
    CALLBACK_TRAIN_BEGIN,
    CALLBACK_TRAIN_END,
    CALLBACK_EPOCH_BEGIN,
    CALLBACK_EPOCH_END,
    CALLBACK_BATCH_BEGIN,
    CALLBACK_BATCH_END, /* of those that are due */
    CALLBACK_REFRESH,
    CALLBACK_TEST_BEGIN,
    CALLBACK_TEST_END,
    CALLBACK_TEST_BATCH_BEGIN,
    CALLBACK_TEST_BATCH_END,
    CALLBACK_PREDICT_BEGIN,
    CALLBACK_PREDICT_END,
    CALLBACK_PREDICT_BATCH_BEGIN,
    CALLBACK_PREDICT_BATCH_END
} callback_event;

/* A run that only calls callbacks, those of kiln_evaluate or kiln_predict; and their end. */
fit_run callbacks_of(model_training *t, kiln_callback *const *callbacks);
void callbacks_free(kiln_callback *const *callbacks);
/* Does one want to hear of each batch of an evaluation, or of a prediction? */
bool callbacks_want_batches(const fit_run *fit, bool predict);

/* Calls every callback; number is the epoch or step. */
kiln_status callbacks_call(fit_run *fit, callback_event event, int64_t number, kiln_logs *logs);
bool callbacks_want_refresh(const fit_run *fit);
bool callbacks_take_nan(const fit_run *fit);
/* Batches that may run before a callback wants to be called. */
int64_t callbacks_batches_left(const fit_run *fit);
bool callbacks_want_begin(const fit_run *fit);
/* Counts batches that ran. Is a callback due? */
bool callbacks_count(fit_run *fit, int64_t batches);
/* Tells those that replay of an epoch that was. */
kiln_status callbacks_replay(fit_run *fit, int64_t epoch, kiln_logs *logs);

/* A built-in callback: state is freed by functions->release. Frees state on failure too. */
kiln_callback *callback_make(const kiln_callback_functions *functions, void *state);

/* Ends the training after this epoch, as a callback's decision. */
void callback_stop(kiln_model *model);
/* A number as Python prints it, "0.1" or "1.0". Returns buffer. */
const char *callback_number(double number, char buffer[40]);
/* Is an epoch being told again to a training that is resumed? Nothing is to be written then but
 * what the epoch wrote to files that begin anew. */
bool callback_replays(const kiln_model *model);
/* Does a training that is silent print nothing of callbacks either? */
bool callback_may_print(const kiln_model *model);

/* ---- a watched figure (monitor.c) ---- */
typedef struct monitor {
    const char *what; /* the callback's name, for messages */
    char *name;       /* "val_loss" */
    char *mode;       /* "auto", "min", "max" */
    double min_delta;
    int direction; /* 1: more is better; 0: not settled */
} monitor;

kiln_status monitor_init(monitor *m, const char *what, const char *name, const char *mode,
                         double min_delta);
void monitor_free(monitor *m);
/* The figure in *value and true in *there; false in an epoch without validation. Fails when the
 * training has no such figure. */
kiln_status monitor_read(monitor *m, const kiln_model *model, const kiln_logs *logs, double *value,
                         bool *there);
/* Is value better than reference, by min_delta? */
bool monitor_better(const monitor *m, double value, double reference);

#endif
