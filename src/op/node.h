/* For the files of this floor: making nodes. */
#ifndef OP_NODE_H
#define OP_NODE_H

#include "op/op.h"

#include <string.h>

/* Adds a node of op; inputs must all be given (IR_NONE passes through). */
/* attr.integer[3] of a node that belongs to the open body although its inputs do not. */
#define OP_IN_SCOPE 1
/* ... and of one that is an outer value although its input is a body's. */
#define OP_OUT_OF_SCOPE 2

ir_id op_node(ir_graph *g, const op_descriptor *op, int count, const ir_id *inputs,
              kiln_dtype dtype, kiln_shape shape, const ir_attributes *attr);

/* The broadcast of two shapes; a failure on record when they do not fit. */
kiln_status op_broadcast_shape(const char *what, kiln_shape a, kiln_shape b, kiln_shape *out);

/* Normalizes a negative axis; -1 with a failure on record when out of range. */
int op_axis(const char *what, int axis, kiln_shape shape);

/* Adds a gradient contribution to *total. */
kiln_status op_add_gradient(ir_graph *g, ir_id *total, ir_id part);

#endif
