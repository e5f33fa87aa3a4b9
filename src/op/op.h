/* Operations: what a node means. A descriptor each; builders that add nodes.
 *
 * Builders return IR_NONE with a failure on record, and accept IR_NONE as an input, so that a chain
 * of them is checked once at its end. Shapes broadcast as in NumPy. All values are float32 inside
 * expressions; integer and byte tensors are converted when they are read. */
#ifndef OP_OP_H
#define OP_OP_H

#include "ir/ir.h"

typedef enum op_kind {
    OP_SOURCE,    /* a buffer: input slot, weight */
    OP_LEAF,      /* computed from nothing but the index and the step: constant, random, row mask */
    OP_POINTWISE, /* an expression of its inputs at the same (broadcast) index */
    OP_INDEXED, /* reads its inputs at an index of its own: slices, transposes, padding, gathers */
    OP_VIEW,    /* the same elements under another shape */
    OP_REDUCE,  /* over a run of axes */
    OP_PRODUCT, /* matrix product, or a convolution */
    OP_KERNEL,  /* a kernel of its own */
} op_kind;

/* State of one gradient computation; opaque here. */
typedef struct op_descriptor {
    const char *name;
    op_kind kind;
    int inputs;             /* how many */
    const char *expression; /* pointwise: $0 $1 $2 inputs, @0.. numbers, V the value type; see
                               pointwise.c */
    /* Adds to dx[i] (IR_NONE: no gradient) the gradient for input i, given dy, that of the result.
     */
    kiln_status (*gradient)(ir_graph *graph, ir_id node, ir_id dy, ir_id *dx);
} op_descriptor;

/* The registry, for listings and tests; ends with NULL. */
extern const op_descriptor *const op_registry[];

/* ---- sources and leaves ---- */
/* A buffer bound when the plan runs: slot names it. shape includes the batch axis. */
ir_id op_input(ir_graph *g, int slot, kiln_dtype dtype, kiln_shape shape);
ir_id op_weight(ir_graph *g, ir_weight *weight);
ir_id op_constant(ir_graph *g, double value);
/* The batch cut from a data array in slot `slot` ((samples, shape...), of type dtype): row r is
 * sample order[position + r], the order being int32 in slot `order_slot`, times scale. Rows past
 * the batch's count repeat its first row. shape includes the batch axis. */
ir_id op_batch(ir_graph *g, int slot, int order_slot, kiln_dtype dtype, kiln_shape shape,
               double scale);
/* The same from samples that are windows of one array: `stride` elements from one sample to the
 * next, `step` from one entry along a sample's first axis to the next. 0: packed. */
ir_id op_batch_windows(ir_graph *g, int slot, int order_slot, kiln_dtype dtype, kiln_shape shape,
                       int64_t stride, int64_t step, double scale);
/* (batch): 1 for rows of the batch, 0 for the rest. */
ir_id op_row_mask(ir_graph *g, int64_t batch);
/* Scalar: rows in this batch. */
ir_id op_row_count(ir_graph *g);
/* Uniform draws in [0, 1), by Philox counter (stream, step, sample, element). */
ir_id op_uniform(ir_graph *g, kiln_shape shape, uint32_t stream);
/* Index along an axis, as a float: shape with broadcast dims of 1 elsewhere. */
ir_id op_iota(ir_graph *g, int64_t count);

/* ---- pointwise (pointwise.c) ---- */
typedef enum op_function {
    F_ADD,
    F_SUB,
    F_MUL,
    F_DIV,
    F_MAX,
    F_MIN,
    F_POW,
    F_EQUAL,
    F_GREATER,
    F_GREATER_EQUAL,
    F_LESS,   /* 1 or 0 */
    F_SELECT, /* $0 != 0 ? $1 : $2 */
    F_NEG,
    F_ABS,
    F_SIGN,
    F_SQUARE,
    F_SQRT,
    F_RSQRT,
    F_EXP,
    F_LOG,
    F_LOG1P,
    F_EXPM1,
    F_RECIPROCAL,
    F_FLOOR,
    F_SIN,
    F_COS,
    F_ERF,
    F_RELU,
    F_SIGMOID,
    F_TANH,
    F_SOFTPLUS,
    F_SOFTSIGN,
    F_ELU,
    F_SELU,
    F_GELU,
    F_GELU_TANH,
    F_SILU,
    F_MISH,
    F_LEAKY_RELU,
    F_RELU6,
    F_HARD_SIGMOID,
    F_HARD_SILU,
    F_HARD_TANH,
    F_EXPONENTIAL,
    F_CELU,
    F_SQUAREPLUS,
    F_SPARSE_PLUS,
    F_HARD_SHRINK,
    F_SOFT_SHRINK,
    F_TANH_SHRINK,
    F_THRESHOLD,
    F_LOG_SIGMOID,
    F_SPARSE_SIGMOID,
    F_AFFINE,   /* $0 * @0 + @1 */
    F_IDENTITY, /* also broadcasts */
    F_IS_FINITE,
    F_STOP_GRADIENT,
    F_COUNT
} op_function;
ir_id op_unary(ir_graph *g, op_function f, ir_id x);
ir_id op_unary_with(ir_graph *g, op_function f, ir_id x, double a, double b); /* @0, @1 */
ir_id op_binary(ir_graph *g, op_function f, ir_id x, ir_id y);
ir_id op_select(ir_graph *g, ir_id condition, ir_id x, ir_id y);
/* x * scale + shift */
ir_id op_affine(ir_graph *g, ir_id x, double scale, double shift);
/* A descriptor by the name of a function ("relu"), or NULL. */
const op_descriptor *op_pointwise(op_function f);

/* ---- views and indexed reads (view.c) ---- */
ir_id op_reshape(ir_graph *g, ir_id x, kiln_shape shape);
/* What x shows under another shape; x itself where it is no reshape. */
ir_id op_through_views(const ir_graph *g, ir_id x);
ir_id op_broadcast(ir_graph *g, ir_id x, kiln_shape shape);
ir_id op_transpose(ir_graph *g, ir_id x, const int *permutation);
ir_id op_slice(ir_graph *g, ir_id x, int axis, int64_t first, int64_t count, int64_t step);
/* Zeros before and after along an axis. */
ir_id op_pad(ir_graph *g, ir_id x, int axis, int64_t before, int64_t after);
ir_id op_concatenate(ir_graph *g, int count, const ir_id *x, int axis);
/* table (rows, width...) at ids (...): (ids..., width...). Ids out of range read zeros. */
ir_id op_gather(ir_graph *g, ir_id table, ir_id ids);
/* x (..., n) at index (...) along the last axis: (...). Index out of range reads 0. */
ir_id op_pick(ir_graph *g, ir_id x, ir_id index);
/* 1 where the last axis' index equals index (...), else 0: (..., n). */
ir_id op_one_hot(ir_graph *g, ir_id index, int64_t n);

/* ---- reductions (reduce.c): over axes first..last (inclusive; negative counts from the end) ----
 */
typedef enum op_reduction { R_SUM, R_MAX, R_MIN, R_LOGSUMEXP, R_ARGMAX } op_reduction;
ir_id op_reduce(ir_graph *g, op_reduction r, ir_id x, int first, int last, bool keep);
ir_id op_mean(ir_graph *g, ir_id x, int first, int last, bool keep);
/* Sums x down to shape (the gradient of broadcasting). */
ir_id op_sum_to(ir_graph *g, ir_id x, kiln_shape shape);
ir_id op_softmax(ir_graph *g, ir_id x);     /* last axis */
ir_id op_log_softmax(ir_graph *g, ir_id x); /* last axis */

/* ---- products (product.c) ---- */
/* (batch..., m, k) x (batch..., k, n), either transposed in its last two axes; up to two batch axes
 * (broadcast where 1). A rank-2 right side with a left side of higher rank is one product over all
 * leading axes. */
ir_id op_matmul(ir_graph *g, ir_id a, ir_id b, bool transpose_a, bool transpose_b);

/* ---- time (scan.c) ---- */
/* Opens a body that runs `steps` times; nodes added until op_scan_end belong to it. Its nodes may
 * read outer nodes as they are. */
kiln_status op_scan_begin(ir_graph *g, int64_t steps, bool reverse);
/* Inside: x (steps, ...) at this time step: (...). */
ir_id op_scan_slice(ir_graph *g, ir_id x);
/* Inside: a carried value; starts as initial (an outer node). */
ir_id op_scan_state(ir_graph *g, ir_id initial);
/* Inside: what the state becomes for the next step. */
kiln_status op_scan_update(ir_graph *g, ir_id state, ir_id next);
kiln_status op_scan_end(ir_graph *g);
/* The body's node that a state becomes; IR_NONE before its update. Its stack is the state's own. */
ir_id op_scan_next(const ir_graph *g, ir_id state);
/* Outside, after the end: all values of a body's node, (steps, ...), by time (not by order of
 * execution). */
ir_id op_scan_stack(ir_graph *g, ir_id inner);
/* Outside: the state after the last step executed. */
ir_id op_scan_final(ir_graph *g, ir_id state);

#endif
