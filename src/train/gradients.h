/* Gradients as a training's steps have them, for those who want to look at them: steps themselves
 * may never write them to memory. */
#ifndef TRAIN_GRADIENTS_H
#define TRAIN_GRADIENTS_H

#include "train/training.h"

/* Of the weights that are trained, by their place among all weights. */
typedef kiln_status gradients_visit(void *user, size_t weight, const float *values, size_t count);

/* Calls visit for each of them, in the model's order: the gradients of the loss (the mean over the
 * batch, and penalties) over the last whole batch that the running kiln_fit trained on, at the
 * weights as they are now, before any clipping. The random draws are those of that step. Nothing
 * changes. Within on_epoch_end; where no step was run it visits nothing. */
kiln_status gradients_of_last_batch(model_training *t, gradients_visit *visit, void *user);

#endif
