/* Losses: graphs of per-sample losses and of the total, and the checks of their shapes. */
#ifndef TRAIN_LOSS_H
#define TRAIN_LOSS_H

#include "op/op.h"

#include <kiln/ops.h>
#include <kiln/train.h>

struct kiln_ops {
    ir_graph *graph;
};

/* Keras's snake-case name, "mean_squared_error"; by kind. */
const char *loss_name(kiln_loss_kind kind);
const char *loss_class_name(kiln_loss_kind kind); /* "MeanSquaredError" */
/* A loss by any of Keras's names ("mse", "MeanSquaredError", ...). Fails for an unknown one. */
kiln_status loss_find(const char *name, kiln_loss_kind *kind);

kiln_status loss_check(const kiln_loss *loss);

/* Fails, naming the layer and both shapes (of one sample), when a target cannot be compared with an
 * output. */
kiln_status loss_check_shapes(const kiln_loss *loss, kiln_shape target, kiln_shape output,
                              const char *layer);

/* Loss of each sample, (batch). target and output are (batch, ...). */
ir_id loss_build(ir_graph *g, const kiln_loss *loss, ir_id target, ir_id output);

/* Keras's alignment: a last axis of 1 that only one of the two has is added to the target or taken
 * from it. Shapes with or without the batch axis. */
kiln_shape loss_align_shape(kiln_shape target, kiln_shape output);
ir_id loss_align(ir_graph *g, ir_id target, ir_id output);

/* The loss before it is averaged over a sample's axes. */
ir_id loss_each(ir_graph *g, const kiln_loss *loss, ir_id target, ir_id output);
/* Values with a mean in the place of the axes that a mask has not; fails where the mask has more
 * axes, or other sizes. */
ir_id loss_masked_mean(ir_graph *g, ir_id values, ir_id mask);
/* Mean over all axes but the batch: (batch). */
ir_id loss_sample_mean(ir_graph *g, ir_id x);

#endif
