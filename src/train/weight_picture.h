/* Weights as grey pictures, black the least and white the largest. */
#ifndef TRAIN_WEIGHT_PICTURE_H
#define TRAIN_WEIGHT_PICTURE_H

#include "train/events.h"

#include <kiln/values.h>

/* Adds "TAG/image/0", and so on. Axes of one element are left out; then, as in Keras: a vector is a
 * row; a matrix lies on its longer side; of more axes the first two are height and width, and each
 * of the first three of the rest is a picture of its own. Sides of more than 512 are thinned out.
 */
kiln_status weight_pictures(event_summary *s, const char *tag, kiln_shape shape,
                            const float *values);

#endif
