/* A model's twin that takes one token at a time and carries the state of its recurrent layers. */
#ifndef TRAIN_TWIN_H
#define TRAIN_TWIN_H

#include "train/training.h"

/* The twin, for batches of one row and sequences of one step, with a copy of the weights. Fails for
 * a model with layers that look at several steps at once. */
kiln_status twin_make(kiln_model *model, kiln_model **twin);

#endif
