/* The optimizer's state in a file: Keras's list of variables. */
#ifndef TRAIN_STATE_H
#define TRAIN_STATE_H

#include "format/archive.h"
#include "train/training.h"

/* The optimizer's variables in Keras's order: the count of steps, the learning rate unless a
 * schedule gives it, and the slots of each weight that is trained. Slots that were never made are
 * left out, as Keras does before the first step. */
kiln_status state_collect(model_training *t, archive_arrays *variables);

/* Takes them over; the earlier archive's names are understood too. Fails where they are not those
 * of this optimizer and these weights. */
kiln_status state_take(model_training *t, const archive_arrays *variables);

#endif
