/* Boxes of a tensor, and pictures: (batch, height, width, channels) sampled at other places. */
#ifndef OP_PICTURE_H
#define OP_PICTURE_H

#include "op/op.h"

/* A tensor of shape `shape` whose element i is x's element i - before, and 0 outside x. A negative
 * `before` (one for each axis) cuts off. */
ir_id op_box(ir_graph *g, ir_id x, const int64_t *before, kiln_shape shape);

typedef enum op_interpolation { PICTURE_NEAREST, PICTURE_BILINEAR } op_interpolation;

/* Pictures at another height and width; the centers of the corner pixels keep their distance to the
 * borders, relative to a pixel. */
ir_id op_resize(ir_graph *g, ir_id x, op_interpolation interpolation, int64_t height,
                int64_t width);

/* What lies outside a picture of n pixels, along each axis. */
typedef enum op_fill {
    FILL_CONSTANT, /* a value */
    FILL_NEAREST,  /* the border: a a | a b c | c c */
    FILL_REFLECT,  /* b a | a b c | c b */
    FILL_WRAP      /* b c | a b c | a b */
} op_fill;
/* Pictures through a linear map, one for each sample: map (batch, 6), and the result's pixel at
 * column u and row v is x at column map[0] u + map[1] v + map[2] and row map[3] u + map[4] v +
 * map[5]. Has no gradient. */
ir_id op_warp(ir_graph *g, ir_id x, ir_id map, op_interpolation interpolation, op_fill fill,
              double value);

#endif
