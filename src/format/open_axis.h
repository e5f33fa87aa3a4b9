/* An axis of an input that a file leaves open, as Keras's Input((None, 3)) does the time. Shapes
 * are fixed here, so it gets a length when the model is read; files that are written leave it open
 * again. */
#ifndef FORMAT_OPEN_AXIS_H
#define FORMAT_OPEN_AXIS_H

#include "layer/layer.h"

#include <kiln/model.h>

typedef struct open_axis {
    int64_t length; /* what such axes get; 0: nobody said */
    /* What was found: the first layer that has one, and which axis of a sample it is. */
    char layer[104]; /* "": none */
    int axis;
} open_axis;

/* Takes over the length that a program gave; args may be NULL. */
kiln_status open_axis_take(open_axis *open, const kiln_load_args *args);

/* What keras_shape_read makes of an open axis. */
#define OPEN_AXIS (-1)

/* Gives the open axis of a layer's input_shape its length. Fails where there are two, or no length
 * is known. open NULL: none is. */
kiln_status open_axis_fix(kiln_layer *layer, open_axis *open);

#endif
