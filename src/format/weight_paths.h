/* Where Keras keeps a model's weights: the one place that knows.
 *
 * In HDF5 files of Keras 3 a layer's weights lie under "layers/NAME/vars/0", "1", ..., those that
 * train first, where NAME is the layer's class in snake case, numbered among the model's layers in
 * Keras's order ("dense", "dense_1"): names of layers play no part. That order, also the
 * optimizer's, is that of the list for sequential models; for functional ones it follows from the
 * graph: by distance from the outputs, then as a search from the outputs meets them. The layers of
 * a nested model lie below it in the same way ("layers/functional/layers/dense"); weights that are
 * in several of the models lie where they come first. */
#ifndef FORMAT_WEIGHT_PATHS_H
#define FORMAT_WEIGHT_PATHS_H

#include "model/model.h"

/* A layer's own weights, or those of an object in it: a recurrent layer's cell, a layer that
 * another wraps, the layers of a nested model. */
typedef struct weight_part {
    kiln_layer *layer;   /* whose they are */
    char *path;          /* "layers/lstm_1/cell" */
    char *name;          /* the object's: "lstm_cell" */
    size_t first, count; /* of the place's items */
} weight_part;

/* A layer's weights. */
typedef struct weight_place {
    kiln_layer *layer;    /* the model's */
    layer_weight **items; /* in Keras's order; without constants */
    size_t count, capacity;
    weight_part *parts; /* the layer itself first */
    size_t part_count, part_capacity;
} weight_place;

typedef struct weight_places {
    weight_place *items; /* every layer, in Keras's order; those without weights too */
    size_t count, capacity;
} weight_places;

kiln_status weight_places_list(const kiln_model *model, weight_places *places);
void weight_places_free(weight_places *places);

/* The weights that a training changes, in the order of Keras's trainable_variables; frozen_too:
 * also those of layers that are frozen now. *weights is the caller's. */
kiln_status weight_places_trained(const kiln_model *model, bool frozen_too, ir_weight ***weights,
                                  size_t *count);

/* The name of a weight in its file of safetensors or .npz, and in messages: Keras's "dense/kernel".
 * It is the weight's own path. */
const char *weight_name(const layer_weight *weight);

#endif
