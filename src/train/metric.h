/* Metrics: graph nodes whose sums over an epoch are kept on the device, and the value those sums
 * make. */
#ifndef TRAIN_METRIC_H
#define TRAIN_METRIC_H

#include "train/loss.h"

#define METRIC_MAX_SUMS 3

struct metric_class;

/* A metric of one output. */
typedef struct metric {
    const struct metric_class *cls; /* "accuracy": NULL until the shapes are known */
    char name[128];                 /* in the logs */
    bool named;                     /* with a name of its own */
    size_t output;                  /* of the model */
    double argument;                /* k, threshold, number of thresholds */
    kiln_loss loss;                 /* a loss used as a metric */
    int sum_count;                  /* set by metric_build */
    bool masked;                    /* likewise: the last sum is the number of steps that count */
    size_t sizes[METRIC_MAX_SUMS];  /* elements of each sum */
} metric;

/* A metric by Keras's name, perhaps with arguments, and a name for the logs:
 * "top_k_categorical_accuracy(k=3, name=top_3)". */
kiln_status metric_parse(const char *given, metric *m);

/* Settles which accuracy "accuracy" is, and fails, naming the layer and both shapes (of one
 * sample), for shapes that do not fit. */
kiln_status metric_resolve(metric *m, kiln_shape target, kiln_shape output, const char *layer);

/* Adds the nodes to sum: sums gets m->sum_count of them, each of rank 0 or 1. mask is (batch);
 * steps the output's mask, or IR_NONE. */
kiln_status metric_build(metric *m, ir_graph *g, ir_id target, ir_id output, ir_id mask,
                         ir_id steps, ir_id *sums);

/* The value, from the sums one after the other and the number of samples. */
double metric_value(const metric *m, const double *sums, double samples);

/* Keras's snake-case name ("accuracy" for any form of it), its class ("SparseCategoricalAccuracy")
 * and the argument it takes, "k", or NULL. */
const char *metric_canonical_name(const metric *m);
const char *metric_class_name(const metric *m);
const char *metric_argument_name(const metric *m);
/* Does its name alone say everything, in Keras too? */
bool metric_is_plain(const metric *m);

/* 1 when more is better, -1 when less is. */
int metric_better(const metric *m);
/* 1 when more is better, -1 when less is, 0 for an unknown name ("accuracy" or "loss", without
 * "val_"). */
int metric_direction(const char *name);

#endif
