/* What fit, evaluate and predict share. */
#ifndef TRAIN_FIT_H
#define TRAIN_FIT_H

#include "train/run.h"

/* Loss and metrics over a feed, from its beginning. run has the callbacks that hear of it; bar may
 * be NULL. *stopped says that the call was interrupted. */
kiln_status evaluate_feed(model_training *t, feed *f, int64_t steps, fit_run *run, progress *bar,
                          int generation, kiln_logs *logs, int64_t *done, bool *stopped);

/* A call begins: a stop that was meant for an earlier one is over. */
void training_forget_stop(model_training *t);

/* The failure on record of a call that kiln_stop_training ended. */
kiln_status fail_interrupted(const char *what, int64_t done);

/* A batch size as given, or that of the model's stateful layers, or Keras's default: 32, or what
 * shares the samples (-1: unknown) among the steps, where those are given. Fails for a size, or a
 * last batch, that the stateful layers cannot take. */
kiln_status batch_size_of(const kiln_model *model, const char *what, int64_t given,
                          int64_t samples, int64_t steps, int64_t *batch);

#endif
