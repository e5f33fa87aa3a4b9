/* Descriptors that the code generator has to know by name. */
#ifndef OP_LEAF_H
#define OP_LEAF_H

#include "op/op.h"

extern const op_descriptor op_desc_input, op_desc_weight; /* OP_SOURCE */
extern const op_descriptor op_desc_constant, op_desc_batch, op_desc_row_mask, op_desc_row_count,
    op_desc_uniform, op_desc_iota;                                                  /* OP_LEAF */
extern const op_descriptor op_desc_reshape, op_desc_scan_stack, op_desc_scan_final; /* OP_VIEW */
extern const op_descriptor op_desc_transpose, op_desc_slice, op_desc_pad, op_desc_gather,
    op_desc_gather_gradient, op_desc_pick, op_desc_one_hot, op_desc_scan_slice, op_desc_scan_state,
    op_desc_depthwise, op_desc_depthwise_back, op_desc_window_tap, op_desc_pool, op_desc_unpool,
    op_desc_max_pool_index, op_desc_max_pool_gradient, op_desc_box, op_desc_resize,
    op_desc_resize_gradient, op_desc_warp, op_desc_conv_windows; /* OP_INDEXED */
extern const op_descriptor op_desc_centered_product, op_desc_centered_square,
    op_desc_batch_normalize;                 /* OP_POINTWISE */
extern const op_descriptor op_desc_reduce[]; /* OP_REDUCE, by op_reduction */
extern const op_descriptor op_desc_matmul, op_desc_conv,
    op_desc_conv_weight_gradient; /* OP_PRODUCT */

#endif
