/* One layer of Keras's JSON. */
#ifndef FORMAT_KERAS_LAYER_H
#define FORMAT_KERAS_LAYER_H

#include "format/json.h"
#include "format/open_axis.h"
#include "layer/layer.h"

/* A layer from {"class_name": ..., "config": {...}, ...}. number is its place in the model, from 1,
 * for messages. open: see open_axis.h. NULL on failure. */
kiln_layer *keras_layer_read(const json_t *object, size_t number, open_axis *open);

/* The same, or a model that is a layer (keras_read.c). */
kiln_layer *keras_part_read(const json_t *object, size_t number, open_axis *open);

/* Opens the layer's object, as an entry of a list where key is NULL, and writes all but what
 * belongs to a functional model; the caller closes it. */
kiln_status keras_layer_write(json_writer *w, const char *key, const kiln_layer *layer);
/* The same, or a model that is a layer (keras_write.c). */
kiln_status keras_part_write(json_writer *w, const char *key, const kiln_layer *layer);

/* [null, 28, 28] from and to the shape of one sample; batch is the first size, 0 for null. what is
 * for the message. Axes that are null behind it are read as OPEN_AXIS; axis `open`, from 1, is
 * written as null (0: none). */
kiln_status keras_shape_read(const json_t *value, const char *what, int64_t *batch,
                             kiln_shape *shape);
void keras_shape_write(json_writer *w, const char *key, int64_t batch, kiln_shape shape, int open);

/* Fails for a key of the object that is in none of the two NULL-ended lists (the second may be
 * NULL). */
kiln_status keras_keys_check(const json_t *object, const char *const *known,
                             const char *const *ignored);

#endif
