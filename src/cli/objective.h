/* What a model is trained for: loss, metrics and optimizer, from the command line, from the model's
 * compile configuration, or from the labels and the last activation. */
#ifndef CLI_OBJECTIVE_H
#define CLI_OBJECTIVE_H

#include "cli/session.h"

typedef struct objective_options {
    const char *loss, *loss_weights, *metrics, *optimizer, *schedule; /* NULL: not given */
    double learning_rate, clipnorm;                                   /* 0: not given */
    int64_t steps; /* of the whole training, for schedules */
} objective_options;

/* Compiles the model for these data on this device. The labels of the data become numbers where the
 * loss wants numbers. Prints what was chosen when say is true. */
kiln_status objective_compile(kiln_model *model, kiln_dataset *data, kiln_device *device,
                              const objective_options *options, bool say);

/* The same for data that come besides: labels become numbers where the model's loss wants them. */
kiln_status objective_prepare(const kiln_model *model, kiln_dataset *data);

/* The optimizer: as given, else as the model's file says (left empty: with its state), else Adam.
 */
kiln_status objective_optimizer(const kiln_model *model, const objective_options *given,
                                kiln_optimizer *out);

/* Are the model's outputs scores of classes? *from_logits: is softmax (or, for a single output,
 * sigmoid) yet to be applied? */
bool objective_is_classifier(const kiln_model *model, size_t output, bool *from_logits);

/* Scores of one sample of a classifier as probabilities, in place; of a single score: that of class
 * 1. */
void objective_probabilities(float *scores, int64_t count, bool from_logits);

/* The activation at the end of an output, "linear" when there is none. Owned by the model. */
const char *objective_last_activation(const kiln_model *model, size_t output);

#endif
