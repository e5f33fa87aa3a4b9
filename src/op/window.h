/* Windows that slide over the inner axes of a tensor: what pooling and convolution share. */
#ifndef OP_WINDOW_H
#define OP_WINDOW_H

#include "op/op.h"

#define WINDOW_MAX_AXES 3

/* The geometry over tensors (batch, axes..., channels). Along an axis, window o covers the input's
 * elements o * stride - before + k * dilation for k = 0 .. size - 1; those outside the input are
 * padding. How far padding goes behind the input follows from the number of windows. */
typedef struct op_window {
    int axes; /* 1 to WINDOW_MAX_AXES */
    int64_t size[WINDOW_MAX_AXES], stride[WINDOW_MAX_AXES], dilation[WINDOW_MAX_AXES],
        before[WINDOW_MAX_AXES];
} op_window;

typedef enum op_padding {
    PADDING_VALID, /* windows lie inside the input */
    PADDING_SAME,  /* as many windows as there are strides in the input; padding on both sides */
    PADDING_CAUSAL /* of size (size - 1) * dilation, all of it in front */
} op_padding;

/* Settles `before` of a window whose size, stride and dilation are set, for an input of shape
 * (batch, axes..., channels), and gives the shape of as many windows, of as many channels as the
 * input. `what` begins messages. */
kiln_status op_window_place(const char *what, op_window *w, op_padding padding, kiln_shape input,
                            kiln_shape *output);

/* A window in a node's attributes (it takes shape and extra), and back. */
void op_window_store(const op_window *w, ir_attributes *attr);
op_window op_window_of(const ir_attributes *attr);

/* Whether every element of every window of `count` along an axis lies in an input of `length`. */
bool op_window_inside(const op_window *w, int axis, int64_t length, int64_t count);

/* ---- pooling: over x (batch, axes..., channels); dilation is 1 ---- */
typedef enum op_pooling {
    POOL_MAX,    /* in backward, of equal elements the first takes the gradient */
    POOL_SUM,    /* padding counts as 0 */
    POOL_AVERAGE /* padding does not count */
} op_pooling;
/* output: as op_window_place gives it. */
ir_id op_pool(ir_graph *g, op_pooling pooling, ir_id x, const op_window *w, kiln_shape output);
/* The other way: each element of the result (of shape `output`) is the sum of those of x whose
 * windows cover it. With windows side by side this repeats elements. */
ir_id op_unpool(ir_graph *g, ir_id x, const op_window *w, kiln_shape output);

#endif
