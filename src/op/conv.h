/* Convolutions over 1 to 3 axes between batch and channels. */
#ifndef OP_CONV_H
#define OP_CONV_H

#include "blas/convolution.h"
#include "op/window.h"

typedef struct op_conv {
    op_window window;                /* over the input spread out */
    int64_t spread[WINDOW_MAX_AXES]; /* distance of the input's elements, 1 for a convolution */
    int64_t output[WINDOW_MAX_AXES]; /* windows along each axis */
    int64_t groups;
} op_conv;

/* A convolution from a window that op_window_place has settled for an input of this shape. */
op_conv op_conv_of(const op_window *w, kiln_shape output, int64_t groups);

/* x (batch, axes..., channels) by kernel (taps, channels of a group, filters), the taps in
 * row-major order: (batch, output..., filters). The taps of filter f of group g read the channels
 * of group g, as in Keras. */
ir_id op_convolve(ir_graph *g, ir_id x, ir_id kernel, const op_conv *c);

/* What op_convolve is where each channel is a group of its own and has one filter. x (batch,
 * axes..., channels), kernel (taps, 1, channels), output: windows along each axis. */
ir_id op_depthwise(ir_graph *g, ir_id x, ir_id kernel, const op_window *w, const int64_t *output);

/* The transpose of a convolution, in x: what the gradient of its input is, given that of its
 * result. x (batch, output..., filters), kernel as for the convolution: (batch, input...,
 * channels). */
ir_id op_convolve_back(ir_graph *g, ir_id x, ir_id kernel, const op_conv *c, const int64_t *input);

/* The gradients of a convolution's kernel and input, of its node and of dy, that of its result
 * (pixels, filters). For the kernel's x is the input, and x and dy may have the rows of several
 * such convolutions. */
ir_id op_conv_kernel_gradient(ir_graph *g, const ir_node *n, ir_id x, ir_id dy);
ir_id op_conv_input_gradient(ir_graph *g, const ir_node *n, ir_id dy);

/* Makes a node of either, of one group, the matrix product that it is, of its windows written down.
 */
void op_conv_to_matmul(ir_node *n);

/* The convolution that a node of op_desc_conv or op_desc_conv_weight_gradient is. */
blas_convolution op_conv_product(const ir_graph *g, const ir_node *n);

#endif
