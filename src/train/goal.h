/* Goals: what each output of a model is trained for and measured by. */
#ifndef TRAIN_GOAL_H
#define TRAIN_GOAL_H

#include "model/model.h"

#include <kiln/train.h>

typedef struct output_goal {
    kiln_loss loss;                  /* KILN_LOSS_NONE: the output is not trained */
    double weight;                   /* of the loss in the total */
    char *metrics[KILN_MAX_METRICS]; /* owned */
    size_t metric_count;
} output_goal;

#define GOAL_MAX 32 /* outputs of a model */

/* One for all outputs, or one for each. */
typedef struct output_goals {
    output_goal items[GOAL_MAX];
    size_t count; /* 0: none yet */
} output_goals;

/* That of an output; a goal without a loss where there are none. */
const output_goal *goal_of(const output_goals *goals, size_t output);
bool goals_have_loss(const output_goals *goals);
/* The outputs that are compared with a target, in order: `outputs` has room for GOAL_MAX. */
size_t goals_targets(const output_goals *goals, const kiln_model *model, size_t *outputs);

/* The output a layer's name says; fails for an unknown one, `what` in front. */
kiln_status goal_find_output(const kiln_model *model, const char *name, const char *what,
                             size_t *output);
const char *goal_output_name(const kiln_model *model, size_t output);

/* Copies the names, each checked; on failure the goal keeps what it had. "none" alone: no metric.
 */
kiln_status goal_set_metrics(output_goal *goal, const kiln_metrics *metrics);
/* As many goals as the model has outputs, each as the one for all was. */
kiln_status goals_spread(output_goals *goals, const kiln_model *model);
/* A goal for each output named, or in order; the others have none. goals is empty before. */
kiln_status goals_make(const kiln_model *model, const kiln_output_goals *given,
                       output_goals *goals);
void goals_free(output_goals *goals);

#endif
